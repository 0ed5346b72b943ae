export { FRAME_HEADROOM } from '../codec/frame.js'
export { Journal, type JournalOptions, type ReplayReport } from './journal.js'
export type { RedoLog } from './redo-log.js'
export { StoredJournal } from './stored-journal.js'

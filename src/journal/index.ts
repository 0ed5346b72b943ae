export { FRAME_HEADROOM } from '../codec/frame.js'
export { Journal, type JournalOptions, type ReplayReport } from './journal.js'

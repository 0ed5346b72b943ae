import { CairnError, CorruptError } from '../../errors.js'

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26
const NAMES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_LOCKED: LOCKED,
  SQLITE_READONLY: READONLY,
  SQLITE_CORRUPT: CORRUPT,
  SQLITE_FULL: FULL,
  SQLITE_CANTOPEN: CANTOPEN,
  SQLITE_NOTADB: NOTADB,
}

/** Each binding says the result code in a way of its own. */
function resultCode(error: unknown): number | undefined {
  const { code, errcode, rawCode, message } = error as { code?: unknown; errcode?: unknown; rawCode?: unknown; message?: unknown }
  const numeric = typeof errcode === 'number' ? errcode : typeof rawCode === 'number' ? rawCode : undefined
  if (numeric !== undefined) return numeric & 0xff
  const named = typeof code === 'string' ? Object.keys(NAMES).find(name => code.startsWith(name)) : undefined
  if (named !== undefined) return NAMES[named]
  // libsql has no code for a file that cannot be opened.
  return String(message).includes('Unable to open connection') || String(message).includes('unable to open') ? CANTOPEN : undefined
}

/** A failure of SQLite as one sentence; anything else as it is. */
export function translateSqlite(error: unknown, path: string): unknown {
  if (error instanceof CairnError) return error
  switch (resultCode(error)) {
    case BUSY:
    case LOCKED:
      return new CairnError('ERR_STORE_BUSY', `Another process keeps ${path} locked.`, 'Look for a program that writes to it, and let it finish or end it.', {
        retry: 'same-call',
        cause: error,
      })
    case READONLY:
    case CANTOPEN:
      return new CairnError(
        'ERR_STORE_ACCESS',
        `${path} cannot be read and written.`,
        'Check that its folder is there and that you have the right to write in it.',
        {
          cause: error,
        },
      )
    case CORRUPT:
      return new CorruptError(path, 'SQLite says that its pages do not fit together', 'Restore it from a copy, together with its -wal file if there is one.')
    case FULL:
      return new CairnError('ERR_STORE_FULL', `The disk that holds ${path} is full.`, 'Make room, and try again.', { retry: 'same-call', cause: error })
    case NOTADB:
      return new CairnError('ERR_STORE_PATH', `${path} is no SQLite database.`, 'Name another file, or one that does not exist yet.')
    default:
      return error
  }
}

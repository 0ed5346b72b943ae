import { hasPackage, optionalPackage } from '../optional.js'

export type SqlValue = number | string | Uint8Array | null
export type SqlRow = Record<string, SqlValue>

/** What the three bindings of SQLite for Node have in common. */
export interface Statement {
  run(...values: SqlValue[]): unknown
  get(...values: SqlValue[]): SqlRow | undefined
  all(...values: SqlValue[]): SqlRow[]
}

export interface Database {
  exec(sql: string): unknown
  prepare(sql: string): Statement
  close(): unknown
}

type Opened = new (path: string) => Database

export const SQLITE_DRIVERS = ['node:sqlite', 'better-sqlite3', 'libsql'] as const
export type SqliteDriver = (typeof SQLITE_DRIVERS)[number]

/**
 * Opens a database with the binding that there is: Node's own from 22.13, else better-sqlite3, else libsql.
 * @throws CairnError ERR_DRIVER_MISSING; what the binding throws
 */
export function openDatabase(path: string, driver: SqliteDriver = availableDriver()): Database {
  if (driver === 'node:sqlite') return new (quietly(() => optionalPackage<{ DatabaseSync: Opened }>(driver, NEED)).DatabaseSync)(path)
  return new (optionalPackage<Opened>(driver, NEED))(path)
}

const NEED = 'A store in SQLite'

export function availableDriver(): SqliteDriver {
  if (hasNodeSqlite()) return 'node:sqlite'
  return hasPackage('better-sqlite3') ? 'better-sqlite3' : 'libsql'
}

/** Before 22.13 it wants a flag. */
export function hasNodeSqlite(): boolean {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 13)
}

/** Node announces on standard error that its SQLite is young. */
function quietly<T>(load: () => T): T {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return load()
  } finally {
    process.emitWarning = emitWarning
  }
}

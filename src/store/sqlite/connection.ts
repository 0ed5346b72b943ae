import { closeSync, openSync } from 'node:fs'
import { limits } from '../../sys/index.js'
import { type Database, openDatabase, type SqliteDriver, type SqlRow, type Statement } from './driver.js'
import { translateSqlite } from './errors.js'

/** A connection to a SQLite file, its statements, and how durable its commits are. */
export class Connection {
  readonly path: string
  readonly #db: Database
  readonly #statements = new Map<string, Statement>()
  #isFull = false
  #isClosed = false
  /** Descriptor of the write-ahead log. No lock of SQLite is on that file, which a close would give up. */
  #log = -1
  /** Of logs that are gone: another thread may be syncing them still. */
  readonly #oldLogs: number[] = []

  constructor(path: string, driver?: SqliteDriver) {
    this.path = path
    this.#db = this.run(() => openDatabase(path, driver))
    this.exec(`PRAGMA busy_timeout = ${limits.storeLockMs}`)
  }

  exec(sql: string): void {
    this.#db.exec(sql)
  }

  statement(sql: string): Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  row(sql: string, ...values: Array<string | number>): SqlRow | undefined {
    return this.statement(sql).get(...values)
  }

  /** Runs `work`, whose failures are said in sentences. */
  run<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw translateSqlite(error, this.path)
    }
  }

  transaction<T>(work: () => T): T {
    this.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.exec('ROLLBACK')
      } catch {
        // SQLite has rolled back by itself, as it does for a full disk.
      }
      throw error
    }
  }

  /** Whether a commit returns only when it is on the disk. One that does not wait is there with the next that does: the log is one file. */
  set isFull(isFull: boolean) {
    if (isFull === this.#isFull) return
    this.exec(`PRAGMA synchronous = ${isFull ? 'FULL' : 'NORMAL'}`)
    this.#isFull = isFull
  }

  /** For fdatasync(2), which makes all commits durable. */
  get logFd(): number {
    if (this.#log < 0) this.#log = openSync(`${this.path}-wal`, 'r')
    return this.#log
  }

  /** Nobody else has the file open: not in this process, nor in another. (libsql has it open until all statements of a closed connection were collected.) */
  isAlone(): boolean {
    if (!this.#toOneFile()) return false
    this.exec('PRAGMA journal_mode = WAL')
    return true
  }

  #toOneFile(): boolean {
    try {
      this.exec('PRAGMA busy_timeout = 0')
      this.exec('PRAGMA journal_mode = DELETE')
      if (this.#log >= 0) this.#oldLogs.push(this.#log)
      this.#log = -1
      return true
    } catch {
      // Others have it open, and their log holds what this one wrote.
      return false
    } finally {
      this.exec(`PRAGMA busy_timeout = ${limits.storeLockMs}`)
    }
  }

  /** The last who has it open leaves one file: not every binding does so when it closes. Again is no error. */
  close(): void {
    if (this.#isClosed) return
    this.#toOneFile()
    this.abandon()
  }

  /** Closes, and leaves the file as it is. */
  abandon(): void {
    this.#isClosed = true
    for (const fd of [...this.#oldLogs.splice(0), this.#log]) if (fd >= 0) closeSync(fd)
    this.#log = -1
    this.#statements.clear()
    this.#db.close()
  }
}

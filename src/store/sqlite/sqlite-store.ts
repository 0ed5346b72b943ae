import { closeSync, openSync } from 'node:fs'
import { CairnError } from '../../errors.js'
import { type Clock, limits, type Random, systemClock, systemRandom } from '../../sys/index.js'
import { adoptFile, cutRange } from '../adopt-file.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed, unlessRefused } from '../keys.js'
import { type Database, openDatabase, type SqliteDriver, type SqlRow, type Statement } from './driver.js'
import { translateSqlite } from './errors.js'

/** "Crn1" in the header of the file: what says that it is ours. */
const APPLICATION_ID = 0x43726e31
const FORMAT = 1
/** Larger objects are kept in pieces, so that a read of a range does not read all of it. */
const PIECE_BYTES = 64 * 1024
/** Number of a piece: `object · 2^20 + n`. */
const PIECES = 2 ** 20

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS object (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, version TEXT NOT NULL, size INTEGER NOT NULL, modified REAL NOT NULL, bytes BLOB
  );
  CREATE TABLE IF NOT EXISTS piece (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
`

export interface SqliteStoreOptions {
  driver?: SqliteDriver
  /** The file may be missing, and is made then. */
  create?: boolean
  random?: Random
  clock?: Clock
}

/**
 * A store in one SQLite file (0600). Atomic and durable when `putSync` returns: each put is a transaction with `synchronous=FULL` in the write-ahead log.
 * Correct between processes of one host; not on a network disk. While it is open there may be `-wal` and `-shm` files beside it; after `settleSync` and
 * after `close` by the last who had it open, the file alone is the store.
 * @throws CairnError ERR_STORE_BUSY, ERR_STORE_FULL, ERR_STORE_ACCESS, ERR_STORE_PATH; CorruptError
 */
export class SqliteStore extends AsyncLocal {
  readonly description: string
  readonly path: string
  readonly #db: Database
  readonly #statements = new Map<string, Statement>()
  readonly #random: Random
  readonly #clock: Clock

  /** Use `openSqliteStore`. */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    super()
    this.path = path
    this.description = `sqlite ${path}`
    this.#random = options.random ?? systemRandom
    this.#clock = options.clock ?? systemClock
    if (options.create === true) makeFile(path)
    this.#db = this.#run(() => openDatabase(path, options.driver))
    try {
      this.#run(() => this.#prepareFile(options.create === true))
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  #prepareFile(create: boolean): void {
    this.#db.exec(`PRAGMA busy_timeout = ${limits.storeLockMs}`)
    const tables = Number(this.#row('SELECT count(*) AS n FROM sqlite_master')?.['n'])
    const owner = Number(this.#row('PRAGMA application_id')?.['application_id'])
    const format = Number(this.#row('PRAGMA user_version')?.['user_version'])
    if (tables > 0 && owner !== APPLICATION_ID) throw notOurs(this.path)
    if (format > FORMAT)
      throw new CairnError('ERR_FORMAT', `${this.path} has format ${format}; this version of cairn knows ${FORMAT}.`, 'Install a newer version of cairn.')
    if (tables === 0) {
      if (!create) throw new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${this.path}.`, 'Check the path, or make one with `cairn init`.')
      // Before the first table, or they would need a rewrite of the file.
      this.#db.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL')
    }
    this.#db.exec('PRAGMA journal_mode = WAL')
    this.#db.exec('PRAGMA synchronous = FULL')
    if (tables === 0) this.#transaction(() => this.#db.exec(`${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`))
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #row(sql: string, ...values: Array<string | number>): SqlRow | undefined {
    return this.#statement(sql).get(...values)
  }

  #run<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw translateSqlite(error, this.path)
    }
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.#db.exec('ROLLBACK')
      } catch {
        // SQLite has rolled back by itself, as it does for a full disk.
      }
      throw error
    }
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    checkKey(key)
    return this.#run(() => {
      for (let attempt = 0; ; attempt++) {
        const row = this.#row('SELECT id, version, size, bytes FROM object WHERE key = ?', key)
        if (row === undefined) return undefined
        const { offset, length } = cutRange(options?.range, Number(row['size']))
        const bytes = Buffer.allocUnsafeSlow(length)
        const n = this.#copy(row, offset, bytes, 0, length)
        // Fewer: it was replaced between its row and its pieces.
        if (n === length) return { bytes, version: String(row['version']) }
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    checkKey(key)
    return this.#run(() => {
      for (let attempt = 0; ; attempt++) {
        const row = this.#row('SELECT id, size, bytes FROM object WHERE key = ?', key)
        if (row === undefined) return -1
        const cut = cutRange({ offset, length }, Number(row['size']))
        const n = this.#copy(row, cut.offset, into, at, cut.length)
        if (n === cut.length) return n
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  /** Copies bytes of the object in `row`; returns how many were there. */
  #copy(row: SqlRow, offset: number, into: Uint8Array, at: number, length: number): number {
    const inline = row['bytes']
    if (inline instanceof Uint8Array) {
      into.set(inline.subarray(offset, offset + length), at)
      return length
    }
    const first = Number(row['id']) * PIECES
    let done = 0
    while (done < length) {
      const n = Math.floor((offset + done) / PIECE_BYTES)
      const bytes = this.#row('SELECT bytes FROM piece WHERE id = ?', first + n)?.['bytes']
      if (!(bytes instanceof Uint8Array)) break
      const from = offset + done - n * PIECE_BYTES
      const part = bytes.subarray(from, from + length - done)
      into.set(part, at + done)
      done += part.length
    }
    return done
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    checkKey(key)
    const version = this.#version()
    return this.#run(() => {
      // What is not synced now is with the next that is: the log is one file.
      if (options.relaxed === true) this.#db.exec('PRAGMA synchronous = NORMAL')
      try {
        return this.#transaction(() => this.#replace(key, bytes, version, options))
      } finally {
        if (options.relaxed === true) this.#db.exec('PRAGMA synchronous = FULL')
      }
    })
  }

  putAllSync(puts: readonly Put[]): string[] {
    for (const { key } of puts) checkKey(key)
    if (puts.length === 0) return []
    return this.#run(() =>
      this.#transaction(() => {
        const versions: string[] = []
        for (const { key, bytes, options } of puts) {
          const done = unlessRefused(() => this.#replace(key, bytes, this.#version(), options ?? {}))
          if (done === undefined) break
          versions.push(done.version)
        }
        return versions
      }),
    )
  }

  #version(): string {
    return this.#random.bytes(9).toString('base64url')
  }

  #replace(key: string, bytes: Uint8Array, version: string, { ifAbsent, ifMatch }: PutOptions): { version: string } {
    const before = this.#row('SELECT id, version, size FROM object WHERE key = ?', key)
    if (ifAbsent === true && before !== undefined) throw preconditionFailed(key, IS_THERE)
    if (ifMatch !== undefined && before?.['version'] !== ifMatch) throw preconditionFailed(key, before === undefined ? IS_GONE : IS_CHANGED)
    if (before !== undefined) this.#remove(before)
    const isSmall = bytes.length <= PIECE_BYTES
    const insert = this.#statement('INSERT INTO object (key, version, size, modified, bytes) VALUES (?, ?, ?, ?, ?) RETURNING id')
    const id = Number(insert.get(key, version, bytes.length, this.#clock.now(), isSmall ? bytes : null)?.['id'])
    const piece = this.#statement('INSERT INTO piece (id, bytes) VALUES (?, ?)')
    if (!isSmall) for (let n = 0; n * PIECE_BYTES < bytes.length; n++) piece.run(id * PIECES + n, bytes.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES))
    return { version }
  }

  #remove(row: SqlRow): void {
    const id = Number(row['id'])
    if (Number(row['size']) > PIECE_BYTES) this.#statement('DELETE FROM piece WHERE id >= ? AND id < ?').run(id * PIECES, (id + 1) * PIECES)
    this.#statement('DELETE FROM object WHERE id = ?').run(id)
  }

  headSync(key: string): ObjectInfo | undefined {
    checkKey(key)
    const row = this.#run(() => this.#row('SELECT version, size, modified FROM object WHERE key = ?', key))
    return row && { sizeBytes: Number(row['size']), version: String(row['version']), modifiedMs: Number(row['modified']) }
  }

  listSync(prefix: string, cursor = ''): ListPage {
    checkPrefix(prefix)
    // `~` is behind every character of a key.
    const sql = 'SELECT key, size, modified FROM object WHERE key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?'
    const rows = this.#run(() => this.#statement(sql).all(prefix, cursor, `${prefix}~`, limits.listPageObjects + 1))
    const page = rows.slice(0, limits.listPageObjects)
    const objects = page.map(row => ({ key: String(row['key']), sizeBytes: Number(row['size']), modifiedMs: Number(row['modified']) }))
    return rows.length > page.length ? { objects, cursor: objects[objects.length - 1].key } : { objects }
  }

  deleteSync(keys: readonly string[]): void {
    for (const key of keys) checkKey(key)
    if (keys.length === 0) return
    this.#run(() =>
      this.#transaction(() => {
        for (const key of keys) {
          const row = this.#row('SELECT id, size FROM object WHERE key = ?', key)
          if (row !== undefined) this.#remove(row)
        }
      }),
    )
  }

  adoptSync(key: string, path: string): void {
    checkKey(key)
    adoptFile(
      path,
      () => this.headSync(key) !== undefined,
      bytes => this.putSync(key, bytes),
    )
  }

  /** Nothing is kept open of single objects. */
  forgetRemoved(): void {}

  /** Brings everything into the one file, and gives back the space of what was deleted. Where others read at the moment, it does what it can. */
  settleSync(): void {
    this.#run(() => {
      this.#db.exec('PRAGMA incremental_vacuum')
      this.#row('PRAGMA wal_checkpoint(TRUNCATE)')
    })
  }

  /** The last who has it open leaves one file: not every binding does so when it closes. */
  closeSync(): void {
    try {
      this.#db.exec(`PRAGMA busy_timeout = 0`)
      this.#db.exec('PRAGMA journal_mode = DELETE')
    } catch {
      // Others have it open, and their log holds what this one wrote.
    }
    this.#statements.clear()
    this.#db.close()
  }

  async close(): Promise<void> {
    this.closeSync()
  }
}

/** SQLite gives its own files the mode of this one. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch (error) {
    throw new CairnError(
      'ERR_STORE_ACCESS',
      `${path} cannot be made (${(error as NodeJS.ErrnoException).code}).`,
      'Check that its folder is there and that you may write in it.',
      {
        cause: error,
      },
    )
  }
}

function notOurs(path: string): CairnError {
  return new CairnError('ERR_STORE_PATH', `${path} is an SQLite database of another program.`, 'Name another file, or one that does not exist yet.')
}

function missingPieces(path: string, key: string): CairnError {
  return new CairnError('ERR_CORRUPT', `${key} in ${path} is damaged: pieces of it are missing.`, 'Run `cairn fsck` to see the extent of it.')
}

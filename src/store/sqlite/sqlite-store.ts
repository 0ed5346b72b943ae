import { closeSync, openSync } from 'node:fs'
import { CairnError } from '../../errors.js'
import { type Clock, crashPoint, limits, type Random, systemClock, systemRandom } from '../../sys/index.js'
import { adoptFile, cutRange } from '../adopt-file.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed, unlessRefused } from '../keys.js'
import { Connection } from './connection.js'
import type { SqliteDriver, SqlRow } from './driver.js'
import { OpenPacks } from './open-packs.js'
import { PIECE_BYTES, Pieces } from './pieces.js'
import { LOG_SCHEMA, SqliteLogs } from './sqlite-logs.js'

/** "Crn1" in the header of the file: what says that it is ours. */
const APPLICATION_ID = 0x43726e31
/** 2: with journals. */
const FORMAT = 2

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS object (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, version TEXT NOT NULL, size INTEGER NOT NULL, modified REAL NOT NULL, bytes BLOB
  );
  CREATE TABLE IF NOT EXISTS piece (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  ${LOG_SCHEMA}
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
  /** Journals of its volumes, in the same file. */
  readonly logs: SqliteLogs
  readonly #connection: Connection
  readonly #pieces: Pieces
  readonly #openPacks: OpenPacks
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
    const connection = new Connection(path, options.driver)
    this.#connection = connection
    this.#pieces = new Pieces(connection)
    this.#openPacks = new OpenPacks(connection, this.#pieces)
    this.logs = new SqliteLogs(connection, this.#openPacks, this.#clock)
    try {
      connection.run(() => this.#prepareFile(options.create === true))
    } catch (error) {
      connection.abandon()
      throw error
    }
  }

  #prepareFile(create: boolean): void {
    const c = this.#connection
    const tables = Number(c.row('SELECT count(*) AS n FROM sqlite_master')?.['n'])
    const owner = Number(c.row('PRAGMA application_id')?.['application_id'])
    const format = Number(c.row('PRAGMA user_version')?.['user_version'])
    if (tables > 0 && owner !== APPLICATION_ID) throw notOurs(this.path)
    if (format > FORMAT)
      throw new CairnError('ERR_FORMAT', `${this.path} has format ${format}; this version of cairn knows ${FORMAT}.`, 'Install a newer version of cairn.')
    if (tables === 0) {
      if (!create) throw new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${this.path}.`, 'Check the path, or make one with `cairn init`.')
      // Before the first table, or they would need a rewrite of the file.
      c.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL')
    }
    c.exec('PRAGMA journal_mode = WAL')
    c.exec(`PRAGMA wal_autocheckpoint = ${limits.sqliteLogPages}`)
    c.isFull = true
    if (tables === 0 || format < FORMAT) c.transaction(() => c.exec(`${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`))
  }

  /** Runs `work` in a transaction that is on the disk when this returns. */
  #durably<T>(work: () => T): T {
    const c = this.#connection
    return c.run(() => {
      c.isFull = true
      crashPoint('store.put.before-temporary')
      const done = c.transaction(() => {
        const result = work()
        crashPoint('store.put.after-temporary')
        return result
      })
      crashPoint('store.put.after-rename')
      return done
    })
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    checkKey(key)
    return this.#connection.run(() => {
      for (let attempt = 0; ; attempt++) {
        const row = this.#connection.row('SELECT id, version, size, bytes FROM object WHERE key = ?', key)
        if (row === undefined) return undefined
        const { offset, length } = cutRange(options?.range, Number(row['size']))
        const bytes = Buffer.allocUnsafeSlow(length)
        const n = this.#pieces.copy(row, offset, bytes, 0, length)
        // Fewer: it was replaced between its row and its pieces.
        if (n === length) return { bytes, version: String(row['version']) }
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    checkKey(key)
    return this.#connection.run(() => {
      for (let attempt = 0; ; attempt++) {
        const row = this.#connection.row('SELECT id, size, bytes FROM object WHERE key = ?', key)
        if (row === undefined) return -1
        const cut = cutRange({ offset, length }, Number(row['size']))
        const n = this.#pieces.copy(row, cut.offset, into, at, cut.length)
        if (n === cut.length) return n
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    checkKey(key)
    const version = this.#version()
    if (options.relaxed !== true) return this.#durably(() => this.#replace(key, bytes, version, options))
    return this.#connection.run(() => {
      // What is not synced now is with the next that is: the log is one file.
      this.#connection.isFull = false
      return this.#connection.transaction(() => this.#replace(key, bytes, version, options))
    })
  }

  putAllSync(puts: readonly Put[]): string[] {
    for (const { key } of puts) checkKey(key)
    if (puts.length === 0) return []
    return this.#durably(() => {
      const versions: string[] = []
      for (const { key, bytes, options } of puts) {
        const done = unlessRefused(() => this.#replace(key, bytes, this.#version(), options ?? {}))
        if (done === undefined) break
        versions.push(done.version)
      }
      return versions
    })
  }

  #version(): string {
    return this.#random.bytes(9).toString('base64url')
  }

  #replace(key: string, bytes: Uint8Array, version: string, { ifAbsent, ifMatch }: PutOptions): { version: string } {
    const before = this.#connection.row('SELECT id, version FROM object WHERE key = ?', key)
    if (ifAbsent === true && before !== undefined) throw preconditionFailed(key, IS_THERE)
    if (ifMatch !== undefined && before?.['version'] !== ifMatch) throw preconditionFailed(key, before === undefined ? IS_GONE : IS_CHANGED)
    if (before !== undefined) this.#remove(before)
    const isSmall = bytes.length <= PIECE_BYTES
    const insert = this.#connection.statement('INSERT INTO object (key, version, size, modified, bytes) VALUES (?, ?, ?, ?, ?) RETURNING id')
    const id = Number(insert.get(key, version, bytes.length, this.#clock.now(), isSmall ? bytes : null)?.['id'])
    if (!isSmall) this.#pieces.write(id, 0, bytes)
    return { version }
  }

  #remove(row: SqlRow): void {
    const id = Number(row['id'])
    this.#pieces.remove(id)
    this.#connection.statement('DELETE FROM object WHERE id = ?').run(id)
  }

  headSync(key: string): ObjectInfo | undefined {
    checkKey(key)
    const row = this.#connection.run(() => this.#connection.row('SELECT version, size, modified FROM object WHERE key = ?', key))
    return row && { sizeBytes: Number(row['size']), version: String(row['version']), modifiedMs: Number(row['modified']) }
  }

  listSync(prefix: string, cursor = ''): ListPage {
    checkPrefix(prefix)
    // `~` is behind every character of a key.
    const sql = 'SELECT key, size, modified FROM object WHERE key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?'
    const rows = this.#connection.run(() => this.#connection.statement(sql).all(prefix, cursor, `${prefix}~`, limits.listPageObjects + 1))
    const page = rows.slice(0, limits.listPageObjects)
    const objects = page.map(row => ({ key: String(row['key']), sizeBytes: Number(row['size']), modifiedMs: Number(row['modified']) }))
    return rows.length > page.length ? { objects, cursor: objects[objects.length - 1].key } : { objects }
  }

  deleteSync(keys: readonly string[]): void {
    for (const key of keys) checkKey(key)
    if (keys.length === 0) return
    this.#durably(() => {
      for (const key of keys) {
        const row = this.#connection.row('SELECT id FROM object WHERE key = ?', key)
        if (row !== undefined) this.#remove(row)
      }
    })
  }

  adoptSync(key: string, path: string): void {
    checkKey(key)
    const here = this.#connection.run(() => this.#openPacks.sizeOf(key))
    adoptFile(
      path,
      () => this.headSync(key) !== undefined,
      bytes => (here === 0 ? this.putSync(key, bytes) : this.#finish(key, here, bytes)),
      here,
    )
  }

  /** A pack whose beginning is here gets its end. */
  #finish(key: string, from: number, bytes: Uint8Array): void {
    this.#durably(() => {
      this.#openPacks.extend([{ key, from, bytes }], this.#clock.now())
      const before = this.#connection.row('SELECT id FROM object WHERE key = ?', key)
      if (before !== undefined) this.#remove(before)
      this.#openPacks.finish(key, this.#version(), this.#clock.now())
    })
    this.#openPacks.forget(key)
  }

  /** Nothing is kept open of single objects. */
  forgetRemoved(): void {}

  /** Brings everything into the one file, and gives back space of what was deleted. Where others read at the moment, it does what it can. */
  settleSync(): void {
    const c = this.#connection
    c.run(() => {
      c.exec(`PRAGMA incremental_vacuum(${limits.sqliteVacuumPages})`)
      c.row('PRAGMA wal_checkpoint(TRUNCATE)')
    })
  }

  /** Nobody else has the file open: not in this process, nor in another. */
  isAlone(): boolean {
    return this.#connection.run(() => this.#connection.isAlone())
  }

  /** The last who has it open leaves one file. */
  closeSync(): void {
    this.#connection.close()
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
    if ((error as NodeJS.ErrnoException).code === 'EISDIR')
      throw new CairnError('ERR_STORE_PATH', `${path} is a folder, and the store a file.`, 'Name a file in it, such as ws.cairn.', { cause: error })
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

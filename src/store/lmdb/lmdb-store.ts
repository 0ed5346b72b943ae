import type * as Lmdb from 'lmdb'
import { CairnError } from '../../errors.js'
import { type Clock, limits, type Random, systemClock, systemRandom } from '../../sys/index.js'
import { adoptFile, cutRange } from '../adopt-file.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed, unlessRefused } from '../keys.js'
import { optionalPackage } from '../optional.js'

type LmdbDatabase = Lmdb.RootDatabase<Buffer, Buffer>

/**
 * Record of an object: version (8 bytes), time in ms (f64), size (f64), then its bytes, or nothing when they are in pieces.
 * Its key is `o` and the object's key; that of a piece `p`, the version, and its number (u32).
 */
const HEADER_BYTES = 24
const OBJECT = 0x6f
const PIECE = 0x70
const VERSION_BYTES = 8
/** With the 16 bytes of its page header a piece fills whole pages. */
const PIECE_BYTES = 64 * 1024 - 16
const PAGE_BYTES = 8192

interface Found {
  version: string
  modifiedMs: number
  size: number
  record: Buffer
}

export interface LmdbStoreOptions {
  random?: Random
  clock?: Clock
}

/**
 * A store in an LMDB environment, which is a folder with `data.mdb` and `lock.mdb`. Atomic and durable when `putSync` returns: each put is a transaction
 * that is synced. Correct between processes of one host; not on a network disk. Space of what was deleted is used again, never given back.
 * @throws CairnError ERR_STORE_ACCESS, ERR_STORE_FULL
 */
export class LmdbStore extends AsyncLocal {
  readonly description: string
  readonly path: string
  readonly #db: LmdbDatabase
  readonly #random: Random
  readonly #clock: Clock
  readonly #pieceKey = Buffer.alloc(1 + VERSION_BYTES + 4, PIECE)
  /** Inside a transaction reads are of it. */
  #writing = false

  /** Use `openLmdbStore`. */
  constructor(path: string, options: LmdbStoreOptions = {}) {
    super()
    this.path = path
    this.description = `lmdb ${path}`
    this.#random = options.random ?? systemRandom
    this.#clock = options.clock ?? systemClock
    const { open } = optionalPackage<typeof Lmdb>('lmdb', 'A store in LMDB')
    // Its own default lets a commit be seen, and return, before it is on the disk.
    const settings = { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false, pageSize: PAGE_BYTES, noSubdir: false, cache: false } as const
    this.#db = this.#run(() => open<Buffer, Buffer>({ path, ...settings }))
  }

  #run<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw translateLmdb(error, this.path)
    }
  }

  /** Valid until the next read. A reader keeps to one state of the database until it is told to look again, which the loop of a server never gives it time for. */
  #read(key: Buffer): Buffer | undefined {
    if (!this.#writing) this.#db.resetReadTxn()
    return this.#db.getBinaryFast(key) as Buffer | undefined
  }

  #find(key: string): Found | undefined {
    const record = this.#read(objectKey(key))
    if (record === undefined) return undefined
    return { version: record.toString('hex', 0, VERSION_BYTES), modifiedMs: record.readDoubleLE(8), size: record.readDoubleLE(16), record }
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    checkKey(key)
    return this.#run(() => {
      for (let attempt = 0; ; attempt++) {
        const found = this.#find(key)
        if (found === undefined) return undefined
        const { version, size } = found
        const { offset, length } = cutRange(options?.range, size)
        const bytes = Buffer.allocUnsafeSlow(length)
        // Less than that: it was replaced between its record and its pieces.
        if (this.#copy(found, offset, bytes, 0, length) === length) return { bytes, version }
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    checkKey(key)
    return this.#run(() => {
      for (let attempt = 0; ; attempt++) {
        const found = this.#find(key)
        if (found === undefined) return -1
        const cut = cutRange({ offset, length }, found.size)
        const n = this.#copy(found, cut.offset, into, at, cut.length)
        if (n === cut.length) return n
        if (attempt === limits.casAttempts) throw missingPieces(this.path, key)
      }
    })
  }

  #copy({ version, size, record }: Found, offset: number, into: Uint8Array, at: number, length: number): number {
    if (size <= PIECE_BYTES) {
      into.set(record.subarray(HEADER_BYTES + offset, HEADER_BYTES + offset + length), at)
      return length
    }
    let done = 0
    while (done < length) {
      const n = Math.floor((offset + done) / PIECE_BYTES)
      const piece = this.#read(this.#piece(version, n))
      if (piece === undefined) break
      const from = offset + done - n * PIECE_BYTES
      // Its memory is longer than it says, which newer versions of Node go by.
      const part = piece.subarray(from, Math.min(from + length - done, piece.length))
      into.set(part, at + done)
      done += part.length
    }
    return done
  }

  #piece(version: string, n: number): Buffer {
    this.#pieceKey.write(version, 1, 'hex')
    this.#pieceKey.writeUInt32BE(n, 1 + VERSION_BYTES)
    return this.#pieceKey
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    checkKey(key)
    const id = this.#random.bytes(VERSION_BYTES)
    return this.#transaction(() => this.#replace(key, bytes, id, options))
  }

  putAllSync(puts: readonly Put[]): string[] {
    for (const { key } of puts) checkKey(key)
    if (puts.length === 0) return []
    return this.#transaction(() => {
      const versions: string[] = []
      for (const { key, bytes, options } of puts) {
        const done = unlessRefused(() => this.#replace(key, bytes, this.#random.bytes(VERSION_BYTES), options ?? {}))
        if (done === undefined) break
        versions.push(done.version)
      }
      return versions
    })
  }

  #replace(key: string, bytes: Uint8Array, id: Buffer, { ifAbsent, ifMatch }: PutOptions): { version: string } {
    const before = this.#find(key)
    if (ifAbsent === true && before !== undefined) throw preconditionFailed(key, IS_THERE)
    if (ifMatch !== undefined && before?.version !== ifMatch) throw preconditionFailed(key, before === undefined ? IS_GONE : IS_CHANGED)
    if (before !== undefined) this.#removePieces(before)
    const isSmall = bytes.length <= PIECE_BYTES
    const record = Buffer.alloc(HEADER_BYTES + (isSmall ? bytes.length : 0))
    id.copy(record)
    record.writeDoubleLE(this.#clock.now(), 8)
    record.writeDoubleLE(bytes.length, 16)
    if (isSmall) record.set(bytes, HEADER_BYTES)
    this.#db.putSync(objectKey(key), record)
    const version = id.toString('hex')
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (!isSmall)
      for (let n = 0; n * PIECE_BYTES < all.length; n++) this.#db.putSync(this.#piece(version, n), all.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES))
    return { version }
  }

  /** Puts that are under way at the same time share one sync of the disk. */
  override async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ version: string }> {
    checkKey(key)
    options.signal?.throwIfAborted()
    const id = this.#random.bytes(VERSION_BYTES)
    try {
      return await this.#db.transaction(() => this.#inTransaction(() => this.#replace(key, bytes, id, options)))
    } catch (error) {
      throw translateLmdb(error, this.path)
    }
  }

  #transaction<T>(work: () => T): T {
    return this.#run(() => this.#db.transactionSync(() => this.#inTransaction(work)))
  }

  #inTransaction<T>(work: () => T): T {
    this.#writing = true
    try {
      return work()
    } finally {
      this.#writing = false
    }
  }

  #removePieces({ version, size }: Found): void {
    if (size > PIECE_BYTES) for (let n = 0; n * PIECE_BYTES < size; n++) this.#db.removeSync(this.#piece(version, n))
  }

  headSync(key: string): ObjectInfo | undefined {
    checkKey(key)
    const found = this.#run(() => this.#find(key))
    return found && { sizeBytes: found.size, version: found.version, modifiedMs: found.modifiedMs }
  }

  listSync(prefix: string, cursor = ''): ListPage {
    checkPrefix(prefix)
    return this.#run(() => {
      this.#db.resetReadTxn()
      // `~` is behind every character of a key.
      const range = { start: objectKey(cursor > prefix ? cursor : prefix), end: objectKey(`${prefix}~`), limit: limits.listPageObjects + 2 }
      const objects: ListPage['objects'] = []
      for (const { key, value } of this.#db.getRange(range)) {
        const name = key.toString('latin1', 1)
        if (name <= cursor) continue
        if (objects.length === limits.listPageObjects) return { objects, cursor: objects[objects.length - 1].key }
        objects.push({ key: name, sizeBytes: value.readDoubleLE(16), modifiedMs: value.readDoubleLE(8) })
      }
      return { objects }
    })
  }

  deleteSync(keys: readonly string[]): void {
    for (const key of keys) checkKey(key)
    if (keys.length === 0) return
    this.#transaction(() => {
      for (const key of keys) {
        const found = this.#find(key)
        if (found === undefined) continue
        this.#removePieces(found)
        this.#db.removeSync(objectKey(key))
      }
    })
  }

  adoptSync(key: string, path: string): void {
    checkKey(key)
    adoptFile(
      path,
      () => this.headSync(key) !== undefined,
      bytes => this.putSync(key, bytes),
    )
  }

  /** Lets go of the state that was read last, whose pages could not be used again else. */
  forgetRemoved(): void {
    this.#db.resetReadTxn()
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}

function objectKey(key: string): Buffer {
  const bytes = Buffer.allocUnsafe(1 + key.length)
  bytes[0] = OBJECT
  bytes.write(key, 1, 'latin1')
  return bytes
}

function translateLmdb(error: unknown, path: string): unknown {
  if (error instanceof CairnError) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  const text = String(message)
  if (code === 'ENOSPC' || code === 28 || text.includes('No space left') || text.includes('MDB_MAP_FULL'))
    return new CairnError('ERR_STORE_FULL', `The disk that holds ${path} is full.`, 'Make room, and try again.', { retry: 'same-call', cause: error })
  if (/Permission denied|No such file|Read-only|Not a directory/.test(text) || code === 'EACCES' || code === 'ENOENT')
    return new CairnError('ERR_STORE_ACCESS', `${path} cannot be read and written.`, 'Check that the folder above it is there and that you may write in it.', {
      cause: error,
    })
  return error
}

function missingPieces(path: string, key: string): CairnError {
  return new CairnError('ERR_CORRUPT', `${key} in ${path} is damaged: pieces of it are missing.`, 'Run `cairn fsck` to see the extent of it.')
}

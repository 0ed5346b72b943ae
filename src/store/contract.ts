import type { Coding } from '../codec/coding.js'
import type { Parts } from './parts.js'
import type { StoreLogs } from './store-logs.js'

/**
 * Where bytes live: a pool of immutable objects plus a few small mutable ones (heads, names, counters).
 * Every backend implements this and passes `testing/store-suite.ts`. Keys are `/`-separated ASCII
 * (`[A-Za-z0-9._%-]` in each part), never absolute, never with `.` or `..` parts.
 */
export interface ObjectStore {
  /** How messages name it, without any credential: `directory /path`, `memory`, `s3://bucket/prefix`. */
  readonly description: string

  /** Reads an object or a range of it; `undefined` when there is none. A range past the end is cut short. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>

  /**
   * Writes an object; atomic: readers see the old bytes or the new ones. When it returns the object is durable.
   * @throws CairnError `ERR_PRECONDITION` when `ifAbsent` or `ifMatch` does not hold; nothing was written then.
   * Any other failure means unknown: read, compare, decide. A remote store has done that by the nonce; it says `ERR_STORE_UNCERTAIN` where it could not.
   * One whose answer was lost, and that another replaced before it could be asked after, counts as refused.
   */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ version: string }>

  /**
   * Makes an object that is too large for memory: as `put` with `ifAbsent`, for a key that nobody else would make at the same moment, since not every server looks
   * at the condition of a write in parts. Optional: without it the object is put as a whole.
   */
  putParts?(key: string, parts: Parts, options?: Pick<PutOptions, 'nonce' | 'signal'>): Promise<{ version: string }>

  /** Size and version; `undefined` when there is none. */
  head(key: string): Promise<ObjectInfo | undefined>

  /** Keys that start with `prefix`, in bytewise order, a page at a time. */
  list(prefix: string, cursor?: string): Promise<ListPage>

  /** Deletes; a missing key is no error. */
  delete(keys: readonly string[]): Promise<void>

  close(): Promise<void>
}

/** A store on this machine answers synchronously too; the engine runs on it without a promise. */
export interface LocalStore extends ObjectStore {
  /** How pages and blocks are written here; default: as they are. */
  readonly coding?: Coding
  getSync(key: string, options?: GetOptions): StoredObject | undefined
  /** Reads up to `length` bytes at `offset` of an object into `into` at `at`; returns how many, -1 when there is no such object. Keeps descriptors open. */
  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number
  putSync(key: string, bytes: Uint8Array, options?: PutOptions): { version: string }
  /**
   * Several puts with the syncs of one: the bytes of all are durable before the first of them has its name, and the names before this returns.
   * They happen in this order, each atomic by itself, up to the first whose condition does not hold; nothing happens when the bytes cannot be written.
   * @returns the versions of those that happened
   * @throws what the disk says: which of them happened is not known then
   */
  putAllSync(puts: readonly Put[]): string[]
  /** Of a store whose objects are files of this host: where that of this key is, or would be. */
  fileOf?(key: string): string
  headSync(key: string): ObjectInfo | undefined
  listSync(prefix: string, cursor?: string): ListPage
  deleteSync(keys: readonly string[]): void
  /**
   * Makes a finished, already synced local file the object `key`, by rename where the file system allows it, else by copy;
   * the file is gone from `path` afterwards. A no-op when the object is there already and `path` is not.
   */
  adoptSync(key: string, path: string): void
  /** Of a store elsewhere: while true, `readSync` waits for nothing, and throws PageMiss instead. Default false. */
  mayMiss?: boolean
  /** Of a store elsewhere: begins to bring a part of an object near. Returns at once, fails never. */
  prefetch?(key: string, offset: number, length: number): void
  /** Of a store elsewhere: the object is on this host and not stored yet. Asks nobody. */
  waitsHere?(key: string): boolean
  /**
   * Of a store elsewhere: nobody else has changed an object that this host writes by itself for a time. Asks the store.
   * @throws CairnError ERR_STORE_UNREACHABLE …
   */
  isStillOurs?(key: string): boolean
  /** Of a store with a cache: forgets what is cached of a part of an object, which did not verify. False when nothing was: the object itself is damaged. */
  discardSync?(key: string, offset: number, length: number): boolean
  /** Lets go of what it keeps open of objects that others have deleted. */
  forgetRemoved(): void
  /** Of a store that is one file: the journals of its volumes are in it too, instead of in a folder of this host. */
  readonly logs?: StoreLogs
  /** Of a store that is one file: nobody else has it open, in any process. */
  isAlone?(): boolean
  /** Of a store that is one file: brings all that was written into that file, so that a copy of it is the store. */
  settleSync?(): void
}

export interface GetOptions {
  range?: { offset: number; length: number }
  /** A remote store sends no bytes when this is the object's version still: the result says `unchanged` then. Local stores read it all the same. */
  unlessVersion?: string
  /** Room for the bytes: a remote store puts them there when they fit, at the start. What the result has says where they are. */
  into?: Uint8Array
  signal?: AbortSignal
}

export interface PutOptions {
  /** Only when there is no object of this key. */
  ifAbsent?: boolean
  /** Only when the object's version is this one. */
  ifMatch?: string
  /**
   * Names this write, so that one whose answer was lost is recognised; kept beside the bytes by remote stores, told by `head`. Made up for conditional
   * writes where missing; who repeats a failed write himself gives the same again. Letters and digits.
   */
  nonce?: string
  /** Skip the fsync: for objects whose loss after power failure is harmless. */
  relaxed?: boolean
  signal?: AbortSignal
}

/** One of several. Never relaxed. */
export interface Put {
  key: string
  bytes: Uint8Array
  options: Pick<PutOptions, 'ifAbsent' | 'ifMatch'>
}

export interface StoredObject {
  bytes: Uint8Array
  version: string
  /** There are no bytes, because the version is the one that was asked about. */
  unchanged?: true
}

export interface ObjectInfo {
  sizeBytes: number
  version: string
  modifiedMs: number
  /** Of the write that made it, where one was given. */
  nonce?: string
}

export interface ListPage {
  objects: Array<{ key: string; sizeBytes: number; modifiedMs: number }>
  /** Where to go on; undefined at the end. */
  cursor?: string
}

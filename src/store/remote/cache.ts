import { limits, systemClock } from '../../sys/index.js'
import type { CacheSpace } from './cache-space.js'
import { CachedFiles, type ChunkIn } from './cached-files.js'
import type { Fetched } from './chunk-fetcher.js'
import { CHUNK_BYTES, chunkFile, groupFile } from './chunks.js'
import type { Taker } from './hand-over.js'
import { type Expect, mostAhead, ReadAhead } from './read-ahead.js'

export interface CacheStats {
  /** Bytes on the disk, and how many there may be. */
  bytes: number
  maxBytes: number
  /** Reads that the cache answered, and those that it could not. */
  hits: number
  misses: number
}

export interface Source {
  /**
   * Brings a chunk of an object into the folder, and waits for it.
   * @param asBytes the bytes are wanted, whether they are kept or not
   * @returns its length, or its bytes where the disk took nothing; 0 behind the end of the object, -1 when there is no such object
   */
  fetch: (key: string, chunk: number, asBytes?: boolean) => Fetched
  /** Begins to bring chunks into the folder. */
  expect: Expect
  /** Chunks that came lately, in memory: they need not be read from the folder. */
  readonly arrived?: Taker | undefined
}

/**
 * What this host has of immutable objects that lie in a store elsewhere: whole files of what was written here, chunks of what was read. How much that is at
 * most, and what goes first, is the business of `space`, which all threads and processes share; this is how one of them reads. Anybody may delete any of it at
 * any time: it is read again.
 */
export class PackCache {
  readonly space: CacheSpace
  readonly #source: Source
  readonly #ahead: ReadAhead
  /** Chunks that were asked for ahead, the newest last: they are not asked for twice. */
  readonly #expected = new Set<string>()
  readonly #files: CachedFiles
  /** Chunks that the disk did not take, the longest unused first: else each page of them were a request. */
  readonly #unkept = new Map<string, Uint8Array>()
  /** Parts of objects that somebody asked for who knows what he will read: nothing is guessed there. */
  readonly #led = new Map<string, { from: number; to: number }>()
  #hits = 0
  #misses = 0
  #sweptMs = 0

  constructor(space: CacheSpace, source: Source) {
    this.space = space
    this.#files = new CachedFiles(space.folder)
    this.#source = source
    this.#ahead = new ReadAhead(
      (key, first, count) => this.#expect(key, first, count),
      () => mostAhead(this.space.maxBytes),
    )
  }

  get stats(): CacheStats {
    return { ...this.space.use(), hits: this.#hits, misses: this.#misses }
  }

  /**
   * Reads up to `length` bytes at `offset` into `into` at `at`.
   * @returns how many, fewer at the end of the object; -1 when there is no such object
   * @throws what the store says
   */
  read(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    const whole = this.#whole(key, Math.floor(offset / CHUNK_BYTES))
    if (whole !== undefined) {
      this.#hits++
      return this.#files.read(whole.file, offset, into, at, length)
    }
    // What is asked for at once comes at once.
    if (length > CHUNK_BYTES) this.prefetch(key, offset, length)
    let done = 0
    while (done < length) {
      const chunk = Math.floor((offset + done) / CHUNK_BYTES)
      const from = offset + done - chunk * CHUNK_BYTES
      const wanted = Math.min(length - done, CHUNK_BYTES - from)
      const n = this.#readChunk(key, chunk, from, into, at + done, wanted)
      if (n < 0) return -1
      done += n
      if (n < wanted) break
    }
    return done
  }

  /** The file of an object that is here as a whole: one that was written here. It is not looked for where a chunk is. */
  #whole(key: string, first: number): ChunkIn | undefined {
    const open = this.#files.opened(key)
    const path = chunkFile(key, first)
    const isElse = this.#unkept.has(path) || this.#source.arrived?.has(path) === true || this.#files.hasChunk(key, first)
    const file = open ?? (isElse ? undefined : this.#files.tryOpen(key))
    return file && { file, base: 0 }
  }

  #readChunk(key: string, chunk: number, from: number, into: Uint8Array, at: number, length: number): number {
    const path = chunkFile(key, chunk)
    if (!this.#isLed(key, chunk)) this.#ahead.reads(key, chunk)
    const n = this.#readHere(key, chunk, path, from, into, at, length)
    if (n >= 0) {
      this.#hits++
      return n
    }
    this.#misses++
    this.#sweepNowAndThen()
    const found = this.#bring(key, chunk, path)
    if (found instanceof Uint8Array) return copyPart(found, from, into, at, length)
    return found > 0 ? this.#readHere(key, chunk, path, from, into, at, length) : found
  }

  /** Reads from a chunk that is here; -1 when it is not. */
  #readHere(key: string, chunk: number, path: string, from: number, into: Uint8Array, at: number, length: number): number {
    const n = this.#source.arrived?.read(path, chunk, from, into, at, length) ?? -1
    if (n >= 0) return n
    const found = this.#files.chunk(key, chunk)
    if (found !== undefined) return this.#files.read(found.file, found.base + from, into, at, length)
    const known = this.#unkept.get(path)
    return known === undefined ? -1 : copyPart(known, from, into, at, length)
  }

  /** A chunk that is not here: 1 when it is, else its bytes; 0 behind the end of the object, -1 where there is none. */
  #bring(key: string, chunk: number, path: string): Uint8Array | number {
    this.#expected.delete(path)
    const first = this.#source.fetch(key, chunk)
    if (typeof first === 'number' && first <= 0) return first
    // One of its group that is open may be older.
    this.#files.close(groupFile(key, chunk))
    if (typeof first === 'number' && (this.#source.arrived?.has(path) === true || this.#opens(key, chunk))) {
      this.#unkept.clear()
      return 1
    }
    // Kept, and gone again before it was read; or the disk takes nothing.
    const bytes = typeof first === 'number' ? this.#source.fetch(key, chunk, true) : first
    if (typeof bytes === 'number') return bytes
    this.remember(key, chunk, bytes)
    return bytes
  }

  /** What has just been written was used by that. */
  #opens(key: string, chunk: number): boolean {
    const found = this.#files.chunk(key, chunk)
    if (found !== undefined) found.file.usedMs = systemClock.monotonic()
    return found !== undefined
  }

  /** Takes a chunk that the disk did not take. */
  remember(key: string, chunk: number, bytes: Uint8Array): void {
    this.#unkept.set(chunkFile(key, chunk), bytes)
    const oldest = this.#unkept.keys().next().value
    if (this.#unkept.size > limits.cacheMemoryChunks && oldest !== undefined) this.#unkept.delete(oldest)
  }

  /** Begins to bring a part of an object here. */
  prefetch(key: string, offset: number, length: number): void {
    const [first, count] = [Math.floor(offset / CHUNK_BYTES), chunksIn(offset, length)]
    if (length > limits.storeAheadBytes) this.#leads(key, first, first + count)
    this.#expect(key, first, count)
  }

  /** Who asks for so much at once knows what is read next. */
  #leads(key: string, first: number, to: number): void {
    const before = this.#led.get(key)
    this.#led.delete(key)
    const goesOn = before !== undefined && first >= before.from && first <= before.to
    this.#led.set(key, goesOn ? { from: before.from, to: Math.max(before.to, to) } : { from: first, to })
    const oldest = this.#led.keys().next().value
    if (this.#led.size > limits.storeStreams && oldest !== undefined) this.#led.delete(oldest)
  }

  #isLed(key: string, chunk: number): boolean {
    const led = this.#led.get(key)
    return led !== undefined && chunk >= led.from && chunk < led.to
  }

  /** Where the disk takes nothing it would be thrown away. */
  #expect(key: string, first: number, count: number): void {
    if (this.#unkept.size > 0 || this.#files.has(key)) return
    let from = first
    for (let chunk = first; chunk <= first + count; chunk++) {
      if (chunk < first + count && !this.#files.hasChunk(key, chunk) && this.#isWanted(chunkFile(key, chunk))) continue
      if (chunk > from) this.#source.expect(key, from, chunk - from)
      from = chunk + 1
    }
  }

  #isWanted(path: string): boolean {
    if (this.#expected.has(path)) return false
    this.#expected.add(path)
    const oldest = this.#expected.values().next().value
    if (this.#expected.size > limits.storeExpected && oldest !== undefined) this.#expected.delete(oldest)
    return true
  }

  #sweepNowAndThen(): void {
    const now = systemClock.monotonic()
    if (now - this.#sweptMs < limits.cacheUseMs) return
    this.#sweptMs = now
    this.sweep()
  }

  /** Closes what others have removed from the cache: until then it takes room on the disk. */
  sweep(): void {
    this.#files.sweep()
  }

  /** Takes a whole object that is stored now; where there is no room for it, it is gone. */
  adopt(key: string, path: string): void {
    this.#files.close(key)
    this.space.adopt(key, path)
  }

  /** Whether all of a part of an object is here. */
  holds(key: string, offset: number, length: number): boolean {
    if (this.#whole(key, Math.floor(offset / CHUNK_BYTES)) !== undefined) return true
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk * CHUNK_BYTES < offset + length; chunk++) {
      const path = chunkFile(key, chunk)
      if (this.#source.arrived?.has(path) !== true && this.#files.chunk(key, chunk) === undefined && !this.#unkept.has(path)) return false
    }
    return true
  }

  /** Deletes what is cached of a part of an object, with what else lies in the same files: it does not verify, or is not wanted here. @returns false when nothing was */
  discard(key: string, offset: number, length: number): boolean {
    const paths = new Set([key])
    let found = false
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk * CHUNK_BYTES < offset + length; chunk++) {
      found = this.#source.arrived?.forget(key, chunk) === true || found
      paths.add(chunkFile(key, chunk)).add(groupFile(key, chunk))
    }
    for (const path of paths) {
      const wasInMemory = this.#unkept.delete(path)
      found = this.#files.has(path) || wasInMemory || found
      this.#files.close(path)
    }
    return this.space.remove([...paths]) > 0 || found
  }

  /** Deletes all that is cached of objects that are gone. */
  remove(keys: readonly string[]): void {
    this.space.removeObjects(keys)
    const gone = new Set(keys)
    this.#source.arrived?.forgetObjects(gone)
    this.#files.closeObjects(gone)
  }

  /** Closes descriptors. */
  close(): void {
    this.#files.closeAll()
    this.#unkept.clear()
    this.space.close()
  }
}

/** How many chunks a part of an object lies in. */
function chunksIn(offset: number, length: number): number {
  return length <= 0 ? 0 : Math.floor((offset + length - 1) / CHUNK_BYTES) - Math.floor(offset / CHUNK_BYTES) + 1
}

function copyPart(bytes: Uint8Array, from: number, into: Uint8Array, at: number, length: number): number {
  const part = bytes.subarray(from, from + length)
  into.set(part, at)
  return part.length
}

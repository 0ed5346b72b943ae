import { closeSync, constants, fstatSync, futimesSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { limits, systemClock } from '../../sys/index.js'
import type { CacheSpace } from './cache-space.js'
import type { Fetched } from './chunk-fetcher.js'
import { CHUNK_BYTES, chunkFile } from './chunks.js'
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
}

interface OpenFile {
  fd: number
  /** When its time of use was written to the disk last; of a monotonic clock. */
  usedMs: number
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
  /** By path below the folder, the longest unused first. */
  readonly #open = new Map<string, OpenFile>()
  /** Chunks that the disk did not take, the longest unused first: else each page of them were a request. */
  readonly #unkept = new Map<string, Uint8Array>()
  #hits = 0
  #misses = 0
  #sweptMs = 0

  constructor(space: CacheSpace, source: Source) {
    this.space = space
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
    const first = chunkFile(key, Math.floor(offset / CHUNK_BYTES))
    const whole = this.#opened(key) ?? (this.#open.has(first) || this.#unkept.has(first) ? undefined : this.#tryOpen(key))
    if (whole !== undefined) {
      this.#hits++
      return readAll(this.#used(whole), into, at, length, offset)
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

  #readChunk(key: string, chunk: number, from: number, into: Uint8Array, at: number, length: number): number {
    const path = chunkFile(key, chunk)
    this.#ahead.reads(key, chunk)
    const file = this.#opened(path) ?? this.#tryOpen(path)
    if (file !== undefined) {
      this.#hits++
      return readAll(this.#used(file), into, at, length, from)
    }
    const known = this.#unkept.get(path)
    if (known !== undefined) {
      this.#hits++
      return copyPart(known, from, into, at, length)
    }
    this.#misses++
    this.#sweepNowAndThen()
    const found = this.#bring(key, chunk, path)
    if (typeof found === 'number') return found
    return 'fd' in found ? readAll(found.fd, into, at, length, from) : copyPart(found, from, into, at, length)
  }

  /** A chunk that is not here: the file that it is in now, else its bytes; 0 behind the end of the object, -1 where there is none. */
  #bring(key: string, chunk: number, path: string): OpenFile | Uint8Array | number {
    this.#expected.delete(path)
    const first = this.#source.fetch(key, chunk)
    if (typeof first === 'number' && first <= 0) return first
    const file = typeof first === 'number' ? this.#tryOpen(path) : undefined
    if (file !== undefined) {
      this.#unkept.clear()
      file.usedMs = systemClock.monotonic()
      return file
    }
    // Kept, and gone again before it was read; or the disk takes nothing.
    const bytes = typeof first === 'number' ? this.#source.fetch(key, chunk, true) : first
    if (typeof bytes === 'number') return bytes
    this.remember(key, chunk, bytes)
    return bytes
  }

  /** Takes a chunk that the disk did not take. */
  remember(key: string, chunk: number, bytes: Uint8Array): void {
    this.#unkept.set(chunkFile(key, chunk), bytes)
    const oldest = this.#unkept.keys().next().value
    if (this.#unkept.size > limits.cacheMemoryChunks && oldest !== undefined) this.#unkept.delete(oldest)
  }

  /** Begins to bring a part of an object here. */
  prefetch(key: string, offset: number, length: number): void {
    this.#expect(key, Math.floor(offset / CHUNK_BYTES), chunksIn(offset, length))
  }

  /** Where the disk takes nothing it would be thrown away. */
  #expect(key: string, first: number, count: number): void {
    if (this.#unkept.size > 0 || this.#open.has(key)) return
    let from = first
    for (let chunk = first; chunk <= first + count; chunk++) {
      if (chunk < first + count && this.#isWanted(chunkFile(key, chunk))) continue
      if (chunk > from) this.#source.expect(key, from, chunk - from)
      from = chunk + 1
    }
  }

  #isWanted(path: string): boolean {
    if (this.#open.has(path) || this.#expected.has(path)) return false
    this.#expected.add(path)
    const oldest = this.#expected.values().next().value
    if (this.#expected.size > limits.storeExpected && oldest !== undefined) this.#expected.delete(oldest)
    return true
  }

  #opened(path: string): OpenFile | undefined {
    const file = this.#open.get(path)
    if (file === undefined) return undefined
    this.#open.delete(path)
    this.#open.set(path, file)
    return file
  }

  #tryOpen(path: string): OpenFile | undefined {
    try {
      const file = { fd: openSync(join(this.space.folder, path), constants.O_RDONLY | constants.O_NOFOLLOW), usedMs: Number.NEGATIVE_INFINITY }
      this.#open.set(path, file)
      if (this.#open.size > limits.cacheOpenFiles) this.#closeSome()
      return file
    } catch {
      // Not there, or not to be used: the store has it.
      return undefined
    }
  }

  /** What is used longest ago goes first, whoever used it: the file says when that was. */
  #used(file: OpenFile): number {
    const now = systemClock.monotonic()
    if (now - file.usedMs > limits.cacheUseMs) {
      file.usedMs = now
      touch(file.fd)
    }
    return file.fd
  }

  /** Half of them, those used longest ago. */
  #closeSome(): void {
    for (const path of this.#open.keys()) {
      if (this.#open.size <= limits.cacheOpenFiles / 2) return
      this.#close(path)
    }
  }

  #close(path: string): void {
    const file = this.#open.get(path)
    if (file === undefined) return
    this.#open.delete(path)
    closeSync(file.fd)
  }

  #sweepNowAndThen(): void {
    const now = systemClock.monotonic()
    if (now - this.#sweptMs < limits.cacheUseMs) return
    this.#sweptMs = now
    this.sweep()
  }

  /** Closes what others have removed from the cache: until then it takes room on the disk. */
  sweep(): void {
    for (const [path, { fd }] of this.#open) if (fstatSync(fd).nlink === 0) this.#close(path)
  }

  /** Takes a whole object that is stored now; where there is no room for it, it is gone. */
  adopt(key: string, path: string): void {
    this.#close(key)
    this.space.adopt(key, path)
  }

  /** Deletes what is cached of a part of an object, because it does not verify. @returns false when nothing was */
  discard(key: string, offset: number, length: number): boolean {
    const paths = [key]
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk * CHUNK_BYTES < offset + length; chunk++) paths.push(chunkFile(key, chunk))
    let found = false
    for (const path of paths) {
      const wasInMemory = this.#unkept.delete(path)
      found = this.#open.has(path) || wasInMemory || found
      this.#close(path)
    }
    return this.space.remove(paths) > 0 || found
  }

  /** Deletes all that is cached of objects that are gone. */
  remove(keys: readonly string[]): void {
    this.space.removeObjects(keys)
    const wanted = new Set(keys)
    for (const path of [...this.#open.keys()]) if (wanted.has(path.split('~')[0])) this.#close(path)
  }

  /** Closes descriptors. */
  close(): void {
    for (const path of [...this.#open.keys()]) this.#close(path)
    this.#unkept.clear()
    this.space.close()
  }
}

/** How many chunks a part of an object lies in. */
function chunksIn(offset: number, length: number): number {
  return length <= 0 ? 0 : Math.floor((offset + length - 1) / CHUNK_BYTES) - Math.floor(offset / CHUNK_BYTES) + 1
}

/** Of a disk that takes nothing the file keeps the time that it has. */
function touch(fd: number): void {
  try {
    const seconds = systemClock.now() / 1000
    futimesSync(fd, seconds, seconds)
  } catch {}
}

function copyPart(bytes: Uint8Array, from: number, into: Uint8Array, at: number, length: number): number {
  const part = bytes.subarray(from, from + length)
  into.set(part, at)
  return part.length
}

function readAll(fd: number, into: Uint8Array, at: number, length: number, offset: number): number {
  let done = 0
  while (done < length) {
    const n = readSync(fd, into, at + done, length - done, offset + done)
    if (n === 0) break
    done += n
  }
  return done
}

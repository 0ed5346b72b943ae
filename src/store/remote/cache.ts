import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { limits, makeFolders, systemClock } from '../../sys/index.js'
import { CHUNK_BYTES, chunkFile, keyOfFile } from './chunks.js'
import { type Expect, mostAhead, ReadAhead } from './read-ahead.js'

export interface CacheStats {
  /** Bytes on the disk, and how many there may be. */
  bytes: number
  maxBytes: number
  files: number
  /** Reads that the cache answered, and those that it could not. */
  hits: number
  misses: number
}

export interface Source {
  /** Brings a chunk of an object into the folder, and waits for it. @returns its length, or its bytes where the disk took nothing; -1 when there is no such object */
  fetch: (key: string, chunk: number) => number | Uint8Array
  /** Begins to bring chunks into the folder. */
  expect: Expect
}

interface Entry {
  bytes: number
  /** Open descriptor, else -1. */
  fd: number
}

/**
 * What this host has of immutable objects that lie in a store elsewhere: whole files of what was written here, chunks of what was read. Bounded in bytes, the
 * longest unused goes first. Anybody may delete any of it at any time: it is read again.
 */
export class PackCache {
  maxBytes: number
  #bytes = 0
  #hits = 0
  #misses = 0
  readonly #folder: string
  readonly #source: Source
  readonly #ahead: ReadAhead
  /** Chunks that were asked for and may have come since, and whether they were missed already; they count when they are read, and are looked for when there are many. */
  readonly #expected = new Map<string, boolean>()
  /** By path below the folder, the longest unused first. */
  readonly #entries = new Map<string, Entry>()
  #open = 0
  #last = ''

  constructor(folder: string, maxBytes: number, source: Source) {
    this.#folder = folder
    this.maxBytes = maxBytes
    this.#source = source
    this.#ahead = new ReadAhead(
      (key, first, count) => this.#expect(key, first, count),
      () => mostAhead(this.maxBytes),
    )
    makeFolders(folder)
    this.#scan()
  }

  /** What earlier processes left, the oldest first. */
  #scan(): void {
    const found: Array<{ path: string; bytes: number; mtimeMs: number }> = []
    for (const item of readdirSync(this.#folder, { recursive: true, withFileTypes: true })) {
      if (!item.isFile()) continue
      const path = relative(this.#folder, join(item.parentPath, item.name))
      const stat = statSync(join(this.#folder, path), { throwIfNoEntry: false })
      if (stat === undefined) continue
      if (keyOfFile(path) === undefined) {
        if (stat.mtimeMs < systemClock.now() - limits.storeTemporaryMs) this.#unlink(path)
      } else found.push({ path, bytes: stat.size, mtimeMs: stat.mtimeMs })
    }
    for (const { path, bytes } of found.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      this.#entries.set(path, { bytes, fd: -1 })
      this.#bytes += bytes
    }
    this.#shrink()
  }

  get stats(): CacheStats {
    return { bytes: this.#bytes, maxBytes: this.maxBytes, files: this.#entries.size, hits: this.#hits, misses: this.#misses }
  }

  /**
   * Reads up to `length` bytes at `offset` into `into` at `at`.
   * @returns how many, fewer at the end of the object; -1 when there is no such object
   * @throws what the store says
   */
  read(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    const whole = this.#fdOf(key)
    if (whole >= 0) {
      this.#hits++
      return readAll(whole, into, at, length, offset)
    }
    // What is asked for at once comes at once.
    if (length > CHUNK_BYTES) this.#expect(key, Math.floor(offset / CHUNK_BYTES), chunksIn(offset, length))
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
    const fd = this.#fdOf(path)
    if (fd >= 0) {
      this.#hits++
      return readAll(fd, into, at, length, from)
    }
    this.#misses++
    const found = this.#source.fetch(key, chunk)
    if (typeof found !== 'number') {
      // The disk is full: it is read without being kept.
      const part = found.subarray(from, from + length)
      into.set(part, at)
      return part.length
    }
    if (found <= 0) return found
    const fetched = this.#fdOf(path)
    return fetched < 0 ? 0 : readAll(fetched, into, at, length, from)
  }

  /** Begins to bring a part of an object here. */
  prefetch(key: string, offset: number, length: number): void {
    this.#expect(key, Math.floor(offset / CHUNK_BYTES), chunksIn(offset, length))
  }

  #expect(key: string, first: number, count: number): void {
    if (this.#entries.has(key)) return
    let from = first
    for (let chunk = first; chunk <= first + count; chunk++) {
      const isWanted = chunk < first + count && this.#isWanted(chunkFile(key, chunk))
      if (isWanted) continue
      if (chunk > from) this.#source.expect(key, from, chunk - from)
      from = chunk + 1
    }
    if (this.#expected.size >= Math.min(limits.storeExpected, this.maxBytes / CHUNK_BYTES / 8)) this.#settle()
  }

  #isWanted(path: string): boolean {
    if (this.#entries.has(path) || this.#expected.has(path)) return false
    this.#expected.set(path, false)
    return true
  }

  /** Counts what has come of what was expected. What has not come the second time is asked for again when it is read. */
  #settle(): void {
    for (const [path, wasLate] of this.#expected) {
      const stat = statSync(join(this.#folder, path), { throwIfNoEntry: false })
      if (stat === undefined && !wasLate) this.#expected.set(path, true)
      else this.#expected.delete(path)
      if (stat === undefined) continue
      this.#entries.set(path, { bytes: stat.size, fd: -1 })
      this.#bytes += stat.size
    }
    this.#shrink()
  }

  /** Open descriptor of a file of the cache; -1 when there is none. */
  #fdOf(path: string): number {
    let entry = this.#entries.get(path)
    if (entry === undefined) {
      // It may have come unasked, or through another process.
      const fd = this.#tryOpen(path)
      if (fd < 0) return -1
      this.#expected.delete(path)
      entry = { bytes: fstatSync(fd).size, fd }
      this.#entries.set(path, entry)
      this.#bytes += entry.bytes
      this.#last = path
      this.#shrink()
      return fd
    }
    if (entry.fd < 0) entry.fd = this.#tryOpen(path)
    if (entry.fd < 0) {
      this.#forget(path, entry)
      return -1
    }
    if (path !== this.#last) {
      this.#entries.delete(path)
      this.#entries.set(path, entry)
      this.#last = path
    }
    return entry.fd
  }

  #tryOpen(path: string): number {
    try {
      const fd = openSync(join(this.#folder, path), constants.O_RDONLY | constants.O_NOFOLLOW)
      if (++this.#open > limits.cacheOpenFiles) this.#closeSome()
      return fd
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return -1
      throw error
    }
  }

  /** Half of them, those used longest ago. */
  #closeSome(): void {
    for (const entry of this.#entries.values()) {
      if (this.#open <= limits.cacheOpenFiles / 2) return
      this.#close(entry)
    }
  }

  #close(entry: Entry): void {
    if (entry.fd < 0) return
    closeSync(entry.fd)
    entry.fd = -1
    this.#open--
  }

  #forget(path: string, entry: Entry): void {
    this.#close(entry)
    this.#entries.delete(path)
    this.#bytes -= entry.bytes
    if (this.#last === path) this.#last = ''
  }

  /** Deletes what was used longest ago until the rest fits. */
  #shrink(): void {
    for (const [path, entry] of this.#entries) {
      if (this.#bytes <= this.maxBytes) return
      // What is being read.
      if (path === this.#last) continue
      this.#forget(path, entry)
      this.#unlink(path)
    }
  }

  #unlink(path: string): void {
    try {
      unlinkSync(join(this.#folder, path))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  /** Takes a whole object that is stored now. */
  adopt(key: string, path: string): void {
    const target = join(this.#folder, key)
    const { size } = statSync(path)
    makeFolders(dirname(target))
    renameSync(path, target)
    const known = this.#entries.get(key)
    if (known !== undefined) this.#forget(key, known)
    this.#entries.set(key, { bytes: size, fd: -1 })
    this.#bytes += size
    this.#shrink()
  }

  /** Deletes what is cached of a part of an object, because it does not verify. @returns false when nothing was */
  discard(key: string, offset: number, length: number): boolean {
    let found = this.#drop(key)
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk * CHUNK_BYTES < offset + length; chunk++) found = this.#drop(chunkFile(key, chunk)) || found
    return found
  }

  #drop(path: string): boolean {
    const entry = this.#entries.get(path)
    if (entry === undefined) return false
    this.#forget(path, entry)
    this.#unlink(path)
    return true
  }

  /** Deletes all that is cached of objects that are gone. */
  remove(keys: ReadonlySet<string>): void {
    for (const path of [...this.#entries.keys()]) if (keys.has(keyOfFile(path) ?? '')) this.#drop(path)
  }

  clear(): void {
    for (const path of [...this.#entries.keys()]) this.#drop(path)
  }

  /** Closes descriptors. */
  close(): void {
    for (const entry of this.#entries.values()) this.#close(entry)
    this.#entries.clear()
    this.#bytes = 0
  }
}

/** How many chunks a part of an object lies in. */
function chunksIn(offset: number, length: number): number {
  return length <= 0 ? 0 : Math.floor((offset + length - 1) / CHUNK_BYTES) - Math.floor(offset / CHUNK_BYTES) + 1
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

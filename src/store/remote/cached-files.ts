import { closeSync, constants, fstatSync, futimesSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { limits, systemClock } from '../../sys/index.js'
import { chunkFile, groupFile, inGroup } from './chunks.js'

/** A file of a cache. */
export interface CachedFile {
  fd: number
  /** Of the file of a group, which is never written again: how long it is. */
  bytes: number
  /** When its time of use was written to the disk last; of a monotonic clock. */
  usedMs: number
}

/** Where a chunk is: in this file from this offset on. */
export interface ChunkIn {
  file: CachedFile
  base: number
}

/** The files of a cache that this process has open: those used longest ago are closed. Whoever deletes them meanwhile takes nothing away from who reads. */
export class CachedFiles {
  readonly #folder: string
  /** By path below the folder, the longest unused first. */
  readonly #open = new Map<string, CachedFile>()

  constructor(folder: string) {
    this.#folder = folder
  }

  has(path: string): boolean {
    return this.#open.has(path)
  }

  /** A file that is open. */
  opened(path: string): CachedFile | undefined {
    const file = this.#open.get(path)
    if (file === undefined) return undefined
    this.#open.delete(path)
    this.#open.set(path, file)
    return file
  }

  /** Opens a file that is not open. Undefined where it is not there, or not to be used. */
  tryOpen(path: string): CachedFile | undefined {
    try {
      const fd = openSync(join(this.#folder, path), constants.O_RDONLY | constants.O_NOFOLLOW)
      const file = { fd, bytes: fstatSync(fd).size, usedMs: Number.NEGATIVE_INFINITY }
      this.#open.set(path, file)
      if (this.#open.size > limits.cacheOpenFiles) this.#closeSome()
      return file
    } catch {
      return undefined
    }
  }

  /** A chunk in a file of its own or of its group. */
  chunk(key: string, chunk: number): ChunkIn | undefined {
    const [single, group] = [chunkFile(key, chunk), groupFile(key, chunk)]
    return this.#in(this.opened(group), inGroup(chunk)) ?? this.#in(this.opened(single) ?? this.tryOpen(single), 0) ?? this.#inNewGroup(group, inGroup(chunk))
  }

  #in(file: CachedFile | undefined, base: number): ChunkIn | undefined {
    return file === undefined || (base > 0 && file.bytes <= base) ? undefined : { file, base }
  }

  #inNewGroup(group: string, base: number): ChunkIn | undefined {
    return this.has(group) ? undefined : this.#in(this.tryOpen(group), base)
  }

  /** Whether a chunk is in a file that is open. */
  hasChunk(key: string, chunk: number): boolean {
    return this.has(chunkFile(key, chunk)) || (this.#open.get(groupFile(key, chunk))?.bytes ?? 0) > inGroup(chunk)
  }

  /**
   * Reads up to `length` bytes, fewer at the end of the file. What is used longest ago goes first, whoever used it: the file says when that was.
   * @throws what the disk says
   */
  read(file: CachedFile, offset: number, into: Uint8Array, at: number, length: number): number {
    const now = systemClock.monotonic()
    if (now - file.usedMs > limits.cacheUseMs) {
      file.usedMs = now
      touch(file.fd)
    }
    let done = 0
    while (done < length) {
      const n = readSync(file.fd, into, at + done, length - done, offset + done)
      if (n === 0) break
      done += n
    }
    return done
  }

  /** Half of them, those used longest ago. */
  #closeSome(): void {
    for (const path of this.#open.keys()) {
      if (this.#open.size <= limits.cacheOpenFiles / 2) return
      this.close(path)
    }
  }

  close(path: string): void {
    const file = this.#open.get(path)
    if (file === undefined) return
    this.#open.delete(path)
    closeSync(file.fd)
  }

  /** Closes what is open of objects. */
  closeObjects(keys: ReadonlySet<string>): void {
    for (const path of [...this.#open.keys()]) if (keys.has(path.split('~')[0])) this.close(path)
  }

  /** Closes what others have removed from the cache: until then it takes room on the disk. */
  sweep(): void {
    for (const [path, { fd }] of this.#open) if (fstatSync(fd).nlink === 0) this.close(path)
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.close(path)
  }
}

/** Of a disk that takes nothing the file keeps the time that it has. */
function touch(fd: number): void {
  try {
    const seconds = systemClock.now() / 1000
    futimesSync(fd, seconds, seconds)
  } catch {}
}

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { ifThere, limits, makeFolders, NO_PATH, namesIn, systemClock, systemRandom } from '../../sys/index.js'
import { flock, LOCK_UN } from '../../sys/libc.js'
import { takeLock } from '../directory/lock.js'
import { LOCAL_FILES, sweepLocalFiles } from '../local-files.js'
import { isUnfinished } from './chunks.js'
import { DirectWrites } from './direct-writes.js'

/** In the folder of the cache: whose it is, how much there is, how much there may be. Its lock is everybody's. `~` begins no key. */
const INDEX = '~index'
const INDEX_BYTES = 256
const FORMAT = 1
/** Files take whole blocks of the disk, and a folder takes one. */
const DISK_BLOCK = 4096
/** Bytes of one write(2): of more the kernel makes pages so large that they cost twice the time. */
const WRITE_BYTES = 256 * 1024
/** Room is made for so much more than is needed, so that the folder is looked through seldom. */
const ROOM_PART = 0.1

interface Index {
  bytes: number
  maxBytes: number
}

/** A file of the cache, as a walk through the folder finds it. */
interface Found {
  path: string
  bytes: number
  mtimeMs: number
}

export interface CacheUse {
  bytes: number
  maxBytes: number
}

export interface CacheCount extends CacheUse {
  files: number
  /** Of files that programs of this host have as files of their own (`materialize`): not removed while they have them. */
  pinned: { files: number; bytes: number }
}

/**
 * The room that the cache of one store takes on the disk of this host: one bound for all threads and processes of a home. Each reserves what it is about to
 * write under a lock, and what is in the way goes first, the longest unused (by mtime) first. Folders, unfinished files and files of programs count. What is on
 * the disk is the truth: the sum is counted again whenever room is made, so that nothing that a crash leaves counts for long. Whoever deletes all of it, at any
 * time, takes nothing away but time.
 */
export class CacheSpace {
  readonly folder: string
  /** As it was the last time that it was looked at. */
  maxBytes: number = limits.cacheBytes
  readonly #store: string
  readonly #direct = new DirectWrites()
  #fd = -1
  /** What the index says; only under the lock. */
  #saved: Index = { bytes: 0, maxBytes: 0 }

  /** @param store id of the store: what another one left in the folder is removed */
  constructor(folder: string, store: string) {
    this.folder = folder
    this.#store = store
  }

  /** What there is and may be, as far as is known without looking through the folder. Of a folder that cannot be used: nothing. */
  use(): CacheUse {
    try {
      return this.#locked(index => ({ ...index }))
    } catch {
      return { bytes: 0, maxBytes: this.maxBytes }
    }
  }

  /** From now on, for all processes, and when all of them have ended. @throws a Node error */
  limit(maxBytes: number): void {
    this.#locked(index => {
      index.maxBytes = Math.floor(maxBytes)
      this.#makeRoom(index, 0)
    })
  }

  /** Looks through the folder. @throws a Node error */
  count(): CacheCount {
    return this.#locked(index => {
      const { files, pinned, bytes } = this.#scan()
      index.bytes = bytes
      return { ...index, files: files.length, pinned }
    })
  }

  /** Writes a file of the cache. @returns false where there is no room for it, or the folder cannot be used */
  keep(path: string, bytes: Uint8Array): boolean {
    try {
      return this.#write(path, bytes)
    } catch {
      return false
    }
  }

  /** As `keep`; where `DirectWrites` does it, this thread goes on meanwhile. @param bytes they stay as they are until it is done */
  async keepSoon(path: string, bytes: Uint8Array): Promise<boolean> {
    const temporary = temporaryOf(path)
    let fd: number | undefined
    try {
      fd = this.#claim(temporary, bytes.length)
      if (fd === undefined) return false
      if (!(await this.#direct.write(this.#path(temporary), bytes))) writeAll(fd, bytes)
      this.#finish(temporary, path)
      return true
    } catch {
      this.remove([temporary])
      return false
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  /** Not synced: what a power loss leaves of it does not verify, and is read again. */
  #write(path: string, bytes: Uint8Array): boolean {
    const temporary = temporaryOf(path)
    const fd = this.#claim(temporary, bytes.length)
    if (fd === undefined) return false
    try {
      writeAll(fd, bytes)
      this.#finish(temporary, path)
      return true
    } catch (error) {
      this.remove([temporary])
      throw error
    } finally {
      closeSync(fd)
    }
  }

  /** Under the lock: who looks through a folder while a file in it gets another name may see neither. */
  #finish(temporary: string, path: string): void {
    this.#locked(index => {
      // Another process may have been as fast.
      index.bytes -= this.#diskSizeOf(path)
      renameSync(this.#path(temporary), this.#path(path))
    })
  }

  /** A new file that has its size from the start, so that it counts while it is written. */
  #claim(path: string, bytes: number): number | undefined {
    return this.#locked(index => {
      if (!this.#makeRoom(index, onDisk(bytes) + DISK_BLOCK)) return undefined
      this.#reserve(index, onDisk(bytes))
      this.#makeFolder(index, path)
      const fd = openSync(this.#path(path), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
      ftruncateSync(fd, bytes)
      return fd
    })
  }

  /** Before what is to come is there: who is killed between the two leaves a sum that is too large, and never one that is too small. */
  #reserve(index: Index, bytes: number): void {
    index.bytes += bytes
    this.#save(index)
  }

  #makeFolder(index: Index, path: string): void {
    const folder = dirname(this.#path(path))
    const top = makeFolders(folder)
    if (top !== undefined) index.bytes += DISK_BLOCK * (relative(dirname(top), folder).split('/').length || 1)
  }

  /**
   * Room for a file that stays until `unpin`, whatever else needs the room.
   * @param create makes it, with that many bytes, in a folder of the cache, and returns its path there
   * @returns undefined where there is no room, what is pinned already left aside
   */
  pin<T>(bytes: number, create: () => T): T | undefined {
    return this.#locked(index => {
      const cost = onDisk(bytes) + PIN_FOLDERS * DISK_BLOCK
      if (!this.#makeRoom(index, cost)) return undefined
      this.#reserve(index, cost)
      return create()
    })
  }

  /** @param remove takes the file away */
  unpin(bytes: number, remove: () => void): void {
    this.#locked(index => {
      remove()
      index.bytes = Math.max(0, index.bytes - onDisk(bytes) - PIN_FOLDERS * DISK_BLOCK)
    })
  }

  /** Takes a finished file over; it is gone from `from` afterwards. @returns false where there is no room for it */
  adopt(path: string, from: string): boolean {
    try {
      return this.#adopt(path, from)
    } catch {
      return false
    } finally {
      removeIfThere(from)
    }
  }

  #adopt(path: string, from: string): boolean {
    return this.#locked(index => {
      const size = onDisk(statSync(from).size)
      if (!this.#makeRoom(index, size + DISK_BLOCK)) return false
      const before = this.#diskSizeOf(path)
      this.#reserve(index, size)
      this.#makeFolder(index, path)
      renameSync(from, this.#path(path))
      index.bytes -= before
      return true
    })
  }

  /** Deletes files of the cache. @returns how many there were */
  remove(paths: readonly string[]): number {
    try {
      return this.#locked(index => {
        let count = 0
        for (const path of paths) {
          const size = this.#diskSizeOf(path)
          if (!removeIfThere(this.#path(path))) continue
          index.bytes = Math.max(0, index.bytes - size)
          count++
        }
        return count
      })
    } catch {
      return 0
    }
  }

  /** Bytes of a file of the cache; -1 when it is not there. */
  sizeOf(path: string): number {
    try {
      return statSync(this.#path(path), { throwIfNoEntry: false })?.size ?? -1
    } catch {
      return -1
    }
  }

  /** Says that a file of the cache is used now. @returns false when it is not there */
  touch(path: string): boolean {
    try {
      const seconds = systemClock.now() / 1000
      utimesSync(this.#path(path), seconds, seconds)
      return true
    } catch {
      return false
    }
  }

  /** Deletes all that is cached of objects. */
  removeObjects(keys: readonly string[]): void {
    const byFolder = new Map<string, Set<string>>()
    for (const key of keys) {
      const known = byFolder.get(dirname(key)) ?? new Set()
      byFolder.set(dirname(key), known.add(key))
    }
    for (const [folder, wanted] of byFolder) {
      const paths = namesIn(this.#path(folder), NO_PATH).map(name => join(folder, name))
      this.remove(paths.filter(path => wanted.has(path.split('~')[0])))
    }
  }

  /** Deletes all but what programs have as files. @throws a Node error */
  clear(): { files: number; bytes: number } {
    return this.#locked(index => {
      const { files, bytes } = this.#scan()
      for (const { path } of files) removeIfThere(this.#path(path))
      const left = this.#scan()
      index.bytes = left.bytes
      return { files: files.length - left.files.length, bytes: bytes - left.bytes }
    })
  }

  /** True when so much may be added. */
  #makeRoom(index: Index, needed: number): boolean {
    const fits = (): boolean => index.bytes + needed <= index.maxBytes
    if (fits()) return true
    const { files, bytes } = this.#scan()
    index.bytes = bytes
    if (fits()) return true
    const goal = Math.max(0, index.maxBytes * (1 - ROOM_PART) - needed)
    for (const { path, bytes: size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (index.bytes <= goal) break
      // Nothing is gained where all of it would not be enough.
      if (needed > index.maxBytes) break
      removeIfThere(this.#path(path))
      index.bytes -= size
    }
    return fits()
  }

  /** All that is there; what nobody needs any more is removed on the way: unfinished files, files of programs that ended, empty folders. */
  #scan(): { files: Found[]; bytes: number; pinned: { files: number; bytes: number } } {
    const pinned = sweepLocalFiles(join(this.folder, LOCAL_FILES))
    const found: Found[] = []
    const bytes = 2 * DISK_BLOCK + pinned.diskBytes + this.#scanFolder('', found)
    return { files: found, bytes, pinned: { files: pinned.files, bytes: pinned.bytes } }
  }

  #scanFolder(folder: string, found: Found[]): number {
    let bytes = 0
    for (const name of namesIn(this.#path(folder), NO_PATH)) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (path === INDEX || path === LOCAL_FILES) continue
      const stat = lstatSync(this.#path(path), { throwIfNoEntry: false })
      if (stat === undefined) continue
      if (stat.isDirectory()) bytes += this.#scanBelow(path, found)
      else bytes += this.#scanFile(path, stat.size, stat.mtimeMs, found)
    }
    return bytes
  }

  #scanBelow(path: string, found: Found[]): number {
    const before = found.length
    const bytes = this.#scanFolder(path, found)
    if (bytes === 0 && found.length === before && removeIfEmpty(this.#path(path))) return 0
    return bytes + DISK_BLOCK
  }

  #scanFile(path: string, size: number, mtimeMs: number, found: Found[]): number {
    if (isUnfinished(path)) {
      if (Math.abs(systemClock.now() - mtimeMs) > limits.cacheTemporaryMs) removeIfThere(this.#path(path))
      else return onDisk(size)
      return 0
    }
    found.push({ path, bytes: onDisk(size), mtimeMs })
    return onDisk(size)
  }

  #diskSizeOf(path: string): number {
    const size = this.sizeOf(path)
    return size < 0 ? 0 : onDisk(size)
  }

  #path(path: string): string {
    return join(this.folder, path)
  }

  /** Runs `work` while nobody else adds or removes. @throws a Node error where the folder cannot be used */
  #locked<T>(work: (index: Index) => T): T {
    this.#lock()
    try {
      const index = this.#read() ?? this.#begin()
      try {
        return work(index)
      } finally {
        this.maxBytes = index.maxBytes
        if (index.bytes !== this.#saved.bytes || index.maxBytes !== this.#saved.maxBytes) this.#save(index)
      }
    } finally {
      flock(this.#fd, LOCK_UN)
    }
  }

  /** Of the index that is there now: somebody may have deleted the folder since. */
  #lock(): void {
    const path = this.#path(INDEX)
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
      if (this.#fd < 0) {
        makeFolders(this.folder)
        this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
      }
      takeLock(this.#fd, path)
      const here = statSync(path, { throwIfNoEntry: false })
      const mine = fstatSync(this.#fd)
      if (here !== undefined && here.ino === mine.ino && here.dev === mine.dev) return
      this.close()
    }
    throw Object.assign(new Error(`${path} is deleted again and again`), { code: 'EBUSY' })
  }

  /** Undefined where it is of another store, or does not read. */
  #read(): Index | undefined {
    const bytes = Buffer.alloc(INDEX_BYTES)
    const length = readSync(this.#fd, bytes, 0, INDEX_BYTES, 0)
    try {
      const { format, store, bytes: sum, maxBytes } = JSON.parse(bytes.toString('utf8', 0, length)) as Record<string, unknown>
      if (format !== FORMAT || store !== this.#store || !isSize(sum) || !isSize(maxBytes)) return undefined
      this.#saved = { bytes: sum, maxBytes }
      return { ...this.#saved }
    } catch {
      return undefined
    }
  }

  /** Nothing that is there is known to be of this store. */
  #begin(): Index {
    const { files } = this.#scan()
    for (const { path } of files) removeIfThere(this.#path(path))
    const index = { bytes: this.#scan().bytes, maxBytes: this.maxBytes }
    this.#save(index)
    return index
  }

  /** In place, always as long. */
  #save({ bytes, maxBytes }: Index): void {
    this.#saved = { bytes, maxBytes }
    const text = JSON.stringify({ format: FORMAT, store: this.#store, bytes, maxBytes })
    writeAll(this.#fd, Buffer.from(`${text.padEnd(INDEX_BYTES - 1)}\n`), 0)
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}

function temporaryOf(path: string): string {
  return `${path}~${systemRandom.bytes(8).toString('hex')}`
}

/** Folders that a file of a program has of its own. */
const PIN_FOLDERS = 1

function onDisk(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / DISK_BLOCK)) * DISK_BLOCK
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, WRITE_BYTES)
    done += writeSync(fd, bytes, done, length, position === undefined ? done : position + done)
  }
}

/** False where it was not there. */
function removeIfThere(path: string): boolean {
  const remove = (): true => {
    unlinkSync(path)
    return true
  }
  return ifThere(remove, NO_PATH) === true
}

function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

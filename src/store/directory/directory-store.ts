import { closeSync, copyFileSync, fstatSync, fsyncSync, linkSync, openSync, readSync, renameSync, rmdirSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sha256 } from '../../codec/sha256.js'
import { CairnError, EIO, posixError } from '../../errors.js'
import { crashPoint, limits, makeFolders, type Random, systemRandom } from '../../sys/index.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { checkKey, checkPrefix, IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed, unlessRefused } from '../keys.js'
import { makeFolder, syncFolder } from '../sync-folder.js'
import { Claims, isSameFile } from './claims.js'
import { Descriptors, openIfThere } from './descriptors.js'
import { listFolder } from './listing.js'
import { StoreLock } from './lock.js'
import { SyncTogether } from './sync-together.js'

/** Names of the store's own; `~` is in no key. */
export const TEMPORARY_FOLDER = '~temporary'
const LOCK_FILE = '~lock'
/** Objects up to this size have the hash of their bytes in their version; greater ones are immutable, and not read for it. */
const HASHED_BYTES = 64 * 1024

/**
 * A store in a folder: one file for each object, its path the key.
 *
 * Atomic: bytes are written to a temporary file, which takes the object's name by link(2) or rename(2). Durable when `putSync`
 * returns: the file was synced before it had the name, the folder after. Files are 0600, folders 0700. Correct between threads,
 * processes and, where flock(2) is passed on, hosts; when opened as shared, between hosts without locks (`claims.ts`).
 * Errors of the disk (ENOSPC, EACCES, EIO …) are thrown as node:fs does.
 */
export class DirectoryStore extends AsyncLocal {
  readonly description: string
  readonly root: string
  /** 16 hex digits, from `store.json`: what a cache of this store is bound to. */
  readonly id: string
  readonly #descriptors = new Descriptors()
  readonly #lock: StoreLock
  /** In place of the lock, on a disk that hosts share. */
  readonly #claims: Claims | undefined
  readonly #random: Random
  #temporaries = 0
  /** Folders in which others were made whose names are not on the disk yet. */
  readonly #unnamed = new Set<string>()

  /** Use `openDirectoryStore`. */
  constructor(root: string, id: string, random: Random = systemRandom, shared = false) {
    super()
    this.root = root
    this.id = id
    this.description = `directory ${root}`
    this.#lock = new StoreLock(join(root, LOCK_FILE))
    this.#claims = shared ? new Claims(root, key => this.headSync(key)?.version) : undefined
    this.#random = random
  }

  #path(key: string): string {
    checkKey(key)
    return join(this.root, key)
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    const fd = openIfThere(this.#path(key))
    if (fd < 0) return undefined
    try {
      const found = fstatSync(fd, { bigint: true })
      if (found.isDirectory()) return undefined
      const size = Number(found.size)
      const offset = Math.min(options?.range?.offset ?? 0, size)
      const bytes = readRange(fd, offset, Math.min(options?.range?.length ?? size, size - offset))
      return { bytes, version: versionOf(fd, offset === 0 && bytes.length === size ? bytes : undefined, found) }
    } finally {
      closeSync(fd)
    }
  }

  fileOf(key: string): string {
    return this.#path(key)
  }

  /** For immutable objects: a descriptor that is open still would read what a mutable one was. */
  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    const fd = this.#descriptors.get(key, this.#path(key))
    if (fd < 0) return -1
    let done = 0
    while (done < length) {
      const n = readSync(fd, into, at + done, length - done, offset + done)
      if (n === 0) break
      done += n
    }
    return done
  }

  headSync(key: string): ObjectInfo | undefined {
    const fd = openIfThere(this.#path(key))
    if (fd < 0) return undefined
    try {
      const found = fstatSync(fd)
      return found.isDirectory() ? undefined : { sizeBytes: found.size, version: versionOf(fd), modifiedMs: found.mtimeMs }
    } finally {
      closeSync(fd)
    }
  }

  listSync(prefix: string, cursor = ''): ListPage {
    checkPrefix(prefix)
    return listFolder(this.root, prefix, cursor)
  }

  putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    const path = this.#path(key)
    crashPoint('store.put.before-temporary')
    const temporary = this.#temporary()
    try {
      const version = writeTemporary(temporary, bytes, options.relaxed !== true)
      crashPoint('store.put.after-temporary')
      this.#publish(key, path, temporary, options)
      crashPoint('store.put.after-rename')
      if (options.relaxed !== true) this.#syncNames([dirname(path)], syncFolder)
      return { version }
    } finally {
      unlinkIfThere(temporary)
    }
  }

  putAllSync(puts: readonly Put[]): string[] {
    const paths = puts.map(({ key }) => this.#path(key))
    crashPoint('store.put.before-temporary')
    const temporaries = puts.map(() => this.#temporary())
    const together = new SyncTogether(this.root, puts.length)
    try {
      const versions = puts.map(({ bytes }, i) => writeTemporary(temporaries[i], bytes, !together.isWhole))
      together.sync()
      crashPoint('store.put.after-temporary')
      const refused = puts.findIndex(({ key, options }, i) => unlessRefused(() => this.#put(key, paths[i], temporaries[i], options)) === undefined)
      const done = refused < 0 ? puts.length : refused
      this.#syncNames(
        paths.slice(0, done).map(path => dirname(path)),
        folder => together.syncFolder(folder),
      )
      together.sync()
      return versions.slice(0, done)
    } finally {
      together.close()
      temporaries.forEach(unlinkIfThere)
    }
  }

  #put(key: string, path: string, temporary: string, options: PutOptions): true {
    this.#publish(key, path, temporary, { ...options, relaxed: true })
    crashPoint('store.put.after-rename')
    return true
  }

  /** The names in these folders, and those of folders that were made for relaxed puts. */
  #syncNames(folders: readonly string[], sync: (folder: string) => void): void {
    const all = new Set([...folders, ...this.#unnamed])
    for (const folder of all) {
      if (this.#unnamed.has(folder)) this.#syncAsFarAsThere(folder, sync)
      else sync(folder)
    }
    // Only now: a failed sync is tried again with the next.
    this.#unnamed.clear()
  }

  #temporary(): string {
    const folder = join(this.root, TEMPORARY_FOLDER)
    if (this.#temporaries === 0) makeFolder(folder)
    return join(folder, `${process.pid}-${this.#random.bytes(6).toString('hex')}-${++this.#temporaries}`)
  }

  /** Gives the temporary file the object's name, if the condition holds. */
  #publish(key: string, path: string, temporary: string, options: PutOptions): void {
    if (options.ifAbsent === true) {
      this.#inFolder(path, () => this.#link(key, temporary, path), options.relaxed)
      return
    }
    if (this.#claims !== undefined) {
      this.#descriptors.forget(key)
      this.#inFolder(path, () => this.#claims?.replace(key, path, temporary, options.ifMatch), options.relaxed)
      return
    }
    // Replacing goes under the lock even without a condition, so that it never falls between another's comparison and swap.
    this.#lock.hold(() => {
      if (options.ifMatch !== undefined) {
        const version = this.headSync(key)?.version
        if (version !== options.ifMatch) throw preconditionFailed(key, version === undefined ? IS_GONE : IS_CHANGED)
      }
      this.#descriptors.forget(key)
      this.#inFolder(path, () => renameSync(temporary, path), options.relaxed)
    })
  }

  /**
   * Without locks a deletion may fall between another's comparison and swap, and the object is there again: it is for objects that nobody replaces
   * at the time.
   */
  #excluding<T>(work: () => T): T {
    return this.#claims === undefined ? this.#lock.hold(work) : work()
  }

  /** link(2) fails when the name is there: of any number of callers one wins. */
  #link(key: string, temporary: string, path: string): void {
    try {
      linkSync(temporary, path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // The answer of a network disk may have been lost, and its question repeated.
      if (code === 'EEXIST' && isSameFile(temporary, path)) return
      if (code === 'EEXIST') throw preconditionFailed(key, IS_THERE)
      if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
      if (this.#claims !== undefined) throw noLinks(this.root, error)
      // A filesystem without links, such as exFAT: then it is so for all callers, and they exclude one another by the lock.
      this.#excluding(() => {
        if (statSync(path, { throwIfNoEntry: false }) !== undefined) throw preconditionFailed(key, IS_THERE)
        renameSync(temporary, path)
      })
    }
  }

  /** Runs `work`, which makes `path`, and makes its folder first where that is missing; another process may be removing it. */
  #inFolder(path: string, work: () => void, relaxed = false): void {
    for (let attempt = 1; ; attempt++) {
      try {
        work()
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt > limits.casAttempts) throw error
        if (relaxed) this.#makeUnnamed(dirname(path))
        else makeFolder(dirname(path))
      }
    }
  }

  /** Makes a folder whose name is durable with the next put that is. */
  #makeUnnamed(path: string): void {
    const first = makeFolders(path)
    if (first === undefined) return
    for (let folder = path; folder.length >= first.length; folder = dirname(folder)) this.#unnamed.add(dirname(folder))
  }

  deleteSync(keys: readonly string[]): void {
    const paths = keys.map(key => this.#path(key))
    if (keys.length === 0) return
    crashPoint('store.delete.before')
    // The space of a long file takes milliseconds to free: that happens when the last descriptor closes, not under the lock.
    const fds = paths.map(openIfThere)
    let folders: string[] = []
    try {
      folders = this.#excluding(() => this.#unlink(keys, paths))
    } finally {
      for (const fd of fds) if (fd >= 0) closeSync(fd)
    }
    for (const folder of folders) this.#syncAsFarAsThere(folder)
  }

  /** Another deletion may be removing it. */
  #syncAsFarAsThere(folder: string, sync = syncFolder): void {
    try {
      sync(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder.length <= this.root.length) throw error
      this.#syncAsFarAsThere(dirname(folder), sync)
    }
  }

  /** Returns the folders in which names went. */
  #unlink(keys: readonly string[], paths: readonly string[]): string[] {
    paths.forEach((path, i) => {
      this.#descriptors.forget(keys[i])
      unlinkIfThere(path)
    })
    return [...new Set(paths.map(path => dirname(path)))].map(folder => this.#removeEmpty(folder))
  }

  /** Removes a folder and those above it as far as they are empty; returns the first that stays. */
  #removeEmpty(folder: string): string {
    while (folder.length > this.root.length) {
      try {
        rmdirSync(folder)
      } catch (error) {
        // Not empty, or not to be removed: it stays, and the object is gone all the same.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') break
      }
      folder = dirname(folder)
    }
    return folder
  }

  forgetRemoved(): void {
    this.#descriptors.forgetRemoved()
  }

  adoptSync(key: string, path: string): void {
    const target = this.#path(key)
    if (statSync(path, { throwIfNoEntry: false }) === undefined && statSync(target, { throwIfNoEntry: false }) !== undefined) return
    crashPoint('store.put.before-temporary')
    this.#excluding(() => {
      this.#descriptors.forget(key)
      try {
        this.#inFolder(target, () => renameOrMissing(path, target))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
        this.#adoptCopy(path, target)
      }
    })
    crashPoint('store.put.after-rename')
    syncFolder(dirname(target))
  }

  /** From another filesystem: the copy takes the name only when it is on the disk. */
  #adoptCopy(path: string, target: string): void {
    const temporary = this.#temporary()
    try {
      copyFileSync(path, temporary)
      syncFile(temporary)
      crashPoint('store.put.after-temporary')
      this.#inFolder(target, () => renameSync(temporary, target))
    } finally {
      unlinkIfThere(temporary)
    }
    syncFolder(dirname(target))
    unlinkSync(path)
  }

  /** Removes what crashed writers of a shared store left. */
  sweepClaims(): void {
    this.#claims?.sweep()
  }

  /** Closes descriptors. */
  closeSync(): void {
    this.#descriptors.close()
    this.#lock.close()
  }

  async close(): Promise<void> {
    this.closeSync()
  }
}

function noLinks(root: string, cause: unknown): CairnError {
  return new CairnError(
    'ERR_STORE_LOCK',
    `The disk of ${root} has no hard links, which a shared store needs.`,
    'Put the store on another disk, or in a bucket.',
    { cause },
  )
}

/** ENOENT of rename names either side; the source's is not to be tried again. */
function renameOrMissing(path: string, target: string): void {
  try {
    renameSync(path, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && statSync(path, { throwIfNoEntry: false }) === undefined) throw posixError(EIO, 'rename', path, target)
    throw error
  }
}

/**
 * Names one put of an object: the file's identity and time, and the hash of small bytes, because a freed inode number can come
 * back within one tick of the clock.
 */
function versionOf(fd: number, bytes?: Uint8Array, { ino, size, mtimeNs } = fstatSync(fd, { bigint: true })): string {
  const identity = `${ino.toString(36)}-${mtimeNs.toString(36)}-${size.toString(36)}`
  if (size > HASHED_BYTES) return identity
  const hashed = sha256(bytes ?? readRange(fd, 0, Number(size)))
  return `${identity}-${Buffer.from(hashed.buffer, hashed.byteOffset, 8).toString('hex')}`
}

function readRange(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, offset + done)
    if (n === 0) break
    done += n
  }
  return bytes.subarray(0, done)
}

function writeTemporary(path: string, bytes: Uint8Array, durable: boolean): string {
  const fd = openSync(path, 'wx+', 0o600)
  try {
    let done = 0
    while (done < bytes.length) {
      const n = writeSync(fd, bytes, done, bytes.length - done, done)
      if (n === 0) throw posixError(EIO, 'write', path)
      done += n
    }
    if (durable) fsyncSync(fd)
    return versionOf(fd, bytes)
  } finally {
    closeSync(fd)
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, 'r+')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
  }
}

import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ifThere, makeFolders, NO_PATH, namesIn, systemRandom } from '../sys/index.js'
import { flock, LOCK_EX, LOCK_NB } from '../sys/libc.js'

/** Name of the folder, in that of a cache and in a home. */
export const LOCAL_FILES = '~files'
export const HOME_FILES = 'files'
const LOCK = '.lock'
const DISK_BLOCK = 4096

/**
 * Files of this host that programs work with as they like. Each owner has a folder and a lock beside it, which ends with its process: what a crash leaves is
 * removed by whoever looks next. The lock is there before the folder and goes after it.
 */
export class LocalFiles {
  readonly #root: string
  #owner = ''
  #lock = -1
  #made = 0

  constructor(root: string) {
    this.#root = root
  }

  /** A new empty file of that size, readable for this user only, under the name. Returns its path. @throws a Node error */
  create(name: string, bytes: number): string {
    this.#begin()
    const folder = join(this.#root, this.#owner, String(++this.#made))
    makeFolders(folder)
    const path = join(folder, name)
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
    try {
      ftruncateSync(fd, bytes)
    } finally {
      closeSync(fd)
    }
    return path
  }

  /** A new empty folder. Returns its path. @throws a Node error */
  folder(): string {
    this.#begin()
    const path = join(this.#root, this.#owner, String(++this.#made))
    makeFolders(path)
    return path
  }

  /** Somebody may have deleted all of it meanwhile. */
  #begin(): void {
    if (this.#lock >= 0 && isSame(this.#lock, this.#lockPath())) return
    this.close()
    makeFolders(this.#root)
    do {
      if (this.#lock >= 0) closeSync(this.#lock)
      this.#owner = systemRandom.bytes(8).toString('hex')
      this.#lock = openSync(this.#lockPath(), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
      // Whoever cleans up may have been there between the two.
    } while (flock(this.#lock, LOCK_EX | LOCK_NB) !== 0 || !isSame(this.#lock, this.#lockPath()))
  }

  #lockPath(): string {
    return join(this.#root, `${this.#owner}${LOCK}`)
  }

  /** Removes a file that `create` made; one that is gone is no error. */
  remove(path: string): void {
    rmSync(join(path, '..'), { recursive: true, force: true })
  }

  /** Removes all of them. */
  close(): void {
    if (this.#lock < 0) return
    rmSync(join(this.#root, this.#owner), { recursive: true, force: true })
    if (isSame(this.#lock, this.#lockPath())) rmSync(this.#lockPath(), { force: true })
    closeSync(this.#lock)
    this.#lock = -1
  }
}

/** Removes what owners left that are no more; tells of what is left. */
export function sweepLocalFiles(root: string): { files: number; bytes: number; diskBytes: number } {
  const found = { files: 0, bytes: 0, diskBytes: 0 }
  for (const name of namesIn(root, NO_PATH)) {
    const owner = name.endsWith(LOCK) ? name.slice(0, -LOCK.length) : name
    if (name === owner) {
      if (!isHere(join(root, `${owner}${LOCK}`))) rmSync(join(root, owner), { recursive: true, force: true })
    } else if (isOwned(join(root, name))) measure(join(root, owner), found)
    else removeOwner(root, owner)
  }
  return found
}

/** Only under its lock: a new owner may be about to take it. */
function removeOwner(root: string, owner: string): void {
  const path = join(root, `${owner}${LOCK}`)
  const fd = ifThere(() => openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)) ?? -1
  if (fd < 0) return
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) {
    rmSync(join(root, owner), { recursive: true, force: true })
    rmSync(path, { force: true })
  }
  closeSync(fd)
}

function isOwned(path: string): boolean {
  const fd = ifThere(() => openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)) ?? -1
  if (fd < 0) return false
  const isTaken = flock(fd, LOCK_EX | LOCK_NB) !== 0
  closeSync(fd)
  return isTaken
}

function measure(folder: string, found: { files: number; bytes: number; diskBytes: number }): void {
  found.diskBytes += DISK_BLOCK
  for (const name of namesIn(folder, NO_PATH)) {
    const path = join(folder, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) measure(path, found)
    else if (stat !== undefined) {
      found.files++
      found.bytes += stat.size
      found.diskBytes += Math.ceil(stat.size / DISK_BLOCK) * DISK_BLOCK
    }
  }
}

function isSame(fd: number, path: string): boolean {
  const here = statSync(path, { throwIfNoEntry: false })
  const mine = fstatSync(fd)
  return here !== undefined && here.ino === mine.ino && here.dev === mine.dev
}

function isHere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

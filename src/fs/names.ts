import { limits } from '../sys/index.js'
import type { Cred } from './filesystem.js'
import { latin1, putLatin1 } from './latin1.js'
import type { Listing } from './listing.js'

/** A substring shorter than this is a copy in V8; a longer one keeps the whole string that it was cut from alive. */
const SLICED_FROM = 13
/** Paths of directories remembered per kind of caller. */
const MAX_PATHS = 16384
const scratch = Buffer.alloc(limits.pathBytes)

function copyOf(text: string): string {
  return text.length < SLICED_FROM ? text : latin1(scratch, 0, putLatin1(scratch, 0, text))
}

/** What a name means: an inode with its type, or surely nothing. Packed in one number, so that a hit allocates nothing. */
export type CachedName = number
const TYPES = 16
/** Inodes beyond this are not cached: with the type they would leave the safe integers. */
const MAX_INO = Math.floor(Number.MAX_SAFE_INTEGER / TYPES) - 1
export const MISSING: CachedName = 0

export function cachedIno(cached: CachedName): number {
  return Math.floor(cached / TYPES)
}

export function cachedType(cached: CachedName): number {
  return cached % TYPES
}

/** What is known of one directory. */
export class KnownDirectory {
  readonly names = new Map<string, CachedName>()
  /** All of its entries, when they were read at once. */
  listing: Listing | undefined
  /** False once it was dropped: then nothing here holds any more. */
  live = true

  constructor(readonly ino: number) {}

  get weight(): number {
    return 1 + this.names.size + (this.listing === undefined ? 0 : this.listing.names.length)
  }
}

/** Equal to no inode. */
const nothing = new KnownDirectory(Number.NaN)

/**
 * Directory entries in front of the tree, absent ones too; listings; and the directories that paths lead to. Bounded;
 * whole directories leave in the order they came. Coherent because every change of an entry goes through the FileSystem, or
 * clears it (`Session.changes`).
 */
export class NameCache {
  readonly #limit: number
  readonly #directories = new Map<number, KnownDirectory>()
  #entries = 0
  #last = nothing
  /** Directories by path, for callers without checks, and for the restricted one that asked last. */
  readonly #paths = new Map<string, KnownDirectory>()
  readonly #checkedPaths = new Map<string, KnownDirectory>()
  #checkedFor: Cred | undefined
  /** Raised whenever the path of a directory may be another one. */
  epoch = 0

  /** @param limit entries kept at most; 0 for none */
  constructor(limit: number) {
    this.#limit = limit
  }

  get(dir: number, name: string): CachedName | undefined {
    return this.known(dir)?.names.get(name)
  }

  known(dir: number): KnownDirectory | undefined {
    if (dir === this.#last.ino) return this.#last
    const directory = this.#directories.get(dir)
    if (directory !== undefined) this.#last = directory
    return directory
  }

  set(dir: number, name: string, ino: number, type: number): void {
    if (ino > MAX_INO) this.delete(dir, name)
    else this.#put(dir, name, ino * TYPES + type)
  }

  setMissing(dir: number, name: string): void {
    this.#put(dir, name, MISSING)
  }

  delete(dir: number, name: string): void {
    if (this.known(dir)?.names.delete(name)) this.#entries--
  }

  /** An entry of a directory changed: its listing is not true any more. */
  changed(dir: number): void {
    const directory = this.known(dir)
    if (directory?.listing === undefined) return
    this.#entries -= directory.listing.names.length
    directory.listing = undefined
  }

  setListing(dir: number, listing: Listing): void {
    if (this.#limit === 0) return
    this.changed(dir)
    this.#directory(dir).listing = listing
    this.#entries += listing.names.length
    if (this.#entries > this.#limit) this.#evict()
  }

  /** Forgets what is known of a directory, and the paths to it. */
  drop(dir: number): void {
    const directory = this.#directories.get(dir)
    if (directory === undefined) return
    this.#entries -= directory.weight
    directory.live = false
    directory.listing = undefined
    directory.names.clear()
    this.#directories.delete(dir)
    if (directory === this.#last) this.#last = nothing
  }

  clear(): void {
    this.forgetPaths()
    this.#directories.clear()
    this.#entries = 0
    this.#last = nothing
  }

  /** The directory that a path led to, with every search on the way and in it allowed to `cred` (`undefined`: unchecked). */
  directoryAt(path: string, cred: Cred | undefined): KnownDirectory | undefined {
    const directory = this.#pathsFor(cred).get(path)
    return directory?.live ? directory : undefined
  }

  setDirectoryAt(path: string, cred: Cred | undefined, dir: number): void {
    if (this.#limit === 0) return
    const paths = this.#pathsFor(cred)
    if (paths.size >= MAX_PATHS) paths.clear()
    paths.set(copyOf(path), this.#directory(dir))
  }

  /** A directory or symlink was moved or removed, or who may search a directory changed. */
  forgetPaths(): void {
    this.epoch++
    if (this.#paths.size > 0) this.#paths.clear()
    if (this.#checkedPaths.size > 0) this.#checkedPaths.clear()
  }

  #pathsFor(cred: Cred | undefined): Map<string, KnownDirectory> {
    if (cred === undefined) return this.#paths
    if (this.#checkedFor === undefined || !sameCred(cred, this.#checkedFor)) {
      this.#checkedPaths.clear()
      // A copy: the caller may change its own.
      this.#checkedFor = { uid: cred.uid, gid: cred.gid, groups: [...cred.groups] }
    }
    return this.#checkedPaths
  }

  #directory(dir: number): KnownDirectory {
    let directory = this.known(dir)
    if (directory === undefined) {
      directory = new KnownDirectory(dir)
      this.#directories.set(dir, directory)
      this.#entries++
      this.#last = directory
    }
    return directory
  }

  #put(dir: number, name: string, cached: CachedName): void {
    if (this.#limit === 0) return
    const { names } = this.#directory(dir)
    const before = names.size
    names.set(copyOf(name), cached)
    if (names.size === before) return
    if (++this.#entries > this.#limit) this.#evict()
  }

  #evict(): void {
    const target = Math.floor(this.#limit * 0.75)
    for (const dir of this.#directories.keys()) {
      this.drop(dir)
      if (this.#entries <= target) return
    }
  }
}

function sameCred(a: Cred, b: Cred): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.groups.length === b.groups.length && a.groups.every((group, i) => group === b.groups[i])
}

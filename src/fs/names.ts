import { limits } from '../sys/index.js'
import { latin1, putLatin1 } from './latin1.js'

/** A substring shorter than this is a copy in V8; a longer one keeps the whole string that it was cut from alive. */
const SLICED_FROM = 13
const scratch = Buffer.alloc(limits.nameBytes)

function copyOf(name: string): string {
  return latin1(scratch, 0, putLatin1(scratch, 0, name))
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

/**
 * Directory entries in front of the tree, absent ones too. Bounded; whole directories leave in the order they came.
 * Coherent because every change of an entry goes through the FileSystem, or clears it (`Session.changes`).
 */
export class NameCache {
  readonly #limit: number
  readonly #directories = new Map<number, Map<string, CachedName>>()
  #entries = 0
  #lastDir = -1
  #lastNames: Map<string, CachedName> | undefined

  /** @param limit entries kept at most; 0 for none */
  constructor(limit: number) {
    this.#limit = limit
  }

  get(dir: number, name: string): CachedName | undefined {
    const names = this.#namesOf(dir)
    return names === undefined ? undefined : names.get(name)
  }

  set(dir: number, name: string, ino: number, type: number): void {
    if (ino > MAX_INO) this.delete(dir, name)
    else this.#put(dir, name, ino * TYPES + type)
  }

  setMissing(dir: number, name: string): void {
    this.#put(dir, name, MISSING)
  }

  delete(dir: number, name: string): void {
    if (this.#namesOf(dir)?.delete(name)) this.#entries--
  }

  /** Forgets what is known of a directory. */
  drop(dir: number): void {
    const names = this.#directories.get(dir)
    if (names === undefined) return
    this.#entries -= names.size
    this.#directories.delete(dir)
    if (dir === this.#lastDir) this.#lastDir = -1
  }

  clear(): void {
    this.#directories.clear()
    this.#entries = 0
    this.#lastDir = -1
  }

  #namesOf(dir: number): Map<string, CachedName> | undefined {
    if (dir === this.#lastDir) return this.#lastNames
    const names = this.#directories.get(dir)
    if (names !== undefined) {
      this.#lastDir = dir
      this.#lastNames = names
    }
    return names
  }

  #put(dir: number, name: string, cached: CachedName): void {
    if (this.#limit === 0) return
    let names = this.#namesOf(dir)
    if (names === undefined) {
      names = new Map()
      this.#directories.set(dir, names)
    }
    const before = names.size
    names.set(name.length < SLICED_FROM ? name : copyOf(name), cached)
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

import { DirHash } from '../codec/index.js'
import { FileSystem, type FileSystemOptions } from '../fs/index.js'
import { BTree, PageCache } from '../tree/index.js'
import { MemoryPages } from '../tree/memory-pages.js'
import type { Tree } from '../tree/tree.js'
import { MemorySession, type MemorySessionOptions } from './memory-session.js'
import { SortedTree } from './sorted-tree.js'

/** The trees that tests of the file system run over. */
export const trees: ReadonlyArray<[name: string, make: () => Tree]> = [
  ['a sorted array', () => new SortedTree()],
  ['the B+tree', () => BTree.empty(new PageCache(new MemoryPages(), 64 * 1024 * 1024))],
]

export interface Fixture {
  session: MemorySession
  fs: FileSystem
  clock: ManualClock
}

/** A clock that moves a second whenever it is read. */
export class ManualClock {
  ms = 1_700_000_000_000
  now(): number {
    this.ms += 1000
    return this.ms
  }
  monotonic(): number {
    return this.ms
  }
}

export function fixture(options: MemorySessionOptions & FileSystemOptions = {}): Fixture {
  const clock = new ManualClock()
  const session = new MemorySession({ clock, ...options })
  return { session, clock, fs: new FileSystem(session, options) }
}

/** Hashes every name to one of a few values, so that names share them. */
export class CollidingHash extends DirHash {
  readonly #values: number

  constructor(values: number) {
    super(Buffer.alloc(8))
    this.#values = values
  }

  override of(name: string): void {
    super.of(name)
    this.low = 0xfffffffe + (this.low % this.#values)
    this.high = 5 + Math.floor(this.low / 4294967296)
    this.low = this.low >>> 0
  }
}

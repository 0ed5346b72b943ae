import { ATTR_BYTES, Attr, decodeAttr, getIno, sameHash, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { type BTree, TreeDiff } from '../tree/index.js'
import { EXTENT_STORED } from './content.js'
import { near, type Slices } from './near-reads.js'
import { nameAt } from './paths.js'

/** A name in a directory; one char per byte. */
export interface Entry {
  parent: number
  name: string
}

/** Steps of the walk between two chances to pause. */
const STEPS = 2000

/** What differs between two states, by inode, before anything is given a path. */
export class Differences {
  /** Inodes some of whose stored content differs; the bytes may be the same. */
  readonly content = new Set<number>()
  readonly xattr = new Set<number>()
  readonly attr = new Set<number>()
  /** Names that an inode lost, and that it got. */
  readonly removed = new Map<number, Entry[]>()
  readonly added = new Map<number, Entry[]>()
  pagesRead = 0

  /** Reads only what differs; yields now and then, so that a caller can do other things meanwhile. */
  static *between(before: BTree, after: BTree): Slices<undefined, Differences> {
    const found = new Differences()
    const walk = yield* near(() => new TreeDiff(before, after, (key, old, now) => found.#note(key, old, now)))
    while (!(yield* near(() => walk.step(STEPS)))) yield
    found.pagesRead = walk.pagesRead
    return found
  }

  #note(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    const ino = getIno(key, 1)
    switch (key[0]) {
      case Tag.attr:
        this.#noteAttr(ino, before, after)
        break
      case Tag.dirent:
        this.#noteEntry({ parent: ino, name: nameAt(key, 0, key.length) }, before, after)
        break
      case Tag.content:
        this.content.add(ino)
        break
      case Tag.extent:
        // The same block in another pack is the same content.
        if (!sameBlock(before, after)) this.content.add(ino)
        break
      case Tag.xattr:
        this.xattr.add(ino)
        break
    }
  }

  #noteAttr(ino: number, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    this.attr.add(ino)
    if (before === undefined || after === undefined) return
    const b = decodeAttr(before, 0, one)
    const a = decodeAttr(after, 0, two)
    if (isDirectory(a.mode)) return
    if (b.size !== a.size || Buffer.compare(before.subarray(ATTR_BYTES), after.subarray(ATTR_BYTES)) !== 0) this.content.add(ino)
  }

  #noteEntry(entry: Entry, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    if (before !== undefined && after !== undefined && getIno(before, 0) === getIno(after, 0)) return
    if (before !== undefined) push(this.removed, getIno(before, 0), entry)
    if (after !== undefined) push(this.added, getIno(after, 0), entry)
  }
}

const one = new Attr()
const two = new Attr()

function sameBlock(before: Uint8Array | undefined, after: Uint8Array | undefined): boolean {
  if (before === undefined || after === undefined) return false
  return before[0] === EXTENT_STORED && after[0] === EXTENT_STORED && sameHash(before, 1, after, 1)
}

function push(map: Map<number, Entry[]>, ino: number, entry: Entry): void {
  const list = map.get(ino)
  if (list === undefined) map.set(ino, [entry])
  else list.push(entry)
}

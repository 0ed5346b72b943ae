import {
  Attr,
  type DirHash,
  decodeAttr,
  direntKey,
  encodeAttr,
  getIno,
  INO_BYTES,
  inodeKey,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  putIno,
  Tag,
} from '../../codec/index.js'
import { S_IFDIR } from '../../codec/mode.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)

export interface Entry {
  parent: number
  /** One char per byte. */
  name: string
  ino: number
  /** mode >> 12. */
  type: number
}

export function isDirectoryEntry({ type }: Entry): boolean {
  return type === S_IFDIR >>> 12
}

/** The records of one state by inode and by name, read and written one by one. No overlay may be left in a tree that is written. */
export class Records {
  readonly tree: BTree
  readonly #hash: DirHash

  constructor(tree: BTree, hash: DirHash) {
    this.tree = tree
    this.#hash = hash
  }

  attr(ino: number): Attr | undefined {
    return this.tree.get(K, inodeKey(K, Tag.attr, ino)) ? decodeAttr(this.tree.vb, this.tree.vp, new Attr()) : undefined
  }

  /** Changes the fixed fields of an inode that is there; inline content stays. */
  setAttr(ino: number, attr: Attr): void {
    const length = inodeKey(K, Tag.attr, ino)
    if (!this.tree.get(K, length)) return
    const { vb, vp, vl } = this.tree
    V.set(vb.subarray(vp, vp + vl))
    encodeAttr(attr, V, 0)
    this.tree.put(K, length, V, vl)
  }

  entry(parent: number, name: string): Entry | undefined {
    if (!this.tree.get(K, this.#key(parent, name))) return undefined
    return { parent, name, ino: getIno(this.tree.vb, this.tree.vp), type: this.tree.vb[this.tree.vp + INO_BYTES] }
  }

  putEntry({ parent, name, ino, type }: Entry): void {
    const value = Buffer.alloc(INO_BYTES + 1)
    putIno(value, 0, ino)
    value[INO_BYTES] = type
    this.tree.put(K, this.#key(parent, name), value, value.length)
  }

  removeEntry(parent: number, name: string): void {
    this.tree.del(K, this.#key(parent, name))
  }

  #key(parent: number, name: string): number {
    this.#hash.of(name)
    return direntKey(K, parent, this.#hash.high, this.#hash.low, name)
  }

  /** Makes `entry` the name that an inode's attributes hint at. */
  nameInto(attr: Attr, { parent, name }: Entry): void {
    this.#hash.of(name)
    attr.parent = parent
    attr.nameHigh = this.#hash.high
    attr.nameLow = this.#hash.low
  }

  entriesOf(dir: number): Entry[] {
    const found: Entry[] = []
    this.#each(Tag.dirent, dir, (key, value) => {
      found.push({ parent: dir, name: Buffer.from(key.subarray(PREFIX_BYTES + 8)).toString('latin1'), ino: getIno(value, 0), type: value[INO_BYTES] })
    })
    return found
  }

  /** All names below a directory, those of a directory before those in it. */
  *below(dir: number): Generator<Entry> {
    for (const entry of this.entriesOf(dir)) {
      yield entry
      if (isDirectoryEntry(entry)) yield* this.below(entry.ino)
    }
  }

  /** Removes everything of an inode but its names. */
  removeInode(ino: number): void {
    for (const tag of [...inodeTags, Tag.orphan]) {
      const keys: Buffer[] = []
      this.#each(tag, ino, key => keys.push(Buffer.from(key)))
      for (const key of keys) this.tree.del(key, key.length)
    }
  }

  /** Copies everything of an inode but its names from another state, under a number. */
  copyInode(from: Records, ino: number, as: number): void {
    for (const tag of inodeTags)
      from.#each(tag, ino, (key, value) => {
        const copy = Buffer.from(key)
        putIno(copy, 1, as)
        V.set(value)
        this.tree.put(copy, copy.length, V, value.length)
      })
  }

  #each(tag: number, ino: number, visit: (key: Uint8Array, value: Uint8Array) => void): void {
    const prefix = Buffer.alloc(PREFIX_BYTES)
    inodeKey(prefix, tag, ino)
    const cursor = this.tree.cursor()
    let more = cursor.seek(prefix, PREFIX_BYTES)
    while (more && prefix.compare(cursor.buf, cursor.kp, cursor.kp + PREFIX_BYTES) === 0) {
      visit(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl), cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
      more = cursor.next()
    }
  }
}

/** Records of an inode, but for the mark of one without a name. */
const inodeTags = [Tag.attr, Tag.content, Tag.extent, Tag.xattr]

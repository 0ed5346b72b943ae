import {
  Attr,
  DIRENT_NAME_AT,
  type DirHash,
  decodeAttr,
  direntFromKey,
  direntKey,
  getIno,
  inodeKey,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  Tag,
} from '../../codec/index.js'
import { DT_DIR } from '../../fs/index.js'
import type { BTree, Cursor } from '../../tree/index.js'
import { type BlockSource, Content } from '../../volume/content.js'
import { Overlays } from '../../volume/overlay.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const probe = new Attr()
const MAX_DEPTH = 4096

/** What a name leads to. */
export interface Entry {
  ino: number
  /** mode >> 12 */
  type: number
}

/** A place for a name: a directory and one char per byte. */
export interface Slot {
  dir: number
  name: string
}

/** One whole state of a volume, read by inode: base, ours, theirs, and the result while it is made. Its content is stored blocks only. */
export class TreeState {
  readonly tree: BTree
  readonly hash: DirHash
  readonly content: Content

  constructor(tree: BTree, hash: DirHash, blocks: BlockSource) {
    this.tree = tree
    this.hash = hash
    this.content = new Content(() => tree, blocks, new Overlays())
  }

  readAttr(ino: number, into: Attr): boolean {
    if (!this.tree.get(K, inodeKey(K, Tag.attr, ino))) return false
    decodeAttr(this.tree.vb, this.tree.vp, into)
    return true
  }

  /** Links of an inode; 0 when it is not there, or has no name and waits to be removed. */
  links(ino: number): number {
    return this.readAttr(ino, probe) ? probe.nlink : 0
  }

  isDirectory(ino: number): boolean {
    return this.readAttr(ino, probe) && probe.nlink > 0 && probe.mode >>> 12 === DT_DIR
  }

  entry(dir: number, name: string): Entry | undefined {
    this.hash.of(name)
    const { tree } = this
    if (!tree.get(K, direntKey(K, dir, this.hash.high, this.hash.low, name))) return undefined
    return { ino: getIno(tree.vb, tree.vp), type: tree.vb[tree.vp + 7] }
  }

  /** A name of an inode, by the hint in its attributes: surely there for a directory, else undefined when the hint is stale. */
  slotOf(ino: number): Slot | undefined {
    if (ino === 1 || !this.readAttr(ino, probe)) return undefined
    const dir = probe.parent
    const length = direntFromKey(K, dir, probe.nameHigh, probe.nameLow)
    const prefix = Buffer.from(K.subarray(0, length))
    const cursor = this.tree.cursor()
    for (let more = cursor.seek(K, length); more; more = cursor.next()) {
      const key = keyOf(cursor)
      if (!startsWith(key, prefix)) return undefined
      if (getIno(cursor.buf, cursor.vp) === ino) return { dir, name: nameOf(key) }
    }
    return undefined
  }

  /** The path of a place, one char per byte; undefined when its directory has none. */
  pathOf(slot: Slot): string | undefined {
    let path = `/${slot.name}`
    let dir = slot.dir
    for (let depth = 0; depth < MAX_DEPTH && dir !== 1; depth++) {
      const up = this.slotOf(dir)
      if (up === undefined) return undefined
      path = `/${up.name}${path}`
      dir = up.dir
    }
    return path
  }

  /** How deep a directory lies; 0 for the root. */
  depthOf(dir: number): number {
    let depth = 0
    while (dir !== 1 && depth < MAX_DEPTH) {
      const up = this.slotOf(dir)
      if (up === undefined) break
      dir = up.dir
      depth++
    }
    return depth
  }

  /** The entries of a directory. */
  entries(dir: number): Array<Entry & { name: string }> {
    const prefix = Buffer.alloc(PREFIX_BYTES)
    inodeKey(prefix, Tag.dirent, dir)
    const found: Array<Entry & { name: string }> = []
    const cursor = this.tree.cursor()
    for (let more = cursor.seek(prefix, PREFIX_BYTES); more; more = cursor.next()) {
      const key = keyOf(cursor)
      if (!startsWith(key, prefix)) break
      found.push({ ino: getIno(cursor.buf, cursor.vp), type: cursor.buf[cursor.vp + 7], name: nameOf(key) })
    }
    return found
  }

  isEmpty(dir: number): boolean {
    const length = inodeKey(K, Tag.dirent, dir)
    const prefix = Buffer.from(K.subarray(0, length))
    const cursor = this.tree.cursor()
    return !cursor.seek(K, length) || !startsWith(keyOf(cursor), prefix)
  }
}

/** The key a cursor stands on; valid until it moves. */
export function keyOf(cursor: Cursor): Uint8Array {
  return cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false
  return true
}

/** The name in a directory entry's key, one char per byte. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset + DIRENT_NAME_AT, key.length - DIRENT_NAME_AT).toString('latin1')
}

/** A byte string as the text that users see. */
export function shown(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

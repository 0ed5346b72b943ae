import {
  ATTR_BYTES,
  Attr,
  AttrFlag,
  ContentKind,
  direntKey,
  encodeAttr,
  extentKey,
  getIno,
  inodeKey,
  MAX_KEY_BYTES,
  putIno,
  Tag,
  xattrKey,
} from '../../codec/index.js'
import { DT_DIR, S_IFREG, typeOf } from '../../fs/index.js'
import { assert, limits } from '../../sys/index.js'
import { diff } from '../../tree/index.js'
import { type BlockSink, EXTENT_BYTES, EXTENT_STORED } from '../../volume/content.js'
import { type Node, storedWhole, xattrsOf } from './records.js'
import { type Entry, keyOf, type Slot, startsWith, TreeState } from './state.js'

const DT_REG = S_IFREG >> 12
const BLOCK = limits.blockBytes
const BLOCK_UNITS = BLOCK / 512
const PAGE = 4096
const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)
const noBytes = Buffer.alloc(0)

/**
 * The result of a merge while it is made: a private fork of ours. Names and inodes are changed apart; `settleLinks` then makes
 * link counts right and removes what lost its last name.
 */
export class WorkTree extends TreeState {
  /** Extents of another state were copied. */
  takesBlocks = false
  /** Names made less names taken, by inode of a file. */
  readonly #links = new Map<number, number>()
  /** Links that a file had before anything was done to it. */
  readonly #linksBefore = new Map<number, number>()

  /** Names that are promised to files whose number is not known yet. */
  readonly #reserved = new Set<string>()

  // Names.

  override entry(dir: number, name: string): Entry | undefined {
    return super.entry(dir, name) ?? (this.#reserved.has(`${dir}/${name}`) ? { ino: 0, type: DT_REG } : undefined)
  }

  /** From now on the name is taken. */
  reserve(slot: Slot): void {
    this.#reserved.add(`${slot.dir}/${slot.name}`)
  }

  putEntry(slot: Slot, ino: number, type: number): void {
    this.#reserved.delete(`${slot.dir}/${slot.name}`)
    const had = this.entry(slot.dir, slot.name)
    if (had !== undefined && had.ino === ino && had.type === type) return
    if (had !== undefined) this.delEntry(slot)
    this.hash.of(slot.name)
    const { high, low } = this.hash
    putIno(V, 0, ino)
    V[7] = type
    this.tree.put(K, direntKey(K, slot.dir, high, low, slot.name), V, 8)
    if (type === DT_DIR) {
      this.#changeAttr(slot.dir, attr => {
        attr.nlink++
      })
    } else this.#link(ino, 1)
    // Of a file that has no record yet the hint is set with it.
    this.#changeAttr(ino, attr => {
      attr.parent = slot.dir
      attr.nameHigh = high
      attr.nameLow = low
    })
  }

  delEntry(slot: Slot): void {
    const had = this.entry(slot.dir, slot.name)
    assert(had !== undefined, 'a name that is taken away is there')
    this.hash.of(slot.name)
    this.tree.del(K, direntKey(K, slot.dir, this.hash.high, this.hash.low, slot.name))
    if (had.type === DT_DIR) {
      this.#changeAttr(slot.dir, attr => {
        attr.nlink--
      })
    } else this.#link(had.ino, -1)
  }

  #link(ino: number, count: number): void {
    if (!this.#links.has(ino)) this.#linksBefore.set(ino, this.links(ino))
    this.#links.set(ino, (this.#links.get(ino) ?? 0) + count)
  }

  /** Names that a file has now. */
  linksNow(ino: number): number {
    const change = this.#links.get(ino)
    return change === undefined ? this.links(ino) : (this.#linksBefore.get(ino) ?? 0) + change
  }

  /** Link counts of the files whose names changed; what has none left is removed. */
  settleLinks(): void {
    for (const [ino, change] of this.#links) {
      const links = (this.#linksBefore.get(ino) ?? 0) + change
      if (links === 0) this.removeInode(ino)
      else
        this.#changeAttr(ino, attr => {
          attr.nlink = links
        })
    }
  }

  // Inodes.

  #changeAttr(ino: number, change: (attr: Attr) => void): void {
    const attr = new Attr()
    if (!this.readAttr(ino, attr)) return
    const inline = this.#inlineOf(ino, attr)
    change(attr)
    this.putAttr(ino, attr, inline)
  }

  /** mode >> 12 of an inode that is there. */
  typeOf(ino: number): number {
    const attr = new Attr()
    assert(this.readAttr(ino, attr), 'a file that gets a name has a record')
    return typeOf(attr.mode)
  }

  #inlineOf(ino: number, attr: Attr): Buffer {
    return attr.kind === ContentKind.inline ? (storedWhole({ state: this, ino, attr }) ?? noBytes) : noBytes
  }

  /** @param inline content behind the record, for content of that kind */
  putAttr(ino: number, attr: Attr, inline: Buffer): void {
    encodeAttr(attr, V, 0)
    inline.copy(V, ATTR_BYTES)
    this.tree.put(K, inodeKey(K, Tag.attr, ino), V, ATTR_BYTES + inline.length)
    // An unlinked inode that was open has a name again.
    if (attr.nlink > 0) this.tree.del(K, inodeKey(K, Tag.orphan, ino))
  }

  /** Makes `ino` a copy of an inode of another state: content, extended attributes, attributes. Links and place stay the caller's. */
  copyFrom(from: Node, ino: number): void {
    const had = new Attr()
    const isThere = this.readAttr(ino, had)
    const attr = new Attr()
    attr.copyFrom(from.attr)
    attr.nlink = isThere && had.nlink > 0 ? had.nlink : 0
    attr.parent = isThere ? had.parent : 0
    attr.nameHigh = isThere ? had.nameHigh : 0
    attr.nameLow = isThere ? had.nameLow : 0
    this.copyContent(from, ino)
    if (((had.flags | attr.flags) & AttrFlag.xattr) !== 0) this.copyXattrs(from, ino)
    this.putAttr(ino, attr, from.attr.kind === ContentKind.inline ? (storedWhole(from) ?? noBytes) : noBytes)
  }

  /** The records of content but for what is inline; the attributes are the caller's. */
  copyContent(from: Node, ino: number): void {
    const had = new Attr()
    this.readAttr(ino, had)
    const { kind } = from.attr
    const small = kind === ContentKind.small ? storedWhole(from) : undefined
    if (small !== undefined) this.tree.put(K, inodeKey(K, Tag.content, ino), small, small.length)
    else if (had.kind === ContentKind.small) this.tree.del(K, inodeKey(K, Tag.content, ino))
    // No other kind has extents.
    if (kind !== ContentKind.blocks && had.kind !== ContentKind.blocks) return
    if (from.ino === ino) this.#copyExtents(from)
    else {
      this.#delPrefix(Tag.extent, ino)
      this.#addExtents(from, ino)
    }
  }

  /** Of one inode in two states: only what differs. */
  #copyExtents({ state, ino }: Node): void {
    const from = Buffer.from(K.subarray(0, extentKey(K, ino, 0)))
    const to = Buffer.from(K.subarray(0, extentKey(K, ino + 1, 0)))
    const changes: Array<{ key: Buffer; value: Buffer | undefined }> = []
    diff(this.tree, state.tree, (key, _before, after) => changes.push({ key: Buffer.from(key), value: after === undefined ? undefined : Buffer.from(after) }), {
      from,
      to,
    })
    for (const { key, value } of changes) {
      if (value === undefined) this.tree.del(key, key.length)
      else {
        this.tree.put(key, key.length, value, value.length)
        this.takesBlocks = true
      }
    }
  }

  #addExtents({ state, ino: source }: Node, ino: number): void {
    const cursor = state.tree.cursor()
    for (let more = cursor.seek(K, extentKey(K, source, 0)); more; more = cursor.next()) {
      const key = Buffer.from(keyOf(cursor))
      if (key[0] !== Tag.extent || getIno(key, 1) !== source) break
      putIno(key, 1, ino)
      this.takesBlocks = true
      this.tree.put(key, key.length, Buffer.from(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl)), cursor.vl)
    }
  }

  copyXattrs(from: Node, ino: number): void {
    this.#delPrefix(Tag.xattr, ino)
    for (const [name, chunks] of xattrsOf(from.state, from.ino)) this.putXattr(ino, name, chunks)
  }

  putXattr(ino: number, name: string, chunks: readonly Buffer[]): void {
    chunks.forEach((chunk, i) => {
      this.tree.put(K, xattrKey(K, ino, name, i), chunk, chunk.length)
    })
  }

  delXattr(ino: number, name: string): void {
    for (let chunk = 0; this.tree.del(K, xattrKey(K, ino, name, chunk)); chunk++);
  }

  /** Sets kind, size and blocks of `attr` and writes the records of the content; what is inline is returned. */
  writeContent(ino: number, attr: Attr, bytes: Buffer, sink: BlockSink): Buffer {
    this.tree.del(K, inodeKey(K, Tag.content, ino))
    this.#delPrefix(Tag.extent, ino)
    const size = bytes.length
    attr.size = size
    attr.blocks = Math.ceil(size / 512)
    attr.kind =
      size === 0 ? ContentKind.none : size <= limits.inlineBytes ? ContentKind.inline : size <= limits.smallBytes ? ContentKind.small : ContentKind.blocks
    if (attr.kind === ContentKind.small) this.tree.put(K, inodeKey(K, Tag.content, ino), bytes, size)
    if (attr.kind === ContentKind.blocks) {
      const last = Math.floor((size - 1) / BLOCK)
      for (let block = 0; block <= last; block++) {
        V[0] = EXTENT_STORED
        sink.writeBlock(bytes, block * BLOCK, Math.min(BLOCK, size - block * BLOCK), V, 1)
        this.tree.put(K, extentKey(K, ino, block), V, EXTENT_BYTES)
      }
      attr.blocks = last * BLOCK_UNITS + Math.ceil((size - last * BLOCK) / PAGE) * (PAGE / 512)
    }
    return attr.kind === ContentKind.inline ? bytes : noBytes
  }

  setXattrFlag(ino: number, attr: Attr): void {
    const length = inodeKey(K, Tag.xattr, ino)
    const prefix = Buffer.from(K.subarray(0, length))
    const cursor = this.tree.cursor()
    if (cursor.seek(K, length) && startsWith(keyOf(cursor), prefix)) attr.flags |= AttrFlag.xattr
    else attr.flags &= ~AttrFlag.xattr
  }

  /** All records of an inode. */
  removeInode(ino: number): void {
    this.#delPrefix(Tag.extent, ino)
    this.#delPrefix(Tag.xattr, ino)
    for (const tag of [Tag.content, Tag.orphan, Tag.attr]) this.tree.del(K, inodeKey(K, tag, ino))
  }

  /** A new, empty directory with the attributes of another one. */
  makeDirectory(slot: Slot, from: Node): void {
    const { ino } = from
    this.copyFrom(from, ino)
    this.#changeAttr(ino, attr => {
      attr.nlink = 2
    })
    this.putEntry(slot, ino, DT_DIR)
  }

  /** A directory that is empty, with its name. */
  removeDirectory(slot: Slot, ino: number): void {
    this.delEntry(slot)
    this.removeInode(ino)
  }

  #delPrefix(tag: number, ino: number): void {
    const prefix = Buffer.alloc(8)
    inodeKey(prefix, tag, ino)
    const cursor = this.tree.cursor()
    const keys: Buffer[] = []
    for (let more = cursor.seek(prefix, prefix.length); more; more = cursor.next()) {
      const key = keyOf(cursor)
      if (!startsWith(key, prefix)) break
      keys.push(Buffer.from(key))
    }
    for (const key of keys) this.tree.del(key, key.length)
  }
}

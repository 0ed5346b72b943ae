import {
  ATTR_BYTES,
  Attr,
  AttrFlag,
  ContentKind,
  extentBlock,
  extentKey,
  getIno,
  inodeKey,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  sameHash,
  Tag,
} from '../../codec/index.js'
import { CorruptError } from '../../errors.js'
import { S_IFLNK, S_IFMT, S_IFREG } from '../../fs/index.js'
import { limits } from '../../sys/index.js'
import { diff } from '../../tree/index.js'
import { EXTENT_BYTES, EXTENT_STORED } from '../../volume/content.js'
import { keyOf, type TreeState } from './state.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(MAX_KEY_BYTES)
const one = Buffer.allocUnsafeSlow(BLOCK)
const two = Buffer.allocUnsafeSlow(BLOCK)
/** NUL and chunk number behind the name in an extended attribute's key. */
const XATTR_TAIL = 3

/** An inode in one state. */
export interface Node {
  state: TreeState
  ino: number
  attr: Attr
}

export function nodeAt(state: TreeState, ino: number): Node | undefined {
  const attr = new Attr()
  return ino !== 0 && state.readAttr(ino, attr) && attr.nlink > 0 ? { state, ino, attr } : undefined
}

/** The inline or small content as it is stored; undefined for other kinds. A copy. */
export function storedWhole({ state, ino, attr }: Node): Buffer | undefined {
  const { tree } = state
  const isInline = attr.kind === ContentKind.inline
  if (!isInline && attr.kind !== ContentKind.small) return undefined
  const skip = isInline ? ATTR_BYTES : 0
  if (!tree.get(K, inodeKey(K, isInline ? Tag.attr : Tag.content, ino)) || tree.vl - skip !== attr.size)
    throw new CorruptError(`inode ${ino}`, 'its content is missing or not as long as its size')
  return Buffer.from(tree.vb.subarray(tree.vp + skip, tree.vp + tree.vl))
}

export function hasBytes(attr: Attr): boolean {
  const type = attr.mode & S_IFMT
  return type === S_IFREG || type === S_IFLNK
}

/** Fills `into` with `length` bytes at `offset`, within the size. */
function readBytes(node: Node, offset: number, into: Buffer, length: number): void {
  if (node.attr.kind === ContentKind.blocks) node.state.content.read(node.ino, offset, into, 0, length)
  else {
    const whole = storedWhole(node)
    if (whole === undefined) into.fill(0, 0, length)
    else whole.copy(into, 0, offset, offset + length)
  }
}

/** The whole content of a file, which the caller knows to be small enough. */
export function wholeContent(node: Node): Buffer {
  const bytes = Buffer.alloc(node.attr.size)
  if (node.attr.kind === ContentKind.blocks) node.state.content.read(node.ino, 0, bytes, 0, bytes.length)
  else storedWhole(node)?.copy(bytes)
  return bytes
}

/** Same kind of file and same bytes. Blocks that are one by hash are not read. */
export function sameContent(a: Node, b: Node): boolean {
  const x = a.attr
  const y = b.attr
  if ((x.mode & S_IFMT) !== (y.mode & S_IFMT)) return false
  if (!hasBytes(x)) return x.rdev === y.rdev
  if (x.size !== y.size) return false
  if (x.kind === ContentKind.none && y.kind === ContentKind.none) return true
  if (x.kind !== ContentKind.blocks && y.kind !== ContentKind.blocks && x.kind !== ContentKind.none && y.kind !== ContentKind.none)
    return (storedWhole(a) as Buffer).equals(storedWhole(b) as Buffer) // both are inline or small
  if (x.kind === ContentKind.blocks && y.kind === ContentKind.blocks && a.ino === b.ino) return sameChangedBlocks(a, b)
  return sameBlocks(a, b)
}

/** Of one inode in two states: looks only at the extents that differ. */
function sameChangedBlocks(a: Node, b: Node): boolean {
  const from = Buffer.from(K.subarray(0, extentKey(K, a.ino, 0)))
  const to = Buffer.from(K.subarray(0, extentKey(K, a.ino + 1, 0)))
  const blocks: number[] = []
  diff(a.state.tree, b.state.tree, key => blocks.push(extentBlock(key, 0)), { from, to })
  return blocks.every(block => sameBlock(a, b, block))
}

function sameBlocks(a: Node, b: Node): boolean {
  const count = Math.ceil(a.attr.size / BLOCK)
  for (let block = 0; block < count; block++) {
    block = Math.min(nextData(a, block), nextData(b, block))
    if (block < count && !sameBlock(a, b, block)) return false
  }
  return true
}

/** The next block that may be more than zeros. */
function nextData(node: Node, block: number): number {
  if (node.attr.kind === ContentKind.none) return Number.POSITIVE_INFINITY
  if (node.attr.kind !== ContentKind.blocks) return block
  const next = node.state.content.nextBlock(node.ino, block)
  return next < 0 ? Number.POSITIVE_INFINITY : next
}

function sameBlock(a: Node, b: Node, block: number): boolean {
  const x = extent(a, block)
  const y = extent(b, block)
  if (x !== undefined && y !== undefined && sameHash(x, 1, y, 1)) return true
  const length = Math.min(BLOCK, a.attr.size - block * BLOCK)
  if (length <= 0) return true
  readBytes(a, block * BLOCK, one, length)
  readBytes(b, block * BLOCK, two, length)
  return one.compare(two, 0, length, 0, length) === 0
}

function extent({ state, ino, attr }: Node, block: number): Buffer | undefined {
  const { tree } = state
  if (attr.kind !== ContentKind.blocks || !tree.get(K, extentKey(K, ino, block)) || tree.vb[tree.vp] !== EXTENT_STORED) return undefined
  return Buffer.from(tree.vb.subarray(tree.vp, tree.vp + EXTENT_BYTES))
}

/** Extended attributes: name → its chunks as they are stored. */
export type Xattrs = Map<string, Buffer[]>

export function xattrsOf(state: TreeState, ino: number): Xattrs {
  const found: Xattrs = new Map()
  const cursor = state.tree.cursor()
  for (let more = cursor.seek(K, inodeKey(K, Tag.xattr, ino)); more; more = cursor.next()) {
    const key = keyOf(cursor)
    if (key[0] !== Tag.xattr || getIno(key, 1) !== ino) break
    const name = Buffer.from(key.subarray(PREFIX_BYTES, key.length - XATTR_TAIL)).toString('latin1')
    const value = Buffer.from(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
    const chunks = found.get(name)
    if (chunks === undefined) found.set(name, [value])
    else chunks.push(value)
  }
  return found
}

export function sameChunks(a: Buffer[] | undefined, b: Buffer[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((chunk, i) => chunk.equals(b[i]))
}

function sameXattrs(a: Node, b: Node): boolean {
  const x = xattrsOf(a.state, a.ino)
  const y = xattrsOf(b.state, b.ino)
  return x.size === y.size && [...x].every(([name, chunks]) => sameChunks(chunks, y.get(name)))
}

/** Everything but times, links and names. */
export function sameNode(a: Node, b: Node): boolean {
  const x = a.attr
  const y = b.attr
  const sameAttributes = x.mode === y.mode && x.uid === y.uid && x.gid === y.gid && x.flags === y.flags
  return sameAttributes && ((x.flags & AttrFlag.xattr) === 0 || sameXattrs(a, b)) && sameContent(a, b)
}

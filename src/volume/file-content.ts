import { ATTR_BYTES, type Attr, ContentKind, decodeAttr, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, sameHash, Tag } from '../codec/index.js'
import { limits } from '../sys/index.js'
import type { BTree } from '../tree/index.js'
import { EXTENT_STORED } from './content.js'
import type { ContentReader } from './session.js'

/** A state whose files are read by inode: a commit's, or a fork of the live tree without overlays. */
export interface FileState {
  readonly tree: BTree
  readonly content: ContentReader
}

const BLOCK = limits.blockBytes
const K = Buffer.alloc(MAX_KEY_BYTES)

/** Bytes of a file or symbolic link from `offset`, at most `length` and up to its end. @throws CorruptError */
export function readFileBytes(state: FileState, ino: number, attr: Readonly<Attr>, offset: number, length: number): Buffer {
  const end = Math.min(attr.size, offset + length)
  const bytes = Buffer.alloc(Math.max(0, end - offset))
  if (bytes.length === 0 || attr.kind === ContentKind.none) return bytes
  if (attr.kind === ContentKind.blocks) {
    state.content.read(ino, offset, bytes, 0, bytes.length)
    return bytes
  }
  const { tree } = state
  const inline = attr.kind === ContentKind.inline
  if (tree.get(K, inodeKey(K, inline ? Tag.attr : Tag.content, ino))) {
    const from = tree.vp + (inline ? ATTR_BYTES : 0)
    bytes.set(tree.vb.subarray(from + offset, Math.min(from + end, tree.vp + tree.vl)))
  }
  return bytes
}

/**
 * Whether two files of one size hold the same bytes. Blocks are compared by hash, and read only where the hashes differ: a
 * block may be stored with or without its zeros.
 */
export function sameContent(a: FileState, aIno: number, aAttr: Readonly<Attr>, b: FileState, bIno: number, bAttr: Readonly<Attr>): boolean {
  if (aAttr.size !== bAttr.size) return false
  if (isSmall(aAttr) || isSmall(bAttr)) return sameSmall(a, aIno, aAttr, b, bIno, bAttr)
  const x = new Extents(a, aIno)
  const y = new Extents(b, bIno)
  for (;;) {
    const block = Math.min(x.block, y.block)
    if (block === Number.POSITIVE_INFINITY) return true
    if (!(x.block === y.block && x.sameHash(y)) && !sameBlock(a, aIno, b, bIno, block * BLOCK, Math.min(BLOCK, aAttr.size - block * BLOCK))) return false
    if (x.block === block) x.next()
    if (y.block === block) y.next()
  }
}

function isSmall({ kind }: Readonly<Attr>): boolean {
  return kind === ContentKind.inline || kind === ContentKind.small
}

function sameSmall(a: FileState, aIno: number, aAttr: Readonly<Attr>, b: FileState, bIno: number, bAttr: Readonly<Attr>): boolean {
  return readFileBytes(a, aIno, aAttr, 0, limits.smallBytes).equals(readFileBytes(b, bIno, bAttr, 0, limits.smallBytes))
}

const one = Buffer.allocUnsafeSlow(BLOCK)
const two = Buffer.allocUnsafeSlow(BLOCK)

function sameBlock(a: FileState, aIno: number, b: FileState, bIno: number, offset: number, length: number): boolean {
  if (length <= 0) return true
  a.content.read(aIno, offset, one, 0, length)
  b.content.read(bIno, offset, two, 0, length)
  return one.compare(two, 0, length, 0, length) === 0
}

/** The stored blocks of a file in order. */
class Extents {
  /** Infinity behind the last. */
  block = 0
  readonly #ino: number
  readonly #cursor

  constructor(state: FileState, ino: number) {
    this.#ino = ino
    this.#cursor = state.tree.cursor()
    this.#settle(this.#cursor.seek(K, inodeKey(K, Tag.extent, ino)))
  }

  next(): void {
    this.#settle(this.#cursor.next())
  }

  #settle(found: boolean): void {
    const { buf, kp } = this.#cursor
    const here = found && buf[kp] === Tag.extent && getIno(buf, kp + 1) === this.#ino
    this.block = here ? Buffer.from(buf.buffer, buf.byteOffset + kp + PREFIX_BYTES, 5).readUIntBE(0, 5) : Number.POSITIVE_INFINITY
  }

  sameHash(other: Extents): boolean {
    const { buf, vp } = this.#cursor
    const { buf: otherBuf, vp: otherVp } = other.#cursor
    return buf[vp] === EXTENT_STORED && otherBuf[otherVp] === EXTENT_STORED && sameHash(buf, vp + 1, otherBuf, otherVp + 1)
  }
}

/** Whether two inodes have the same extended attributes. */
export function sameXattrs(a: FileState, aIno: number, b: FileState, bIno: number): boolean {
  const x = xattrRecords(a, aIno)
  const y = xattrRecords(b, bIno)
  return x.length === y.length && x.every((record, i) => record.equals(y[i]))
}

function xattrRecords(state: FileState, ino: number): Buffer[] {
  const found: Buffer[] = []
  const cursor = state.tree.cursor()
  let more = cursor.seek(K, inodeKey(K, Tag.xattr, ino))
  while (more && cursor.buf[cursor.kp] === Tag.xattr && getIno(cursor.buf, cursor.kp + 1) === ino) {
    const { buf, kp, kl, vp, vl } = cursor
    found.push(Buffer.concat([buf.subarray(kp + PREFIX_BYTES, kp + kl), buf.subarray(vp, vp + vl)]))
    more = cursor.next()
  }
  return found
}

/** The attributes of an inode, in `into`; undefined when it is not there. */
export function attrOf(state: { tree: BTree }, ino: number, into: Attr): Attr | undefined {
  const { tree } = state
  return tree.get(K, inodeKey(K, Tag.attr, ino)) ? decodeAttr(tree.vb, tree.vp, into) : undefined
}

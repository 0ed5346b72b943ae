import {
  ATTR_BYTES,
  Attr,
  BLOCK_HOLE,
  ContentKind,
  type DirHash,
  decodeAttr,
  decodeVersion,
  direntKey,
  encodeAttr,
  extentBlock,
  extentKey,
  getIno,
  INO_BYTES,
  inodeKey,
  isVersionBlock,
  MAX_KEY_BYTES,
  Part,
  PREFIX_BYTES,
  pointerLength,
  putIno,
  Tag,
  VERSION_KEY_BYTES,
  versionBlock,
  versionContentKey,
  versionKey,
  versionSequence,
} from '../../codec/index.js'
import { S_IFDIR } from '../../codec/mode.js'
import { SEGMENT_HEADER_BYTES } from '../../codec/segment.js'
import { CorruptError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import { EXTENT_BYTES } from '../content.js'
import { holesBehind } from './newest.js'
import type { Entry, Past } from './past.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)
const attr = new Attr()
/** Flag of attributes: there are extended ones. */
const HAS_XATTRS = 2

/**
 * Puts the inode of a version, as it was, into `into`: attributes, content, extended attributes, under its own number, with one link and no name.
 * Nothing of the live tree may be in overlays. The last block may be longer than the file.
 * @returns its attributes, valid until the next call
 * @throws CorruptError
 */
export function composeInode(past: Past, entry: Entry, into: BTree): Attr {
  if (entry.state === undefined) copyLive(past.tree, entry.ino, into)
  else copyState(past, entry.ino, entry.state.sequence, into)
  into.get(K, inodeKey(K, Tag.attr, entry.ino))
  return decodeAttr(into.vb, into.vp, attr)
}

function copyLive(tree: BTree, ino: number, into: BTree): void {
  for (const tag of [Tag.attr, Tag.content, Tag.extent, Tag.xattr]) copyKeys(tree, tag, ino, into)
  if (!into.get(K, inodeKey(K, Tag.attr, ino))) throw new CorruptError(`inode ${ino}`, 'it is named and not there')
  const length = into.vl
  V.set(into.vb.subarray(into.vp, into.vp + length))
  decodeAttr(V, 0, attr)
  attr.nlink = 1
  encodeAttr(attr, V, 0)
  into.put(K, PREFIX_BYTES, V, length)
}

function copyKeys(from: BTree, tag: number, ino: number, into: BTree): void {
  const cursor = from.cursor()
  let more = cursor.seek(K, inodeKey(K, tag, ino))
  while (more && cursor.buf[cursor.kp] === tag && getIno(cursor.buf, cursor.kp + 1) === ino) {
    K.set(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
    V.set(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
    into.put(K, cursor.kl, V, cursor.vl)
    more = cursor.next()
  }
}

function copyState(past: Past, ino: number, sequence: number, into: BTree): void {
  const { history } = past
  if (!history.get(K, versionKey(K, ino, sequence))) throw new CorruptError(`inode ${ino}`, `version ${sequence} is not there`)
  const record = decodeVersion(history.vb, history.vp, history.vl, attr)
  const content = Buffer.from(record.content)
  if (!record.hasBirth) setBirth(past, ino, sequence)
  attr.changed = 0
  attr.flags &= ~HAS_XATTRS
  const { kind, size } = attr
  const { holesFrom } = record
  if (copyXattrs(history, ino, sequence, into)) attr.flags |= HAS_XATTRS
  encodeAttr(attr, V, 0)
  let length = ATTR_BYTES
  if (kind === ContentKind.inline) {
    V.set(content, ATTR_BYTES)
    length += content.length
  }
  into.put(K, inodeKey(K, Tag.attr, ino), V, length)
  if (kind === ContentKind.small) copySmall(history, ino, sequence, record.apart ? undefined : content, into)
  if (kind === ContentKind.blocks) copyBlocks(past, ino, sequence, { size, holesFrom }, into)
}

/** Times of birth are saved once, in the last state of an inode. */
function setBirth(past: Past, ino: number, sequence: number): void {
  const birth = past.attr(ino) ?? lastState(past, ino, sequence)
  attr.btimeS = birth.btimeS
  attr.btimeNs = birth.btimeNs
}

function lastState(past: Past, ino: number, from: number): Attr {
  const found = new Attr()
  const { history } = past
  for (const { sequence, record } of past.states(ino, from, Number.MAX_SAFE_INTEGER)) {
    if (!history.get(K, versionKey(K, ino, sequence))) continue
    decodeVersion(history.vb, history.vp, history.vl, found)
    if (record.hasBirth) break
  }
  return found
}

function copySmall(history: BTree, ino: number, sequence: number, content: Uint8Array | undefined, into: BTree): void {
  let bytes = content
  if (bytes === undefined) {
    if (!history.get(K, versionContentKey(K, ino, sequence))) throw new CorruptError(`inode ${ino}`, `the content of version ${sequence} is not there`)
    bytes = Buffer.from(history.vb.subarray(history.vp, history.vp + history.vl))
  }
  into.put(K, inodeKey(K, Tag.content, ino), bytes, bytes.length)
}

function copyXattrs(history: BTree, ino: number, sequence: number, into: BTree): boolean {
  const cursor = history.cursor()
  const prefix = versionKey(K, ino, sequence)
  K[prefix] = Part.xattr
  const wanted = Buffer.from(K.subarray(0, prefix + 1))
  let more = cursor.seek(wanted, wanted.length)
  let found = false
  while (more && cursor.kl > wanted.length && wanted.compare(cursor.buf, cursor.kp, cursor.kp + wanted.length) === 0) {
    let length = inodeKey(K, Tag.xattr, ino)
    for (let i = wanted.length; i < cursor.kl; i++) K[length++] = cursor.buf[cursor.kp + i]
    V.set(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
    into.put(K, length, V, cursor.vl)
    found = true
    more = cursor.next()
  }
  return found
}

/** Each block as the first state from this one on has it, else as it is now. */
function copyBlocks(past: Past, ino: number, sequence: number, { size, holesFrom }: { size: number; holesFrom: number }, into: BTree): void {
  let end = Math.min(Math.ceil(size / BLOCK), holesFrom)
  const seen = new Set<number>()
  const cursor = past.history.cursor()
  let more = cursor.seek(K, versionKey(K, ino, sequence))
  while (more && cursor.buf[cursor.kp] === Tag.version && getIno(cursor.buf, cursor.kp + 1) === ino) {
    const at = versionSequence(cursor.buf, cursor.kp)
    if (past.isHidden(at)) {
      more = cursor.next()
      continue
    }
    if (cursor.kl === VERSION_KEY_BYTES && at > sequence) {
      const next = decodeVersion(cursor.buf, cursor.vp, cursor.vl, attr)
      end = Math.min(end, holesBehind(size, { size: attr.size, kind: attr.kind, holesFrom: next.holesFrom }))
    }
    if (isVersionBlock(cursor.buf, cursor.kp, cursor.kl)) {
      const block = versionBlock(cursor.buf, cursor.kp)
      const isItsOwn = at === sequence && block * BLOCK < size
      if ((isItsOwn || block < end) && !seen.has(block)) {
        seen.add(block)
        if (cursor.buf[cursor.vp] !== BLOCK_HOLE) putExtent(into, ino, block, cursor.buf, cursor.vp)
      }
    }
    more = cursor.next()
  }
  const live = past.tree.cursor()
  more = live.seek(K, inodeKey(K, Tag.extent, ino))
  while (more && live.buf[live.kp] === Tag.extent && getIno(live.buf, live.kp + 1) === ino) {
    const block = extentBlock(live.buf, live.kp)
    if (block < end && !seen.has(block)) putExtent(into, ino, block, live.buf, live.vp)
    more = live.next()
  }
}

function putExtent(into: BTree, ino: number, block: number, from: Uint8Array, at: number): void {
  V.set(from.subarray(at, at + EXTENT_BYTES))
  into.put(K, extentKey(K, ino, block), V, EXTENT_BYTES)
}

/** The last block of a composed file when it holds bytes behind the file's end, which later states put there; -1: it does not. */
export function longTail(tree: BTree, ino: number, size: number): number {
  const last = Math.floor((size - 1) / BLOCK)
  if (size % BLOCK === 0 || !tree.get(K, extentKey(K, ino, last))) return -1
  return pointerLength(tree.vb, tree.vp + 1) - SEGMENT_HEADER_BYTES > size - last * BLOCK ? last : -1
}

/** Names an inode of a private tree `name` in its root directory, which is made. */
export function putInRoot(tree: BTree, hash: DirHash, name: string, ino: number, a: Attr): void {
  const type = a.mode >>> 12
  hash.of(name)
  putIno(V, 0, ino)
  V[INO_BYTES] = type
  tree.put(K, direntKey(K, 1, hash.high, hash.low, name), V, INO_BYTES + 1)
  const { mtimeS, mtimeNs } = a
  tree.get(K, inodeKey(K, Tag.attr, ino))
  const length = tree.vl
  V.set(tree.vb.subarray(tree.vp, tree.vp + length))
  a.parent = 1
  a.nameHigh = hash.high
  a.nameLow = hash.low
  encodeAttr(a, V, 0)
  tree.put(K, PREFIX_BYTES, V, length)
  const root = new Attr()
  Object.assign(root, { mode: S_IFDIR | 0o755, nlink: 2, size: DIRECTORY_BYTES, parent: 1, uid: a.uid, gid: a.gid })
  root.atimeS = root.mtimeS = root.ctimeS = root.btimeS = mtimeS
  root.atimeNs = root.mtimeNs = root.ctimeNs = root.btimeNs = mtimeNs
  encodeAttr(root, V, 0)
  tree.put(K, inodeKey(K, Tag.attr, 1), V, ATTR_BYTES)
}

const DIRECTORY_BYTES = 4096

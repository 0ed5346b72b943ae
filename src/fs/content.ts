import { AttrFlag, ContentKind, inodeKey, Tag } from '../codec/index.js'
import { isDirectory, isRegular, isSymlink } from '../codec/mode.js'
import { CorruptError, EACCES, EFBIG, EINVAL, EISDIR, ENOENT, EPERM, EROFS } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Context, copyBytes, type Inode, viewOf } from './context.js'
import type { Cred } from './filesystem.js'
import { allowed, isImmutable, restricted, WRITE } from './permission.js'
import { dropPrivileges } from './privileges.js'
import { endShortening, shortenLong } from './truncate.js'

export const BLOCK = limits.blockBytes
/** st_blocks of a whole block, and of the part of the last one that a page cache would use. */
const BLOCK_UNITS = BLOCK / 512
const PAGE = 4096
const PAGE_UNITS = PAGE / 512
const DAY_S = 24 * 3600

export function lastBlock(size: number): number {
  return Math.floor((size - 1) / BLOCK)
}

/** st_blocks of `count` allocated blocks; of the last one, when allocated (`tail`), only what is used counts. */
export function unitsOf(count: number, tail: boolean, size: number): number {
  if (!tail || size === 0) return count * BLOCK_UNITS
  const used = ((size - 1) % BLOCK) + 1
  return (count - 1) * BLOCK_UNITS + Math.ceil(used / PAGE) * PAGE_UNITS
}

/** The inverse of `unitsOf`. */
export function blockCount(units: number): number {
  return Math.ceil(units / BLOCK_UNITS)
}

/** Whether the last block is allocated, told by the units; false too where it makes no difference to them. */
export function tailCounted(units: number): boolean {
  return units % BLOCK_UNITS !== 0
}

/** Fills `into` with the first `length` bytes of a file, which must be there. */
export function loadWhole(c: Context, n: Inode, into: Uint8Array, length: number): void {
  switch (n.attr.kind) {
    case ContentKind.none:
      into.fill(0, 0, length)
      return
    case ContentKind.inline:
      copyBytes(n.inline, 0, into, 0, length)
      return
    case ContentKind.small: {
      const at = findSmall(c, n.ino, n.attr.size)
      copyBytes(c.session.tree.vb, at, into, 0, length)
      return
    }
    default:
      c.session.content.read(n.ino, 0, into, 0, length)
  }
}

/** Where the small content stands in `tree.vb`. */
function findSmall(c: Context, ino: number, size: number): number {
  const tree = c.session.tree
  if (!tree.get(c.K, inodeKey(c.K, Tag.content, ino)) || tree.vl !== size)
    throw new CorruptError(`inode ${ino}`, 'its small content is missing or not as long as its size')
  return tree.vp
}

/** Makes `c.small[0, size)` the whole content of a file that has no blocks any more. */
export function setWhole(c: Context, n: Inode, size: number): void {
  const a = n.attr
  if (size > limits.inlineBytes) {
    putSmall(c, n, c.small, size)
    return
  }
  dropSmall(c, n)
  copyBytes(c.small, 0, n.inline, 0, size)
  a.kind = size === 0 ? ContentKind.none : ContentKind.inline
  a.size = size
  a.blocks = Math.ceil(size / 512)
}

/** Makes the first bytes of `from` the small content of a file. */
function putSmall(c: Context, n: Inode, from: Uint8Array, size: number): void {
  c.session.put(c.K, inodeKey(c.K, Tag.content, n.ino), from, size)
  n.attr.kind = ContentKind.small
  n.attr.size = size
  n.attr.blocks = Math.ceil(size / 512)
}

/** Deletes the record of small content, if there is one; the caller sets what comes instead. */
export function dropSmall(c: Context, n: Inode): void {
  if (n.attr.kind === ContentKind.small) c.session.del(c.K, inodeKey(c.K, Tag.content, n.ino))
}

/** Adds bytes to the batch wherever the file's size then wants them. Changes kind, size and blocks, no times. */
export function putBytes(c: Context, n: Inode, offset: number, from: Uint8Array, at: number, length: number): void {
  const a = n.attr
  const end = offset + length
  const size = Math.max(a.size, end)
  if (a.kind !== ContentKind.blocks && size <= limits.smallBytes) {
    const isAll = offset === 0 && end >= a.size
    if (isAll && size > limits.inlineBytes) {
      putSmall(c, n, at === 0 ? from : viewOf(from, at, size), size)
      return
    }
    if (!isAll) loadWhole(c, n, c.small, a.size)
    if (offset > a.size) c.small.fill(0, a.size, offset)
    copyBytes(from, at, c.small, offset, length)
    setWhole(c, n, size)
    return
  }
  const isBlocks = a.kind === ContentKind.blocks
  const before = isBlocks ? blockCount(a.blocks) : 0
  const tail = lastBlock(size) === lastBlock(end) || (isBlocks && tailCounted(a.blocks))
  const fresh =
    isBlocks || a.size === 0 || a.kind === ContentKind.none ? c.session.writeData(n.ino, offset, from, at, length) : convert(c, n, offset, from, at, length)
  a.kind = ContentKind.blocks
  a.size = size
  a.blocks = unitsOf(before + fresh, tail, size)
}

/** Moves whole content to blocks together with new bytes behind or over it; what falls into the first block is written in one piece. */
function convert(c: Context, n: Inode, offset: number, from: Uint8Array, at: number, length: number): number {
  const { session } = c
  const { size } = n.attr
  if (offset >= BLOCK) {
    loadWhole(c, n, c.small, size)
    dropSmall(c, n)
    return session.writeData(n.ino, 0, c.small, 0, size) + session.writeData(n.ino, offset, from, at, length)
  }
  const first = c.block
  const end = offset + length
  const head = Math.min(end, BLOCK)
  loadWhole(c, n, first, size)
  if (offset > size) first.fill(0, size, offset)
  copyBytes(from, at, first, offset, head - offset)
  dropSmall(c, n)
  const fresh = session.writeData(n.ino, 0, first, 0, head)
  return end > head ? fresh + session.writeData(n.ino, head, from, at + head - offset, end - head) : fresh
}

/** Whether content of this inode may change at all. 0 or a negated errno. */
export function checkWritable(c: Context, n: Inode): number {
  const { mode } = n.attr
  if (!isRegular(mode)) return isDirectory(mode) ? -EISDIR : -EINVAL
  return isImmutable(n.attr) ? -EPERM : c.session.readOnly ? -EROFS : 0
}

export function write(
  c: Context,
  ino: number,
  offset: number,
  from: Uint8Array,
  at: number,
  length: number,
  append: boolean,
  killPriv: boolean,
  handle: number,
): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = checkWritable(c, n)
  if (refused < 0) return refused
  const start = append ? n.attr.size : offset
  if (start < 0 || length < 0) return -EINVAL
  if (length === 0) return 0
  const room = maxFileBytes(c, n.attr.size) - start
  if (room <= 0) return -EFBIG
  const count = Math.min(length, room)
  c.begin(handle)
  putBytes(c, n, start, from, at, count)
  if (killPriv) dropPrivileges(c, n)
  return finish(c, n, count)
}

/** Length that a file may be made to have: one that is longer already may stay so. */
export function maxFileBytes(c: Context, size: number): number {
  return Math.max(c.session.quota?.fileSize ?? limits.fileSizeBytes, size)
}

/** Stamps, stores, commits and announces a change of content. */
export function finish(c: Context, n: Inode, result: number): number {
  c.stampModify(n.attr)
  c.store(n)
  const failed = c.commit()
  if (failed < 0) return failed
  c.listener?.inode(n.ino)
  return result
}

/** The whole content of a regular file, in one batch; but see `shortenLong`. */
export function replaceContent(c: Context, ino: number, from: Uint8Array, at: number, length: number, cred: Cred | undefined): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = checkWritable(c, n)
  if (refused < 0) return refused
  if (!allowed(n.attr, WRITE, cred)) return -EACCES
  const through = shortenLong(c, n, length, 0)
  if (through < 0) return through
  c.begin(through)
  putInstead(c, n, from, at, length)
  if (restricted(cred)) dropPrivileges(c, n)
  const result = finish(c, n, 0)
  endShortening(c, n, 0, through)
  return result
}

function putInstead(c: Context, n: Inode, from: Uint8Array, at: number, length: number): void {
  const { session } = c
  const a = n.attr
  if (length <= limits.smallBytes) {
    if (a.kind === ContentKind.blocks) session.dropBlocks(n.ino, 0, lastBlock(a.size))
    copyBytes(from, at, c.small, 0, length)
    setWhole(c, n, length)
    return
  }
  let count = 0
  if (a.kind === ContentKind.blocks) {
    count = blockCount(a.blocks)
    const last = lastBlock(length)
    if (a.size > length && length % BLOCK !== 0) session.zeroData(n.ino, length, Math.min(a.size, (last + 1) * BLOCK) - length)
    if (lastBlock(a.size) > last) count -= session.dropBlocks(n.ino, last + 1, lastBlock(a.size))
  } else dropSmall(c, n)
  count += session.writeData(n.ino, 0, from, at, length)
  a.kind = ContentKind.blocks
  a.size = length
  a.blocks = unitsOf(count, true, length)
}

export function read(c: Context, ino: number, offset: number, into: Uint8Array, at: number, length: number, touch: boolean): number {
  const a = c.probe
  const missing = c.readAttr(ino, a)
  if (missing < 0) return missing
  if (!isRegular(a.mode) && !isSymlink(a.mode)) return isDirectory(a.mode) ? -EISDIR : -EINVAL
  if (offset < 0 || length < 0) return -EINVAL
  const count = Math.min(length, a.size - offset)
  if (count <= 0) return 0
  const tree = c.session.tree
  switch (a.kind) {
    case ContentKind.none:
      into.fill(0, at, at + count)
      break
    case ContentKind.inline:
      copyBytes(tree.vb, tree.vp + tree.vl - a.size + offset, into, at, count)
      break
    case ContentKind.small: {
      const p = findSmall(c, ino, a.size)
      copyBytes(tree.vb, p + offset, into, at, count)
      break
    }
    default:
      c.session.content.read(ino, offset, into, at, count)
  }
  if (touch) touchIfDue(c, ino)
  return count
}

/** atime as relatime keeps it: not behind mtime and ctime, and at most a day old. `c.probe` holds the attributes. */
function touchIfDue(c: Context, ino: number): number {
  const a = c.probe
  if (c.session.readOnly || (a.flags & AttrFlag.immutable) !== 0) return 0
  const { session } = c
  session.look()
  const due = session.nowS - a.atimeS >= DAY_S || notAfter(a.atimeS, a.atimeNs, a.mtimeS, a.mtimeNs) || notAfter(a.atimeS, a.atimeNs, a.ctimeS, a.ctimeNs)
  if (!due || c.load(ino, c.node) < 0) return 0
  c.node.attr.atimeS = session.nowS
  c.node.attr.atimeNs = session.nowNs
  c.store(c.node)
  return c.commit()
}

function notAfter(aS: number, aNs: number, bS: number, bNs: number): boolean {
  return aS < bS || (aS === bS && aNs <= bNs)
}

export function touch(c: Context, ino: number): number {
  return c.readAttr(ino, c.probe) < 0 ? -ENOENT : touchIfDue(c, ino)
}

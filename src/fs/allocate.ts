import { ContentKind } from '../codec/index.js'
import { isDirectory, isRegular } from '../codec/mode.js'
import { EFBIG, EINVAL, EISDIR, ENODEV, ENXIO, EOPNOTSUPP } from '../errors.js'
import { limits } from '../sys/index.js'
import { BLOCK, blockCount, checkWritable, finish, lastBlock, loadWhole, maxFileBytes, setWhole, tailCounted, unitsOf } from './content.js'
import type { Context, Inode } from './context.js'
import { endShortening, resizeLoaded, truncate } from './truncate.js'

/** Modes of fallocate(2). */
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16
const SEEK_DATA = 3
const SEEK_HOLE = 4

/**
 * Space is not reserved: copy on write needs new space for every write, and a hole reads as the zeros that reserved space
 * would. So mode 0 sets the size, KEEP_SIZE alone nothing, and PUNCH_HOLE and ZERO_RANGE make holes.
 */
export function fallocate(c: Context, ino: number, mode: number, offset: number, length: number, handle: number): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  if (offset < 0 || length <= 0) return -EINVAL
  if ((mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE)) !== 0 || (mode & (PUNCH_HOLE | ZERO_RANGE)) === (PUNCH_HOLE | ZERO_RANGE)) return -EOPNOTSUPP
  if ((mode & PUNCH_HOLE) !== 0 && (mode & KEEP_SIZE) === 0) return -EOPNOTSUPP
  if (!isRegular(n.attr.mode)) return isDirectory(n.attr.mode) ? -EISDIR : -ENODEV
  const refused = checkWritable(c, n)
  if (refused < 0) return refused
  if (length > maxFileBytes(c, n.attr.size) - offset) return -EFBIG
  const end = offset + length
  const clears = (mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0 && offset < n.attr.size
  const through = clears ? clearLong(c, n, offset, end, handle) : handle
  if (through < 0) return through
  c.begin(through)
  const grows = (mode & KEEP_SIZE) === 0 && end > n.attr.size
  if (clears && grows && isWhole(n)) clearAndGrow(c, n, offset, end)
  else {
    if (clears) clear(c, n, offset, Math.min(end, n.attr.size))
    if (grows) truncate(c, n, end)
  }
  const result = finish(c, n, 0)
  endShortening(c, n, handle, through)
  return result
}

/** Makes holes of very many blocks in several batches, as far as one more can do the rest; the result is as that of `shortenLong`. */
function clearLong(c: Context, n: Inode, from: number, end: number, handle: number): number {
  const a = n.attr
  let through = handle
  for (let at = from; a.kind === ContentKind.blocks && blockCount(a.blocks) > limits.dropBlocks; ) {
    const next = c.session.content.nextBlock(n.ino, Math.ceil(at / BLOCK))
    const to = (next + limits.dropBlocks) * BLOCK
    if (next < 0 || to >= Math.min(end, a.size)) break
    if (through === 0) through = c.session.newHandle?.(false) ?? 0
    c.begin(through)
    clear(c, n, at, to)
    const failed = finish(c, n, 0) || c.load(n.ino, n)
    if (failed < 0) return failed
    at = to
  }
  return through
}

/** Inline or small: its content is one record. */
function isWhole(n: Inode): boolean {
  return n.attr.kind === ContentKind.inline || n.attr.kind === ContentKind.small
}

/** Both at once: the second of two changes would read the record as it was before the first. */
function clearAndGrow(c: Context, n: Inode, from: number, size: number): void {
  const before = n.attr.size
  loadWhole(c, n, c.small, before)
  c.small.fill(0, from, before)
  resizeLoaded(c, n, before, size)
}

/** Zeros within the file: holes where whole blocks are covered. */
function clear(c: Context, n: Inode, from: number, to: number): void {
  const a = n.attr
  if (a.kind === ContentKind.none) return
  if (a.kind !== ContentKind.blocks) {
    loadWhole(c, n, c.small, a.size)
    c.small.fill(0, from, to)
    setWhole(c, n, a.size)
    return
  }
  const { session } = c
  const size = a.size
  const first = Math.ceil(from / BLOCK)
  // The last block counts as covered when all of it that is used is.
  const last = to === size ? lastBlock(size) : Math.floor(to / BLOCK) - 1
  const headEnd = Math.min(to, first * BLOCK)
  if (from < headEnd) session.zeroData(n.ino, from, headEnd - from)
  const tailStart = Math.max((last + 1) * BLOCK, headEnd)
  if (tailStart < to) session.zeroData(n.ino, tailStart, to - tailStart)
  if (last < first) return
  const count = blockCount(a.blocks) - session.dropBlocks(n.ino, first, last)
  const tail = last < lastBlock(size) && tailCounted(a.blocks)
  a.kind = count === 0 ? ContentKind.none : ContentKind.blocks
  a.blocks = unitsOf(count, tail, size)
}

export function lseek(c: Context, ino: number, offset: number, whence: number): number {
  const a = c.probe
  const missing = c.readAttr(ino, a)
  if (missing < 0) return missing
  if (!isRegular(a.mode) || (whence !== SEEK_DATA && whence !== SEEK_HOLE)) return -EINVAL
  if (offset < 0 || offset >= a.size) return -ENXIO
  if (a.kind === ContentKind.none) return whence === SEEK_DATA ? -ENXIO : offset
  if (a.kind !== ContentKind.blocks) return whence === SEEK_DATA ? offset : a.size
  const { content } = c.session
  let block = Math.floor(offset / BLOCK)
  if (whence === SEEK_DATA) {
    const next = content.nextBlock(ino, block)
    return next < 0 || next * BLOCK >= a.size ? -ENXIO : Math.max(offset, next * BLOCK)
  }
  const first = block
  while (block * BLOCK < a.size && content.nextBlock(ino, block) === block) block++
  return block === first ? offset : Math.min(block * BLOCK, a.size)
}

import { ContentKind } from '../codec/index.js'
import { limits } from '../sys/index.js'
import { BLOCK, blockCount, dropSmall, lastBlock, loadWhole, setWhole, tailCounted, unitsOf } from './content.js'
import type { Context, Inode } from './context.js'

/** Adds a change of size to the batch. What lies behind the end of a file reads as zeros when it grows again. */
export function truncate(c: Context, n: Inode, size: number): void {
  const a = n.attr
  if (size === a.size) return
  if (a.kind === ContentKind.blocks) {
    if (size < a.size) shrinkBlocks(c, n, size)
    else growBlocks(n, size)
  } else if (a.kind === ContentKind.none) a.size = size
  else resizeWhole(c, n, size)
}

/**
 * Makes a very long file shorter in several batches, as far as one more batch can do the rest. Each leaves a whole file; a crash may
 * leave it at a size in between.
 * @param handle through which the change comes; 0: through none
 * @returns the handle that the rest must come through, so that all of it ends one version, for `endShortening`; or a negated errno
 */
export function shortenLong(c: Context, n: Inode, size: number, handle: number): number {
  const a = n.attr
  let through = handle
  while (a.kind === ContentKind.blocks && size < a.size && blockCount(a.blocks) > limits.dropBlocks) {
    const to = (lastAllocated(c, n) + 1 - limits.dropBlocks) * BLOCK
    if (to <= Math.max(size, limits.smallBytes)) break
    if (through === 0) through = c.session.newHandle?.(false) ?? 0
    c.begin(through)
    truncate(c, n, to)
    c.stampModify(a)
    c.store(n)
    const failed = c.commit() || c.load(n.ino, n)
    if (failed < 0) return failed
  }
  return through
}

/** Closes what `shortenLong` opened. */
export function endShortening(c: Context, n: Inode, handle: number, through: number): void {
  if (through !== handle) c.session.released?.(n.ino, through)
}

/** The last block that is no hole, of a file that has one. */
function lastAllocated({ session }: Context, { ino, attr }: Inode): number {
  let [low, high] = [session.content.nextBlock(ino, 0), lastBlock(attr.size)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const next = session.content.nextBlock(ino, middle)
    if (next < 0 || next > high) high = middle - 1
    else low = next
  }
  return low
}

function growBlocks(n: Inode, size: number): void {
  const a = n.attr
  const tail = tailCounted(a.blocks) && lastBlock(size) === lastBlock(a.size)
  a.blocks = unitsOf(blockCount(a.blocks), tail, size)
  a.size = size
}

function shrinkBlocks(c: Context, n: Inode, size: number): void {
  const a = n.attr
  const { session } = c
  const end = lastBlock(a.size)
  if (size <= limits.smallBytes) {
    const isHole = size === 0 || session.content.nextBlock(n.ino, 0) !== 0
    if (!isHole) loadWhole(c, n, c.small, size)
    session.dropBlocks(n.ino, 0, end)
    a.kind = ContentKind.none
    a.size = size
    a.blocks = 0
    if (!isHole) setWhole(c, n, size)
    return
  }
  const last = lastBlock(size)
  const tail = session.content.nextBlock(n.ino, last) === last
  let count = blockCount(a.blocks)
  if (end > last) count -= session.dropBlocks(n.ino, last + 1, end)
  if (tail && size % BLOCK !== 0) session.zeroData(n.ino, size, Math.min(a.size, (last + 1) * BLOCK) - size)
  a.kind = count === 0 ? ContentKind.none : ContentKind.blocks
  a.blocks = unitsOf(count, tail, size)
  a.size = size
}

/** Inline or small content, cut or extended; beyond what is small, as blocks. */
function resizeWhole(c: Context, n: Inode, size: number): void {
  const a = n.attr
  const kept = Math.min(size, a.size)
  loadWhole(c, n, c.small, kept)
  resizeLoaded(c, n, kept, size)
}

/** The same with the first `kept` bytes of the new content in `c.small`. */
export function resizeLoaded(c: Context, n: Inode, kept: number, size: number): void {
  const a = n.attr
  if (size <= limits.smallBytes) {
    c.small.fill(0, kept, size)
    setWhole(c, n, size)
    return
  }
  dropSmall(c, n)
  const count = c.session.writeData(n.ino, 0, c.small, 0, kept)
  a.kind = ContentKind.blocks
  a.blocks = unitsOf(count, lastBlock(size) === 0, size)
  a.size = size
}

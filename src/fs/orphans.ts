import { AttrFlag, ContentKind, getIno, inodeKey, PREFIX_BYTES, Tag } from '../codec/index.js'
import { isGivenUp } from '../errors.js'
import { assert } from '../sys/index.js'
import { blockCount, dropSmall, lastBlock } from './content.js'
import type { Context, Inode } from './context.js'
import { deleteSomeXattrs } from './xattr.js'

/** What one batch deletes of one inode; a longer file goes in several. */
export const ERASE_BLOCKS = 1024
export const ERASE_KEYS = 512
/** Orphans found in one scan, before any of them is erased. */
const COLLECT_AT_ONCE = 256
const BLOCK_UNITS = 128

export function hold(c: Context, ino: number): void {
  c.holds.set(ino, (c.holds.get(ino) ?? 0) + 1)
}

/** Takes a link from an inode, all of them from a directory. Returns true when more than this batch must be erased after the commit. */
export function dropLink(c: Context, n: Inode): boolean {
  const a = n.attr
  a.nlink = n.isDirectory ? 0 : a.nlink - 1
  c.stampChange(a)
  if (a.nlink > 0) {
    c.store(n)
    return false
  }
  const held = c.holds.has(n.ino) || keptByKernel(c, n.ino)
  if (!held && erase(c, n)) return false
  c.store(n)
  c.session.put(c.K, inodeKey(c.K, Tag.orphan, n.ino), c.V, 0)
  return !held
}

function keptByKernel(c: Context, ino: number): boolean {
  return typeof c.keepUnlinked === 'function' ? c.keepUnlinked(ino) : c.keepUnlinked
}

/** Adds the deletion of an inode to the batch, as much as one batch should take. False: store the rest and go on in another. */
function erase(c: Context, n: Inode): boolean {
  const a = n.attr
  if (a.kind === ContentKind.blocks && !eraseBlocks(c, n)) return false
  if ((a.flags & AttrFlag.xattr) !== 0 && !deleteSomeXattrs(c, n.ino, ERASE_KEYS)) return false
  dropSmall(c, n)
  c.session.del(c.K, inodeKey(c.K, Tag.attr, n.ino))
  c.session.addUsage(-1, -n.blocksBefore * 512)
  return true
}

function eraseBlocks(c: Context, n: Inode): boolean {
  const a = n.attr
  const { session } = c
  if (blockCount(a.blocks) <= ERASE_BLOCKS) {
    session.dropBlocks(n.ino, 0, lastBlock(a.size))
    return true
  }
  let block = -1
  for (let i = 0; i < ERASE_BLOCKS; i++) {
    block = session.content.nextBlock(n.ino, block + 1)
    assert(block >= 0, `inode ${n.ino} has the blocks that its attributes count`)
  }
  a.blocks -= session.dropBlocks(n.ino, 0, block) * BLOCK_UNITS
  return false
}

/** Erases an orphan in as many batches as it takes. False when there is no such orphan, or a batch failed: then it stays one. */
export function eraseOrphan(c: Context, ino: number): boolean {
  const { session, K } = c
  if (session.readOnly || !session.tree.get(K, inodeKey(K, Tag.orphan, ino))) return false
  while (true) {
    const n = c.node
    let whole = true
    if (c.load(ino, n) === 0) {
      session.tick()
      whole = erase(c, n)
      if (!whole) c.store(n)
    }
    if (whole) session.del(K, inodeKey(K, Tag.orphan, ino))
    if (c.commit() < 0) return false
    if (whole) {
      c.cache.drop(ino)
      return true
    }
  }
}

/** What it erases may have to be waited for: then it is still open, and to be released once more. */
export function release(c: Context, ino: number, handle: number): void {
  if (handle !== 0) c.session.released?.(ino, handle)
  const count = c.holds.get(ino) ?? 0
  if (count > 1) {
    c.holds.set(ino, count - 1)
    return
  }
  let isMissing = false
  try {
    if (c.forgotten.has(ino) || !keptByKernel(c, ino)) eraseOrphan(c, ino)
  } catch (error) {
    isMissing = isGivenUp(error)
    throw error
  } finally {
    if (!isMissing) {
      c.holds.delete(ino)
      c.forgotten.delete(ino)
    }
  }
}

export function forget(c: Context, ino: number): void {
  if (c.holds.has(ino)) c.forgotten.add(ino)
  else eraseOrphan(c, ino)
}

/** Erases every orphan that is not open here, and, where a function says what the kernel holds, not held there. */
export function collectOrphans(c: Context): number {
  let erased = 0
  let after = 0
  while (true) {
    const found = orphansAfter(c, after)
    for (const ino of found) {
      after = ino
      const held = c.holds.has(ino) || (typeof c.keepUnlinked === 'function' && c.keepUnlinked(ino))
      if (!held && eraseOrphan(c, ino)) erased++
    }
    if (found.length < COLLECT_AT_ONCE) return erased
  }
}

function orphansAfter(c: Context, after: number): number[] {
  const found: number[] = []
  const cursor = c.takeCursor()
  try {
    let more = cursor.seek(c.K, inodeKey(c.K, Tag.orphan, after + 1))
    while (more && found.length < COLLECT_AT_ONCE && cursor.buf[cursor.kp] === Tag.orphan && cursor.kl === PREFIX_BYTES) {
      found.push(getIno(cursor.buf, cursor.kp + 1))
      more = cursor.next()
    }
    return found
  } finally {
    c.giveCursor(cursor)
  }
}

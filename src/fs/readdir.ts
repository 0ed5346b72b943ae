import { DIRENT_NAME_AT, direntFromKey, getIno, getU32be, PREFIX_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { ENOTDIR } from '../errors.js'
import type { Cursor } from '../tree/tree.js'
import type { Context } from './context.js'
import { latin1 } from './latin1.js'
import { Listing } from './listing.js'

export type Visit = (name: string, ino: number, type: number, high: number, low: number) => boolean

/**
 * Entries in hash order after an offset. The offset of an entry is its hash; but of entries that share a hash all except the last
 * get hash - 1, so that a caller who stops among them and resumes at the last offset it was given sees some of them
 * twice, and never loses one.
 */
export function readdir(c: Context, dir: number, high: number, low: number, visit: Visit): number {
  c.refresh()
  const isStart = high === 0 && low === 0
  const listing = c.cache.known(dir)?.listing
  if (listing !== undefined) {
    if (isStart) listing.replay(visit)
    if (isStart || listing.endsAt(high, low)) return 0
  }
  const missing = c.readAttr(dir, c.probe)
  if (missing < 0) return missing
  if (!isDirectory(c.probe.mode)) return -ENOTDIR
  const cursor = c.takeCursor()
  try {
    if (isStart) scanAll(c, cursor, dir, visit)
    else scan(c, cursor, dir, high, low, visit)
  } finally {
    c.giveCursor(cursor)
  }
  return 0
}

/** A scan from the start, which leaves a listing when it came to the end of a small directory. */
function scanAll(c: Context, cursor: Cursor, dir: number, visit: Visit): void {
  const before = c.session.changes
  let listing: Listing | undefined = new Listing()
  scan(c, cursor, dir, 0, 0, (name, ino, type, high, low) => {
    if (!visit(name, ino, type, high, low)) {
      listing = undefined
      return false
    }
    if (!listing?.add(name, ino, type, high, low)) listing = undefined
    return true
  })
  if (listing !== undefined && c.session.changes === before) c.cache.setListing(dir, listing)
}

function scan(c: Context, cursor: Cursor, dir: number, high: number, low: number, visit: Visit): void {
  const K = c.K
  const start = high === 0 && low === 0 ? direntFromKey(K, dir, 0, 0) : direntFromKey(K, dir, low === 0xffffffff ? high + 1 : high, (low + 1) >>> 0)
  let more = cursor.seek(K, start) && isEntryOf(cursor, dir)
  while (more) {
    const { buf, kp, kl, vp } = cursor
    const name = latin1(buf, kp + DIRENT_NAME_AT, kp + kl)
    const ino = getIno(buf, vp)
    const type = buf[vp + 7]
    let h = getU32be(buf, kp + PREFIX_BYTES)
    let l = getU32be(buf, kp + PREFIX_BYTES + 4)
    more = cursor.next() && isEntryOf(cursor, dir)
    if (more && hashIs(cursor, h, l)) {
      h = l === 0 ? h - 1 : h
      l = (l - 1) >>> 0
    }
    if (!visit(name, ino, type, h, l)) return
  }
}

/** Whether the cursor stands on an entry of `dir`. */
function isEntryOf(cursor: Cursor, dir: number): boolean {
  return cursor.buf[cursor.kp] === Tag.dirent && getIno(cursor.buf, cursor.kp + 1) === dir
}

export function isEmptyDirectory(c: Context, dir: number): boolean {
  const cursor = c.takeCursor()
  try {
    return !(cursor.seek(c.K, direntFromKey(c.K, dir, 0, 0)) && isEntryOf(cursor, dir))
  } finally {
    c.giveCursor(cursor)
  }
}

/** The name under which `dir` holds `ino`, given the name's hash: one of the few entries that share it. */
export function findName(c: Context, dir: number, high: number, low: number, ino: number): string | undefined {
  const cursor = c.takeCursor()
  try {
    let more = cursor.seek(c.K, direntFromKey(c.K, dir, high, low))
    while (more && isEntryOf(cursor, dir) && hashIs(cursor, high, low)) {
      if (getIno(cursor.buf, cursor.vp) === ino) return latin1(cursor.buf, cursor.kp + DIRENT_NAME_AT, cursor.kp + cursor.kl)
      more = cursor.next()
    }
    return undefined
  } finally {
    c.giveCursor(cursor)
  }
}

function hashIs(cursor: Cursor, high: number, low: number): boolean {
  return getU32be(cursor.buf, cursor.kp + PREFIX_BYTES + 4) === low && getU32be(cursor.buf, cursor.kp + PREFIX_BYTES) === high
}

import { createHash } from 'node:crypto'
import { getIno, putIno, Tag } from '../codec/index.js'
import { CairnError } from '../errors.js'
import type { Tree } from '../tree/tree.js'

/**
 * What was purged, in the history tree (docs/format.md, tag 1b): a keyed hash of each path, since the names are what must be gone, and the inode
 * numbers, which nothing else ever has. Merges leave out what they name.
 */
const Kind = { path: 0, inode: 1 } as const
const HASH_BYTES = 16
const INODE_KEY_BYTES = 2 + 7

/** @param path byte string from the root */
export function pathMark(dirHashKey: string, path: string): Buffer {
  const hash = createHash('sha256').update(Buffer.from(dirHashKey, 'hex')).update(Buffer.from(path, 'latin1')).digest()
  return Buffer.concat([Buffer.from([Tag.purged, Kind.path]), hash.subarray(0, HASH_BYTES)])
}

export function inodeMark(ino: number): Buffer {
  const key = Buffer.from([Tag.purged, Kind.inode, 0, 0, 0, 0, 0, 0, 0])
  putIno(key, 2, ino)
  return key
}

/** Whether anything was ever purged. */
export function hasMarks(history: Tree): boolean {
  const cursor = history.cursor()
  return cursor.seek(Buffer.from([Tag.purged]), 1) && cursor.buf[cursor.kp] === Tag.purged
}

/** Numbers of all inodes that were purged. */
export function purgedInodes(history: Tree): number[] {
  const found: number[] = []
  const cursor = history.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.purged, Kind.inode]), 2); more; more = cursor.next()) {
    if (cursor.buf[cursor.kp] !== Tag.purged || cursor.buf[cursor.kp + 1] !== Kind.inode) break
    if (cursor.kl === INODE_KEY_BYTES) found.push(getIno(cursor.buf, cursor.kp + 2))
  }
  return found
}

/** Says that what is asked for was purged, where it was. @param path byte string from the root; @param dirHashKey of the volume's head */
export function refusePurged(history: Tree, dirHashKey: string, path: string): void {
  const atMs = purgedAt(history, dirHashKey, path.startsWith('/') ? path : `/${path}`)
  if (atMs === undefined) return
  const shown = Buffer.from(path, 'latin1').toString('utf8')
  throw new CairnError(
    'ERR_PURGED',
    `${shown} was purged at ${new Date(atMs).toISOString()}: what it held before is gone for good.`,
    'Look for it in a bundle or an export made before that.',
  )
}

/** When a path, or a directory above it, was purged last; undefined when it never was. */
export function purgedAt(history: Tree, dirHashKey: string, path: string): number | undefined {
  for (let end = path.replace(/\/+$/, '').length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const key = pathMark(dirHashKey, path.slice(0, end))
    if (history.get(key, key.length)) return Buffer.from(history.vb.subarray(history.vp, history.vp + history.vl)).readUIntLE(0, 6)
  }
  return undefined
}

export function markValue(timeMs: number): Buffer {
  const value = Buffer.alloc(6)
  value.writeUIntLE(Math.floor(timeMs), 0, 6)
  return value
}

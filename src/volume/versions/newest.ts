import { Attr, ContentKind, decodeVersion, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag, versionKey, versionSequence } from '../../codec/index.js'
import { CorruptError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import { type HiddenWindow, windowAt } from '../windows.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const attr = new Attr()

export interface NewestVersion {
  sequence: number
  size: number
  hasBlocks: boolean
  /** See `VersionRecord`. */
  holesFrom: number
}

/**
 * From which block on a state has only holes where it has no parts, seen from the next later state: what was there when that one was cut off is
 * saved, so that the rest was never there.
 */
export function holesBehind(size: number, next: { size: number; kind: number; holesFrom: number }): number {
  if (next.kind !== ContentKind.blocks) return 0
  return next.size < size ? Math.min(Math.floor(next.size / limits.blockBytes), next.holesFrom) : next.holesFrom
}

/**
 * The newest saved state of an inode. O(1).
 * @param windows states that ended in one do not count
 */
export function newestVersion(history: BTree, ino: number, windows: readonly HiddenWindow[]): NewestVersion | undefined {
  let found = versionBefore(history, ino, Number.MAX_SAFE_INTEGER)
  for (let i = windows.length - 1; i >= 0 && found !== undefined; i--) {
    const { fromMs, toMs } = windows[i]
    if (windowAt(windows, found.sequence / 1000) === undefined) break
    if (found.sequence <= toMs * 1000) found = versionBefore(history, ino, fromMs * 1000 + 1)
  }
  return found
}

/** The newest one below `sequence`. */
export function versionBefore(history: BTree, ino: number, sequence: number): NewestVersion | undefined {
  const cursor = history.cursor()
  if (!cursor.seekBefore(K, versionKey(K, ino, sequence)) || !isOf(cursor.buf, cursor.kp, cursor.kl, ino)) return undefined
  const found = versionSequence(cursor.buf, cursor.kp)
  if (!history.get(K, versionKey(K, ino, found))) throw new CorruptError(`inode ${ino}`, `version ${found} has parts but no record`)
  return { sequence: found, ...sizeOf(history, ino) }
}

function sizeOf(history: BTree, ino: number): Omit<NewestVersion, 'sequence'> {
  try {
    const { holesFrom } = decodeVersion(history.vb, history.vp, history.vl, attr)
    return { size: attr.size, hasBlocks: attr.kind === ContentKind.blocks, holesFrom }
  } catch (error) {
    if (error instanceof RangeError) throw new CorruptError(`inode ${ino}`, `a version is malformed: ${error.message}`)
    throw error
  }
}

export function hasVersions(history: BTree, ino: number): boolean {
  const cursor = history.cursor()
  return cursor.seek(K, inodeKey(K, Tag.version, ino)) && isOf(cursor.buf, cursor.kp, cursor.kl, ino)
}

function isOf(b: Uint8Array, at: number, length: number, ino: number): boolean {
  return length > PREFIX_BYTES && b[at] === Tag.version && getIno(b, at + 1) === ino
}

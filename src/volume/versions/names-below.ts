import {
  decodePastName,
  direntFromKey,
  getIno,
  inodeKey,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  pastNameEnd,
  SEQUENCE_BYTES,
  Tag,
  VERSION_KEY_BYTES,
  versionKey,
} from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import { nameAt } from '../paths.js'
import { NEVER, type Past } from './past.js'

const DT_DIR = 4
const K = Buffer.alloc(MAX_KEY_BYTES)

/**
 * Names below a path, one char per byte: all directories that there are or were, and files that have a version which is not current. Undefined when the path never was a
 * directory. Unordered. Costs two look-ups per entry.
 */
export function namesBelow(past: Past, path: string): Set<string> | undefined {
  const places = past.places(path)
  if (places.length === 0) return undefined
  const names = new Set<string>()
  for (const { ino, until } of places) {
    addPast(past, ino, until, names)
    if (until === NEVER) addPresent(past, ino, names)
  }
  return names
}

function addPast(past: Past, dir: number, until: number, names: Set<string>): void {
  const cursor = past.history.cursor()
  let more = cursor.seek(K, inodeKey(K, Tag.pastName, dir))
  while (more && isOf(cursor.buf, cursor.kp, Tag.pastName, dir)) {
    const { buf, kp, kl, vp, vl } = cursor
    const end = pastNameEnd(buf, kp, kl)
    if (kl === end - kp + 1 + SEQUENCE_BYTES) {
      const sequence = getIno(buf, end + 1)
      const name = Buffer.from(buf.buffer, buf.byteOffset + kp + PREFIX_BYTES, end - kp - PREFIX_BYTES).toString('latin1')
      if (sequence <= until && !names.has(name) && !past.isHidden(sequence) && isKept(past, decodePastName(buf, vp, vl), sequence)) names.add(name)
    }
    more = cursor.next()
  }
}

/** Not when what it meant was pruned. */
function isKept(past: Past, { ino, isDirectory }: { ino: number; isDirectory: boolean }, sequence: number): boolean {
  return isDirectory || past.stateAt(ino, sequence) !== null
}

function addPresent(past: Past, dir: number, names: Set<string>): void {
  const cursor = past.tree.cursor()
  let more = cursor.seek(K, direntFromKey(K, dir, 0, 0))
  while (more && isOf(cursor.buf, cursor.kp, Tag.dirent, dir)) {
    const { buf, kp, kl, vp } = cursor
    if (buf[vp + 7] === DT_DIR || hasStates(past.history, getIno(buf, vp))) names.add(nameAt(buf, kp, kl))
    more = cursor.next()
  }
}

function hasStates(history: BTree, ino: number): boolean {
  const cursor = history.cursor()
  return cursor.seek(K, versionKey(K, ino, 0)) && isOf(cursor.buf, cursor.kp, Tag.version, ino) && cursor.kl >= VERSION_KEY_BYTES
}

function isOf(b: Uint8Array, at: number, tag: number, ino: number): boolean {
  return b[at] === tag && getIno(b, at + 1) === ino
}

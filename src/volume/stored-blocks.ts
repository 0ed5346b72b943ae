import { extentBlock, extentKey, getIno, MAX_KEY_BYTES, POINTER_BYTES, Tag } from '../codec/index.js'
import type { Tree } from '../tree/tree.js'
import { EXTENT_STORED } from './content.js'

const K = Buffer.alloc(MAX_KEY_BYTES)

/** A block of a file that is in a pack. */
export interface StoredBlock {
  /** Which of its file. */
  block: number
  pointer: Buffer
}

/** The blocks of a file that are in packs, from one on and before another. The tree may not be changed meanwhile. */
export function* storedBlocks(tree: Tree, ino: number, from: number, until: number): Generator<StoredBlock> {
  const cursor = tree.cursor()
  let more = cursor.seek(K, extentKey(K, ino, from))
  for (; more && cursor.buf[cursor.kp] === Tag.extent && getIno(cursor.buf, cursor.kp + 1) === ino; more = cursor.next()) {
    const block = extentBlock(cursor.buf, cursor.kp)
    if (block >= until) return
    if (cursor.buf[cursor.vp] === EXTENT_STORED) yield { block, pointer: Buffer.from(cursor.buf.subarray(cursor.vp + 1, cursor.vp + 1 + POINTER_BYTES)) }
  }
}

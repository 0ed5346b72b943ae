import { type Attr, ContentKind, getIno, HASH_BYTES, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../../codec/index.js'
import { sha256 } from '../../codec/sha256.js'
import { limits } from '../../sys/index.js'
import { EXTENT_STORED } from '../../volume/content.js'
import { type FileState, readFileBytes } from '../../volume/file-content.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
/** Bytes of the number of a block in the key of an extent. */
const BLOCK_NUMBER_BYTES = 5

/**
 * Names the content of a file within its store, 32 bytes: two files with one name have the same bytes. The reverse need not hold: the
 * same bytes may be stored in two ways. Reads no content but that of small files, which stands in the tree.
 */
export function contentIdentity(state: FileState, ino: number, attr: Readonly<Attr>): Uint8Array {
  if (attr.kind !== ContentKind.blocks) return sha256(readFileBytes(state, ino, attr, 0, limits.smallBytes))
  const parts: Uint8Array[] = []
  const size = Buffer.alloc(8)
  size.writeDoubleLE(attr.size)
  parts.push(size)
  const cursor = state.tree.cursor()
  let more = cursor.seek(K, inodeKey(K, Tag.extent, ino))
  while (more && cursor.buf[cursor.kp] === Tag.extent && getIno(cursor.buf, cursor.kp + 1) === ino) {
    const { buf, kp, vp, vl } = cursor
    parts.push(Buffer.from(buf.subarray(kp + PREFIX_BYTES, kp + PREFIX_BYTES + BLOCK_NUMBER_BYTES)))
    // Where a block lies is no part of what it is.
    parts.push(Buffer.from(buf[vp] === EXTENT_STORED ? buf.subarray(vp, vp + 1 + HASH_BYTES) : buf.subarray(vp, vp + vl)))
    more = cursor.next()
  }
  return sha256(Buffer.concat(parts))
}

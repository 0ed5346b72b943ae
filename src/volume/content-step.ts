import { Attr, ContentKind, decodeAttr, extentBlock, extentKey, getIno, inodeKey, MAX_KEY_BYTES, POINTER_BYTES, Tag } from '../codec/index.js'
import { limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { EXTENT_STORED } from './content.js'

const K = Buffer.alloc(MAX_KEY_BYTES)

/** What one look at the content of files went through. JSON-safe. */
export interface ContentStep {
  /** Of the files that were named, so many are done. */
  files: number
  /** Where the next one goes on, which was too large for one step. */
  offset?: number
  /** Of content, as its files have it. */
  bytes: number
}

interface Looks {
  /** A file whose content stands in pages. */
  small?: (ino: number) => void
  /** A block that is in a pack. @param bytes of the file's content in it */
  block: (pointer: Buffer, bytes: number) => void
}

/**
 * Looks at the content of files, as much as one step takes: some `limits.prefetchBytes`. The tree may not be changed meanwhile.
 * @param inodes of files; what is no file is done at once
 * @param offset where the first of them goes on
 */
export function contentStep(tree: Tree, inodes: readonly number[], offset: number, looks: Looks): ContentStep {
  let files = 0
  let bytes = 0
  for (const ino of inodes) {
    const from = files === 0 ? offset : 0
    if (tree.get(K, inodeKey(K, Tag.attr, ino))) {
      const { kind, size } = decodeAttr(tree.vb, tree.vp, new Attr())
      if (kind === ContentKind.blocks) {
        const end = Math.min(size, from + Math.max(limits.blockBytes, limits.prefetchBytes - bytes))
        lookAtBlocks(tree, ino, size, Math.floor(from / limits.blockBytes), Math.ceil(end / limits.blockBytes), looks)
        bytes += end - from
        if (end < size) return { files, offset: Math.ceil(end / limits.blockBytes) * limits.blockBytes, bytes }
      } else if (kind !== ContentKind.none) {
        if (kind === ContentKind.small) looks.small?.(ino)
        bytes += size
      }
    }
    files++
    if (bytes >= limits.prefetchBytes) break
  }
  return { files, bytes }
}

/** Those from one on and before another. */
function lookAtBlocks(tree: Tree, ino: number, size: number, from: number, until: number, { block: look }: Looks): void {
  const cursor = tree.cursor()
  let more = cursor.seek(K, extentKey(K, ino, from))
  for (; more && cursor.buf[cursor.kp] === Tag.extent && getIno(cursor.buf, cursor.kp + 1) === ino; more = cursor.next()) {
    const block = extentBlock(cursor.buf, cursor.kp)
    if (block >= until) return
    if (cursor.buf[cursor.vp] !== EXTENT_STORED) continue
    look(Buffer.from(cursor.buf.subarray(cursor.vp + 1, cursor.vp + 1 + POINTER_BYTES)), Math.min(size - block * limits.blockBytes, limits.blockBytes))
  }
}

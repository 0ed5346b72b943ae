import { ATTR_BYTES, Attr, decodeAttr, getIno, HASH_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { EXTENT_BYTES, EXTENT_STORED } from './content.js'
import { nameAt } from './paths.js'

/** What a change of a whole tree touched: for caches, for handles that are open, for whoever reports it. */
export class TreeChanges {
  /** Inodes whose attributes, content or extended attributes differ, or that appeared or vanished. */
  readonly inodes = new Set<number>()
  /** Those of them that appeared, vanished, or have other content: what was opened before means something else now. */
  readonly stale = new Set<number>()
  /** Those of them that somebody may have open, with their incarnation before (`Session.incarnation`). */
  readonly replaced = new Map<number, number>()
  /** Directory entries that appeared, vanished or mean another inode: `ino` is 0 when it vanished. Names have one char per byte. */
  readonly entries: Array<{ parent: number; name: string; ino: number }> = []
  /** More may differ than could be found out: whoever caches asks again for all there is. */
  isAll = false
  /** By how much usage changes. */
  inodesDelta = 0
  bytesDelta = 0

  /** One key that differs, as `diff` visits them. */
  note(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    const ino = getIno(key, 1)
    switch (key[0]) {
      case Tag.attr:
        this.#noteAttr(ino, before, after)
        break
      case Tag.dirent:
        this.entries.push({ parent: ino, name: nameAt(key, 0, key.length), ino: after === undefined ? 0 : getIno(after, 0) })
        break
      case Tag.content:
        this.stale.add(ino)
        break
      case Tag.extent:
        if (!isSameBlock(before, after)) this.stale.add(ino)
        break
      case Tag.xattr:
        this.inodes.add(ino)
        break
    }
  }

  #noteAttr(ino: number, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    this.inodes.add(ino)
    if (before !== undefined) {
      decodeAttr(before, 0, was)
      this.inodesDelta--
      this.bytesDelta -= was.blocks * 512
    }
    if (after !== undefined) {
      decodeAttr(after, 0, is)
      this.inodesDelta++
      this.bytesDelta += is.blocks * 512
    }
    if (before === undefined || after === undefined) this.stale.add(ino)
    else if (!isDirectory(is.mode) && (was.size !== is.size || was.kind !== is.kind || !isSameInline(before, after))) this.stale.add(ino)
  }
}

const was = new Attr()
const is = new Attr()

function isSameInline(before: Uint8Array, after: Uint8Array): boolean {
  return Buffer.compare(before.subarray(ATTR_BYTES), after.subarray(ATTR_BYTES)) === 0
}

/** The same bytes, wherever they are stored. */
function isSameBlock(before: Uint8Array | undefined, after: Uint8Array | undefined): boolean {
  if (before?.length !== EXTENT_BYTES || after?.length !== EXTENT_BYTES) return false
  return (
    before[0] === EXTENT_STORED && after[0] === EXTENT_STORED && Buffer.compare(before.subarray(1, 1 + HASH_BYTES), after.subarray(1, 1 + HASH_BYTES)) === 0
  )
}

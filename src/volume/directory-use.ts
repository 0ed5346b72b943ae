import { Attr, ContentKind, DIRENT_NAME_AT, decodeAttr, getIno, HASH_BYTES, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { limits } from '../sys/index.js'
import type { BTree } from '../tree/index.js'
import { EXTENT_STORED } from './content.js'

/** What is below one name of a directory. JSON-safe. */
export interface DirectoryUse {
  name: string
  type: 'directory' | 'file'
  /** Files, directories and whatever else has an inode, itself counted. */
  files: number
  /** That their content takes, as du(1) counts; what has several names counts where it is met first. */
  bytes: number
  /** Of these, in blocks that were written before the volume was forked: shared with what it comes from, as long as that keeps them. */
  inheritedBytes: number
}

const VOLUME_ID_BYTES = 8
/** Records looked at between two looks at the clock. */
const AT_ONCE = 256
const K = Buffer.alloc(MAX_KEY_BYTES)
const attr = new Attr()

/**
 * What each name of a directory holds, the largest first. O(what is below), in pieces of a millisecond or so.
 * @param tree nobody changes it meanwhile
 * @param volume id of the volume
 * @param top inode of the directory
 */
export function* directoryUse(tree: BTree, volume: Buffer, top: number): Generator<void, DirectoryUse[]> {
  const count = new Counting(tree, volume)
  const found: DirectoryUse[] = []
  for (const entry of count.entriesOf(top)) {
    const use: DirectoryUse = { name: entry.name, type: entry.isDirectory ? 'directory' : 'file', files: 0, bytes: 0, inheritedBytes: 0 }
    yield* count.all(entry.ino, use)
    found.push(use)
  }
  return found.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
}

interface Entry {
  name: string
  ino: number
  isDirectory: boolean
}

class Counting {
  readonly #tree: BTree
  readonly #volume: Buffer
  /** Those with several names, which were met. */
  readonly #linked = new Set<number>()
  #looked = 0

  constructor(tree: BTree, volume: Buffer) {
    this.#tree = tree
    this.#volume = volume
  }

  *entriesOf(dir: number): Generator<Entry> {
    const cursor = this.#tree.cursor()
    for (let more = cursor.seek(K, inodeKey(K, Tag.dirent, dir)); more; more = cursor.next()) {
      const { buf, kp, kl, vp } = cursor
      if (buf[kp] !== Tag.dirent || getIno(buf, kp + 1) !== dir) return
      const name = Buffer.from(buf.subarray(kp + DIRENT_NAME_AT, kp + kl)).toString('utf8')
      yield { name, ino: getIno(buf, vp), isDirectory: buf[vp + PREFIX_BYTES - 1] === 4 }
    }
  }

  *all(from: number, use: DirectoryUse): Generator<void> {
    const waiting = [from]
    for (let ino = waiting.pop(); ino !== undefined; ino = waiting.pop()) {
      const isFolder = this.#add(ino, use)
      if (isFolder) {
        for (const entry of this.entriesOf(ino)) {
          if (entry.isDirectory) waiting.push(entry.ino)
          else this.#add(entry.ino, use)
          if (this.#isTime()) yield
        }
      }
      if (this.#isTime()) yield
    }
  }

  #isTime(): boolean {
    return ++this.#looked % AT_ONCE === 0
  }

  /** Returns whether it is a directory. */
  #add(ino: number, use: DirectoryUse): boolean {
    if (!this.#tree.get(K, inodeKey(K, Tag.attr, ino))) return false
    const { mode, nlink, blocks, kind } = decodeAttr(this.#tree.vb, this.#tree.vp, attr)
    const isFolder = isDirectory(mode)
    if (!isFolder && nlink > 1) {
      if (this.#linked.has(ino)) return false
      this.#linked.add(ino)
    }
    use.files++
    use.bytes += blocks * 512
    if (kind === ContentKind.blocks) use.inheritedBytes += Math.min(blocks * 512, this.#inherited(ino) * limits.blockBytes)
    return isFolder
  }

  /** Blocks in packs of other volumes. */
  #inherited(ino: number): number {
    let blocks = 0
    const cursor = this.#tree.cursor()
    for (let more = cursor.seek(K, inodeKey(K, Tag.extent, ino)); more; more = cursor.next()) {
      const { buf, kp, vp } = cursor
      if (buf[kp] !== Tag.extent || getIno(buf, kp + 1) !== ino) break
      const pack = vp + 1 + HASH_BYTES
      if (buf[vp] === EXTENT_STORED && Buffer.compare(buf.subarray(pack, pack + VOLUME_ID_BYTES), this.#volume) !== 0) blocks++
      this.#looked++
    }
    return blocks
  }
}

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
  /** Of these, in blocks that other volumes hold too: as of the last collection, and of forks made since. The rest is its own. */
  sharedBytes: number
  /** Of these, in blocks that other volumes wrote: before this one was forked from them, or merged from them. */
  inheritedBytes: number
}

/** Whose blocks are. */
export interface BlockOwners {
  /** Id of the volume. */
  volume: Uint8Array
  isShared: (b: Uint8Array, at: number) => boolean
}

const VOLUME_ID_BYTES = 8

/** Whether the id of a volume stands at `at`. */
export function isSameId(b: Uint8Array, at: number, id: Uint8Array): boolean {
  for (let i = 0; i < VOLUME_ID_BYTES; i++) if (b[at + i] !== id[i]) return false
  return true
}

/** Records looked at between two looks at the clock. */
const AT_ONCE = 256
const K = Buffer.alloc(MAX_KEY_BYTES)
const attr = new Attr()

/**
 * What each name of a directory holds, the largest first. O(what is below), in pieces of a millisecond or so.
 * @param tree nobody changes it meanwhile
 * @param of whose it is, and whether others hold the block that a pointer names
 * @param top inode of the directory
 */
export function* directoryUse(tree: BTree, of: BlockOwners, top: number): Generator<void, DirectoryUse[]> {
  const count = new Counting(tree, of)
  const found: DirectoryUse[] = []
  for (const entry of count.entriesOf(top)) {
    const use: DirectoryUse = { name: entry.name, type: entry.isDirectory ? 'directory' : 'file', files: 0, bytes: 0, sharedBytes: 0, inheritedBytes: 0 }
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
  readonly #of: BlockOwners
  /** Those with several names, which were met. */
  readonly #linked = new Set<number>()
  #looked = 0

  constructor(tree: BTree, of: BlockOwners) {
    this.#tree = tree
    this.#of = of
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
    if (kind === ContentKind.blocks) this.#addBlocks(ino, blocks * 512, use)
    return isFolder
  }

  #addBlocks(ino: number, bytes: number, use: DirectoryUse): void {
    const { volume, isShared } = this.#of
    let [shared, inherited] = [0, 0]
    const cursor = this.#tree.cursor()
    for (let more = cursor.seek(K, inodeKey(K, Tag.extent, ino)); more; more = cursor.next()) {
      const { buf, kp, vp } = cursor
      if (buf[kp] !== Tag.extent || getIno(buf, kp + 1) !== ino) break
      this.#looked++
      if (buf[vp] !== EXTENT_STORED) continue
      const writer = vp + 1 + HASH_BYTES
      if (isShared(buf, vp + 1)) shared++
      if (!isSameId(buf, writer, volume)) inherited++
    }
    use.sharedBytes += Math.min(bytes, shared * limits.blockBytes)
    use.inheritedBytes += Math.min(bytes, inherited * limits.blockBytes)
  }
}

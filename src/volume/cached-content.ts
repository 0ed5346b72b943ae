import { Attr, ContentKind, decodeAttr, inodeKey, MAX_KEY_BYTES, packKey, pointerLength, pointerOffset, pointerPack, Tag } from '../codec/index.js'
import type { Packs } from '../store/packs.js'
import type { RemoteStore } from '../store/remote/index.js'
import { limits } from '../sys/index.js'
import type { Session } from './session.js'
import { storedBlocks } from './stored-blocks.js'

/** What one step found. JSON-safe. */
export interface CachedStep {
  /** Of the files that were named, so many are done. */
  files: number
  /** Where the next one goes on, which was too large for one step. */
  offset?: number
  /** Of content, as its files have it; and how much of that was here. */
  bytes: number
  cachedBytes: number
}

const K = Buffer.alloc(MAX_KEY_BYTES)

/** How much of the content of files is on this host, a step at a time; the store is not asked. */
export class CachedContent {
  readonly #packs: Packs
  readonly #session: Session
  readonly #store: RemoteStore | undefined
  /** Whether what is found is deleted. What is not published, and what stands in pages of the tree, stays. */
  readonly #isDeleted: boolean
  #bytes = 0
  #absentBytes = 0
  /** What is to be deleted: when all is read that can be far away. */
  readonly #found: Array<[key: string, offset: number, length: number]> = []

  /** @param store where it is not on this host */
  constructor(packs: Packs, session: Session, store: RemoteStore | undefined, isDeleted: boolean) {
    this.#packs = packs
    this.#session = session
    this.#store = store
    this.#isDeleted = isDeleted
  }

  /**
   * @param inodes of files; what is no file is done at once
   * @param offset where the first of them goes on
   */
  run(inodes: readonly number[], offset = 0): CachedStep {
    let files = 0
    let next: number | undefined
    for (const ino of inodes) {
      next = this.#look(ino, files === 0 ? offset : 0)
      if (next !== undefined) break
      files++
      if (this.#bytes >= limits.prefetchBytes) break
    }
    if (this.#isDeleted) for (const place of this.#found) this.#store?.cache.discard(...place)
    return { files, bytes: this.#bytes, cachedBytes: this.#bytes - this.#absentBytes, ...(next === undefined ? {} : { offset: next }) }
  }

  /** Returns where to go on when it is too large for one step. */
  #look(ino: number, offset: number): number | undefined {
    const { tree } = this.#session
    if (!tree.get(K, inodeKey(K, Tag.attr, ino))) return undefined
    const { kind, size } = decodeAttr(tree.vb, tree.vp, new Attr())
    if (kind !== ContentKind.blocks) {
      if (kind !== ContentKind.none) this.#bytes += size
      return undefined
    }
    const end = Math.min(size, offset + Math.max(limits.blockBytes, limits.prefetchBytes - this.#bytes))
    for (const { block, pointer } of storedBlocks(tree, ino, Math.floor(offset / limits.blockBytes), Math.ceil(end / limits.blockBytes)))
      if (!this.#isHere(pointer)) this.#absentBytes += Math.min(size - block * limits.blockBytes, limits.blockBytes)
    this.#bytes += end - offset
    return end < size ? Math.ceil(end / limits.blockBytes) * limits.blockBytes : undefined
  }

  #isHere(pointer: Buffer): boolean {
    const id = pointerPack(pointer, 0)
    if (this.#store === undefined || this.#packs.isSpooled(id)) return true
    if (this.#isIn(this.#store, packKey(id), pointerOffset(pointer, 0), pointerLength(pointer, 0))) return true
    const moved = this.#packs.movedTo(pointer, 0, false)
    return moved !== undefined && this.#isIn(this.#store, moved.key, moved.offset, pointerLength(pointer, 0))
  }

  #isIn(store: RemoteStore, key: string, offset: number, length: number): boolean {
    if (store.waitsHere(key)) return true
    const isHere = store.cache.holds(key, offset, length)
    if (isHere) this.#found.push([key, offset, length])
    return isHere
  }
}

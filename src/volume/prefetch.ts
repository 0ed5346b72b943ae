import { Attr, ContentKind, decodeAttr, inodeKey, MAX_KEY_BYTES, packKey, pointerLength, pointerOffset, pointerPack, Tag } from '../codec/index.js'
import { CairnError } from '../errors.js'
import type { Packs } from '../store/packs.js'
import type { ChunkPlace } from '../store/remote/chunks.js'
import { CHUNK_BYTES, chunkFile } from '../store/remote/chunks.js'
import type { RemoteStore } from '../store/remote/index.js'
import { limits } from '../sys/index.js'
import type { Session } from './session.js'
import { storedBlocks } from './stored-blocks.js'

/** What one step of a prefetch did. JSON-safe. */
export interface Prefetched {
  /** Of the files that were named, so many are done. */
  files: number
  /** Where the next one goes on, which was too large for one step. */
  offset?: number
  /** Of content that is here now, as its files have it. */
  bytes: number
  /** Read from the store; the others were here. */
  fetchedBytes: number
  /** How much the cache takes in all; missing where none is needed. */
  maxBytes?: number
}

/** A segment that a file needs: where its pointer says that it stands. */
interface Wanted {
  place: ChunkPlace
  pointers: Buffer[]
}

const K = Buffer.alloc(MAX_KEY_BYTES)

/** Brings content of files into the cache of their store, a step at a time: the engine gathers what is to be read, and others have their turn while it comes. */
export class PrefetchFiles {
  readonly #packs: Packs
  readonly #session: Session
  readonly #store: RemoteStore | undefined
  readonly #wanted = new Map<string, Wanted>()
  #bytes = 0

  /** @param store where it is not on this host */
  constructor(packs: Packs, session: Session, store: RemoteStore | undefined) {
    this.#packs = packs
    this.#session = session
    this.#store = store
  }

  /**
   * @param inodes of files; what is no file is done at once
   * @param offset where the first of them goes on
   * @throws CairnError ERR_CACHE_FULL when the disk takes nothing; what the store says
   */
  async run(inodes: readonly number[], offset = 0): Promise<Prefetched> {
    let files = 0
    let next: number | undefined
    for (const ino of inodes) {
      next = this.#gather(ino, files === 0 ? offset : 0)
      if (next !== undefined) break
      files++
      if (this.#bytes >= limits.prefetchBytes) break
    }
    const result = { files, bytes: this.#bytes, ...(next === undefined ? {} : { offset: next }) }
    if (this.#store === undefined) return { ...result, fetchedBytes: 0 }
    return { ...result, fetchedBytes: await this.#bring(this.#store), maxBytes: this.#store.cacheStats.maxBytes }
  }

  /** Notes what a file needs from `offset` on. Returns where to go on when that is more than one step brings. */
  #gather(ino: number, offset: number): number | undefined {
    const { tree } = this.#session
    if (!tree.get(K, inodeKey(K, Tag.attr, ino))) return undefined
    const { kind, size } = decodeAttr(tree.vb, tree.vp, new Attr())
    if (kind !== ContentKind.blocks) {
      // It stands in pages, which have been read with that.
      if (kind === ContentKind.small) tree.get(K, inodeKey(K, Tag.content, ino))
      if (kind !== ContentKind.none) this.#bytes += size
      return undefined
    }
    const end = Math.min(size, offset + Math.max(limits.blockBytes, limits.prefetchBytes - this.#bytes))
    this.#gatherBlocks(ino, Math.floor(offset / limits.blockBytes), Math.ceil(end / limits.blockBytes))
    this.#bytes += end - offset
    return end < size ? Math.ceil(end / limits.blockBytes) * limits.blockBytes : undefined
  }

  #gatherBlocks(ino: number, from: number, until: number): void {
    for (const { pointer } of storedBlocks(this.#session.tree, ino, from, until)) {
      const id = pointerPack(pointer, 0)
      if (!this.#packs.isSpooled(id)) this.#want(packKey(id), pointerOffset(pointer, 0), pointer)
    }
  }

  #want(key: string, offset: number, pointer: Buffer): void {
    if (this.#store === undefined || this.#store.waitsHere(key)) return
    const last = Math.floor((offset + pointerLength(pointer, 0) - 1) / CHUNK_BYTES)
    for (let chunk = Math.floor(offset / CHUNK_BYTES); chunk <= last; chunk++) {
      const file = chunkFile(key, chunk)
      const known = this.#wanted.get(file)
      if (known === undefined) this.#wanted.set(file, { place: [key, chunk], pointers: [pointer] })
      else known.pointers.push(pointer)
    }
  }

  /** What a collection has moved is looked for where it is now. */
  async #bring(store: RemoteStore): Promise<number> {
    let fetched = 0
    for (let round = 0; round < 2 && this.#wanted.size > 0; round++) {
      const wanted = [...this.#wanted.values()]
      const brought = await store.bring(wanted.map(({ place }) => place))
      fetched += brought.bytes
      if (brought.unkept > 0) throw cacheFull(store)
      this.#wanted.clear()
      for (const index of brought.missing) for (const pointer of wanted[index].pointers) this.#wantMoved(pointer)
    }
    return fetched
  }

  #wantMoved(pointer: Buffer): void {
    const moved = this.#packs.movedTo(pointer, 0)
    if (moved !== undefined) this.#want(moved.key, moved.offset, pointer)
  }
}

function cacheFull(store: RemoteStore): CairnError {
  const { folder } = store.cache.space
  return new CairnError(
    'ERR_CACHE_FULL',
    `The cache ${folder} takes nothing more.`,
    'Make room on its disk, or see that it can be written; reads go on without it.',
    {
      retry: 'same-call',
    },
  )
}

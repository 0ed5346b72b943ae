import { inodeKey, MAX_KEY_BYTES, packKey, pointerLength, pointerOffset, pointerPack, Tag } from '../codec/index.js'
import { CairnError } from '../errors.js'
import type { Packs } from '../store/packs.js'
import type { ChunkPlace } from '../store/remote/chunks.js'
import { CHUNK_BYTES, chunkFile } from '../store/remote/chunks.js'
import type { RemoteStore } from '../store/remote/index.js'
import { type ContentStep, contentStep } from './content-step.js'
import type { Session } from './session.js'

/** What one step of a prefetch did; its bytes are here now. JSON-safe. */
export interface Prefetched extends ContentStep {
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

  /** @param store where it is not on this host */
  constructor(packs: Packs, session: Session, store: RemoteStore | undefined) {
    this.#packs = packs
    this.#session = session
    this.#store = store
  }

  /**
   * See `contentStep`.
   * @throws CairnError ERR_CACHE_FULL when the disk takes nothing; what the store says
   */
  async run(inodes: readonly number[], offset = 0): Promise<Prefetched> {
    const { tree } = this.#session
    const step = contentStep(tree, inodes, offset, {
      // It stands in pages, which have been read with that.
      small: ino => void tree.get(K, inodeKey(K, Tag.content, ino)),
      block: pointer => {
        const id = pointerPack(pointer, 0)
        if (!this.#packs.isSpooled(id)) this.#want(packKey(id), pointerOffset(pointer, 0), pointer)
      },
    })
    if (this.#store === undefined) return { ...step, fetchedBytes: 0 }
    return { ...step, fetchedBytes: await this.#bring(this.#store), maxBytes: this.#store.cacheStats.maxBytes }
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

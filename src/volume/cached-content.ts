import { packKey, pointerLength, pointerOffset, pointerPack } from '../codec/index.js'
import type { Packs } from '../store/packs.js'
import type { RemoteStore } from '../store/remote/index.js'
import { type ContentStep, contentStep } from './content-step.js'
import type { Session } from './session.js'

/** What one step found. JSON-safe. */
export interface CachedStep extends ContentStep {
  /** Of its bytes so many were here; and so many in a cache, which can be deleted: not what only this host has, nor what stands in pages of the tree. */
  cachedBytes: number
  deletableBytes: number
}

/** How much of the content of files is on this host, a step at a time; the store is not asked. */
export class CachedContent {
  readonly #packs: Packs
  readonly #session: Session
  readonly #store: RemoteStore | undefined
  /** Whether what can be deleted is. */
  readonly #isDeleted: boolean
  /** What is to be deleted: when all is read that can be far away. */
  readonly #found: Array<[key: string, offset: number, length: number]> = []

  /** @param store where it is not on this host */
  constructor(packs: Packs, session: Session, store: RemoteStore | undefined, isDeleted: boolean) {
    this.#packs = packs
    this.#session = session
    this.#store = store
    this.#isDeleted = isDeleted
  }

  /** See `contentStep`. */
  run(inodes: readonly number[], offset = 0): CachedStep {
    let absentBytes = 0
    let deletableBytes = 0
    const step = contentStep(this.#session.tree, inodes, offset, {
      block: (pointer, bytes) => {
        const found = this.#found.length
        if (!this.#isHere(pointer)) absentBytes += bytes
        else if (this.#found.length > found) deletableBytes += bytes
      },
    })
    if (this.#isDeleted) for (const place of this.#found) this.#store?.cache.discard(...place)
    return { ...step, cachedBytes: step.bytes - absentBytes, deletableBytes }
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

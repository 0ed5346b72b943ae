import { HASH_BYTES, pointerBirth } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import { isAway } from '../../store/remote-errors.js'
import { isSameId } from '../../volume/directory-use.js'
import { isHidden } from '../../volume/hidden-heads.js'
import type { Pool } from '../../volume/pool.js'
import type { Volume } from '../../volume/volume.js'
import { SharedSegments } from './shared-segments.js'

const VOLUME_ID_BYTES = 8

/**
 * Which blocks of a volume others hold too: what the last collection found, and what forks made since began with. Those keep it, as the commit
 * where a fork began stays on both sides.
 */
export class Sharing {
  readonly #pool: Pool
  readonly #volume: Buffer
  readonly #found: SharedSegments | undefined
  /** The volume is newer than what was found. */
  readonly #isNew: boolean
  /** What it wrote up to this seal new forks of it began with; -1 without any. */
  readonly #forkedAt: number
  /** By id: whether others that wrote blocks are there, where nothing newer was found. */
  readonly #writers = new Map<string, boolean>()

  /** Cost: in the home's own store a look at each head; elsewhere forks made since are passed over, and a look at each volume that wrote blocks. */
  constructor(pool: Pool, volume: Volume, isElsewhere: boolean) {
    this.#pool = pool
    this.#volume = Buffer.from(volume.info.id, 'hex')
    this.#found = foundIn(pool)
    this.#isNew = this.#isSince(volume.info.createdMs)
    this.#forkedAt = isElsewhere ? -1 : this.#newestFork(volume)
  }

  #isSince(createdMs: number): boolean {
    return this.#found === undefined || createdMs >= this.#found.atMs
  }

  #newestFork({ info: { id }, history }: Volume): number {
    let newest = -1
    for (const { value } of this.#pool.heads()) {
      if (value.parent?.id !== id || isHidden(value) || !this.#isSince(value.createdMs)) continue
      try {
        newest = Math.max(newest, pointerBirth(Buffer.from(history.resolve(value.parent.commit).root, 'hex'), 0))
      } catch (error) {
        // Not known here any more: what was purged, mostly.
        if (!(error instanceof CairnError)) throw error
      }
    }
    return newest
  }

  /** Of the block that the pointer at `at` names. */
  has(b: Uint8Array, at: number): boolean {
    if (this.#found?.has(b, at) === true) return true
    const writer = at + HASH_BYTES
    if (isSameId(b, writer, this.#volume)) return pointerBirth(b, at) <= this.#forkedAt
    return this.#forkedAt >= 0 || this.#isHeldBy(Buffer.from(b.subarray(writer, writer + VOLUME_ID_BYTES)).toString('hex'))
  }

  #isHeldBy(writer: string): boolean {
    const known = this.#writers.get(writer)
    if (known !== undefined) return known
    const head = this.#pool.head(writer)
    const is = head !== undefined && (this.#isNew || this.#isSince(head.value.createdMs))
    this.#writers.set(writer, is)
    return is
  }
}

/** Of a store that is out of reach nothing is known; what its writers were is told by the blocks themselves. */
function foundIn({ context: { store } }: Pool): SharedSegments | undefined {
  try {
    return SharedSegments.of(store)
  } catch (error) {
    if (isAway(error)) return undefined
    throw error
  }
}

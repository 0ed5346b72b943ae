import { HASH_BYTES, pointerLength, pointerOffset } from '../../codec/index.js'
import { PackTable } from './pack-table.js'
import { MAX_OWNERS, SegmentSet } from './segment-set.js'

/** What marking a segment found. */
export const Mark = {
  /** Nobody had reached it. */
  fresh: 0,
  /** Another volume had: it, and all below it, are shared from now on. */
  shared: 1,
  /** Nothing below it can be new. */
  known: 2,
} as const

/** Who reaches what no volume does: pins, states that are being checked or bundled. It shares nothing with anybody, and comes last. */
export const NOBODY = 0

/** Bytes that one volume alone reaches, by what of it reaches them first. */
export interface OwnBytes {
  live: number
  history: number
}

/** The live segments of a store by the place that pointers name, and which volume reaches them. Memory: some 20 bytes for each, 40 for a page. */
export class Marks {
  readonly own: OwnBytes[] = [{ live: 0, history: 0 }]
  /** What several volumes reach. */
  readonly shared: OwnBytes = { live: 0, history: 0 }
  segments = 0
  bytes = 0
  /** Where `mark` left the segment. */
  set: SegmentSet = new SegmentSet()
  slot = 0
  readonly #packs = new PackTable<SegmentSet>()

  /** One more volume; its number. */
  addOwner(): number {
    this.own.push({ live: 0, history: 0 })
    return Math.min(this.own.length - 1, MAX_OWNERS)
  }

  mark(pointer: Uint8Array, at: number, owner: number, isHistory: boolean): number {
    const set = this.#setOf(pointer, at + HASH_BYTES)
    const offset = pointerOffset(pointer, at)
    const slot = set.find(offset)
    this.set = set
    this.slot = slot
    if (slot >= 0) return this.#again(set, slot, owner)
    const length = pointerLength(pointer, at)
    set.add(offset, length, owner, isHistory)
    this.slot = set.find(offset)
    this.segments++
    this.bytes += length
    this.own[owner][isHistory ? 'history' : 'live'] += length
    return Mark.fresh
  }

  #again(set: SegmentSet, slot: number, owner: number): number {
    const first = set.owner(slot)
    if (first === owner || owner === NOBODY || set.isShared(slot)) return Mark.known
    set.share(slot)
    const of = set.isHistory(slot) ? 'history' : 'live'
    this.own[first][of] -= set.length(slot)
    this.shared[of] += set.length(slot)
    return Mark.shared
  }

  #setOf(id: Uint8Array, at: number): SegmentSet {
    let set = this.#packs.get(id, at)
    if (set === undefined) {
      set = new SegmentSet()
      this.#packs.add(id, at, set)
    }
    return set
  }

  /** The live segments of each pack that has any, in no order. */
  all(): Iterable<[id: Uint8Array, set: SegmentSet]> {
    return this.#packs.entries()
  }

  /** The live segments of a pack; undefined when it has none. */
  of(packId: Uint8Array): SegmentSet | undefined {
    return this.#packs.get(packId, 0)
  }
}

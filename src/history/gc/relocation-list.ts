import { PACK_ID_BYTES } from '../../codec/index.js'
import { COPIES } from '../../codec/pack.js'
import { type Relocation, RelocationIndex } from '../../codec/relocation.js'
import type { Marks } from './marks.js'
import { SegmentSet } from './segment-set.js'

export function nameOf(packId: Uint8Array): string {
  return Buffer.from(packId.buffer, packId.byteOffset, PACK_ID_BYTES).toString('latin1')
}

/** Which entries of a relocation index are still needed, and what stands at their ends. */
export class RelocationList {
  readonly kept: Relocation[] = []
  /** Packs that pointers name and that have moved, with how many of their segments are live. */
  readonly moved = new Map<string, number>()
  /** What is live in the packs that collectors wrote. */
  readonly copies = new Map<string, SegmentSet>()
  dropped = 0

  constructor(index: RelocationIndex | undefined, marks: Marks) {
    for (let i = 0; i < (index?.count ?? 0); i++) {
      const entry = index?.entry(i, { oldPack: COPIES, oldOffset: 0, newPack: COPIES, newOffset: 0 })
      if (entry !== undefined) this.#take(entry, marks)
    }
  }

  #take(entry: Relocation, marks: Marks): void {
    const from = nameOf(entry.oldPack)
    const live = marks.of(entry.oldPack)
    const slot = live?.find(entry.oldOffset) ?? -1
    this.moved.set(from, (this.moved.get(from) ?? 0) + (slot >= 0 ? 1 : 0))
    // Only packs to which nothing can come back are moved: what is not live now never will be.
    if (live === undefined || slot < 0) {
      this.dropped++
      return
    }
    const to = nameOf(entry.newPack)
    const copy = this.copies.get(to) ?? new SegmentSet()
    this.copies.set(to, copy)
    if (!copy.has(entry.newOffset)) copy.add(entry.newOffset, live.length(slot), 0, false)
    this.kept.push(entry)
  }

  /** @param places where segments of copies stand now, by `placeOf` */
  rebuilt(places: ReadonlyMap<string, Relocation>, added: readonly Relocation[]): RelocationIndex {
    const kept = this.kept.map(entry => {
      const place = places.get(placeOf(entry.newPack, entry.newOffset))
      return place === undefined ? entry : { ...entry, newPack: place.newPack, newOffset: place.newOffset }
    })
    return RelocationIndex.from([...kept, ...added])
  }
}

export function placeOf(packId: Uint8Array, offset: number): string {
  return `${nameOf(packId)}${offset}`
}

import { crc32 } from 'node:zlib'
import { getU32, getU40, putU32, putU40 } from './pack-bytes.js'
import { PACK_ID_BYTES } from './pointer.js'

/** Where repacking moved segments: sorted, old place to new place (docs/format-packs.md, "Relocation index"). */
const MAGIC = Buffer.from('CAIRNRL1', 'latin1')
const HEADER_BYTES = 16
const PLACE_BYTES = PACK_ID_BYTES + 5
const ENTRY_BYTES = 2 * PLACE_BYTES
const CRC_BYTES = 4

export interface Relocation {
  /** 16 bytes each. */
  oldPack: Uint8Array
  oldOffset: number
  newPack: Uint8Array
  newOffset: number
}

export class RelocationIndex {
  readonly count: number
  /** Set by `find`: a view of 16 bytes. */
  newPack: Uint8Array = new Uint8Array(0)
  newOffset = 0
  readonly #entries: Uint8Array

  private constructor(entries: Uint8Array) {
    this.#entries = entries
    this.count = entries.length / ENTRY_BYTES
  }

  static from(relocations: readonly Relocation[]): RelocationIndex {
    const sorted = relocations.toSorted((a, b) => Buffer.compare(a.oldPack, b.oldPack) || a.oldOffset - b.oldOffset)
    const entries = new Uint8Array(sorted.length * ENTRY_BYTES)
    sorted.forEach((r, i) => {
      const at = i * ENTRY_BYTES
      entries.set(r.oldPack.subarray(0, PACK_ID_BYTES), at)
      putU40(entries, at + PACK_ID_BYTES, r.oldOffset)
      entries.set(r.newPack.subarray(0, PACK_ID_BYTES), at + PLACE_BYTES)
      putU40(entries, at + PLACE_BYTES + PACK_ID_BYTES, r.newOffset)
    })
    return new RelocationIndex(entries)
  }

  /** @returns undefined when the bytes do not verify, are not in order or name a place twice */
  static decode(b: Uint8Array): RelocationIndex | undefined {
    if (b.length < HEADER_BYTES + CRC_BYTES || MAGIC.compare(b, 0, 8) !== 0) return undefined
    const count = getU32(b, 8)
    const end = HEADER_BYTES + count * ENTRY_BYTES
    if (b.length !== end + CRC_BYTES || crc32(b.subarray(0, end)) !== getU32(b, end)) return undefined
    const index = new RelocationIndex(b.slice(HEADER_BYTES, end))
    for (let i = 1; i < count; i++)
      if (index.#compare(i - 1, index.#entries, i * ENTRY_BYTES, getU40(index.#entries, i * ENTRY_BYTES + PACK_ID_BYTES)) >= 0) return undefined
    return index
  }

  encode(): Buffer {
    const end = HEADER_BYTES + this.#entries.length
    const b = Buffer.alloc(end + CRC_BYTES)
    MAGIC.copy(b, 0)
    putU32(b, 8, this.count)
    b.set(this.#entries, HEADER_BYTES)
    putU32(b, end, crc32(b.subarray(0, end)))
    return b
  }

  /** Looks up the segment that stood at `offset` of the pack whose id is at `pack[at]`; sets `newPack` and `newOffset`. O(log n). */
  find(pack: Uint8Array, at: number, offset: number): boolean {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(middle, pack, at, offset) < 0) low = middle + 1
      else high = middle
    }
    if (low === this.count || this.#compare(low, pack, at, offset) !== 0) return false
    const place = low * ENTRY_BYTES + PLACE_BYTES
    this.newPack = this.#entries.subarray(place, place + PACK_ID_BYTES)
    this.newOffset = getU40(this.#entries, place + PACK_ID_BYTES)
    return true
  }

  /** Segments of this pack have moved, or have moved to it. O(n) */
  names(pack: Uint8Array): boolean {
    for (let at = 0; at < this.#entries.length; at += PLACE_BYTES) if (Buffer.compare(this.#entries.subarray(at, at + PACK_ID_BYTES), pack) === 0) return true
    return false
  }

  /** Fills `into` with entry `i`; its packs are views. */
  entry(i: number, into: Relocation): Relocation {
    const at = i * ENTRY_BYTES
    const b = this.#entries
    into.oldPack = b.subarray(at, at + PACK_ID_BYTES)
    into.oldOffset = getU40(b, at + PACK_ID_BYTES)
    into.newPack = b.subarray(at + PLACE_BYTES, at + PLACE_BYTES + PACK_ID_BYTES)
    into.newOffset = getU40(b, at + PLACE_BYTES + PACK_ID_BYTES)
    return into
  }

  /** Entry `i` against a place: negative when it comes before. */
  #compare(i: number, pack: Uint8Array, at: number, offset: number): number {
    const entry = i * ENTRY_BYTES
    for (let k = 0; k < PACK_ID_BYTES; k++) {
      const difference = this.#entries[entry + k] - pack[at + k]
      if (difference !== 0) return difference
    }
    return getU40(this.#entries, entry + PACK_ID_BYTES) - offset
  }
}

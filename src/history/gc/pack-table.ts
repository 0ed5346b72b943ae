import { PACK_ID_BYTES } from '../../codec/index.js'

const FIRST_SLOTS = 64

/** Values by pack id where it stands in a pointer: an open hash table that a look-up leaves without having made anything. */
export class PackTable<T> {
  #size = 0
  #ids = Buffer.alloc(FIRST_SLOTS * PACK_ID_BYTES)
  #values: Array<T | undefined> = new Array(FIRST_SLOTS)

  get(id: Uint8Array, at: number): T | undefined {
    return this.#values[this.#slot(id, at)]
  }

  /** Adds what `get` did not find. */
  add(id: Uint8Array, at: number, value: T): void {
    if ((this.#size + 1) * 2 > this.#values.length) this.#grow()
    const slot = this.#slot(id, at)
    for (let i = 0; i < PACK_ID_BYTES; i++) this.#ids[slot * PACK_ID_BYTES + i] = id[at + i]
    this.#values[slot] = value
    this.#size++
  }

  /** What was added, in no order; the ids are valid until the next `add`. */
  *entries(): Generator<[id: Uint8Array, value: T]> {
    for (const [slot, value] of this.#values.entries())
      if (value !== undefined) yield [this.#ids.subarray(slot * PACK_ID_BYTES, (slot + 1) * PACK_ID_BYTES), value]
  }

  /** Where the id stands, or would. */
  #slot(id: Uint8Array, at: number): number {
    const mask = this.#values.length - 1
    let slot = hashOf(id, at) & mask
    while (this.#values[slot] !== undefined && !this.#isAt(slot, id, at)) slot = (slot + 1) & mask
    return slot
  }

  #isAt(slot: number, id: Uint8Array, at: number): boolean {
    const ids = this.#ids
    const base = slot * PACK_ID_BYTES
    // Numbers of packs stand at the end: that is where ids differ.
    for (let i = PACK_ID_BYTES - 1; i >= 0; i--) if (ids[base + i] !== id[at + i]) return false
    return true
  }

  #grow(): void {
    const ids = this.#ids
    const values = this.#values
    this.#size = 0
    this.#ids = Buffer.alloc(ids.length * 2)
    this.#values = new Array(values.length * 2)
    values.forEach((value, slot) => {
      if (value !== undefined) this.add(ids, slot * PACK_ID_BYTES, value)
    })
  }
}

function hashOf(id: Uint8Array, at: number): number {
  let hash = 0
  for (let i = 0; i < PACK_ID_BYTES; i++) hash = Math.imul(hash ^ id[at + i], 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

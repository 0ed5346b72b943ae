const INITIAL_SLOTS = 1024
/** Three words of the hash and the number. */
const SLOT = 4

/**
 * Numbers of blocks by the first 96 bits of their hash, by open addressing: 16 bytes a slot, at most half full. Two blocks that differ
 * are never taken for one another: SHA-256 would have to repeat in 96 bits.
 */
export class BlockNumbers {
  count = 0
  #slots = new Uint32Array(INITIAL_SLOTS * SLOT)

  /** The number of the block with the hash at `hash[at]`, or -1 when it is new: then it has the next number from now on. */
  numberOf(hash: Uint8Array, at: number): number {
    const a = word(hash, at)
    const b = word(hash, at + 4)
    const c = word(hash, at + 8)
    const slot = slotOf(this.#slots, a, b, c)
    const known = this.#slots[slot + 3]
    if (known !== 0) return known - 1
    this.#slots.set([a, b, c, ++this.count], slot)
    if (this.count * 2 * SLOT > this.#slots.length) this.#grow()
    return -1
  }

  /** The same of one that was given before; -1 when it was not. */
  find(hash: Uint8Array, at: number): number {
    return this.#slots[slotOf(this.#slots, word(hash, at), word(hash, at + 4), word(hash, at + 8)) + 3] - 1
  }

  #grow(): void {
    const old = this.#slots
    const slots = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + 3] === 0) continue
      slots.set(old.subarray(at, at + SLOT), slotOf(slots, old[at], old[at + 1], old[at + 2]))
    }
    this.#slots = slots
  }
}

function word(hash: Uint8Array, at: number): number {
  return (hash[at] | (hash[at + 1] << 8) | (hash[at + 2] << 16) | (hash[at + 3] << 24)) >>> 0
}

/** The slot of a hash, or the free one where it belongs. */
function slotOf(slots: Uint32Array, a: number, b: number, c: number): number {
  const last = slots.length / SLOT - 1
  for (let slot = a & last; ; slot = (slot + 1) & last) {
    const at = slot * SLOT
    if (slots[at + 3] === 0 || (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c)) return at
  }
}

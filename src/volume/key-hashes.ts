const INITIAL_SLOTS = 1024

/**
 * A set of keys that knows only 64 bits of hash of each: two keys in a million are taken for one another once in ten million runs,
 * and what that costs is a conflict that was none. 16 bytes per key at most half full, and nothing is allocated for one.
 */
export class KeyHashes {
  /** Pairs of hashes by open addressing; a pair of zeros is free. */
  #slots = new Int32Array(2 * INITIAL_SLOTS)
  #count = 0
  #high = 0
  #low = 0

  add(K: Uint8Array, at: number, length: number): void {
    this.#hash(K, at, length)
    if (!this.#place(this.#slots, this.#high, this.#low)) return
    if (++this.#count * 4 > this.#slots.length) this.#grow()
  }

  has(K: Uint8Array, at: number, length: number): boolean {
    this.#hash(K, at, length)
    const slots = this.#slots
    const mask = slots.length - 2
    for (let i = (this.#low << 1) & mask; ; i = (i + 2) & mask) {
      const low = slots[i]
      const high = slots[i + 1]
      if (low === this.#low && high === this.#high) return true
      if (low === 0 && high === 0) return false
    }
  }

  /** True when it was not there. */
  #place(slots: Int32Array, high: number, low: number): boolean {
    const mask = slots.length - 2
    for (let i = (low << 1) & mask; ; i = (i + 2) & mask) {
      if (slots[i] === low && slots[i + 1] === high) return false
      if (slots[i] !== 0 || slots[i + 1] !== 0) continue
      slots[i] = low
      slots[i + 1] = high
      return true
    }
  }

  #grow(): void {
    const before = this.#slots
    const slots = new Int32Array(before.length * 2)
    for (let i = 0; i < before.length; i += 2) if (before[i] !== 0 || before[i + 1] !== 0) this.#place(slots, before[i + 1], before[i])
    this.#slots = slots
  }

  /** Two multiplicative hashes side by side, mixed at the end (bryc, cyrb53). */
  #hash(K: Uint8Array, at: number, length: number): void {
    let a = 0xdeadbeef ^ length
    let b = 0x41c6ce57 ^ length
    const end = at + length
    for (let i = at; i < end; i++) {
      a = Math.imul(a ^ K[i], 2654435761)
      b = Math.imul(b ^ K[i], 1597334677)
    }
    a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
    b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
    this.#high = b
    // Never the pair that means free.
    this.#low = a === 0 && b === 0 ? 1 : a
  }
}

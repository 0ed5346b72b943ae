/** Segments are longer than this: two of one pack never begin within the same so many bytes. */
const STEP = 16
const FIRST_SLOTS = 16
const LENGTH_MASK = 0xffffff
const SHARED = 1 << 24
const HISTORY = 1 << 25

/** Owners from here on are one and the same: nothing depends on it but the report. */
export const MAX_OWNERS = 0xffff

/**
 * The live segments of one pack, found by their offset: an open hash table of 10 bytes a slot (18 with sums), at most three quarters
 * full. A slot stays valid until the next `add`.
 */
export class SegmentSet {
  count = 0
  liveBytes = 0
  /** Offset / 16 + 1; 0: free. */
  #keys = new Uint32Array(FIRST_SLOTS)
  /** Length and flags. */
  #values = new Uint32Array(FIRST_SLOTS)
  #owners = new Uint16Array(FIRST_SLOTS)
  /** Bytes of all that lies below a page; only where there are pages. */
  #sums: Float64Array | undefined

  /** The slot of the segment at `offset`; negative when it is not there. */
  find(offset: number): number {
    const key = keyOf(offset)
    const mask = this.#keys.length - 1
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const found = this.#keys[slot]
      if (found === key) return slot
      if (found === 0) return ~slot
    }
  }

  /** Adds what `find` did not find. */
  add(offset: number, length: number, owner: number, isHistory: boolean): void {
    if ((this.count + 1) * 4 > this.#keys.length * 3) this.#grow()
    const slot = ~this.find(offset)
    this.#keys[slot] = keyOf(offset)
    this.#values[slot] = length | (isHistory ? HISTORY : 0)
    this.#owners[slot] = owner
    this.count++
    this.liveBytes += length
  }

  has(offset: number): boolean {
    return this.find(offset) >= 0
  }

  length(slot: number): number {
    return this.#values[slot] & LENGTH_MASK
  }

  owner(slot: number): number {
    return this.#owners[slot]
  }

  isShared(slot: number): boolean {
    return (this.#values[slot] & SHARED) !== 0
  }

  isHistory(slot: number): boolean {
    return (this.#values[slot] & HISTORY) !== 0
  }

  share(slot: number): void {
    this.#values[slot] |= SHARED
  }

  /** Offsets where, from segment to segment, those that several volumes reach begin and end, in turns. Empty where there are none. */
  sharedRuns(): number[] {
    const offsets: number[] = []
    for (const key of this.#keys) if (key !== 0) offsets.push((key - 1) * STEP)
    let isShared = false
    const runs: number[] = []
    for (const offset of offsets.sort((a, b) => a - b)) {
      if (this.isShared(this.find(offset)) === isShared) continue
      isShared = !isShared
      runs.push(offset)
    }
    return runs
  }

  sum(slot: number): number {
    return this.#sums === undefined ? this.length(slot) : this.#sums[slot]
  }

  setSum(slot: number, bytes: number): void {
    this.#sums ??= new Float64Array(this.#keys.length)
    this.#sums[slot] = bytes
  }

  #grow(): void {
    const keys = this.#keys
    const values = this.#values
    const owners = this.#owners
    const sums = this.#sums
    this.#keys = new Uint32Array(keys.length * 2)
    this.#values = new Uint32Array(keys.length * 2)
    this.#owners = new Uint16Array(keys.length * 2)
    this.#sums = sums && new Float64Array(keys.length * 2)
    const mask = this.#keys.length - 1
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue
      let slot = hashOf(keys[i]) & mask
      while (this.#keys[slot] !== 0) slot = (slot + 1) & mask
      this.#keys[slot] = keys[i]
      this.#values[slot] = values[i]
      this.#owners[slot] = owners[i]
      if (this.#sums !== undefined && sums !== undefined) this.#sums[slot] = sums[i]
    }
  }
}

function keyOf(offset: number): number {
  return Math.floor(offset / STEP) + 1
}

function hashOf(key: number): number {
  return Math.imul(key, 0x9e3779b1) >>> 8
}

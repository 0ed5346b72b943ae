/** Numbers of 7 bits a byte, lowest first, the top bit set on all but the last: safe integers in 1 to 8 bytes. */

/** Writes `value` (a safe integer, not negative) at `at`. Returns where it ends. */
export function putVarint(b: Uint8Array, at: number, value: number): number {
  while (value >= 128) {
    b[at++] = (value % 128) | 128
    value = Math.floor(value / 128)
  }
  b[at++] = value
  return at
}

/** As `putVarint`, of numbers on both sides of zero: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
export function putSigned(b: Uint8Array, at: number, value: number): number {
  return putVarint(b, at, value < 0 ? -2 * value - 1 : 2 * value)
}

/** Reads numbers one after another. @throws RangeError behind the end, or beyond the safe integers */
export class VarintReader {
  at = 0
  end = 0
  #b: Uint8Array = new Uint8Array(0)

  open(b: Uint8Array, at: number, length: number): void {
    this.#b = b
    this.at = at
    this.end = at + length
  }

  byte(): number {
    if (this.at >= this.end) throw new RangeError('a record ends too early')
    return this.#b[this.at++]
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number of a record is too large')
      if (byte < 128) return value
      scale *= 128
    }
  }

  signed(): number {
    const value = this.number()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    if (this.at + length > this.end) throw new RangeError('a record ends too early')
    this.at += length
    return this.#b.subarray(this.at - length, this.at)
  }

  get rest(): number {
    return this.end - this.at
  }
}

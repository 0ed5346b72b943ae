/**
 * HalfSipHash-2-4 with 64 bits of output (J.-P. Aumasson, D. J. Bernstein: reference design, 32-bit words).
 * Keyed per lineage, so that nobody can choose names that collide. The result, forced into 63 bits and above the
 * offsets of `.` and `..`, is the readdir offset.
 */
export class DirHash {
  /** Upper 31 bits of the last hash. */
  high = 0
  /** Lower 32 bits of the last hash. */
  low = 0
  readonly #k0: number
  readonly #k1: number

  /** @param key 8 bytes */
  constructor(key: Uint8Array) {
    this.#k0 = key[0] | (key[1] << 8) | (key[2] << 16) | (key[3] << 24)
    this.#k1 = key[4] | (key[5] << 8) | (key[6] << 16) | (key[7] << 24)
  }

  /** Hashes a name (one char per byte) into `high` and `low`. */
  of(name: string): void {
    let v0 = this.#k0
    let v1 = this.#k1 ^ 0xee
    let v2 = 0x6c796765 ^ this.#k0
    let v3 = 0x74656462 ^ this.#k1
    const length = name.length
    const whole = length & ~3
    let m = 0
    for (let i = 0; i <= whole; i += 4) {
      if (i < whole) {
        m = name.charCodeAt(i) | (name.charCodeAt(i + 1) << 8) | (name.charCodeAt(i + 2) << 16) | (name.charCodeAt(i + 3) << 24)
      } else {
        m = length << 24
        const left = length - whole
        if (left > 2) m |= name.charCodeAt(i + 2) << 16
        if (left > 1) m |= name.charCodeAt(i + 1) << 8
        if (left > 0) m |= name.charCodeAt(i)
      }
      v3 ^= m
      for (let round = 0; round < 2; round++) {
        v0 = (v0 + v1) | 0
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
        v0 = (v0 << 16) | (v0 >>> 16)
        v2 = (v2 + v3) | 0
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
        v0 = (v0 + v3) | 0
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
        v2 = (v2 + v1) | 0
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
        v2 = (v2 << 16) | (v2 >>> 16)
      }
      v0 ^= m
    }
    v2 ^= 0xee
    let first = 0
    for (let round = 0; round < 8; round++) {
      if (round === 4) {
        first = v1 ^ v3
        v1 ^= 0xdd
      }
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    this.low = first >>> 0
    this.high = (v1 ^ v3) & 0x7fffffff
    if (this.high === 0 && this.low < 16) this.low += 16
    if (this.high === 0x7fffffff && this.low > 0xfffffff0) this.low -= 16
  }
}

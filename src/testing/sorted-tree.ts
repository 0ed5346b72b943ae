import type { Cursor, Sealer, Tree } from '../tree/tree.js'

const NOTHING = Buffer.alloc(0)

/** A tree as one sorted array: the oracle for the real one. Every change costs O(n). */
export class SortedTree implements Tree {
  vb: Uint8Array = NOTHING
  vp = 0
  vl = 0
  readonly dirtyBytes = 0
  #keys: Buffer[] = []
  #values: Buffer[] = []

  /** Where a key stands, or would stand. */
  #indexOf(key: Uint8Array): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.#keys[middle], key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #hasAt(index: number, key: Uint8Array): boolean {
    return index < this.#keys.length && Buffer.compare(this.#keys[index], key) === 0
  }

  get(K: Uint8Array, keyLength: number): boolean {
    const key = K.subarray(0, keyLength)
    const index = this.#indexOf(key)
    if (!this.#hasAt(index, key)) return false
    this.vb = this.#values[index]
    this.vl = this.vb.length
    return true
  }

  put(K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
    const key = Buffer.from(K.subarray(0, keyLength))
    const value = Buffer.from(V.subarray(0, valueLength))
    const index = this.#indexOf(key)
    if (this.#hasAt(index, key)) this.#values[index] = value
    else {
      this.#keys.splice(index, 0, key)
      this.#values.splice(index, 0, value)
    }
  }

  del(K: Uint8Array, keyLength: number): boolean {
    const key = K.subarray(0, keyLength)
    const index = this.#indexOf(key)
    if (!this.#hasAt(index, key)) return false
    this.#keys.splice(index, 1)
    this.#values.splice(index, 1)
    return true
  }

  cursor(): Cursor {
    const keys = () => this.#keys
    const values = () => this.#values
    const indexOf = (key: Uint8Array) => this.#indexOf(key)
    let at = -1
    return {
      buf: NOTHING,
      kp: 0,
      kl: 0,
      vp: 0,
      vl: 0,
      seek(K, keyLength) {
        at = indexOf(K.subarray(0, keyLength)) - 1
        return this.next()
      },
      next() {
        if (++at >= keys().length) return false
        this.buf = Buffer.concat([keys()[at], values()[at]])
        this.kl = keys()[at].length
        this.vp = this.kl
        this.vl = values()[at].length
        return true
      },
    }
  }

  fork(): Tree {
    const copy = new SortedTree()
    copy.#keys = [...this.#keys]
    copy.#values = [...this.#values]
    return copy
  }

  seal(): Sealer {
    throw new Error('a sorted tree is never sealed')
  }
}

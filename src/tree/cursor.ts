import type { BTree } from './btree.js'
import { CELL_HEADER_BYTES, HEADER_BYTES, type Page } from './page.js'
import { childIndex, search } from './search.js'
import type { Cursor, TwoWayCursor } from './tree.js'

/**
 * A walk over the keys of a tree in order. What it points at stays readable until the cursor moves or its tree changes,
 * whatever else is read meanwhile.
 */
export class TreeCursor implements TwoWayCursor {
  buf: Uint8Array
  kp = 0
  kl = 0
  vp = 0
  vl = 0
  readonly #tree: BTree
  /** Inner pages above the leaf, and which child was taken. */
  readonly #path: Page[] = []
  readonly #index: number[] = []
  #depth = 0
  #n = 0
  #i = 0

  constructor(tree: BTree) {
    this.#tree = tree
    this.buf = noBytes
  }

  /** Moves to the first key ≥ K; false at the end. */
  seek(K: Uint8Array, keyLength: number): boolean {
    const cache = this.#tree.cache
    let pg = this.#tree.root
    let b = cache.bytes(pg)
    this.#depth = 0
    while (pg.level > 0) {
      const i = childIndex(b, pg.n, K, keyLength)
      this.#path[this.#depth] = pg
      this.#index[this.#depth++] = i
      pg = cache.kid(pg, i)
      b = cache.bytes(pg)
    }
    this.#enter(pg, b)
    const i = search(b, 0, pg.n, K, keyLength)
    return this.#at(i < 0 ? ~i : i)
  }

  /** Moves to the last key < K; false when there is none. */
  seekBefore(K: Uint8Array, keyLength: number): boolean {
    // Past the end it stands behind the last entry.
    this.seek(K, keyLength)
    return this.previous()
  }

  /** Moves back by one; false at the start, and the cursor must seek again then. */
  previous(): boolean {
    if (this.#i > 0) return this.#at(this.#i - 1)
    return this.#previousLeaf() && this.#at(this.#n - 1)
  }

  /** Moves on by one; false at the end. */
  next(): boolean {
    return this.#at(this.#i + 1)
  }

  #enter(leaf: Page, b: Buffer): void {
    leaf.exposed = true
    this.buf = b
    this.#n = leaf.n
  }

  #at(i: number): boolean {
    if (i >= this.#n) {
      if (!this.#nextLeaf()) {
        this.#i = this.#n
        return false
      }
      i = 0
    }
    const b = this.buf
    const s = HEADER_BYTES + 2 * i
    const p = b.length - (b[s] | (b[s + 1] << 8))
    const keyLength = b[p] | (b[p + 1] << 8)
    this.#i = i
    this.kp = p + CELL_HEADER_BYTES
    this.kl = keyLength
    this.vp = this.kp + keyLength
    this.vl = b[p + 2] | (b[p + 3] << 8)
    return true
  }

  #previousLeaf(): boolean {
    const cache = this.#tree.cache
    let d = this.#depth - 1
    while (d >= 0 && this.#index[d] === 0) d--
    if (d < 0) return false
    this.#readDown(d, this.#index[d] - 1, true)
    let i = --this.#index[d]
    let pg = this.#path[d]
    for (;;) {
      cache.bytes(pg)
      const kid = cache.kid(pg, i)
      const b = cache.bytes(kid)
      if (kid.level === 0) {
        this.#enter(kid, b)
        return true
      }
      this.#path[++d] = pg = kid
      this.#index[d] = i = kid.n - 1
    }
  }

  /** Reads the pages on the way to another leaf, before the cursor leaves its own: one that misses a page stays where it was. */
  #readDown(depth: number, index: number, toLast: boolean): void {
    const cache = this.#tree.cache
    let pg = this.#path[depth]
    for (let i = index; ; i = toLast ? pg.n - 1 : 0) {
      cache.bytes(pg)
      pg = cache.kid(pg, i)
      cache.bytes(pg)
      if (pg.level === 0) return
    }
  }

  /** Moves to the leaf on the right; only the root may be empty. */
  #nextLeaf(): boolean {
    const cache = this.#tree.cache
    let d = this.#depth - 1
    while (d >= 0 && this.#index[d] + 1 >= this.#path[d].n) d--
    if (d < 0) return false
    this.#readDown(d, this.#index[d] + 1, false)
    let i = ++this.#index[d]
    let pg = this.#path[d]
    for (;;) {
      // The pages above may have been dropped since.
      cache.bytes(pg)
      const kid = cache.kid(pg, i)
      const b = cache.bytes(kid)
      if (kid.level === 0) {
        this.#enter(kid, b)
        return true
      }
      this.#path[++d] = pg = kid
      this.#index[d] = i = 0
    }
  }
}

/** The key at the cursor, copied. */
export function cursorKey(cursor: Cursor): Uint8Array {
  return new Uint8Array(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
}

const noBytes = Buffer.alloc(0)

import { MAX_KEY_BYTES, POINTER_BYTES, sameHash } from '../codec/index.js'
import { assert, limits } from '../sys/index.js'
import type { PageCache } from './cache.js'
import { TreeCursor } from './cursor.js'
import { insertInLeaf } from './insert.js'
import { appendCells, bytesOf, CELL_HEADER_BYTES, cellAt, HEADER_BYTES, overwriteValue, PAGE_BYTES, Page, removeCell, valueLengthAt } from './page.js'
import { rebalance } from './remove.js'
import { Sealing } from './sealer.js'
import { childIndex, search, searchLeaf } from './search.js'
import type { PageSink, Tree } from './tree.js'

/**
 * The persistent B+tree. Pages of the current epoch are edited in place; all others are frozen and copied before the
 * first change, so that a fork, a seal or a diff keeps what it saw.
 * Keys and values are copied; they must not be views of the tree's own pages.
 * Reads throw CorruptError, and what the page source throws; nothing has changed then.
 */
export class BTree implements Tree {
  vb: Uint8Array
  vp = 0
  vl = 0
  /** For this folder only, as all up to `releasePage`. */
  readonly cache: PageCache
  root: Page
  epoch: number
  /** Inner pages from the root to the leaf of the last change, and which child was taken. */
  readonly path: Page[] = []
  readonly index: number[] = []
  depth = 0
  #dirtyPages = 0
  /** The running seal: pages up to this epoch belong to it. */
  #sealing: Sealing | null = null
  #sealingPages = 0
  #sealingEpoch = 0
  #seals = 0

  private constructor(cache: PageCache, root: Page | null) {
    this.cache = cache
    this.epoch = cache.nextEpoch()
    this.root = root ?? this.newPage(0)
    this.vb = noBytes
  }

  static empty(cache: PageCache): BTree {
    return new BTree(cache, null)
  }

  /** The tree of a sealed root; nothing is read yet. */
  static open(cache: PageCache, pointer: Uint8Array): BTree {
    return new BTree(cache, cache.page(pointer, 0, -1))
  }

  /** A seal of this tree is under way. */
  get beingSealed(): boolean {
    return this.#sealing !== null && !this.#sealing.ended
  }

  /** Finds K and points `vb`, `vp`, `vl` at its value. */
  get(K: Uint8Array, keyLength: number): boolean {
    const cache = this.cache
    let pg = this.root
    for (;;) {
      let b = pg.buf
      if (b === null) b = cache.bytes(pg)
      pg.ref = 1
      if (pg.level === 0) {
        const i = searchLeaf(b, pg.n, K, keyLength)
        if (i < 0) return false
        const p = cellAt(b, i)
        this.vb = b
        this.vl = valueLengthAt(b, p)
        this.vp = p + CELL_HEADER_BYTES + keyLength
        return true
      }
      const i = childIndex(b, pg.n, K, keyLength)
      pg = (pg.kids as Array<Page | undefined>)[i] ?? cache.kid(pg, i)
    }
  }

  /** Sets the value of K: 1 to 288 bytes of key, up to 2048 of value. */
  put(K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
    assert(keyLength > 0 && keyLength <= MAX_KEY_BYTES && valueLength <= limits.valueBytes, 'a key or value of the tree has a wrong length')
    const leaf = this.#ownPath(K, keyLength)
    const b = bytesOf(leaf)
    let i = searchLeaf(b, leaf.n, K, keyLength)
    if (i >= 0) {
      const p = cellAt(b, i)
      if (valueLengthAt(b, p) === valueLength) {
        overwriteValue(b, p, keyLength, V, valueLength)
        return
      }
      removeCell(leaf, i)
    } else i = ~i
    insertInLeaf(this, leaf, i, K, keyLength, V, valueLength)
  }

  /** Removes K; false when it is not there, and then nothing is copied. */
  del(K: Uint8Array, keyLength: number): boolean {
    if (!this.get(K, keyLength)) return false
    const leaf = this.#ownPath(K, keyLength)
    removeCell(leaf, search(bytesOf(leaf), 0, leaf.n, K, keyLength))
    rebalance(this, leaf)
    return true
  }

  cursor(): TreeCursor {
    return new TreeCursor(this)
  }

  /** Changes with each seal of this tree that begins or ends. */
  get seals(): number {
    return this.#seals
  }

  /**
   * Takes over the content of `other`, a tree over the same pages that nobody uses any more: a fork of this one, or one of its past states.
   * This tree may not be being sealed, nor have been sealed or changed since the fork if the change is to stay. O(1).
   */
  takeOver(other: BTree): void {
    assert(this.#sealingPages === 0, 'a tree that is sealed does not change hands')
    this.root = other.root
    this.epoch = other.epoch
    this.#dirtyPages = other.#dirtyPages
    other.epoch = this.cache.nextEpoch()
  }

  fork(): BTree {
    const copy = new BTree(this.cache, this.root)
    copy.#dirtyPages = this.#dirtyPages + this.#sealingPages
    this.epoch = this.cache.nextEpoch()
    return copy
  }

  /**
   * Freezes the present state and seals it while this tree goes on changing. One at a time.
   * @param options.hold the pages stay in memory, and dirty to all others, until `keep()` says that what the sink wrote stays
   * or `discard()` that it is lost
   */
  seal(sink: PageSink, options?: { hold?: boolean }): Sealing {
    assert(this.#sealing === null || this.#sealing.ended, 'a tree is sealed while it is sealed')
    const frozen = this.epoch
    this.epoch = this.cache.nextEpoch()
    this.#seals++
    this.#sealingPages = this.#dirtyPages
    this.#sealingEpoch = frozen
    this.#dirtyPages = 0
    this.#sealing = new Sealing(this.cache, this.root, sink, options?.hold === true, kept => this.#sealEnded(kept))
    return this.#sealing
  }

  get dirtyBytes(): number {
    return (this.#dirtyPages + this.#sealingPages) * PAGE_BYTES
  }

  /** The pointer of the root, 62 bytes; undefined while the tree has unsealed changes. */
  get pointer(): Uint8Array | undefined {
    const { ptr, ptrAt } = this.root
    return ptr === null ? undefined : ptr.slice(ptrAt, ptrAt + POINTER_BYTES)
  }

  newPage(level: number): Page {
    this.#dirtyPages++
    return new Page(this.cache.takeBuffer(), level, this.epoch)
  }

  /** The root as a page of this tree, and so editable. */
  ownRoot(): Page {
    if (this.root.epoch !== this.epoch) this.root = this.#copy(this.root)
    return this.root
  }

  /** The child as a page of this tree, and so editable; `pg` is one. */
  ownKid(pg: Page, i: number): Page {
    const kid = this.cache.kid(pg, i)
    if (kid.epoch === this.epoch) return kid
    const copy = this.#copy(kid)
    ;(pg.kids as Page[])[i] = copy // an inner page in memory has them
    return copy
  }

  /** A page left this tree: its buffer is used again if nobody else can have it. */
  releasePage(pg: Page): void {
    if (pg.epoch === this.epoch) {
      this.#dirtyPages--
      if (pg.buf !== null && !pg.exposed) this.cache.giveBuffer(pg.buf)
      pg.buf = null
    } else if (pg.ptr === null && !this.#isSealing(pg)) this.#dirtyPages--
    else pg.ref = 0
  }

  /** The leaf for K with all pages above it made this tree's own; fills `path`. */
  #ownPath(K: Uint8Array, keyLength: number): Page {
    let pg = this.root
    if (pg.epoch !== this.epoch) {
      pg = this.#copy(pg)
      this.root = pg
    }
    let depth = 0
    while (pg.level > 0) {
      const i = childIndex(bytesOf(pg), pg.n, K, keyLength)
      let kid = (pg.kids as Page[])[i] // an inner page in memory has them
      if (kid === undefined || kid.epoch !== this.epoch) kid = this.ownKid(pg, i)
      this.path[depth] = pg
      this.index[depth++] = i
      pg = kid
    }
    this.depth = depth
    return pg
  }

  #copy(from: Page): Page {
    const b = this.cache.bytes(from)
    const to = this.cache.takeBuffer()
    const pg = new Page(to, from.level, this.epoch)
    pg.n = from.n
    if (from.garbage > 0) pg.top = appendCells(to, 0, 0, b, 0, from.n)
    else {
      pg.top = from.top
      to.set(b.subarray(0, HEADER_BYTES + 2 * from.n), 0)
      to.set(b.subarray(b.length - from.top), PAGE_BYTES - from.top)
    }
    pg.last = from.last
    if (from.kids !== null) pg.kids = from.kids.slice()
    if (from.ptr !== null || this.#isSealing(from)) this.#dirtyPages++
    from.ref = 0
    return pg
  }

  #isSealing(pg: Page): boolean {
    return this.#sealingPages > 0 && pg.epoch <= this.#sealingEpoch
  }

  #sealEnded(kept: boolean): void {
    this.#seals++
    if (!kept) this.#dirtyPages += this.#sealingPages
    this.#sealingPages = 0
  }
}

const noBytes = Buffer.alloc(0)

/** True when both trees certainly hold the same: their roots are one page or have one hash. O(1). */
export function sameRoot(a: BTree, b: BTree): boolean {
  return samePage(a.root, b.root)
}

/** True when both pages are certainly one: as objects, or by their hash. */
export function samePage(x: Page, y: Page): boolean {
  return x === y || (x.ptr !== null && y.ptr !== null && sameHash(x.ptr, x.ptrAt, y.ptr, y.ptrAt))
}

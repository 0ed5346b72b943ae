import { sameHash } from '../codec/index.js'
import { type BTree, sameRoot } from './btree.js'
import { CELL_HEADER_BYTES, cellAt, cellBytes, keyLengthAt, type Page, pointerAt, valueLengthAt } from './page.js'
import { childIndex, compareBytes, search } from './search.js'

/** Views of the trees' own pages, valid during the call. Return false to stop. */
export type DiffVisitor = (key: Uint8Array, oldValue: Uint8Array | undefined, newValue: Uint8Array | undefined) => unknown

export interface DiffOptions {
  /** Only keys ≥ this. */
  from?: Uint8Array
  /** Only keys < this. */
  to?: Uint8Array
}

/**
 * Visits each key whose value differs between `a` and `b`, in order: added ones with an undefined old value, removed ones
 * with an undefined new one. Subtrees that both share, by page or by hash, are not read: O(changes) pages.
 * Neither tree may change meanwhile (fork them when the visitor writes).
 */
export function diff(a: BTree, b: BTree, visit: DiffVisitor, options: DiffOptions = {}): { pagesRead: number } {
  const walk = new TreeDiff(a, b, visit, options)
  while (!walk.step(Number.POSITIVE_INFINITY));
  return { pagesRead: walk.pagesRead }
}

/** The same in slices. The pages that it stands on stay as they were; neither tree may change until it is done. */
export class TreeDiff {
  readonly #walk: DiffWalk | undefined

  constructor(a: BTree, b: BTree, visit: DiffVisitor, options: DiffOptions = {}) {
    this.#walk = sameRoot(a, b) ? undefined : new DiffWalk(new Side(a, options), new Side(b, options), visit)
  }

  /** Takes at most so many steps, of a page or an entry each; true when all is visited. */
  step(steps: number): boolean {
    return this.#walk === undefined || this.#walk.run(steps)
  }

  get pagesRead(): number {
    return this.#walk === undefined ? 0 : this.#walk.a.pagesRead + this.#walk.b.pagesRead
  }
}

/** One tree's place in the walk: an entry of a leaf, or a subtree that was not read yet. */
class Side {
  readonly tree: BTree
  readonly from: Uint8Array | undefined
  readonly to: Uint8Array | undefined
  pagesRead = 0
  ended = false
  /** The place is the whole tree. */
  #atRoot = true
  readonly #pages: Page[] = []
  readonly #bytes: Buffer[] = []
  readonly #index: number[] = []
  #depth = -1
  /** Key of the entry, or the lower bound of the subtree; `keyLength` 0 is below everything. */
  key: Uint8Array
  keyAt = 0
  keyLength = 0
  /** 0 for an entry; of a subtree the level of its page plus 1. */
  height: number

  constructor(tree: BTree, options: DiffOptions) {
    this.tree = tree
    this.from = options.from
    this.to = options.to
    this.key = noBytes
    tree.cache.bytes(tree.root)
    this.height = tree.root.level + 1
  }

  /** Reads the page of the present subtree and stands at its first child or entry. */
  descend(): void {
    const kid = this.#unitPage()
    const b = this.tree.cache.bytes(kid)
    kid.exposed = true
    this.pagesRead++
    this.#atRoot = false
    const d = ++this.#depth
    this.#pages[d] = kid
    this.#bytes[d] = b
    this.#index[d] = this.#firstIndex(kid, b)
    this.#settle()
  }

  /** Steps over the present entry or subtree. */
  skip(): void {
    if (this.#depth < 0) {
      this.ended = true
      return
    }
    this.#index[this.#depth]++
    this.#settle()
  }

  /**
   * Steps over what lies behind the present entry or subtree and is the same in both pages: most of a page, as a rule. Both stay on one
   * that may be skipped.
   */
  skipSameRun(other: Side): void {
    const d = this.#depth
    const e = other.#depth
    if (d < 0 || e < 0) return
    const i = this.#index[d] + 1
    const j = other.#index[e] + 1
    const most = Math.min(this.#pages[d].n - i, other.#pages[e].n - j)
    const skipped = this.height === 0 ? sameCells(this.#bytes[d], i, other.#bytes[e], j, most) : this.#sameKids(other, i, j, most)
    this.#index[d] += skipped
    other.#index[e] += skipped
  }

  /** How many subtrees from `i` and from `j` on are surely the same: one page in memory, or never looked at and of one cell. */
  #sameKids(other: Side, i: number, j: number, most: number): number {
    const mine = this.#pages[this.#depth].kids ?? noKids
    const theirs = other.#pages[other.#depth].kids ?? noKids
    let same = 0
    while (same < most) {
      let run = same
      while (run < most && mine[i + run] === undefined && theirs[j + run] === undefined) run++
      if (run > same) {
        const cells = sameCells(this.#bytes[this.#depth], i + same, other.#bytes[other.#depth], j + same, run - same)
        same += cells
        if (same < run) break
      } else if (mine[i + same] === theirs[j + same]) same++
      else break
    }
    return same
  }

  valueView(): Uint8Array {
    const b = this.#bytes[this.#depth]
    const p = cellAt(b, this.#index[this.#depth])
    const at = p + CELL_HEADER_BYTES + keyLengthAt(b, p)
    return b.subarray(at, at + valueLengthAt(b, p))
  }

  keyView(): Uint8Array {
    return this.key.subarray(this.keyAt, this.keyAt + this.keyLength)
  }

  sameValue(other: Side): boolean {
    const b = this.#bytes[this.#depth]
    const c = other.#bytes[other.#depth]
    const p = cellAt(b, this.#index[this.#depth])
    const q = cellAt(c, other.#index[other.#depth])
    const length = valueLengthAt(b, p)
    if (length !== valueLengthAt(c, q)) return false
    const at = p + CELL_HEADER_BYTES + this.keyLength
    const to = q + CELL_HEADER_BYTES + this.keyLength
    // The call costs as much as comparing so many here.
    if (length > NATIVE_COMPARE_BYTES) return b.compare(c, to, to + length, at, at + length) === 0
    for (let i = 0; i < length; i++) if (b[at + i] !== c[to + i]) return false
    return true
  }

  /** True when the present subtrees of both are one, by page or by hash. */
  sameSubtree(other: Side): boolean {
    const x = this.#knownUnit()
    const y = other.#knownUnit()
    if (x !== undefined && x === y) return true
    if ((x !== undefined && x.ptr === null) || (y !== undefined && y.ptr === null)) return false
    return x !== undefined ? other.#unitIs(x.ptr as Uint8Array, x.ptrAt) : y !== undefined ? this.#unitIs(y.ptr as Uint8Array, y.ptrAt) : this.#sameCell(other)
  }

  #firstIndex(pg: Page, b: Buffer): number {
    if (this.from === undefined) return 0
    if (pg.level > 0) return childIndex(b, pg.n, this.from, this.from.length)
    const i = search(b, 0, pg.n, this.from, this.from.length)
    return i < 0 ? ~i : i
  }

  /** Leaves pages that are done and computes key and height of the place. */
  #settle(): void {
    while (this.#index[this.#depth] >= this.#pages[this.#depth].n) {
      if (--this.#depth < 0) {
        this.ended = true
        return
      }
      this.#index[this.#depth]++
    }
    this.height = this.#pages[this.#depth].level
    this.#findKey()
    if (this.to !== undefined && compareBytes(this.key, this.keyAt, this.keyLength, this.to, 0, this.to.length) >= 0) this.ended = true
  }

  /** The first child of an inner page has its parent's lower bound. */
  #findKey(): void {
    let d = this.#depth
    if (this.height > 0) while (d >= 0 && this.#index[d] === 0) d--
    if (d < 0) {
      this.keyLength = 0
      return
    }
    const b = this.#bytes[d]
    const p = cellAt(b, this.#index[d])
    this.key = b
    this.keyAt = p + CELL_HEADER_BYTES
    this.keyLength = keyLengthAt(b, p)
  }

  /** The present subtree's page if it is in memory or was. */
  #knownUnit(): Page | undefined {
    if (this.#atRoot) return this.tree.root
    return this.#pages[this.#depth].kids?.[this.#index[this.#depth]]
  }

  #unitPage(): Page {
    if (this.#atRoot) return this.tree.root
    const pg = this.#pages[this.#depth]
    this.tree.cache.bytes(pg)
    return this.tree.cache.kid(pg, this.#index[this.#depth])
  }

  #unitIs(ptr: Uint8Array, at: number): boolean {
    const known = this.#knownUnit()
    if (known !== undefined) return known.ptr !== null && sameHash(known.ptr, known.ptrAt, ptr, at)
    const b = this.#bytes[this.#depth]
    return sameHash(b, pointerAt(b, this.#index[this.#depth]), ptr, at)
  }

  #sameCell(other: Side): boolean {
    const b = this.#bytes[this.#depth]
    return other.#unitIs(b, pointerAt(b, this.#index[this.#depth]))
  }
}

class DiffWalk {
  readonly a: Side
  readonly b: Side
  readonly #visit: DiffVisitor
  #stopped = false

  constructor(a: Side, b: Side, visit: DiffVisitor) {
    this.a = a
    this.b = b
    this.#visit = visit
  }

  /** True at the end. */
  run(steps: number): boolean {
    const { a, b } = this
    while (!this.#stopped && !(a.ended && b.ended)) {
      if (steps-- <= 0) return false
      if (b.ended) this.#oneSided(a, true)
      else if (a.ended) this.#oneSided(b, false)
      else this.#both()
    }
    return true
  }

  #both(): void {
    const { a, b } = this
    if (a.height !== 0 && a.height === b.height && a.sameSubtree(b)) {
      if (a.to === undefined) a.skipSameRun(b)
      a.skip()
      b.skip()
      return
    }
    const order = compareBytes(a.key, a.keyAt, a.keyLength, b.key, b.keyAt, b.keyLength)
    if (a.height === 0 && b.height === 0) this.#entries(order)
    else if (order < 0) this.#oneSided(a, true)
    else if (order > 0) this.#oneSided(b, false)
    else if (a.height === 0) b.descend()
    else if (b.height === 0 || a.height >= b.height) a.descend()
    else b.descend()
  }

  #entries(order: number): void {
    const { a, b } = this
    if (order < 0) this.#oneSided(a, true)
    else if (order > 0) this.#oneSided(b, false)
    else {
      if (!a.sameValue(b)) this.#emit(a.keyView(), a.valueView(), b.valueView())
      if (!this.#stopped && a.to === undefined) a.skipSameRun(b)
      a.skip()
      b.skip()
    }
  }

  /** The other side has nothing up to here. */
  #oneSided(side: Side, isOld: boolean): void {
    if (side.height !== 0) {
      side.descend()
      return
    }
    const value = side.valueView()
    this.#emit(side.keyView(), isOld ? value : undefined, isOld ? undefined : value)
    side.skip()
  }

  #emit(key: Uint8Array, oldValue: Uint8Array | undefined, newValue: Uint8Array | undefined): void {
    if (this.#visit(key, oldValue, newValue) === false) this.#stopped = true
  }
}

/** How many cells from `i` and from `j` on are the same in two pages, at most `most`. Those that follow each other without gaps in both are compared in one go. */
function sameCells(b: Buffer, i: number, c: Buffer, j: number, most: number): number {
  let same = 0
  while (same < most) {
    const run = adjacentCells(b, i + same, c, j + same, most - same)
    const end = cellAt(b, i + same)
    const otherEnd = cellAt(c, j + same)
    const p = cellAt(b, i + same + run - 1)
    const q = cellAt(c, j + same + run - 1)
    const length = end - p + cellBytes(b, end)
    if (otherEnd - q + cellBytes(c, otherEnd) === length && b.compare(c, q, q + length, p, p + length) === 0) same += run
    else if (run === 1) break
    else {
      const some = sameCells(b, i + same, c, j + same, run >>> 1)
      same += some
      if (some < run >>> 1) break
    }
  }
  return same
}

/** How many cells from `i` and from `j` on lie one below the other in both pages, as sealing and compaction leave them; at least 1. */
function adjacentCells(b: Buffer, i: number, c: Buffer, j: number, most: number): number {
  const apart = cellAt(c, j) - cellAt(b, i)
  let run = 1
  for (let at = cellAt(b, i); run < most; run++) {
    const next = cellAt(b, i + run)
    if (next + cellBytes(b, next) !== at || cellAt(c, j + run) - next !== apart) break
    at = next
  }
  return run
}

const NATIVE_COMPARE_BYTES = 128
const noBytes = new Uint8Array(0)
const noKids: Array<Page | undefined> = []

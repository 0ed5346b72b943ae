import { POINTER_BYTES } from '../codec/index.js'
import { CairnError, CorruptError } from '../errors.js'
import type { BTree } from './btree.js'
import { describePointer } from './cache.js'
import { CELL_HEADER_BYTES, cellAt, keyLengthAt, type Page, valueLengthAt } from './page.js'
import { compareBytes } from './search.js'

/** Where a cell's key and value stand; filled again for each cell. */
export interface CellPlace {
  kp: number
  kl: number
  vp: number
  vl: number
}

/** A page as `walkPages` shows it; valid during the call. */
export interface PageView {
  readonly buf: Buffer
  readonly level: number
  /** Cells: entries of a leaf, children of an inner page. */
  readonly count: number
  cell(i: number, into: CellPlace): void
}

export interface WalkOptions {
  /** Asked before a page is read; true leaves it and all below it out. */
  skip?: (pointer: Uint8Array, level: number) => boolean
  /** Told of a page that cannot be read or breaks the order of keys; without it the walk throws. What lies below is left out. */
  onDamage?: (pointer: Uint8Array | undefined, error: CairnError) => void
}

/**
 * Visits every page of a tree, parents first and in key order, and checks that keys lie between the separators above them.
 * `pointer` (62 bytes, valid during the call) is undefined for a page that no seal has written. Return false to leave out
 * what is below a page. The tree may not change meanwhile. Reads all pages through the cache, whose budget holds.
 * @throws CorruptError unless `onDamage` is given
 */
export function walkPages(
  tree: BTree,
  visitPage: (pointer: Uint8Array | undefined, level: number, page: PageView) => unknown,
  options: WalkOptions = {},
): void {
  visit(tree.root, undefined, undefined)

  function visit(pg: Page, low: Uint8Array | undefined, high: Uint8Array | undefined): void {
    const pointer = pg.ptr === null ? undefined : pg.ptr.subarray(pg.ptrAt, pg.ptrAt + POINTER_BYTES)
    if (pointer !== undefined && pg.level >= 0 && options.skip?.(pointer, pg.level) === true) return
    let view: View
    try {
      view = new View(pg, tree.cache.bytes(pg))
      checkRange(view, low, high, pointer)
    } catch (error) {
      if (options.onDamage === undefined || !(error instanceof CairnError)) throw error
      options.onDamage(pointer, error)
      return
    }
    pg.exposed = true
    if (visitPage(pointer, view.level, view) === false || view.level === 0) return
    for (let i = 0; i < view.count; i++) {
      const last = i + 1 === view.count
      // The page may have been dropped while its children were read.
      tree.cache.bytes(pg)
      visit(tree.cache.kid(pg, i), i === 0 ? low : view.key(i), last ? high : view.key(i + 1))
    }
  }
}

class View implements PageView {
  readonly buf: Buffer
  readonly level: number
  readonly count: number

  constructor(pg: Page, buf: Buffer) {
    this.buf = buf
    this.level = pg.level
    this.count = pg.n
  }

  cell(i: number, into: CellPlace): void {
    const p = cellAt(this.buf, i)
    into.kl = keyLengthAt(this.buf, p)
    into.kp = p + CELL_HEADER_BYTES
    into.vp = into.kp + into.kl
    into.vl = valueLengthAt(this.buf, p)
  }

  key(i: number): Uint8Array {
    const p = cellAt(this.buf, i)
    return this.buf.subarray(p + CELL_HEADER_BYTES, p + CELL_HEADER_BYTES + keyLengthAt(this.buf, p))
  }
}

/** The order within a page is checked when it is read; here its ends against what its parents say, and dirty pages too. */
function checkRange(view: View, low: Uint8Array | undefined, high: Uint8Array | undefined, pointer: Uint8Array | undefined): void {
  const fail = (what: string): never => {
    throw new CorruptError(pointer === undefined ? 'a page in memory' : describePointer(pointer, 0), what)
  }
  const first = view.level > 0 ? 1 : 0
  if (view.count <= first) return
  for (let i = first + 1; i < view.count; i++) if (compare(view.key(i - 1), view.key(i)) >= 0) fail(`keys ${i - 1} and ${i} are out of order`)
  if (low !== undefined && compare(view.key(first), low) < 0) fail('a key lies below its separator')
  if (high !== undefined && compare(view.key(view.count - 1), high) >= 0) fail('a key lies above its separator')
  if (view.level === 0 && view.key(0)[0] !== view.key(view.count - 1)[0]) fail('a leaf holds two regions')
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

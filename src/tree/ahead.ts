import { HASH_BYTES, PACK_ID_BYTES, pointerLength, pointerOffset } from '../codec/index.js'
import { limits } from '../sys/index.js'
import { bytesOf, CELL_HEADER_BYTES, cellAt, keyLengthAt, type Page, pointerAt } from './page.js'
import type { PageSource } from './tree.js'

/** What has been looked at below one inner page. */
interface Seen {
  /** How many children, and which one last, by region. */
  readonly children: Map<number, { count: number; last: number }>
  /** 1 for each child that the source was told of. */
  told: Uint8Array
}

/**
 * Tells a source whose pages are far away which ones will most likely be wanted next, so that they come together instead of one after the other: below an
 * inner page of which several children of one region were looked at, twice as many more, first on the side to which the last step went. So a scan soon has
 * all of its pages on the way, in whatever order it goes, and one look-up none. Never beyond the region of the tree (first byte of the keys).
 */
export class Ahead {
  readonly #prefetch: NonNullable<PageSource['prefetchPage']>
  /** By the list of children, which a page has anew each time that it is read. */
  readonly #seen = new WeakMap<object, Seen>()

  constructor(prefetch: NonNullable<PageSource['prefetchPage']>) {
    this.#prefetch = prefetch
  }

  /** Child `i` of a page is looked at, for the first time since that was read. */
  touch(pg: Page, i: number): void {
    const kids = pg.kids as Array<Page | undefined> // an inner page in memory has them
    let seen = this.#seen.get(kids)
    if (seen === undefined) {
      seen = { children: new Map(), told: new Uint8Array(pg.n) }
      this.#seen.set(kids, seen)
    }
    seen.told[i] = 1
    const region = regionOf(bytesOf(pg), i)
    const before = seen.children.get(region)
    const count = (before?.count ?? 0) + 1
    seen.children.set(region, { count, last: i })
    if (before === undefined) return
    const step = i > before.last ? 1 : -1
    const left = this.#tell(pg, seen, i, step, Math.min(count * 2, limits.storeAheadPages))
    if (left > 0) this.#tell(pg, seen, i, step > 0 ? -1 : 1, left)
  }

  /** Tells of the children up to `count` steps from child `i`; returns how many steps there was no child for. */
  #tell(pg: Page, { told }: Seen, i: number, step: 1 | -1, count: number): number {
    const b = bytesOf(pg)
    const kids = pg.kids as Array<Page | undefined>
    const region = regionOf(b, i)
    for (let k = i + step; count > 0; k += step, count--) {
      if (k < 0 || k >= pg.n || (regionOf(b, k) !== region && k > 0 && i > 0)) return count
      // A child that is known may be one that no seal has written.
      if (told[k] !== 0 || kids[k] !== undefined) continue
      told[k] = 1
      const at = pointerAt(b, k)
      this.#prefetch(b, at, pg.level > 1 && k > 0 && kids[k - 1] === undefined ? lead(b, pointerAt(b, k - 1), at) : 0)
    }
    return 0
  }
}

/** First byte of the separator; the first child's is empty. */
function regionOf(b: Uint8Array, i: number): number {
  const p = cellAt(b, i)
  return keyLengthAt(b, p) === 0 ? 0 : b[p + CELL_HEADER_BYTES]
}

/** Bytes between two inner pages that lie one behind the other in a pack: what is below the second, since children are written before their parents. */
function lead(b: Uint8Array, before: number, at: number): number {
  for (let k = HASH_BYTES; k < HASH_BYTES + PACK_ID_BYTES; k++) if (b[before + k] !== b[at + k]) return 0
  const bytes = pointerOffset(b, at) - pointerOffset(b, before) - pointerLength(b, before)
  return bytes > 0 && bytes <= limits.storeAheadBytes ? bytes : 0
}

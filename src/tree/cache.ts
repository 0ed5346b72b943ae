import { HASH_BYTES, POINTER_BYTES, packKey, pointerOffset, pointerPack } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import { Ahead } from './ahead.js'
import { findDamage, pageCount, pageLevel } from './encode.js'
import { bytesOf, HEADER_BYTES, PAGE_BYTES, Page, pointerAt } from './page.js'
import type { PageSource } from './tree.js'

/** Buffers kept for reuse. */
const FREE_BUFFERS = 1024
/** Pointers that share one allocation. */
const POINTERS_PER_SLAB = 64

export interface CacheCounters {
  /** Pages read from the source, and their bytes. */
  loads: number
  loadedBytes: number
  evictions: number
  /** Bytes of clean pages in memory. */
  residentBytes: number
}

/**
 * The clean pages of a store in memory, shared by all its trees: loads them on demand and drops those that were not used
 * for a while, by the clock algorithm, once they take more than the budget. Dirty pages are none of its business.
 */
export class PageCache {
  readonly counters: CacheCounters = { loads: 0, loadedBytes: 0, evictions: 0, residentBytes: 0 }
  /** May be changed at any time; holds from the next load on. */
  budgetBytes: number
  readonly #source: PageSource
  readonly #free: Buffer[] = []
  /** Clean pages in memory, in no order. */
  readonly #ring: Page[] = []
  #hand = 0
  /** The same by the first 48 bits of their hash, so that trees opened apart share what they have in common. */
  readonly #byHash = new Map<number, Page>()
  #epoch = 1
  #slab = new Uint8Array(POINTERS_PER_SLAB * POINTER_BYTES)
  #slabUsed = 0
  /** Where pages are far away. */
  readonly #ahead: Ahead | undefined

  constructor(source: PageSource, budgetBytes: number) {
    this.#source = source
    this.budgetBytes = budgetBytes
    this.#ahead = source.prefetchPage === undefined ? undefined : new Ahead(source.prefetchPage)
  }

  /** Epochs never repeat among the trees of a cache, so that a page has at most one owner. */
  nextEpoch(): number {
    return ++this.#epoch
  }

  takeBuffer(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES)
  }

  /** Gives back a buffer that nobody looks at any more. */
  giveBuffer(buf: Buffer): void {
    if (this.#free.length < FREE_BUFFERS) this.#free.push(buf)
  }

  /** The page's bytes, read from the source when they are not in memory. @throws CorruptError, or what the source throws */
  bytes(pg: Page): Buffer {
    pg.ref = 1
    return pg.buf ?? this.#load(pg)
  }

  /** Begins to bring near a page that is not in memory. */
  prefetch(pg: Page): void {
    if (pg.buf === null && pg.ptr !== null) this.#source.prefetchPage?.(pg.ptr, pg.ptrAt, 0)
  }

  /** Child `i` of an inner page that is in memory; the child itself may not be. */
  kid(pg: Page, i: number): Page {
    const kids = pg.kids as Array<Page | undefined> // an inner page in memory has them
    const known = kids[i]
    if (known !== undefined) return known
    this.#ahead?.touch(pg, i)
    const b = bytesOf(pg)
    const kid = this.page(b, pointerAt(b, i), pg.level - 1)
    kids[i] = kid
    return kid
  }

  /**
   * The page that a pointer names: one that is in memory already, or one to be read. Never an equal page of another place, which a tree would come to
   * name by what it seals: another volume's pack is nothing that its own roots keep.
   * @param level -1 when unknown
   */
  page(pointer: Uint8Array, at: number, level: number): Page {
    const resident = this.#byHash.get(hashNumber(pointer, at))
    if (resident !== undefined && resident.ptr !== null && samePointer(resident.ptr, resident.ptrAt, pointer, at)) {
      if (level < 0 || resident.level === level) return resident
    }
    const pg = new Page(null, level, 0)
    this.setPointer(pg, pointer, at)
    return pg
  }

  /** Gives a page its pointer, a copy; it is clean from then on. */
  setPointer(pg: Page, pointer: Uint8Array, at: number): void {
    if (this.#slabUsed === POINTERS_PER_SLAB) {
      this.#slab = new Uint8Array(POINTERS_PER_SLAB * POINTER_BYTES)
      this.#slabUsed = 0
    }
    const to = this.#slab
    const start = this.#slabUsed++ * POINTER_BYTES
    for (let i = 0; i < POINTER_BYTES; i++) to[start + i] = pointer[at + i]
    pg.ptr = to
    pg.ptrAt = start
  }

  /** A page in memory became clean: from now on it may be dropped. */
  adopt(pg: Page): void {
    const size = bytesOf(pg).length
    this.#makeRoom(size)
    pg.ref = 1
    this.#ring.push(pg)
    this.#index(pg)
    this.counters.residentBytes += size
  }

  /** Drops clean pages until they take no more than `bytes`. */
  trim(bytes: number): void {
    const ring = this.#ring
    while (this.counters.residentBytes > bytes && ring.length > 0) {
      if (this.#hand >= ring.length) this.#hand = 0
      const pg = ring[this.#hand]
      if (pg.ref !== 0) {
        pg.ref = 0
        this.#hand++
        continue
      }
      const last = ring.pop() as Page // not empty
      if (last !== pg) ring[this.#hand] = last
      this.#evict(pg)
    }
  }

  #makeRoom(size: number): void {
    if (this.counters.residentBytes + size > this.budgetBytes) this.trim(this.budgetBytes - size)
  }

  #evict(pg: Page): void {
    const buf = bytesOf(pg)
    this.counters.evictions++
    this.counters.residentBytes -= buf.length
    pg.buf = null
    // All its children are clean and its cells hold their pointers. Those still in memory are found again by hash.
    pg.kids = null
    if (buf.length === PAGE_BYTES && !pg.exposed) this.giveBuffer(buf)
    pg.exposed = false
    if (pg.ptr === null) return
    const number = hashNumber(pg.ptr, pg.ptrAt)
    if (this.#byHash.get(number) === pg) this.#byHash.delete(number)
  }

  #index(pg: Page): void {
    if (pg.ptr !== null) this.#byHash.set(hashNumber(pg.ptr, pg.ptrAt), pg)
  }

  #load(pg: Page): Buffer {
    const pointer = pg.ptr
    if (pointer === null) throw new Error('invariant broken: a dirty page is in memory')
    const read = this.#source.readPage(pointer, pg.ptrAt)
    let damage = findDamage(read)
    if (damage === '' && pg.level >= 0 && pageLevel(read) !== pg.level) damage = `a page of level ${pageLevel(read)} where ${pg.level} is expected`
    if (damage !== '') throw new CorruptError(describePointer(pointer, pg.ptrAt), damage)
    this.#makeRoom(PAGE_BYTES)
    pg.level = pageLevel(read)
    pg.n = pageCount(read)
    pg.top = read.length - HEADER_BYTES - 2 * pg.n
    const buf = this.takeBuffer()
    spread(read, buf, pg.top)
    pg.buf = buf
    pg.garbage = 0
    pg.last = -2
    pg.kids = pg.level > 0 ? new Array<Page | undefined>(pg.n).fill(undefined) : null
    this.#ring.push(pg)
    this.#index(pg)
    this.counters.loads++
    this.counters.loadedBytes += buf.length
    this.counters.residentBytes += buf.length
    return buf
  }
}

/** Opens the gap again that a stored page is without: all pages in memory have one size, so that their buffers serve one another. */
function spread(read: Uint8Array, to: Buffer, top: number): void {
  const slots = read.length - top
  to.set(read.subarray(0, slots), 0)
  to.set(read.subarray(slots), PAGE_BYTES - top)
}

function samePointer(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  for (let i = 0; i < POINTER_BYTES; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}

function hashNumber(pointer: Uint8Array, at: number): number {
  const low = pointer[at] | (pointer[at + 1] << 8) | (pointer[at + 2] << 16) | (pointer[at + 3] << 24)
  return (low >>> 0) + (pointer[at + 4] | (pointer[at + 5] << 8)) * 4294967296
}

/** How messages name a stored page: its pack and where it stands there. */
export function describePointer(pointer: Uint8Array, at: number): string {
  const hash = Buffer.from(pointer.buffer, pointer.byteOffset + at, HASH_BYTES).toString('hex', 0, 6)
  return `${packKey(pointerPack(pointer, at))} at ${pointerOffset(pointer, at)} (page ${hash})`
}

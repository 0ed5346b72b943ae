import { limits } from '../sys/index.js'

/** Bytes of the header: version, flags, level, reserved, count (u16), bytes of cells (u16). docs/format-pages.md. */
export const HEADER_BYTES = 8
export const PAGE_BYTES = limits.pageBytes
/** What slots and cells of one page may take together. */
export const PAGE_ROOM = PAGE_BYTES - HEADER_BYTES
/** Lengths of key and value before each cell. */
export const CELL_HEADER_BYTES = 4
export const SLOT_BYTES = 2

/**
 * A node of the tree. In memory: header, slots growing up, a gap, cells growing down from the end of `buf`.
 * A slot is the distance of its cell from the end, so that a page without its gap has the same slots.
 *
 * A page belongs to the tree whose epoch it has; to everyone else it is frozen. It is dirty while `ptr` is null.
 */
export class Page {
  /** Null for a clean page that is not in memory. */
  buf: Buffer | null
  /** 0 for a leaf; -1 for a root that nobody has read yet. */
  level: number
  n = 0
  /** Bytes from the end of `buf` to the lowest cell. */
  top = 0
  /** Bytes of these that no slot names any more. */
  garbage = 0
  epoch: number
  /** Where the last insert went, to see sequential ones. */
  last = -2
  /** Touched since the clock's hand came by. */
  ref = 1
  /** A cursor, a diff or the source may still look at `buf`: it must not be used for another page. */
  exposed = false
  /**
   * Children of an inner page by slot; undefined: not looked at since the page was read, and its cell holds a valid pointer.
   * A child that was dirty at any time is here, with its pointer in itself; the cell is brought up to date by sealing.
   */
  kids: Array<Page | undefined> | null
  /** Where the pointer of a clean page stands: one that a seal wrote and kept, or that was read. */
  ptr: Uint8Array | null = null
  ptrAt = 0

  constructor(buf: Buffer | null, level: number, epoch: number) {
    this.buf = buf
    this.level = level
    this.epoch = epoch
    this.kids = level > 0 && buf !== null ? [] : null
  }
}

/** Position of cell `i`. */
export function cellAt(b: Uint8Array, i: number): number {
  const s = HEADER_BYTES + 2 * i
  return b.length - (b[s] | (b[s + 1] << 8))
}

export function cellBytes(b: Uint8Array, p: number): number {
  return CELL_HEADER_BYTES + (b[p] | (b[p + 1] << 8)) + (b[p + 2] | (b[p + 3] << 8))
}

export function keyLengthAt(b: Uint8Array, p: number): number {
  return b[p] | (b[p + 1] << 8)
}

export function valueLengthAt(b: Uint8Array, p: number): number {
  return b[p + 2] | (b[p + 3] << 8)
}

/** Where the child's pointer stands in the cell of an inner page. */
export function pointerAt(b: Uint8Array, i: number): number {
  const p = cellAt(b, i)
  return p + CELL_HEADER_BYTES + keyLengthAt(b, p)
}

/** Bytes of live cells and their slots. */
export function usedBytes(pg: Page): number {
  return SLOT_BYTES * pg.n + pg.top - pg.garbage
}

/** A page that can be edited always has its buffer. */
export function bytesOf(pg: Page): Buffer {
  return pg.buf as Buffer
}

let scratch: Buffer = Buffer.allocUnsafeSlow(PAGE_BYTES)

/** Puts the cells in key order without gaps; the page changes buffers with the scratch page. */
export function compact(pg: Page): void {
  const from = bytesOf(pg)
  const to = scratch
  pg.top = appendCells(to, 0, 0, from, 0, pg.n)
  pg.garbage = 0
  pg.buf = to
  scratch = from
}

/** Makes room for a cell of `size` bytes and its slot, if there is any. */
export function makeRoom(pg: Page, size: number): boolean {
  const free = PAGE_ROOM - SLOT_BYTES * pg.n - pg.top
  if (free >= size + SLOT_BYTES) return true
  if (free + pg.garbage < size + SLOT_BYTES) return false
  compact(pg)
  return true
}

function copyIn(to: Uint8Array, at: number, from: Uint8Array, length: number): void {
  if (length < 48) for (let i = 0; i < length; i++) to[at + i] = from[i]
  else to.set(from.length === length ? from : from.subarray(0, length), at)
}

/** Writes over the value of a cell; the length stays. */
export function overwriteValue(b: Uint8Array, p: number, keyLength: number, V: Uint8Array, valueLength: number): void {
  copyIn(b, p + CELL_HEADER_BYTES + keyLength, V, valueLength)
}

/** Inserts a cell at slot `i`; the room must be there. */
export function insertCell(pg: Page, i: number, K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
  const b = bytesOf(pg)
  const top = pg.top + CELL_HEADER_BYTES + keyLength + valueLength
  const p = PAGE_BYTES - top
  b[p] = keyLength
  b[p + 1] = keyLength >>> 8
  b[p + 2] = valueLength
  b[p + 3] = valueLength >>> 8
  copyIn(b, p + CELL_HEADER_BYTES, K, keyLength)
  copyIn(b, p + CELL_HEADER_BYTES + keyLength, V, valueLength)
  const s = HEADER_BYTES + 2 * i
  const end = HEADER_BYTES + 2 * pg.n
  if (s < end) b.copyWithin(s + 2, s, end)
  b[s] = top
  b[s + 1] = top >>> 8
  pg.top = top
  pg.n++
  pg.last = i
}

/** Removes the cell at slot `i`, and the child with it. */
export function removeCell(pg: Page, i: number): void {
  const b = bytesOf(pg)
  const p = cellAt(b, i)
  const size = cellBytes(b, p)
  if (b.length - p === pg.top) pg.top -= size
  else pg.garbage += size
  const s = HEADER_BYTES + 2 * i
  b.copyWithin(s, s + 2, HEADER_BYTES + 2 * pg.n)
  pg.n--
  pg.last = -2
  if (pg.kids !== null) pg.kids.splice(i, 1)
}

/** Empties the key of the first cell of an inner page: it stands for everything below the second. */
export function blankFirstKey(pg: Page): void {
  const b = bytesOf(pg)
  const p = cellAt(b, 0)
  const keyLength = keyLengthAt(b, p)
  if (keyLength === 0) return
  // The value stays where it is and the lengths move up to it; what they leave is garbage below.
  const q = p + keyLength
  b.copyWithin(q, p, p + CELL_HEADER_BYTES)
  b[q] = 0
  b[q + 1] = 0
  const distance = b.length - q
  b[HEADER_BYTES] = distance
  b[HEADER_BYTES + 1] = distance >>> 8
  if (b.length - p === pg.top) pg.top -= keyLength
  else pg.garbage += keyLength
}

/**
 * Appends cells `from` to `to` (exclusive) of `src` to the slots at `n` of `dst`, whose cells take `top` bytes.
 * Cells that lie one below the other, as sequential inserts leave them, are copied at once.
 * @returns the new `top`
 */
export function appendCells(dst: Uint8Array, n: number, top: number, src: Uint8Array, from: number, to: number): number {
  let i = from
  let slot = HEADER_BYTES + 2 * n
  while (i < to) {
    const first = cellAt(src, i)
    const end = first + cellBytes(src, first)
    let low = first
    let j = i + 1
    for (; j < to; j++) {
      const p = cellAt(src, j)
      if (p + cellBytes(src, p) !== low) break
      low = p
    }
    const size = end - low
    const shift = top + end - src.length
    for (; i < j; i++) {
      const s = HEADER_BYTES + 2 * i
      const distance = (src[s] | (src[s + 1] << 8)) + shift
      dst[slot++] = distance
      dst[slot++] = distance >>> 8
    }
    top += size
    const at = dst.length - top
    if (size < 48) for (let k = 0; k < size; k++) dst[at + k] = src[low + k]
    else dst.set(src.subarray(low, end), at)
  }
  return top
}

/** Moves the cells from slot `from` on, with their children, to the end of `right`. */
export function moveTail(pg: Page, from: number, right: Page): void {
  const b = bytesOf(pg)
  const before = right.top
  right.top = appendCells(bytesOf(right), right.n, right.top, b, from, pg.n)
  right.n += pg.n - from
  pg.garbage += right.top - before
  pg.n = from
  if (pg.kids !== null && right.kids !== null) right.kids.push(...pg.kids.splice(from))
}

import { MAX_KEY_BYTES, POINTER_BYTES } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import { limits } from '../sys/index.js'
import { appendCells, bytesOf, CELL_HEADER_BYTES, HEADER_BYTES, PAGE_BYTES, type Page } from './page.js'

export const PAGE_VERSION = 1
/** Deeper than any tree of 2^53 entries. */
export const MAX_LEVEL = 15

/**
 * Writes the sealed form of a page to `out` (8 KiB): header, slots, cells in key order, no gaps.
 * Pages of equal content have equal bytes.
 * @returns its length
 */
export function encodePage(pg: Page, out: Buffer): number {
  const slotsEnd = HEADER_BYTES + 2 * pg.n
  const top = appendCells(out, 0, 0, bytesOf(pg), 0, pg.n)
  out.copyWithin(slotsEnd, PAGE_BYTES - top, PAGE_BYTES)
  out[0] = PAGE_VERSION
  out[1] = 0
  out[2] = pg.level
  out[3] = 0
  out[4] = pg.n
  out[5] = pg.n >>> 8
  out[6] = top
  out[7] = top >>> 8
  return slotsEnd + top
}

/** Level of a sealed page; its bytes must have been checked. */
export function pageLevel(b: Uint8Array): number {
  return b[2]
}

export function pageCount(b: Uint8Array): number {
  return b[4] | (b[5] << 8)
}

/**
 * What is wrong with the bytes of a sealed page; the empty string when nothing is.
 * Afterwards every slot and cell lies within the page and the keys are in order.
 */
export function findDamage(b: Uint8Array): string {
  const length = b.length
  if (length < HEADER_BYTES || length > PAGE_BYTES) return `a page of ${length} bytes`
  if (b[0] !== PAGE_VERSION) return `page format ${b[0]} is unknown`
  if (b[1] !== 0 || b[3] !== 0) return 'unknown page flags'
  const level = b[2]
  if (level > MAX_LEVEL) return `page level ${level}`
  const n = pageCount(b)
  const top = b[6] | (b[7] << 8)
  if (HEADER_BYTES + 2 * n + top !== length) return 'the page is not as long as its header says'
  if (level > 0 && n === 0) return 'an inner page without children'
  return findCellDamage(b, n, level)
}

function findCellDamage(b: Uint8Array, n: number, level: number): string {
  const end = b.length
  const cellsAt = HEADER_BYTES + 2 * n
  let below = end
  let previous = 0
  let previousLength = -1
  for (let i = 0; i < n; i++) {
    const s = HEADER_BYTES + 2 * i
    const p = end - (b[s] | (b[s + 1] << 8))
    if (p < cellsAt || p + CELL_HEADER_BYTES > below) return `slot ${i} points outside`
    const keyLength = b[p] | (b[p + 1] << 8)
    const valueLength = b[p + 2] | (b[p + 3] << 8)
    if (p + CELL_HEADER_BYTES + keyLength + valueLength !== below) return `cell ${i} has wrong lengths`
    const blank = level > 0 && i === 0
    if (blank ? keyLength !== 0 : keyLength === 0 || keyLength > MAX_KEY_BYTES) return `cell ${i} has a key of ${keyLength} bytes`
    if (level > 0 ? valueLength !== POINTER_BYTES : valueLength > limits.valueBytes) return `cell ${i} has a value of ${valueLength} bytes`
    const at = p + CELL_HEADER_BYTES
    if (previousLength > 0 && !ascends(b, previous, previousLength, at, keyLength)) return `keys ${i - 1} and ${i} are out of order`
    if (level === 0 && previousLength > 0 && b[at] !== b[previous]) return 'a leaf holds two regions'
    previous = at
    previousLength = keyLength
    below = p
  }
  return below === cellsAt ? '' : 'bytes that no slot names'
}

function ascends(b: Uint8Array, a: number, aLength: number, c: number, cLength: number): boolean {
  const shorter = Math.min(aLength, cLength)
  let i = 0
  while (i < shorter && b[a + i] === b[c + i]) i++
  return i < shorter ? b[a + i] < b[c + i] : aLength < cLength
}

/** Checks the bytes of a sealed page. @throws CorruptError that names `object` */
export function decodePage(b: Uint8Array, object: string): { level: number; count: number } {
  const damage = findDamage(b)
  if (damage !== '') throw new CorruptError(object, damage)
  return { level: pageLevel(b), count: pageCount(b) }
}

import { HEADER_BYTES } from './page.js'

/**
 * Finds K among cells `lo` to `n` - 1 of a page; the complement of where it would stand when it is not there.
 * Bytes that K shares with both ends of the remaining range are not compared again.
 */
export function search(b: Uint8Array, lo: number, n: number, K: Uint8Array, keyLength: number): number {
  const end = b.length
  let hi = n - 1
  let sharedLow = 0
  let sharedHigh = 0
  while (lo <= hi) {
    const middle = (lo + hi) >>> 1
    const s = HEADER_BYTES + 2 * middle
    const p = end - (b[s] | (b[s + 1] << 8))
    const length = b[p] | (b[p + 1] << 8)
    const shorter = Math.min(length, keyLength)
    const at = p + 4
    let i = Math.min(sharedLow, sharedHigh)
    while (i < shorter && b[at + i] === K[i]) i++
    const order = i < shorter ? b[at + i] - K[i] : length - keyLength
    if (order === 0) return middle
    if (order < 0) {
      lo = middle + 1
      sharedLow = i
    } else {
      hi = middle - 1
      sharedHigh = i
    }
  }
  return ~lo
}

/** Keys of this length end in a number of 32 bits, above which those of one leaf rarely differ: tag and inode. */
const NUMBERED_KEY_BYTES = 8

/**
 * As `search` of a whole leaf, with one guess before it: inode numbers are given out in sequence, so where none is missing the distance from
 * the first key is the slot. Each probe of a page that is not in the processor's cache costs more than the guess.
 */
export function searchLeaf(b: Uint8Array, n: number, K: Uint8Array, keyLength: number): number {
  if (keyLength !== NUMBERED_KEY_BYTES || n < 4) return search(b, 0, n, K, keyLength)
  const end = b.length
  const first = end - (b[HEADER_BYTES] | (b[HEADER_BYTES + 1] << 8))
  if (!isNumbered(b, first, K)) return search(b, 0, n, K, keyLength)
  const from = numberAt(K, 4) - numberAt(b, first + 8)
  if (from < 0 || from >= n) return search(b, 0, n, K, keyLength)
  const s = HEADER_BYTES + 2 * from
  const p = end - (b[s] | (b[s + 1] << 8))
  if (isNumbered(b, p, K) && numberAt(b, p + 8) === numberAt(K, 4)) return from
  return search(b, 0, n, K, keyLength)
}

/** Whether the key of the cell at `p` is as long as K and begins like it. */
function isNumbered(b: Uint8Array, p: number, K: Uint8Array): boolean {
  return b[p] === NUMBERED_KEY_BYTES && b[p + 1] === 0 && b[p + 4] === K[0] && b[p + 5] === K[1] && b[p + 6] === K[2] && b[p + 7] === K[3]
}

function numberAt(b: Uint8Array, at: number): number {
  return ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0
}

/** The child of an inner page whose range holds K. The first cell's key is empty, so there always is one. */
export function childIndex(b: Uint8Array, n: number, K: Uint8Array, keyLength: number): number {
  const i = search(b, 1, n, K, keyLength)
  return i < 0 ? ~i - 1 : i
}

/** Bytewise order of two keys: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, aAt: number, aLength: number, b: Uint8Array, bAt: number, bLength: number): number {
  const shorter = Math.min(aLength, bLength)
  for (let i = 0; i < shorter; i++) {
    const order = a[aAt + i] - b[bAt + i]
    if (order !== 0) return order
  }
  return aLength - bLength
}

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

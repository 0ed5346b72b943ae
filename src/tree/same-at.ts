import { type BTree, samePage } from './btree.js'
import { bytesOf, type Page } from './page.js'
import { childIndex } from './search.js'

/** Whether two trees have the same under a key. Reads only the pages on the way to it that they do not share. */
export function sameAt(a: BTree, b: BTree, key: Uint8Array): boolean {
  let x = a.root
  let y = b.root
  while (!samePage(x, y)) {
    const below = childOf(a, x, key)
    const other = childOf(b, y, key)
    if (x.level === 0 && y.level === 0) return sameValue(a, b, key)
    // The deeper tree's way is the longer one.
    const order = x.level - y.level
    if (order >= 0) x = below
    if (order <= 0) y = other
  }
  return true
}

/** The child under which a key is; of a leaf the leaf. Taken at once: reading another page may drop this one. */
function childOf({ cache }: BTree, pg: Page, key: Uint8Array): Page {
  cache.bytes(pg)
  return pg.level === 0 ? pg : cache.kid(pg, childIndex(bytesOf(pg), pg.n, key, key.length))
}

function sameValue(a: BTree, b: BTree, key: Uint8Array): boolean {
  const isInA = a.get(key, key.length)
  const value = isInA ? Buffer.from(a.vb.subarray(a.vp, a.vp + a.vl)) : noBytes
  const isInB = b.get(key, key.length)
  return isInA === isInB && (!isInA || value.equals(b.vb.subarray(b.vp, b.vp + b.vl)))
}

const noBytes = Buffer.alloc(0)

import { POINTER_BYTES } from '../codec/index.js'
import { assert } from '../sys/index.js'
import type { BTree } from './btree.js'
import {
  appendCells,
  blankFirstKey,
  bytesOf,
  CELL_HEADER_BYTES,
  cellAt,
  insertCell,
  keyLengthAt,
  makeRoom,
  PAGE_ROOM,
  type Page,
  removeCell,
  usedBytes,
} from './page.js'

/** A page with less than this looks for a neighbour to merge with. */
const LEAN_BYTES = PAGE_ROOM / 4
/** Merged pages keep some room, so that the next insert does not split them again. */
const MERGED_BYTES = Math.floor(PAGE_ROOM * 0.85)

/** After a cell left `leaf`, the end of the tree's path: drops empty pages, merges lean ones, lowers the root. */
export function rebalance(tree: BTree, leaf: Page): void {
  let pg = leaf
  for (let depth = tree.depth - 1; depth >= 0; depth--) {
    const parent = tree.path[depth]
    const i = tree.index[depth]
    if (pg.n === 0) removeChild(tree, parent, i)
    else if (usedBytes(pg) >= LEAN_BYTES || !mergeChild(tree, parent, i)) return
    pg = parent
  }
  lowerRoot(tree)
}

function removeChild(tree: BTree, parent: Page, i: number): void {
  tree.releasePage((parent.kids as Page[])[i]) // the path's own page
  removeCell(parent, i)
  if (i === 0 && parent.n > 0) blankFirstKey(parent)
}

/** Merges child `i` with a neighbour that has room; false when none has. */
function mergeChild(tree: BTree, parent: Page, i: number): boolean {
  if (i > 0 && mergePair(tree, parent, i - 1, i)) return true
  return i + 1 < parent.n && mergePair(tree, parent, i + 1, i)
}

/** Merges children `other` and `i`, which lie side by side, into one page if they fit. */
function mergePair(tree: BTree, parent: Page, other: number, i: number): boolean {
  const neighbour = tree.cache.kid(parent, other)
  // A lean page is no damage: when its neighbour cannot be read now, a later change merges them.
  if (!canRead(tree, neighbour)) return false
  const at = Math.max(i, other)
  const b = bytesOf(parent)
  const separator = cellAt(b, at)
  const separatorBytes = keyLengthAt(b, separator)
  const mine = (parent.kids as Page[])[i] // the path's own page
  const left = other < i ? neighbour : mine
  const right = other < i ? mine : neighbour
  if (usedBytes(left) + usedBytes(right) + (left.level > 0 ? separatorBytes : 0) > MERGED_BYTES) return false
  if (left.level === 0 && region(left) !== region(right)) return false
  const merged = tree.newPage(left.level)
  append(merged, left)
  append(merged, right)
  if (merged.level > 0) fillKey(merged, left.n, b, separator + CELL_HEADER_BYTES, separatorBytes)
  ;(parent.kids as Page[])[at - 1] = merged
  removeCell(parent, at)
  tree.releasePage(left)
  tree.releasePage(right)
  return true
}

function canRead(tree: BTree, pg: Page): boolean {
  try {
    tree.cache.bytes(pg)
    return true
  } catch {
    return false
  }
}

function region(leaf: Page): number {
  const b = bytesOf(leaf)
  return b[cellAt(b, 0) + CELL_HEADER_BYTES]
}

function append(to: Page, from: Page): void {
  to.top = appendCells(bytesOf(to), to.n, to.top, bytesOf(from), 0, from.n)
  to.n += from.n
  if (to.kids !== null && from.kids !== null) to.kids.push(...from.kids)
}

/** Gives the first child of what was the right page the key that its parent had for it. */
function fillKey(pg: Page, i: number, K: Uint8Array, at: number, keyLength: number): void {
  const b = bytesOf(pg)
  const p = cellAt(b, i)
  const pointer = new Uint8Array(b.subarray(p + CELL_HEADER_BYTES, p + CELL_HEADER_BYTES + POINTER_BYTES))
  const kid = (pg.kids as Page[])[i]
  removeCell(pg, i)
  assert(makeRoom(pg, CELL_HEADER_BYTES + keyLength + POINTER_BYTES), 'a merged page is too full')
  insertCell(pg, i, K.subarray(at, at + keyLength), keyLength, pointer, POINTER_BYTES)
  ;(pg.kids as Array<Page | undefined>).splice(i, 0, kid)
}

/** A root with one child gives way to it; one without any becomes an empty leaf. */
function lowerRoot(tree: BTree): void {
  let root = tree.root
  if (root.level > 0 && root.n === 0) {
    tree.releasePage(root)
    tree.root = tree.newPage(0)
    return
  }
  while (root.level > 0 && root.n === 1) {
    const kid = tree.cache.kid(root, 0)
    if (!canRead(tree, kid)) return
    tree.root = kid
    tree.releasePage(root)
    root = kid
  }
}

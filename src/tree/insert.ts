import { POINTER_BYTES } from '../codec/index.js'
import { assert } from '../sys/index.js'
import type { BTree } from './btree.js'
import {
  blankFirstKey,
  bytesOf,
  CELL_HEADER_BYTES,
  cellAt,
  cellBytes,
  insertCell,
  keyLengthAt,
  makeRoom,
  moveTail,
  PAGE_ROOM,
  type Page,
  SLOT_BYTES,
  usedBytes,
} from './page.js'

const noKey = new Uint8Array(0)
/** In the cell of a child that no seal has written. */
const noPointer = new Uint8Array(POINTER_BYTES)

/** Inserts a cell at slot `i` of a leaf at the end of the tree's path; splits pages where there is no room. */
export function insertInLeaf(tree: BTree, leaf: Page, i: number, K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
  const b = bytesOf(leaf)
  if (leaf.n > 0 && b[cellAt(b, 0) + CELL_HEADER_BYTES] !== K[0]) {
    insertBesideRegion(tree, leaf, i, K, keyLength, V, valueLength)
    return
  }
  const size = CELL_HEADER_BYTES + keyLength + valueLength
  if (makeRoom(leaf, size)) {
    insertCell(leaf, i, K, keyLength, V, valueLength)
    return
  }
  const split = splitPoint(leaf, i, size)
  const right = tree.newPage(0)
  const inLeft = i < split
  moveTail(leaf, inLeft ? split - 1 : split, right)
  const target = inLeft ? leaf : right
  assert(makeRoom(target, size), 'a split made no room')
  insertCell(target, inLeft ? i : i - split, K, keyLength, V, valueLength)
  insertChild(tree, tree.depth - 1, right, separator(leaf, right))
}

/** A leaf never spans two regions: the first key of another one gets a leaf of its own. */
function insertBesideRegion(tree: BTree, leaf: Page, i: number, K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
  const right = tree.newPage(0)
  let mine = right
  if (i === 0) {
    moveTail(leaf, 0, right)
    leaf.top = 0
    leaf.garbage = 0
    mine = leaf
  }
  insertCell(mine, 0, K, keyLength, V, valueLength)
  insertChild(tree, tree.depth - 1, right, separator(leaf, right))
}

/**
 * Which of the cells, the new one at slot `i` counted, becomes the first of the right page.
 * A sequential run splits where it inserts, so that it leaves full pages behind; all else splits in the middle.
 */
function splitPoint(pg: Page, i: number, size: number): number {
  const total = usedBytes(pg) + size + SLOT_BYTES
  if (i === pg.n) return i
  if (i > 1 && pg.last === i - 1) {
    const upToNew = bytesBefore(pg, i) + size + SLOT_BYTES
    return upToNew <= PAGE_ROOM ? i + 1 : i
  }
  const b = bytesOf(pg)
  let left = 0
  let at = 0
  for (; at <= pg.n; at++) {
    const old = at < i ? at : at - 1
    const next = (at === i ? size : cellBytes(b, cellAt(b, old))) + SLOT_BYTES
    if (at > 0 && left + next > PAGE_ROOM) break
    if (at > 0 && left + next / 2 > total / 2 && total - left <= PAGE_ROOM) break
    left += next
  }
  return at
}

function bytesBefore(pg: Page, end: number): number {
  const b = bytesOf(pg)
  let sum = 0
  for (let i = 0; i < end; i++) sum += cellBytes(b, cellAt(b, i)) + SLOT_BYTES
  return sum
}

/** The shortest key above all of `left` and not above any of `right`. */
function separator(left: Page, right: Page): Uint8Array {
  const a = bytesOf(left)
  const b = bytesOf(right)
  const p = cellAt(a, left.n - 1)
  const q = cellAt(b, 0)
  const shorter = Math.min(keyLengthAt(a, p), keyLengthAt(b, q))
  const key = p + CELL_HEADER_BYTES
  const at = q + CELL_HEADER_BYTES
  let shared = 0
  while (shared < shorter && a[key + shared] === b[at + shared]) shared++
  return copyOf(b, at, shared + 1)
}

/** Adds `right` behind the child that the path took at `depth`; -1 stands for above the root. */
function insertChild(tree: BTree, depth: number, right: Page, key: Uint8Array): void {
  if (depth < 0) {
    growRoot(tree, right, key)
    return
  }
  const pg = tree.path[depth]
  const i = tree.index[depth] + 1
  const size = CELL_HEADER_BYTES + key.length + POINTER_BYTES
  if (makeRoom(pg, size)) {
    addChild(pg, i, key, right)
    return
  }
  const split = splitPoint(pg, i, size)
  const sibling = tree.newPage(pg.level)
  const inLeft = i < split
  moveTail(pg, inLeft ? split - 1 : split, sibling)
  const target = inLeft ? pg : sibling
  assert(makeRoom(target, size), 'a split made no room')
  addChild(target, inLeft ? i : i - split, key, right)
  const b = bytesOf(sibling)
  const p = cellAt(b, 0)
  const promoted = copyOf(b, p + CELL_HEADER_BYTES, keyLengthAt(b, p))
  blankFirstKey(sibling)
  insertChild(tree, depth - 1, sibling, promoted)
}

function addChild(pg: Page, i: number, key: Uint8Array, kid: Page): void {
  insertCell(pg, i, key, key.length, noPointer, POINTER_BYTES)
  ;(pg.kids as Page[]).splice(i, 0, kid) // an inner page in memory has them
}

function growRoot(tree: BTree, right: Page, key: Uint8Array): void {
  const left = tree.root
  const root = tree.newPage(left.level + 1)
  addChild(root, 0, noKey, left)
  addChild(root, 1, key, right)
  tree.root = root
}

/** A copy: `slice` of a Buffer would be a view. */
function copyOf(b: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(b.subarray(at, at + length))
}

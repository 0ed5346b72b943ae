import { POINTER_BYTES } from '../codec/index.js'
import { assert } from '../sys/index.js'
import type { BTree } from './btree.js'
import { bytesOf, CELL_HEADER_BYTES, cellAt, insertCell, keyLengthAt, makeRoom, type Page, pointerAt, removeCell } from './page.js'
import { childIndex } from './search.js'

/**
 * Inner pages keep the start of a key that once stood at the edge of a leaf, also when it is gone. Replaces those that begin with `prefix`, of
 * which no key may be left in the tree. O(depth) pages.
 */
export function forgetSeparators(tree: BTree, prefix: Uint8Array): void {
  for (;;) {
    const found = findSeparator(tree, prefix)
    if (found === undefined) return
    const { page, i } = found
    const left = edge(tree, tree.cache.kid(page, i - 1), true)
    const right = edge(tree, tree.cache.kid(page, i), false)
    assert(!beginsWith(right, prefix), 'a key that is to be forgotten is still there')
    replaceKey(page, i, shortest(left, right))
  }
}

/** The inner page, made the tree's own, and the slot of a separator that begins so. */
function findSeparator(tree: BTree, prefix: Uint8Array): { page: Page; i: number } | undefined {
  if (!hasSeparator(tree, prefix)) return undefined
  let page = tree.ownRoot()
  for (;;) {
    tree.cache.bytes(page)
    const b = bytesOf(page)
    // The last child whose first key is not above the prefix; a separator that is longer than it stands right behind.
    const at = childIndex(b, page.n, prefix, prefix.length)
    for (const i of [at, at + 1]) if (i > 0 && i < page.n && beginsWith(keyOf(b, i), prefix)) return { page, i }
    if (page.level === 1) return undefined
    page = tree.ownKid(page, at)
  }
}

/** The same without making pages the tree's own: mostly there is none. */
function hasSeparator(tree: BTree, prefix: Uint8Array): boolean {
  for (let page = tree.root; ; ) {
    const b = tree.cache.bytes(page)
    if (page.level === 0) return false
    const at = childIndex(b, page.n, prefix, prefix.length)
    for (const i of [at, at + 1]) if (i > 0 && i < page.n && beginsWith(keyOf(b, i), prefix)) return true
    page = tree.cache.kid(page, at)
  }
}

function keyOf(b: Uint8Array, i: number): Uint8Array {
  const p = cellAt(b, i) + CELL_HEADER_BYTES
  return b.subarray(p, p + keyLengthAt(b, cellAt(b, i)))
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
}

/** The first or last key below a page, copied. */
function edge(tree: BTree, page: Page, isLast: boolean): Buffer {
  for (;;) {
    const b = tree.cache.bytes(page)
    if (page.level === 0) return Buffer.from(keyOf(b, isLast ? page.n - 1 : 0))
    page = tree.cache.kid(page, isLast ? page.n - 1 : 0)
  }
}

/** The shortest key above `left` and not above `right`. */
function shortest(left: Buffer, right: Buffer): Buffer {
  let shared = 0
  while (shared < left.length && shared < right.length && left[shared] === right[shared]) shared++
  return right.subarray(0, shared + 1)
}

function replaceKey(page: Page, i: number, key: Uint8Array): void {
  const b = bytesOf(page)
  const at = pointerAt(b, i)
  const pointer = Buffer.from(b.subarray(at, at + POINTER_BYTES))
  const kids = page.kids as Array<Page | undefined> // an inner page in memory has them
  const kid = kids[i]
  removeCell(page, i)
  // It is no longer than the one that it replaces, which lies between the same keys.
  assert(makeRoom(page, CELL_HEADER_BYTES + key.length + POINTER_BYTES), 'a separator found no room')
  insertCell(page, i, key, key.length, pointer, POINTER_BYTES)
  kids.splice(i, 0, kid)
}

import { expect, it } from 'vitest'
import { pointerOffset } from '../codec/index.js'
import { approach } from './approach.js'
import { BTree } from './btree.js'
import { PageCache } from './cache.js'
import { MemoryPages } from './memory-pages.js'

/** Pages that are far away: what was told of ahead, and what was read without having been. */
class FarPages extends MemoryPages {
  readonly told = new Set<number>()
  unexpected = 0
  readonly prefetchPage = (pointer: Uint8Array, at: number): void => {
    this.told.add(pointerOffset(pointer, at))
  }

  override readPage(pointer: Uint8Array, at: number): Uint8Array {
    if (!this.told.has(pointerOffset(pointer, at))) this.unexpected++
    return super.readPage(pointer, at)
  }
}

const key = (region: number, i: number): Buffer => Buffer.from([region, i >>> 16, i >>> 8, i])

/** Two regions of so many keys, sealed; the tree again, with nothing in memory. */
function cold(count: number): { tree: BTree; pages: FarPages } {
  const pages = new FarPages()
  const cache = new PageCache(pages, 2 ** 24)
  const tree = BTree.empty(cache)
  const value = Buffer.alloc(100, 1)
  for (const region of [1, 2]) for (let i = 0; i < count; i++) tree.put(key(region, i), 4, value, value.length)
  while (!tree.seal(pages).step(1000));
  const pointer = tree.pointer as Uint8Array
  return { pages, tree: BTree.open(new PageCache(pages, 2 ** 24), pointer) }
}

it('tells of most pages of a walk before they are read, and of none of another region', () => {
  const { tree, pages } = cold(20_000)
  const cursor = tree.cursor()
  let found = 0
  for (let more = cursor.seek(key(1, 0), 4); more && cursor.buf[cursor.kp] === 1; more = cursor.next()) found++
  expect(found).toBe(20_000)
  const walked = pages.told.size
  // The first two of each inner page, and the root.
  expect(pages.unexpected).toBeLessThan(20)
  expect(walked).toBeGreaterThan(pages.pages.length / 3)
  expect(walked).toBeLessThan(pages.pages.length * 0.7)
})

it('tells of pages of a walk that goes back', () => {
  const { tree, pages } = cold(20_000)
  for (let i = 12_000; i >= 0; i--) expect(tree.get(key(1, i), 4)).toBe(true)
  expect(pages.unexpected).toBeLessThan(30)
  expect(pages.told.size).toBeLessThan(pages.pages.length * 0.7)
})

it('tells of pages of a region that is read in any order', () => {
  const { tree, pages } = cold(20_000)
  for (let i = 0; i < 2000; i++) expect(tree.get(key(2, (i * 7919) % 20_000), 4)).toBe(true)
  expect(pages.unexpected).toBeLessThan(80)
})

it('tells of nothing for one look-up', () => {
  const { tree, pages } = cold(20_000)
  expect(tree.get(key(1, 12_345), 4)).toBe(true)
  expect(pages.told.size).toBe(0)
})

it('brings the pages above several keys into memory level by level', () => {
  const { tree, pages } = cold(20_000)
  approach([1, 5000, 12_000, 19_999].map(i => ({ tree, key: key(1, i) })))
  expect(pages.unexpected).toBe(0)
  for (const i of [1, 5000, 12_000, 19_999]) tree.get(key(1, i), 4)
  expect(pages.unexpected).toBe(0)
})

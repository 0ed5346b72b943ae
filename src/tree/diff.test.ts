import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BTree, diff, PageCache, sameAt, walkPages } from './index.js'
import { MemoryPages } from './memory-pages.js'

const keyOf = (i: number): Buffer => Buffer.from(`\x02${String(i).padStart(7, '0')}`, 'latin1')

function put(tree: BTree, i: number, value = 'v'.repeat(60)): void {
  const k = keyOf(i)
  tree.put(k, k.length, Buffer.from(value), value.length)
}

function del(tree: BTree, i: number): void {
  const k = keyOf(i)
  tree.del(k, k.length)
}

function seal(tree: BTree, pages: MemoryPages): Uint8Array {
  const sealer = tree.seal(pages)
  while (!sealer.step(100));
  return sealer.root
}

type Change = [number, boolean, boolean]

function changes(a: BTree, b: BTree, options?: { from?: Uint8Array; to?: Uint8Array }): { found: Change[]; pagesRead: number } {
  const found: Change[] = []
  const { pagesRead } = diff(
    a,
    b,
    (key, oldValue, newValue) => {
      found.push([Number(Buffer.from(key).toString('latin1', 1)), oldValue !== undefined, newValue !== undefined])
    },
    options,
  )
  return { found, pagesRead }
}

const count = 60_000
const pages = new MemoryPages()
const cache = new PageCache(pages, 1 << 30)
const base = BTree.empty(cache)
for (let i = 0; i < count; i++) put(base, i * 10)
const baseRoot = seal(base, pages)

/** Runs of puts and deletes at random places: pages split, merge and vanish. */
const editArb = fc.array(fc.record({ at: fc.nat(count * 10), length: fc.oneof(fc.nat(3), fc.nat(400)), remove: fc.boolean(), step: fc.constantFrom(1, 10) }), {
  maxLength: 8,
})

function edit(tree: BTree, edits: Array<{ at: number; length: number; remove: boolean; step: number }>, touched: Map<number, boolean>): void {
  for (const { at, length, remove, step } of edits) {
    for (let i = 0; i < length; i++) {
      const key = Math.floor(at / 10) * 10 + i * step
      if (remove) del(tree, key)
      else put(tree, key, 'w')
      touched.set(key, !remove)
    }
  }
}

function expected(touched: Map<number, boolean>): Change[] {
  const out: Change[] = []
  for (const [key, present] of [...touched].sort((a, b) => a[0] - b[0])) {
    const before = key % 10 === 0 && key < count * 10
    if (before || present) out.push([key, before, present])
  }
  return out
}

describe('the difference of two trees', () => {
  for (const how of ['in memory', 'sealed', 'opened apart', 'with a tiny cache'] as const) {
    it(`is what was changed, both ways, and between bounds: ${how}`, () => {
      fc.assert(
        fc.property(editArb, fc.nat(count * 10), fc.nat(count), (edits, low, width) => {
          const touched = new Map<number, boolean>()
          let a = base
          let b = base.fork()
          edit(b, edits, touched)
          if (how === 'sealed') seal(b, pages)
          if (how === 'opened apart' || how === 'with a tiny cache') {
            const root = seal(b, pages)
            const bytes = how === 'opened apart' ? 1 << 30 : 0
            a = BTree.open(new PageCache(pages, bytes), baseRoot)
            b = BTree.open(new PageCache(pages, bytes), root)
          }
          const all = expected(touched)
          const forward = changes(a, b)
          expect(forward.found).toEqual(all)
          expect(changes(b, a).found).toEqual(all.map(([key, old, now]) => [key, now, old]))
          const differing = new Set(all.map(([key]) => key))
          for (const { at, step } of edits)
            for (let i = -2; i < 5; i++) {
              const key = Math.max(0, Math.floor(at / 10) * 10 + i * step)
              expect([key, sameAt(a, b, keyOf(key)), sameAt(b, a, keyOf(key))]).toEqual([key, !differing.has(key), !differing.has(key)])
            }
          const bounds = { from: keyOf(low), to: keyOf(low + width) }
          expect(changes(a, b, bounds).found).toEqual(all.filter(([key]) => key >= low && key < low + width))
        }),
        { numRuns: 25 },
      )
    })
  }

  it('reads pages by the number of changes, not of keys', () => {
    const other = base.fork()
    for (let i = 0; i < 10; i++) put(other, i * 53_210, 'changed')
    const { found, pagesRead } = changes(base, other)
    expect(found.length).toBe(10)
    expect(pagesRead).toBeLessThanOrEqual(2 * (1 + 10 * base.root.level))
    const apart = BTree.open(new PageCache(pages, 1 << 30), baseRoot)
    const again = BTree.open(new PageCache(pages, 1 << 30), seal(other, pages))
    expect(changes(apart, again).pagesRead).toBe(pagesRead)
  })

  it('stays small when a page splits, merges, or the tree grows by a level', () => {
    const other = base.fork()
    for (let i = 1; i < 200; i++) put(other, 300_000 + (i % 10) + Math.floor(i / 9) * 10)
    for (let i = 0; i < 500; i++) del(other, 100_000 + i * 10)
    expect(changes(base, other).pagesRead).toBeLessThan(60)
    const taller = base.fork()
    const level = taller.root.level
    for (let i = 0; taller.root.level === level; i++) put(taller, 9_000_000 + i, 'x'.repeat(2000))
    const added = changes(base, taller)
    expect(added.found.every(([, old, now]) => !old && now)).toBe(true)
    let leaves = 0
    walkPages(taller, (_, l) => {
      if (l === 0) leaves++
    })
    expect(added.pagesRead).toBeLessThan(added.found.length / 3 + 60)
    expect(added.pagesRead).toBeLessThan(leaves + 100)
  })

  it('reads nothing of equal trees, and compares with an empty one', () => {
    expect(changes(base, base.fork())).toEqual({ found: [], pagesRead: 0 })
    expect(changes(base, BTree.open(new PageCache(pages, 0), baseRoot))).toEqual({ found: [], pagesRead: 0 })
    const empty = BTree.empty(cache)
    expect(changes(empty, base).found.length).toBe(count)
    expect(changes(base, empty).found.length).toBe(count)
    expect(changes(empty, BTree.empty(cache)).found).toEqual([])
    for (const [key, isSame] of [
      [0, false],
      [5, true],
      [count * 10, true],
    ] as const) {
      expect(sameAt(empty, base, keyOf(key))).toBe(isSame)
      expect(sameAt(base, empty, keyOf(key))).toBe(isSame)
    }
  })

  it('stops when the visitor says so', () => {
    let seen = 0
    diff(BTree.empty(cache), base, () => ++seen < 3)
    expect(seen).toBe(3)
  })
})

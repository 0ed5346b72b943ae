import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BTree } from './btree.js'
import { PageCache } from './cache.js'
import { MemoryPages } from './memory-pages.js'
import { forgetSeparators } from './separators.js'
import { walkPages } from './walk.js'

const value = Buffer.alloc(300)

/** Keys of all pages, separators too. */
function allKeys(tree: BTree): Buffer[] {
  const found: Buffer[] = []
  const at = { kp: 0, kl: 0, vp: 0, vl: 0 }
  walkPages(tree, (_pointer, _level, page) => {
    for (let i = 0; i < page.count; i++) {
      page.cell(i, at)
      found.push(Buffer.from(page.buf.subarray(at.kp, at.kp + at.kl)))
    }
  })
  return found
}

describe('forgetSeparators', () => {
  it('leaves nothing of a prefix in any page, and the tree as it was', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 60 })), { minLength: 300, maxLength: 900 }),
        fc.nat(40),
        fc.boolean(),
        (pairs, gone, sealed) => {
          const pages = new MemoryPages()
          const tree = BTree.empty(new PageCache(pages, 1 << 22))
          const key = (name: number, n: number): Buffer => Buffer.from(`\u0018name-${String(name).padStart(2, '0')}-${String(n).padStart(3, '0')}`)
          const prefix = Buffer.from(`\u0018name-${String(gone).padStart(2, '0')}-`)
          const kept = new Set<string>()
          for (const [name, n] of pairs) {
            const k = key(name, n)
            tree.put(k, k.length, value, value.length)
            if (name !== gone) kept.add(k.toString())
          }
          if (sealed) while (!tree.seal(pages).step(1000));
          for (const [name, n] of pairs) if (name === gone) tree.del(key(name, n), key(name, n).length)
          forgetSeparators(tree, prefix)
          expect(allKeys(tree).filter(k => k.subarray(0, prefix.length).equals(prefix))).toEqual([])
          for (const k of kept) expect(tree.get(Buffer.from(k), k.length)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })
})

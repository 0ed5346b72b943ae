import { describe, expect, it } from 'vitest'
import { pointerOffset } from '../codec/index.js'
import { BTree, type CellPlace, PageCache, walkPages } from './index.js'
import { MemoryPages } from './memory-pages.js'

function sample(): { pages: MemoryPages; root: Uint8Array } {
  const pages = new MemoryPages()
  const tree = BTree.empty(new PageCache(pages, 1 << 30))
  for (let i = 0; i < 9000; i++) {
    const key = Buffer.from(`${String.fromCharCode(1 + (i % 3))}${String(i).padStart(6, '0')}`, 'latin1')
    tree.put(key, key.length, Buffer.alloc(160), 160)
  }
  const sealer = tree.seal(pages)
  while (!sealer.step(10));
  return { pages, root: sealer.root }
}

const open = (pages: MemoryPages, root: Uint8Array): BTree => BTree.open(new PageCache(pages, 50_000), root)

describe('walking all pages', () => {
  it('shows each page once with its pointer, parents first, and every entry in order', () => {
    const { pages, root } = sample()
    const seen = new Set<number>()
    let entries = 0
    let last = ''
    const cell: CellPlace = { kp: 0, kl: 0, vp: 0, vl: 0 }
    walkPages(open(pages, root), (pointer, level, page) => {
      expect(pointer).toBeDefined()
      if (pointer !== undefined) seen.add(pointerOffset(pointer, 0))
      if (seen.size === 1) expect(level).toBe(2)
      for (let i = 0; level === 0 && i < page.count; i++, entries++) {
        page.cell(i, cell)
        const key = page.buf.toString('latin1', cell.kp, cell.kp + cell.kl)
        expect(key > last).toBe(true)
        expect(cell.vl).toBe(160)
        last = key
      }
    })
    expect(seen.size).toBe(pages.pages.length)
    expect(entries).toBe(9000)
  })

  it('leaves out what it is told to, unread', () => {
    const { pages, root } = sample()
    const tree = open(pages, root)
    let inner = 0
    walkPages(tree, () => inner++, { skip: (_, level) => level === 0 })
    expect(tree.cache.counters.loads).toBe(inner)
    let visited = 0
    walkPages(open(pages, root), () => {
      visited++
      return false
    })
    expect(visited).toBe(1)
  })

  it('goes on behind damage when asked to, and throws otherwise', () => {
    const { pages, root } = sample()
    pages.pages[5] = pages.pages[5].subarray(0, 100)
    delete pages.pages[9]
    expect(() => walkPages(open(pages, root), () => undefined)).toThrow('damaged')
    let visited = 0
    const damaged: number[] = []
    walkPages(open(pages, root), () => visited++, { onDamage: pointer => damaged.push(pointer === undefined ? -1 : pointerOffset(pointer, 0)) })
    expect(damaged.sort()).toEqual([5, 9])
    expect(visited).toBe(pages.pages.length - 2)
  })

  it('sees leaves that stand in the wrong place', () => {
    const { pages, root } = sample()
    // Pages 0 and 1 are leaves side by side: exchange their bytes, as a wrong location would.
    pages.verify = false
    const [first, second] = pages.pages
    pages.pages[0] = second
    pages.pages[1] = first
    const found: string[] = []
    walkPages(open(pages, root), () => undefined, { onDamage: (_, error) => found.push(error.message) })
    expect(found.length).toBe(2)
    expect(found[0]).toContain('separator')
  })

  it('shows unsealed pages without a pointer', () => {
    const tree = BTree.empty(new PageCache(new MemoryPages(), 0))
    const seen: unknown[] = []
    walkPages(tree, (pointer, level, page) => seen.push([pointer, level, page.count]))
    expect(seen).toEqual([[undefined, 0, 0]])
  })
})

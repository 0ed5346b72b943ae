import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_KEY_BYTES } from '../codec/index.js'
import { limits } from '../sys/index.js'
import { BTree, diff, PageCache, sameRoot, walkPages } from './index.js'
import { MemoryPages } from './memory-pages.js'

type Model = Map<string, string>

const bytes = (s: string): Buffer => Buffer.from(s, 'latin1')

function put(tree: BTree, key: string, value: string): void {
  const k = bytes(key)
  const v = bytes(value)
  tree.put(k, k.length, v, v.length)
}

function del(tree: BTree, key: string): boolean {
  const k = bytes(key)
  return tree.del(k, k.length)
}

function get(tree: BTree, key: string): string | undefined {
  const k = bytes(key)
  if (!tree.get(k, k.length)) return undefined
  return Buffer.from(tree.vb.subarray(tree.vp, tree.vp + tree.vl)).toString('latin1')
}

function entries(tree: BTree, from = ''): Array<[string, string]> {
  const out: Array<[string, string]> = []
  const c = tree.cursor()
  const k = bytes(from)
  for (let on = c.seek(k, k.length); on; on = c.next()) {
    const b = c.buf as Buffer
    out.push([b.toString('latin1', c.kp, c.kp + c.kl), b.toString('latin1', c.vp, c.vp + c.vl)])
  }
  return out
}

const sorted = (model: Model, from = ''): Array<[string, string]> => [...model].filter(([k]) => k >= from).sort(([a], [b]) => (a < b ? -1 : 1))

function check(tree: BTree, model: Model): void {
  expect(entries(tree)).toEqual(sorted(model))
  walkPages(tree, () => undefined)
}

function sealAll(tree: BTree, pages: MemoryPages): Uint8Array {
  const sealer = tree.seal(pages)
  while (!sealer.step(3));
  return sealer.root
}

/** Sizes that make pages split at once, or hold many; keys that share prefixes and collide. */
const keyArb = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 60 })).map(([tag, i]) => String.fromCharCode(tag, 0, 0, i >> 3, i & 7)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 0, max: 9 }))
      .map(([tag, i]) => String.fromCharCode(tag).padEnd(MAX_KEY_BYTES - 1, 'x') + i),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map(tag => String.fromCharCode(tag)) },
)
const valueArb = fc
  .oneof(fc.constantFrom(0, 1, 104, 700, limits.valueBytes), fc.constant(limits.valueBytes))
  .chain(n => fc.constantFrom('a', 'b').map(c => c.repeat(n)))

type Step =
  | { do: 'put'; on: number; key: string; value: string }
  | { do: 'del'; on: number; key: string }
  | { do: 'delMany'; on: number; from: string; count: number }
  | { do: 'fork'; on: number }
  | { do: 'begin'; on: number; hold: boolean }
  | { do: 'step'; on: number; pages: number }
  | { do: 'end'; on: number; keep: boolean }
  | { do: 'reopen'; on: number }
  | { do: 'seek'; on: number; key: string }

const on = fc.nat(3)
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('put' as const), on, key: keyArb, value: valueArb }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('del' as const), on, key: keyArb }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delMany' as const), on, from: keyArb, count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fork' as const), on }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('begin' as const), on, hold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('step' as const), on, pages: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), on, keep: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), on }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('seek' as const), on, key: keyArb }) },
)

interface Member {
  tree: BTree
  model: Model
  seal?: { sealer: ReturnType<BTree['seal']>; model: Model; hold: boolean }
}

class World {
  readonly pages = new MemoryPages()
  readonly cache: PageCache
  readonly members: Member[]

  constructor(budgetBytes: number) {
    this.cache = new PageCache(this.pages, budgetBytes)
    this.members = [{ tree: BTree.empty(this.cache), model: new Map() }]
  }

  run(step: Step): void {
    const at = step.on % this.members.length
    const m = this.members[at]
    if (step.do === 'put') {
      put(m.tree, step.key, step.value)
      m.model.set(step.key, step.value)
    } else if (step.do === 'del') expect(del(m.tree, step.key)).toBe(m.model.delete(step.key))
    else if (step.do === 'delMany') {
      for (const [key] of sorted(m.model, step.from).slice(0, step.count)) {
        expect(del(m.tree, key)).toBe(true)
        m.model.delete(key)
      }
    } else if (step.do === 'fork') {
      if (this.members.length < 4) this.members.push({ tree: m.tree.fork(), model: new Map(m.model) })
    } else if (step.do === 'seek') expect(entries(m.tree, step.key)).toEqual(sorted(m.model, step.key))
    else this.#sealStep(m, step)
  }

  #sealStep(m: Member, step: Step): void {
    if (step.do === 'begin' && m.seal === undefined) m.seal = { sealer: m.tree.seal(this.pages, { hold: step.hold }), model: new Map(m.model), hold: step.hold }
    else if (step.do === 'step' && m.seal !== undefined) {
      if (m.seal.sealer.step(step.pages) && !m.seal.hold) this.#finish(m)
    } else if (step.do === 'end' && m.seal !== undefined) {
      if (step.keep) {
        while (!m.seal.sealer.step(2));
        m.seal.sealer.keep()
        this.#finish(m)
      } else {
        m.seal.sealer.discard()
        m.seal = undefined
      }
    } else if (step.do === 'reopen' && m.seal === undefined) {
      m.tree = BTree.open(this.cache, sealAll(m.tree, this.pages))
    }
  }

  #finish(m: Member): void {
    if (m.seal === undefined) return
    check(BTree.open(this.cache, m.seal.sealer.root), m.seal.model)
    check(BTree.open(new PageCache(this.pages, 0), m.seal.sealer.root), m.seal.model)
    m.seal = undefined
  }

  checkAll(): void {
    for (const m of this.members) check(m.tree, m.model)
    for (const m of this.members) for (const other of this.members) this.#checkDiff(m, other)
  }

  #checkDiff(a: Member, b: Member): void {
    const copy = new Map(a.model)
    let last = ''
    diff(a.tree, b.tree, (key, oldValue, newValue) => {
      const k = Buffer.from(key).toString('latin1')
      expect(k > last || last === '').toBe(true)
      last = k
      expect(oldValue && Buffer.from(oldValue).toString('latin1')).toBe(a.model.get(k))
      expect(newValue && Buffer.from(newValue).toString('latin1')).not.toBe(a.model.get(k))
      if (newValue === undefined) copy.delete(k)
      else copy.set(k, Buffer.from(newValue).toString('latin1'))
    })
    expect(sorted(copy)).toEqual(sorted(b.model))
  }
}

describe('a tree against a sorted reference', () => {
  for (const budget of [0, 20_000, 1 << 30]) {
    it(`puts, deletes, cursors, forks, seals, diffs with a cache of ${budget} bytes`, () => {
      fc.assert(
        fc.property(fc.array(stepArb, { minLength: 1, maxLength: 150, size: 'max' }), steps => {
          const world = new World(budget)
          for (const step of steps) world.run(step)
          world.checkAll()
        }),
        { numRuns: 100 },
      )
    })
  }

  it('holds after each step', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 1, maxLength: 60, size: 'max' }), steps => {
        const world = new World(20_000)
        for (const step of steps) {
          world.run(step)
          world.checkAll()
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('a large tree', () => {
  it('takes keys in any order, and gives all of them up again', () => {
    for (const order of ['up', 'down', 'shuffled'] as const) {
      const pages = new MemoryPages()
      const tree = BTree.empty(new PageCache(pages, 200_000))
      const count = 20_000
      const keys = Array.from(
        { length: count },
        (_, i) => `${String.fromCharCode(1 + (i % 3))}${String((order === 'shuffled' ? i * 7919 : order === 'up' ? i : count - i) % count).padStart(6, '0')}`,
      )
      const model: Model = new Map()
      keys.forEach((key, i) => {
        put(tree, key, 'v'.repeat(i % 200))
        model.set(key, 'v'.repeat(i % 200))
        if (i % 5000 === 4999) sealAll(tree, pages)
      })
      check(tree, model)
      keys.forEach((key, i) => {
        if (i % 10 !== 0) expect(del(tree, key) && model.delete(key)).toBe(true)
      })
      check(tree, model)
      let leaves = 0
      walkPages(tree, (_, level) => {
        if (level === 0) leaves++
      })
      expect(leaves).toBeLessThan(100)
      for (const key of [...model.keys()]) del(tree, key)
      expect(entries(tree)).toEqual([])
      expect(tree.root.level).toBe(0)
      expect(tree.dirtyBytes).toBe(limits.pageBytes)
    }
  })

  it('leaves full pages behind sequential inserts, also in the middle of others', () => {
    const tree = BTree.empty(new PageCache(new MemoryPages(), 1 << 30))
    for (const start of [500_000, 100_000]) for (let i = 0; i < 20_000; i++) put(tree, `\x01key-${String(start + i).padStart(10, '0')}`, 'v'.repeat(104))
    let leaves = 0
    let used = 0
    walkPages(tree, (_, level, page) => {
      if (level > 0) return
      leaves++
      used += page.count * (4 + 15 + 104 + 2)
    })
    expect(used / leaves / limits.pageBytes).toBeGreaterThan(0.95)
  })
})

describe('sealing', () => {
  const fill = (tree: BTree, from: number, to: number): void => {
    for (let i = from; i < to; i++) put(tree, `\x01${String(i).padStart(8, '0')}`, 'v'.repeat(100))
  }

  it('gives an empty tree a pointer', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 0)
    const tree = BTree.empty(cache)
    expect(tree.pointer).toBeUndefined()
    const root = sealAll(tree, pages)
    expect(tree.pointer).toEqual(root)
    expect(tree.dirtyBytes).toBe(0)
    expect(entries(BTree.open(cache, root))).toEqual([])
  })

  it('writes only what changed since', () => {
    const pages = new MemoryPages()
    const tree = BTree.empty(new PageCache(pages, 1 << 30))
    fill(tree, 0, 10_000)
    sealAll(tree, pages)
    expect(tree.dirtyBytes).toBe(0)
    const before = pages.pages.length
    sealAll(tree, pages)
    expect(pages.pages.length).toBe(before)
    fill(tree, 5000, 5001)
    expect(tree.dirtyBytes).toBe((tree.root.level + 1) * limits.pageBytes)
    sealAll(tree, pages)
    expect(pages.pages.length).toBe(before + tree.root.level + 1)
  })

  it('counts dirty bytes while it runs: the frozen pages until they are written, and copies made since', () => {
    const pages = new MemoryPages()
    const tree = BTree.empty(new PageCache(pages, 1 << 30))
    fill(tree, 0, 10_000)
    const before = tree.dirtyBytes
    let inMemory = 0
    walkPages(tree, () => inMemory++)
    expect(before).toBe(inMemory * limits.pageBytes)
    const sealer = tree.seal(pages)
    sealer.step(10)
    expect(tree.dirtyBytes).toBe(before)
    fill(tree, 5000, 5001)
    const copies = (tree.root.level + 1) * limits.pageBytes
    expect(tree.dirtyBytes).toBe(before + copies)
    expect(tree.fork().dirtyBytes).toBe(before + copies)
    while (!sealer.step(10));
    expect(tree.dirtyBytes).toBe(copies)
  })

  it('is seen by all forks that share the pages', () => {
    const pages = new MemoryPages()
    const tree = BTree.empty(new PageCache(pages, 1 << 30))
    fill(tree, 0, 10_000)
    const fork = tree.fork()
    fill(fork, 0, 1)
    const first = tree.seal(pages)
    first.step(20)
    expect(sameRoot(tree, fork)).toBe(false)
    while (!first.step(20));
    const before = pages.pages.length
    sealAll(fork, pages)
    expect(pages.pages.length).toBe(before + fork.root.level + 1)
    expect(fork.dirtyBytes).toBe(0)
  })

  it('does not let a fork trust pages of a seal that may still be lost', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 0)
    const tree = BTree.empty(cache)
    fill(tree, 0, 3000)
    const fork = tree.fork()
    const lost = tree.seal(pages, { hold: true })
    while (!lost.step(7));
    const torn = pages.pages.length
    const root = sealAll(fork, pages)
    lost.discard()
    for (let i = 0; i < torn; i++) delete pages.pages[i]
    expect(entries(BTree.open(new PageCache(pages, 0), root)).length).toBe(3000)
    expect(entries(tree).length).toBe(3000)
    expect(entries(fork).length).toBe(3000)
    expect(entries(BTree.open(new PageCache(pages, 0), sealAll(tree, pages))).length).toBe(3000)
  })

  it('goes on after a write that failed, or starts again', () => {
    const pages = new MemoryPages()
    const tree = BTree.empty(new PageCache(pages, 0))
    fill(tree, 0, 3000)
    const dirty = tree.dirtyBytes
    const sealer = tree.seal(pages)
    sealer.step(3)
    pages.failNext = true
    expect(() => sealer.step(3)).toThrow('no space')
    expect(() => tree.seal(pages)).toThrow('invariant')
    expect(sealer.step(5)).toBe(false)
    sealer.discard()
    expect(tree.dirtyBytes).toBe(dirty)
    const root = sealAll(tree, pages)
    expect(entries(BTree.open(new PageCache(pages, 0), root)).length).toBe(3000)
  })

  it('makes equal pages of equal content, however they came to be', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 1 << 30)
    const a = BTree.empty(cache)
    fill(a, 0, 30)
    const b = BTree.empty(new PageCache(pages, 0))
    for (let i = 29; i >= 0; i--) fill(b, i, i + 1)
    put(b, '\x01x', 'y')
    del(b, '\x01x')
    expect(sealAll(b, pages).subarray(0, 32)).toEqual(sealAll(a, pages).subarray(0, 32))
  })

  it('names only pages of its own, though another tree with the same cache has equal ones elsewhere', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 1 << 30)
    const grown = (): Uint8Array => {
      const tree = BTree.empty(new PageCache(pages, 0))
      fill(tree, 0, 2000)
      return sealAll(tree, pages)
    }
    const theirs = grown()
    const theirPages = pages.pages.length
    const ours = grown()
    expect(entries(BTree.open(cache, theirs))).toHaveLength(2000)
    const tree = BTree.open(cache, ours)
    expect(tree.pointer).toEqual(ours)
    expect(entries(tree)).toHaveLength(2000)
    put(tree, '\x01changed', 'x')
    del(tree, '\x01changed')
    const root = sealAll(tree, pages)
    pages.pages.fill(undefined as never, 0, theirPages)
    expect(entries(BTree.open(new PageCache(pages, 0), root))).toHaveLength(2000)
  })
})

describe('a source that fails', () => {
  /** Every read fails now and then, as that of a page which must first be fetched. */
  class Flaky extends MemoryPages {
    #reads = 0
    off = false

    override readPage(pointer: Uint8Array, at: number): Uint8Array {
      // Not every n-th read: without a cache, an operation that reads n pages would never end.
      if (!this.off && (Math.imul(++this.#reads, 0x9e3779b1) >>> 28) % 4 === 0) throw new Error('not local')
      return super.readPage(pointer, at)
    }
  }

  it('leaves the tree as it was, so that the operation can be run again', () => {
    const simple = fc.record({ remove: fc.boolean(), key: keyArb, value: valueArb })
    fc.assert(
      fc.property(fc.array(simple, { minLength: 20, maxLength: 120, size: 'max' }), steps => {
        const pages = new Flaky()
        const tree = BTree.empty(new PageCache(pages, 0))
        const model: Model = new Map()
        const again = (run: () => void): void => {
          for (;;) {
            try {
              run()
              return
            } catch (error) {
              expect((error as Error).message).toBe('not local')
            }
          }
        }
        steps.forEach(({ remove, key, value }, i) => {
          if (i % 10 === 9) sealAll(tree, pages)
          if (!remove) again(() => put(tree, key, value))
          else {
            let found = false
            again(() => {
              found = del(tree, key)
            })
            expect(found).toBe(model.has(key))
          }
          if (remove) model.delete(key)
          else model.set(key, value)
          again(() => expect(get(tree, key)).toBe(model.get(key)))
        })
        pages.off = true
        check(tree, model)
      }),
      { numRuns: 100 },
    )
  })
})

describe('limits', () => {
  it('takes the longest and shortest keys and values, three to a page at least', () => {
    const tree = BTree.empty(new PageCache(new MemoryPages(), 0))
    const model: Model = new Map()
    for (let i = 0; i < 300; i++) {
      const key = i % 2 === 0 ? `\x01${String(i).padStart(MAX_KEY_BYTES - 1, 'k')}` : String.fromCharCode(i % 256)
      const value = 'v'.repeat(i % 3 === 0 ? limits.valueBytes : 0)
      put(tree, key, value)
      model.set(key, value)
    }
    check(tree, model)
    for (const key of model.keys()) expect(get(tree, key)).toBe(model.get(key))
  })

  it('refuses what no page takes', () => {
    const tree = BTree.empty(new PageCache(new MemoryPages(), 0))
    expect(() => put(tree, '', 'v')).toThrow('invariant')
    expect(() => put(tree, 'k'.repeat(MAX_KEY_BYTES + 1), 'v')).toThrow('invariant')
    expect(() => put(tree, 'k', 'v'.repeat(limits.valueBytes + 1))).toThrow('invariant')
    expect(entries(tree)).toEqual([])
  })

  it('gives each region leaves of its own', () => {
    const tree = BTree.empty(new PageCache(new MemoryPages(), 0))
    for (const tag of [3, 1, 5, 2, 4]) put(tree, String.fromCharCode(tag, 7), 'v')
    for (const tag of [1, 2, 3, 4, 5]) for (const second of [1, 9]) put(tree, String.fromCharCode(tag, second), 'v')
    const leaves: number[] = []
    walkPages(tree, (_, level, page) => {
      if (level === 0) leaves.push(page.count)
    })
    expect(leaves.reduce((a, b) => a + b)).toBe(15)
    expect(leaves.length).toBeGreaterThanOrEqual(5)
    check(tree, new Map(entries(tree)))
  })
})

describe('the cache', () => {
  it('stays within its budget, and what a cursor points at stays readable', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 60_000)
    const tree = BTree.empty(cache)
    for (let i = 0; i < 20_000; i++) put(tree, `\x01${String(i).padStart(8, '0')}`, String(i))
    sealAll(tree, pages)
    expect(cache.counters.residentBytes).toBeLessThanOrEqual(60_000)
    expect(cache.counters.evictions).toBeGreaterThan(0)
    const c = tree.cursor()
    const start = bytes('\x01')
    let i = 0
    for (let more = c.seek(start, 1); more; more = c.next(), i++) {
      if (i % 100 === 0) for (let j = 0; j < 20; j++) get(tree, `\x01${String((i * 37 + j * 997) % 20_000).padStart(8, '0')}`)
      expect((c.buf as Buffer).toString('latin1', c.vp, c.vp + c.vl)).toBe(String(i))
    }
    expect(i).toBe(20_000)
    expect(cache.counters.residentBytes).toBeLessThanOrEqual(60_000)
  })

  it('never writes to what the source gave it, also when a page is full to the last byte', () => {
    const pages = new MemoryPages()
    const tree = BTree.empty(new PageCache(pages, 0))
    // 8 + n (2 + 4 + 16 + 8) bytes leave 14: one value takes them.
    for (let i = 0; i < 272; i++) put(tree, `\x01${String(i).padStart(15, '0')}`, 'v'.repeat(i === 0 ? 32 : 8))
    const root = sealAll(tree, pages)
    expect(pages.pages.length).toBe(1)
    expect(pages.pages[0].length).toBe(limits.pageBytes)
    const before = Buffer.from(pages.pages[0])
    const again = BTree.open(new PageCache(pages, 0), root)
    // Not by a cursor, which would itself keep the buffer from being used again.
    expect(get(again, `\x01${String(9).padStart(15, '0')}`)).toBe('v'.repeat(8))
    for (let i = 0; i < 20; i++) put(again, `\x02${i}`, 'w'.repeat(2000))
    sealAll(again, pages)
    for (let i = 0; i < 60; i++) put(again, `\x03${i}`, 'w'.repeat(2000))
    expect(Buffer.compare(before, pages.pages[0])).toBe(0)
    expect(entries(BTree.open(tree.cache, root)).length).toBe(272)
  })

  it('shares pages among trees that were opened apart', () => {
    const pages = new MemoryPages()
    const cache = new PageCache(pages, 1 << 30)
    const tree = BTree.empty(cache)
    for (let i = 0; i < 5000; i++) put(tree, `\x01${String(i).padStart(8, '0')}`, String(i))
    const first = sealAll(tree, pages)
    put(tree, '\x01x', '')
    const second = sealAll(tree, pages)
    const other = new PageCache(pages, 1 << 30)
    entries(BTree.open(other, first))
    const { loads } = other.counters
    entries(BTree.open(other, second))
    expect(other.counters.loads).toBe(loads + tree.root.level + 1)
  })

  it('opens a tree without reading', () => {
    const pages = new MemoryPages()
    const root = sealAll(BTree.empty(new PageCache(pages, 0)), pages)
    const cache = new PageCache(pages, 0)
    const tree = BTree.open(cache, root)
    expect(cache.counters.loads).toBe(0)
    expect(tree.dirtyBytes).toBe(0)
    expect(tree.pointer).toEqual(root)
  })
})

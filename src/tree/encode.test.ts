import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CorruptError } from '../errors.js'
import { limits } from '../sys/index.js'
import { BTree, decodePage, PageCache, walkPages } from './index.js'
import { MemoryPages } from './memory-pages.js'

/** Opens `page` as the root of a tree and reads all that can be reached without its children. */
function readAll(page: Uint8Array): number {
  const source = new MemoryPages()
  const pointer = new Uint8Array(62)
  source.writePage(page, pointer, 0)
  const tree = BTree.open(new PageCache(source, 0), pointer)
  let count = 0
  const cursor = tree.cursor()
  const key = Buffer.from([1, 0])
  for (let on = cursor.seek(key, 2); on; on = cursor.next()) count += cursor.buf.subarray(cursor.kp, cursor.vp + cursor.vl).length
  tree.get(key, 2)
  tree.put(key, 2, key, 2)
  tree.del(key, 2)
  return count
}

function isCorrupt(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptError)
  }
}

function samplePages(): Uint8Array[] {
  const pages = new MemoryPages()
  const tree = BTree.empty(new PageCache(pages, 1 << 20))
  for (let i = 0; i < 300; i++) {
    const key = Buffer.from(`\x01${i * 7}`, 'latin1')
    tree.put(key, key.length, Buffer.alloc(i), i)
  }
  while (!tree.seal(pages).step(Number.POSITIVE_INFINITY));
  return pages.pages
}

describe('decoding a page', () => {
  it('never crashes on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(3), (bytes, level) => {
        isCorrupt(() => decodePage(bytes, 'x'))
        // The same behind a header that is right, so that slots and cells are looked at.
        const n = Math.min(bytes.length >> 1, 3 + level)
        const top = bytes.length - 2 * n
        const page = Uint8Array.from([1, 0, level, 0, n, 0, top, top >> 8, ...bytes])
        isCorrupt(() => readAll(page))
      }),
      { numRuns: 3000 },
    )
  })

  it('finds damage, or what it accepts can be used', () => {
    const samples = samplePages()
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.boolean(), (which, flips, nearHeader) => {
        const page = new Uint8Array(samples[which % samples.length])
        for (const [at, value] of flips) page[at % (nearHeader ? 200 : page.length)] = value
        isCorrupt(() => readAll(page))
      }),
      { numRuns: 3000 },
    )
  })

  it('accepts what sealing wrote, and no shorter or longer bytes', () => {
    for (const page of samplePages()) {
      expect(decodePage(page, 'x').count).toBeGreaterThan(0)
      expect(() => decodePage(page.subarray(0, page.length - 1), 'x')).toThrow(CorruptError)
      expect(() => decodePage(Buffer.concat([page, Buffer.alloc(1)]), 'x')).toThrow(CorruptError)
    }
    expect(() => decodePage(Buffer.alloc(limits.pageBytes + 1, 1), 'x')).toThrow('8193')
  })

  const cell = (key: string, value: Uint8Array): number[] => [key.length, 0, value.length, value.length >> 8, ...Buffer.from(key, 'latin1'), ...value]
  const page = (level: number, ...cells: number[][]): Uint8Array => {
    let top = 0
    const slots = cells.flatMap(c => {
      top += c.length
      return [top & 255, top >> 8]
    })
    return Uint8Array.from([1, 0, level, 0, cells.length, 0, top & 255, top >> 8, ...slots, ...cells.reverse().flat()])
  }
  const none = new Uint8Array(0)
  const pointer = new Uint8Array(62)

  it.each([
    ['keys out of order', page(0, cell('\x01b', none), cell('\x01a', none))],
    ['a key twice', page(0, cell('\x01a', none), cell('\x01a', none))],
    ['two regions in a leaf', page(0, cell('\x01a', none), cell('\x02a', none))],
    ['an empty key', page(0, cell('', none))],
    ['a first child with a key', page(1, cell('a', pointer))],
    ['a child without a pointer', page(1, cell('', none))],
    ['a value that is too long', page(0, cell('\x01', new Uint8Array(2049)))],
    ['an unknown version', Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0])],
    ['unknown flags', Uint8Array.from([1, 1, 0, 0, 0, 0, 0, 0])],
    ['an inner page without children', page(1)],
    ['no header', new Uint8Array(7)],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodePage(bytes, 'a test page')).toThrow(/a test page is damaged/)
  })

  it('reads the bytes that docs/format-pages.md shows', () => {
    const bytes = page(0, cell('\x01a', Uint8Array.of(9, 8)), cell('\x01b', none))
    expect(Buffer.from(bytes).toString('hex')).toBe('01000000' + '02000e00' + '08000e00' + '02000000' + '0162' + '02000200' + '0161' + '0908')
    expect(decodePage(bytes, 'x')).toEqual({ level: 0, count: 2 })
    expect(readAll(bytes)).toBe(6)
  })

  it('refuses a child of another level', () => {
    const source = new MemoryPages()
    const leaf = new Uint8Array(62)
    source.writePage(page(0, cell('\x01a', none)), leaf, 0)
    const root = new Uint8Array(62)
    source.writePage(page(2, cell('', leaf)), root, 0)
    const tree = BTree.open(new PageCache(source, 0), root)
    expect(() => tree.get(Buffer.from('\x01a'), 2)).toThrow('level 0 where 1')
  })

  it('names pack and offset of the damaged page', () => {
    const source = new MemoryPages()
    const pointer = new Uint8Array(62)
    source.writePage(new Uint8Array(9), pointer, 0)
    expect(() => walkPages(BTree.open(new PageCache(source, 0), pointer), () => undefined)).toThrow('packs/0000000000000000/00000000-00000000 at 0')
  })
})

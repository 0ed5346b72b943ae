import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../errors.js'
import {
  decodePackFooter,
  decodePackHeader,
  decodePackTrailer,
  encodePackHeader,
  PACK_ENTRY_BYTES,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  PackIndex,
  PackKind,
  packIdOf,
} from './pack.js'
import { packId, packKey } from './pointer.js'
import { RelocationIndex } from './relocation.js'

describe('pack', () => {
  it('header is read back; with another magic, kind or version it is none', () => {
    const id = packId(randomBytes(8), 3, 4)
    const header = encodePackHeader(id, PackKind.content)
    expect(header.length).toBe(PACK_HEADER_BYTES)
    expect(decodePackHeader(header)).toEqual({ id, kind: PackKind.content })
    for (const at of [0, 7, 24]) {
      const bad = Buffer.from(header)
      bad[at] ^= 0x40
      expect(decodePackHeader(bad)).toBe(undefined)
    }
    expect(decodePackHeader(header.subarray(0, 31))).toBe(undefined)
    header[25] = 2
    expect(() => decodePackHeader(header)).toThrow(CairnError)
  })

  it('index goes through a footer, with offsets of 40 bits', () => {
    const entry = fc.record({ hash: fc.uint8Array({ minLength: 32, maxLength: 32 }), offset: fc.nat(2 ** 31 - 1), length: fc.nat(0xffffff), kind: fc.nat(2) })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), entries => {
        const index = new PackIndex()
        for (const e of entries) index.add(e.hash, e.offset * 256 + 255, e.length, e.kind)
        const footer = index.encodeFooter(777)
        expect(decodePackTrailer(footer.subarray(-PACK_TRAILER_BYTES), 777 + footer.length)).toMatchObject({ indexOffset: 777, count: entries.length })
        const read = decodePackFooter(footer)
        expect(read?.count).toBe(entries.length)
        entries.forEach((e, i) => {
          expect(Buffer.compare(read?.hash(i) ?? Buffer.alloc(0), e.hash)).toBe(0)
          expect([read?.offset(i), read?.length(i), read?.kind(i)]).toEqual([e.offset * 256 + 255, e.length, e.kind])
        })
      }),
      { numRuns: 30 },
    )
  })

  it('footer with any bit of it flipped does not verify', () => {
    const index = new PackIndex()
    for (let i = 0; i < 3; i++) index.add(randomBytes(32), 32 + i * 100, 100, 1)
    const good = index.encodeFooter(332)
    const verifies = (footer: Buffer): boolean => {
      const trailer = decodePackTrailer(footer.subarray(-PACK_TRAILER_BYTES), 332 + footer.length)
      return trailer !== undefined && decodePackFooter(footer) !== undefined
    }
    expect(verifies(good)).toBe(true)
    // The 8 bytes between checksum and magic are reserved, and read by nobody.
    const reserved = [good.length - 16, good.length - 8]
    for (let bit = 0; bit < good.length * 8; bit++) {
      const at = bit >> 3
      if (at >= reserved[0] && at < reserved[1]) continue
      const bad = Buffer.from(good)
      bad[at] ^= 1 << (bit & 7)
      expect(verifies(bad)).toBe(false)
    }
  })

  it('random bytes never crash a decoder', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(decodePackHeader(bytes)).toBe(undefined)
        expect(decodePackFooter(bytes)).toBe(undefined)
        expect(decodePackTrailer(bytes, bytes.length)).toBe(undefined)
        expect(RelocationIndex.decode(bytes)).toBe(undefined)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 3 * PACK_ENTRY_BYTES }), noise => {
        const footer = Buffer.concat([noise, new PackIndex().encodeFooter(32)])
        decodePackTrailer(footer.subarray(-PACK_TRAILER_BYTES), footer.length)
        expect(decodePackFooter(footer)?.count ?? 0).toBe(0)
      }),
    )
  })

  it('key and id name each other', () => {
    const id = packId(randomBytes(8), 0xfedcba98, 7)
    expect(packIdOf(packKey(id))).toEqual(id)
    for (const key of ['packs/x', 'packs/0123456789abcdef/0-1', `${packKey(id)}x`, `x${packKey(id)}`]) expect(packIdOf(key)).toBe(undefined)
  })
})

describe('relocation index', () => {
  const place = fc.record({ pack: fc.uint8Array({ minLength: 16, maxLength: 16, max: 3 }), offset: fc.nat(2 ** 31 - 1) })

  it('finds every segment that moved, and no other', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(place, place), { selector: ([old]) => `${old.pack} ${old.offset}`, maxLength: 100 }), place, (moves, other) => {
        const made = RelocationIndex.from(moves.map(([o, n]) => ({ oldPack: o.pack, oldOffset: o.offset * 300, newPack: n.pack, newOffset: n.offset * 300 })))
        const index = RelocationIndex.decode(made.encode())
        expect(index?.count).toBe(moves.length)
        for (const [o, n] of moves) {
          expect(index?.find(Buffer.concat([Buffer.alloc(2), o.pack]), 2, o.offset * 300)).toBe(true)
          expect(index?.newOffset).toBe(n.offset * 300)
          expect(Buffer.compare(index?.newPack ?? Buffer.alloc(0), n.pack)).toBe(0)
        }
        const known = moves.some(([o]) => Buffer.compare(o.pack, other.pack) === 0 && o.offset === other.offset)
        expect(index?.find(other.pack, 0, other.offset * 300)).toBe(known)
      }),
      { numRuns: 50 },
    )
  })

  it('cut, changed or out of order is refused', () => {
    const move = (n: number): Parameters<typeof RelocationIndex.from>[0][number] => ({
      oldPack: Buffer.alloc(16, n),
      oldOffset: n,
      newPack: Buffer.alloc(16),
      newOffset: 0,
    })
    const good = RelocationIndex.from([move(2), move(1)]).encode()
    for (let length = 0; length < good.length; length++) expect(RelocationIndex.decode(good.subarray(0, length))).toBe(undefined)
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] ^= 1
      expect(RelocationIndex.decode(bad)).toBe(undefined)
    }
    expect(RelocationIndex.decode(RelocationIndex.from([move(1), move(1)]).encode())).toBe(undefined)
  })
})

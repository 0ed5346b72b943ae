import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError } from '../errors.js'
import {
  compressSegment,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  SegmentCodec,
  SegmentHeader,
  SegmentKind,
  segmentProblem,
  unpackSegment,
} from './segment.js'

function segment(kind: number, codec: number, stored: Uint8Array, plainLength: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  encodeSegmentHeader(header, kind, codec, plainLength, stored, 0, stored.length)
  return Buffer.concat([header, stored])
}

describe('segment', () => {
  it('is read back, wherever it stands in a buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), fc.constantFrom(SegmentKind.page, SegmentKind.block), (plain, at, kind) => {
        const bytes = Buffer.concat([Buffer.alloc(at, 9), segment(kind, SegmentCodec.plain, plain, plain.length), Buffer.alloc(5, 9)])
        const header = new SegmentHeader()
        expect(segmentProblem(bytes, at, SEGMENT_HEADER_BYTES + plain.length, header)).toBe('')
        expect([header.kind, header.codec, header.flags, header.storedLength, header.plainLength]).toEqual([kind, 0, 0, plain.length, plain.length])
      }),
    )
  })

  it('with any bit flipped does not verify', () => {
    const good = segment(SegmentKind.page, SegmentCodec.plain, randomBytes(40), 40)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good)
      bad[bit >> 3] ^= 1 << (bit & 7)
      expect(segmentProblem(bad, 0, bad.length, new SegmentHeader())).not.toBe('')
    }
  })

  it('cut anywhere, or with a byte too many, does not verify', () => {
    const good = segment(SegmentKind.block, SegmentCodec.plain, randomBytes(40), 40)
    for (let length = 0; length < good.length; length++) expect(segmentProblem(good, 0, length, new SegmentHeader())).not.toBe('')
    expect(segmentProblem(Buffer.concat([good, Buffer.alloc(1)]), 0, good.length + 1, new SegmentHeader())).not.toBe('')
  })

  it('is compressed only where that saves a sixteenth', () => {
    expect(compressSegment(randomBytes(8192))).toBe(undefined)
    const plain = Buffer.from('the same words again and again; '.repeat(256))
    const packed = compressSegment(plain)
    expect(packed?.length).toBeLessThan(plain.length / 10)
    expect(plain.equals(unpackSegment(packed ?? Buffer.alloc(0), SegmentCodec.brotli, plain.length) ?? Buffer.alloc(0))).toBe(true)
  })

  it('that unpacks to another length, or to none, is refused without unpacking more', () => {
    const packed = compressSegment(Buffer.alloc(1024 * 1024)) ?? Buffer.alloc(0)
    expect(packed.length).toBeGreaterThan(0)
    for (const length of [0, 1, 1024 * 1024 - 1, 1024 * 1024 + 1]) expect(unpackSegment(packed, SegmentCodec.brotli, length)).toBe(undefined)
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(5000), (bytes, length) => {
        expect([undefined, length]).toContain(unpackSegment(bytes, SegmentCodec.brotli, length)?.length)
      }),
    )
  })

  it('of a codec that is not known is an error that says so', () => {
    expect(() => unpackSegment(Buffer.alloc(4), 7, 4)).toThrow(CairnError)
    expect(() => unpackSegment(Buffer.alloc(4), 7, 4)).toThrow(/codec 7/)
  })

  it('random bytes are never taken for one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(segmentProblem(bytes, 0, bytes.length, new SegmentHeader())).not.toBe('')
      }),
    )
  })
})

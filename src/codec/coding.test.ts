import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cipher } from './cipher.js'
import { type Coding, Encoded, identityOf, Opened } from './coding.js'
import { bestCompression, compressed } from './compression.js'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, SegmentHeader, segmentProblem } from './segment.js'

const cipher = new Cipher(Buffer.alloc(32, 3))
const codings: Array<[string, Coding]> = [
  ['plain', { compression: 'none' }],
  ['compressed', { compression: bestCompression }],
  ['sealed', { compression: 'none', cipher }],
  ['both', { compression: bestCompression, cipher }],
]

function segment(coding: Coding, kind: number, plain: Uint8Array): Buffer {
  const { codec, flags, stored } = new Encoded().encode(coding, kind, plain)
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  encodeSegmentHeader(header, kind, codec, plain.length, stored, 0, stored.length, flags)
  return Buffer.concat([header, stored])
}

function opened(bytes: Buffer, coding: Coding): Opened | string {
  const header = new SegmentHeader()
  const problem = segmentProblem(bytes, 0, bytes.length, header)
  if (problem !== '') return problem
  const into = new Opened()
  return into.open(bytes, 0, bytes.length, header, coding) || into
}

describe.each(codings)('a segment that is %s', (_, coding) => {
  it('opens as what it was, of any length', () => {
    const plain = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat({ max: 70_000 }).map(length => Buffer.alloc(length, 'words and words ')),
    )
    fc.assert(
      fc.property(plain, fc.constantFrom(1, 2), (bytes, kind) => {
        const found = opened(segment(coding, kind, bytes), coding)
        expect(found).toBeInstanceOf(Opened)
        if (!(found instanceof Opened)) return
        expect(Buffer.compare(found.plain, bytes)).toBe(0)
        if (coding.cipher !== undefined) expect(Buffer.compare(found.identity ?? Buffer.alloc(0), identityOf(coding, bytes))).toBe(0)
      }),
      { numRuns: 30 },
    )
  })
})

describe('a sealed segment', () => {
  const coding = { compression: 'none', cipher } as const

  it('does not open with another kind, codec or length in a header whose checksum was made to fit', () => {
    const plain = Buffer.from('the plain bytes')
    const { stored, flags } = new Encoded().encode(coding, 1, plain)
    for (const [kind, codec, length] of [
      [2, 0, plain.length],
      [1, 1, plain.length],
      [1, 0, plain.length + 1],
    ]) {
      const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
      encodeSegmentHeader(header, kind, codec, length, stored, 0, stored.length, flags)
      expect(opened(Buffer.concat([header, stored]), coding)).toBe('it does not decrypt')
    }
  })

  it('is asked for where all else is sealed, and needs the key', () => {
    const bare = segment({ compression: 'none' }, 1, Buffer.from('bare'))
    expect(opened(bare, coding)).toMatch(/it is not encrypted/)
    expect(() => opened(segment(coding, 1, Buffer.from('sealed')), { compression: 'none' })).toThrow(/is encrypted, and no key was given/)
  })
})

describe('compressed', () => {
  it('leaves noise alone, and takes what has any order', () => {
    expect(compressed(randomBytes(65536), 'brotli')).toBe(undefined)
    expect(compressed(randomBytes(300), 'brotli')).toBe(undefined)
    expect(compressed(Buffer.alloc(65536), 'brotli')?.length).toBeLessThan(100)
    expect(compressed(Buffer.from(randomBytes(32768).toString('hex')), 'brotli')?.length).toBeLessThan(45_000)
    expect(compressed(Buffer.alloc(65536), 'none')).toBe(undefined)
    const half = Buffer.concat([randomBytes(32768), Buffer.alloc(32768)])
    expect(compressed(half, 'brotli')?.length).toBeLessThan(34_000)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Capture } from './capture.js'

describe('a captured output', () => {
  it('is what came, while it fits, byte for byte', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 }), pieces => {
        const capture = new Capture(1200)
        for (const piece of pieces) capture.add(Buffer.from(piece))
        expect(capture.bytes()).toEqual(Buffer.concat(pieces))
        expect(capture.omittedBytes).toBe(0)
      }),
    )
  })

  it('keeps head and tail of more, and says how much is left out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 5, maxLength: 60 }),
        fc.integer({ min: 1, max: 60 }),
        (pieces, limit) => {
          const all = Buffer.concat(pieces)
          const capture = new Capture(limit)
          for (const piece of pieces) capture.add(Buffer.from(piece))
          const half = Math.ceil(limit / 2)
          fc.pre(all.length > limit)
          expect(capture.head).toEqual(all.subarray(0, half))
          expect(capture.tail).toEqual(all.subarray(all.length - (limit - half)))
          expect(capture.omittedBytes).toBe(all.length - limit)
          expect(capture.totalBytes).toBe(all.length)
        },
      ),
    )
  })

  it('keeps the tail of very many small pieces', () => {
    const capture = new Capture(2000)
    for (let i = 0; i < 20_000; i++) capture.add(Buffer.from(`${i % 10}`))
    expect(capture.tail.toString()).toBe('0123456789'.repeat(100))
    expect(capture.bytes().toString()).toContain('[… 18000 bytes left out …]')
  })
})

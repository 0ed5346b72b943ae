import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CairnError } from '../errors.js'
import { decodeFrame, encodeFrame } from './frame.js'

const roundTrip = (value: unknown): unknown => decodeFrame(Buffer.concat(encodeFrame(value)))

describe('frame', () => {
  test.each([
    ['what JSON has', { method: 'x', args: [1, 'a', null, true, [], {}] }],
    ['what JSON lacks', [undefined, Number.NaN, Number.POSITIVE_INFINITY, -0, 12345678901234567890n, new Date(5)]],
    ['keys like ours', { $bytes: [0, 1], a: { $undefined: 1 } }],
    ['keys of the prototype', JSON.parse('{"__proto__": 1, "constructor": 2}')],
    ['numbers in arrays of their own', [new Float64Array([1.5, -2]), new BigInt64Array([-1n])]],
  ])('carries %s', (_, value) => {
    expect(roundTrip(value)).toStrictEqual(value)
  })

  test('carries bytes without a copy of each', () => {
    const [a, b] = roundTrip([Buffer.from('one'), new Uint8Array([1, 2, 3])]) as Buffer[]
    expect(a.toString()).toBe('one')
    expect([...b]).toEqual([1, 2, 3])
    expect(a.buffer).toBe(b.buffer)
  })

  test('carries any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), value => {
        expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('refuses functions', () => {
    expect(() => encodeFrame({ f: () => 1 })).toThrow(TypeError)
  })

  test('random bytes never do more than fail', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        try {
          decodeFrame(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(CairnError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['before the start', { $bytes: [-1, 1] }],
    ['beyond the end', { $bytes: [0, 5] }],
    ['of half a number', { $f64: [0, 3] }],
    ['of no kind', { $bytes: 'x' }],
    ['with an unknown tag', { $what: 1 }],
  ])('refuses ranges %s', (_, tag) => {
    const json = Buffer.from(JSON.stringify(tag))
    const header = Buffer.alloc(4)
    header.writeUInt32LE(json.length)
    expect(() => decodeFrame(Buffer.concat([header, json, Buffer.from('abc')]))).toThrow(CairnError)
  })
})

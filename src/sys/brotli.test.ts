import { brotliCompressSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { unbrotlyInto } from './brotli.js'

const plain = Buffer.from('words and words and then some '.repeat(200))
const packed = brotliCompressSync(plain)

/** The first ones are left to zlib. */
function unpacked(bytes: Uint8Array, into: Uint8Array): number | undefined {
  let length: number | undefined
  for (let i = 0; i < 100 && length === undefined; i++) length = unbrotlyInto(bytes, into)
  return length
}

it('unpacks what stands anywhere in a buffer to anywhere in another, and touches nothing beside', () => {
  const from = Buffer.concat([Buffer.alloc(7, 1), packed, Buffer.alloc(9, 2)])
  const to = Buffer.alloc(plain.length + 20, 3)
  expect(unpacked(from.subarray(7, 7 + packed.length), to.subarray(10, 10 + plain.length))).toBe(plain.length)
  expect(to.subarray(10, 10 + plain.length).equals(plain)).toBe(true)
  expect([...to.subarray(0, 10), ...to.subarray(10 + plain.length)].every(byte => byte === 3)).toBe(true)
})

it('says how much it was where there is more room, and refuses what is more, cut short or damaged', () => {
  expect(unpacked(packed, Buffer.alloc(plain.length + 1))).toBe(plain.length)
  expect(unpacked(packed, Buffer.alloc(plain.length - 1))).toBe(-1)
  for (let length = 1; length < packed.length; length++) expect(unpacked(packed.subarray(0, length), Buffer.alloc(plain.length))).toBe(-1)
  const damaged = Buffer.from(packed)
  damaged[0] ^= 0xff
  expect(unpacked(damaged, Buffer.alloc(plain.length))).not.toBe(plain.length)
})

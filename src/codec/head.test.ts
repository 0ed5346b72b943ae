import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CairnError, CorruptError } from '../errors.js'
import { limits } from '../sys/index.js'
import { decodeHead, encodeHead, HEAD_BYTES, type Head } from './head.js'

const head: Head = {
  format: 1,
  volume: '0123456789abcdef',
  name: 'work',
  createdMs: 1763700000000,
  epoch: 3,
  sequence: 17,
  nonce: 'fedcba9876543210',
  root: 'ab'.repeat(62),
  history: '',
  watermark: 991,
  nextIno: 4194305,
  arena: [4194304, 8388607],
  inodes: 12,
  bytes: 34567,
  dirHashKey: '00112233aabbccdd',
}

const full: Head = {
  ...head,
  lease: { holder: 'host "ü" 17', sinceMs: 1, untilMs: 2.5 },
  parent: { volume: 'other', id: 'ffffffffffffffff', commit: '' },
  log: { next: 5 },
  deletedMs: 1763700000001,
}

describe('head', () => {
  it('is read back', () => {
    for (const value of [head, full]) expect(decodeHead(encodeHead(value))).toEqual(value)
  })

  it('keeps what a newer writer added, at every level', () => {
    const newer = { ...full, parent: { ...(full.parent as object), depth: 2 }, colour: ['blue', { a: null }] } as unknown as Head
    const rewritten = encodeHead({ ...decodeHead(encodeHead(newer)), sequence: 18 })
    expect(decodeHead(rewritten)).toEqual({ ...newer, sequence: 18 })
  })

  it('with any bit flipped, or cut, is damaged and says whose head it is', () => {
    const good = encodeHead(full)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good)
      bad[bit >> 3] ^= 1 << (bit & 7)
      // The line end is no part of the JSON.
      if (bit >> 3 < good.length - 1) expect(() => decodeHead(bad, 'volumes/1/head')).toThrow(CorruptError)
    }
    for (let length = 0; length < good.length - 1; length++)
      expect(() => decodeHead(good.subarray(0, length), 'volumes/1/head')).toThrow(/volumes\/1\/head is damaged/)
  })

  it('of a newer format says so', () => {
    const text = encodeHead(head)
      .toString()
      .replace(/,"crc".*\n/, '')
      .replace('"format":1', '"format":2')
    const newer = encodeLike(text)
    expect(() => decodeHead(newer)).toThrow(CairnError)
    expect(() => decodeHead(newer)).toThrow(/format 2/)
  })

  it('with members of the wrong kind is refused, both ways', () => {
    for (const wrong of [
      { volume: 'x' },
      { root: 'ab' },
      { epoch: -1 },
      { nextIno: 1.5 },
      { arena: [1] },
      { nonce: undefined },
      { log: { next: 'x' } },
      { deletedMs: 'now' },
    ]) {
      const value = { ...full, ...wrong } as unknown as Head
      expect(() => encodeHead(value)).toThrow(/invariant/)
      expect(() => decodeHead(encodeLike(JSON.stringify(value).slice(0, -1)))).toThrow(CorruptError)
    }
  })

  it('has a limit', () => {
    expect(HEAD_BYTES).toBe(limits.headBytes)
    expect(() => encodeHead({ ...head, name: 'n'.repeat(limits.headBytes) })).toThrow(CairnError)
    expect(() => decodeHead(Buffer.alloc(limits.headBytes + 1, ' '))).toThrow(CorruptError)
  })

  it('random text and JSON never crash the decoder', () => {
    const refused = (bytes: Uint8Array): void => {
      expect(() => decodeHead(bytes)).toThrow(CairnError)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), refused))
    fc.assert(fc.property(fc.json(), json => refused(Buffer.from(json))))
    fc.assert(fc.property(fc.string(), open => refused(encodeLike(open))))
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), value => refused(encodeLike(JSON.stringify({ format: 1, ...value }).slice(0, -1)))))
  })
})

/** What `encodeHead` makes of the JSON text before its crc, without looking at it. */
function encodeLike(open: string): Buffer {
  return Buffer.from(`${open},"crc":"${crc32(open).toString(16).padStart(8, '0')}"}\n`)
}

/** CRC-32 by its definition, so that the test does not lean on the function under test. */
function crc32(text: string): number {
  let crc = 0xffffffff
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

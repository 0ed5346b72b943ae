import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cipher, objectContext } from '../src/codec/cipher.js'
import { type Coding, Opened } from '../src/codec/coding.js'
import { FRAME_HEADROOM } from '../src/codec/frame.js'
import { decodePackFooter, PackKind } from '../src/codec/pack.js'
import { SEGMENT_HEADER_BYTES, SegmentHeader, SegmentKind, segmentProblem } from '../src/codec/segment.js'
import { parseWrappedKey, unwrapKey, type WrappedKey, wrapKey } from '../src/codec/wrapped-key.js'
import { Journal } from '../src/journal/index.js'
import { scanSegments } from '../src/store/pack-scan.js'
import { PackWriter } from '../src/store/packs.js'
import { decodeStoreInfo, encodeStoreInfo } from '../src/store/store-info.js'
import type { Random } from '../src/sys/index.js'
import { writesFixtures } from './support/golden.js'

/** The bytes of docs/format-encryption.md, with a data key and nonces that are always the same. */
const path = join(import.meta.dirname, 'fixtures/encryption-1.json')
const fixtures = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>

/** What stands there under a name. Written anew with CAIRN_TEST_WRITE_FIXTURES=1, which is right only together with a new format version. */
function golden(name: string, made?: string): string {
  if (writesFixtures && made !== undefined) {
    fixtures[name] = made
    writeFileSync(path, `${JSON.stringify(fixtures, null, 2)}\n`)
  }
  return fixtures[name]
}

const dataKey = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')
const fixed = (): Random => {
  let next = 0xa0
  return { bytes: size => Buffer.alloc(size, next++) }
}
const coding = (compression: Coding['compression'] = 'none'): Coding => ({ compression, cipher: new Cipher(dataKey, fixed()) })
const id = Buffer.from('0123456789abcdef0000000100000001', 'hex')
const words = Buffer.from('The stored format is documented to the byte. '.repeat(40))

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-format-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('sealed bytes', () => {
  it('an object', () => {
    const sealed = new Cipher(dataKey, fixed()).seal([Buffer.from('{"format":1}\n')], objectContext('volumes/0123456789abcdef/head'))
    expect(sealed.toString('hex')).toBe(golden('object', sealed.toString('hex')))
  })

  it('the identity of plain bytes', () => {
    const identity = new Cipher(dataKey).identity(words).toString('hex')
    expect(identity).toBe(golden('identity', identity))
  })

  it('a pack: plain and compressed segments, and its index', () => {
    const writer = new PackWriter(join(folder, 'pack'), id, PackKind.content, coding())
    writer.append(SegmentKind.page, Buffer.from('a page'), 0, 6)
    writer.append(SegmentKind.block, words, 0, words.length, 'brotli')
    writer.close()
    const pack = readFileSync(join(folder, 'pack'))
    const stored = Buffer.from(golden('pack', pack.toString('hex')), 'hex')
    // What brotli makes of the bytes is the business of its version.
    expect(stored.subarray(0, 32 + 16 + 6 + 72).equals(pack.subarray(0, 32 + 16 + 6 + 72))).toBe(true)
    const found: Array<[number, string]> = []
    const read = (into: Uint8Array, length: number, offset: number): number => stored.copy(into, 0, offset, Math.min(offset + length, stored.length))
    const end = scanSegments(read, stored.length, (kind, _offset, _length, plain) => found.push([kind, Buffer.from(plain).toString()]), { coding: coding() })
    expect(found).toEqual([
      [1, 'a page'],
      [2, words.toString()],
    ])
    const seal = { cipher: new Cipher(dataKey), packId: id }
    const index = decodePackFooter(stored.subarray(end), seal)
    expect(index?.count).toBe(2)
    expect(Buffer.from(index?.hash(1) ?? []).equals(seal.cipher.identity(words))).toBe(true)
    expect(decodePackFooter(stored.subarray(end), { ...seal, packId: Buffer.alloc(16) })).toBe(undefined)
    expect(decodePackFooter(stored.subarray(end))).toBe(undefined)
  })

  it('a segment of zstd, also where Node has none', () => {
    const stored = Buffer.from(golden('zstd-segment'), 'hex')
    const header = new SegmentHeader()
    expect(segmentProblem(stored, 0, stored.length, header)).toBe('')
    const opened = new Opened()
    expect(opened.open(stored, 0, stored.length, header, { compression: 'none' })).toBe('')
    expect(Buffer.from(opened.plain).equals(words)).toBe(true)
    expect(stored.length).toBeLessThan(SEGMENT_HEADER_BYTES + words.length / 4)
  })

  it('a journal', () => {
    const volume = Buffer.from('0123456789abcdef', 'hex')
    const open = (): Journal =>
      Journal.open(join(folder, 'journal'), {
        volume,
        afterSequence: 6,
        random: { bytes: size => Buffer.alloc(size, 7) },
        bootId: 'boot',
        cipher: coding().cipher,
      })
    const journal = open()
    journal.append(Buffer.concat([Buffer.alloc(FRAME_HEADROOM), Buffer.from('first')]), 5)
    journal.appendParts(Buffer.concat([Buffer.alloc(FRAME_HEADROOM), Buffer.from('sec')]), 3, [Buffer.from('on'), Buffer.from('d')])
    journal.close()
    const bytes = readFileSync(join(folder, 'journal', '000000000007.journal'))
      .toString('hex')
      .replace(/(00)+$/, '')
    expect(bytes).toBe(golden('journal', bytes))
    const read: string[] = []
    const again = open()
    again.replay((_sequence, payload) => read.push(payload.toString()))
    again.close()
    expect(read).toEqual(['first', 'second'])
  })
})

describe('store.json', () => {
  const users = [
    ['a key of 32 bytes', { bytes: Buffer.alloc(32, 0xee) }],
    ['a passphrase', { passphrase: 'correct horse battery staple' }],
  ] as const

  it.each(users)('with %s', (name, user) => {
    const encryption = wrapKey(dataKey, user, '0011223344556677', fixed())
    const text = encodeStoreInfo({ id: '0011223344556677', encryption }).toString()
    expect(text).toBe(golden(`store.json, ${name}`, text))
    const read = decodeStoreInfo(Buffer.from(text), 'store.json')
    expect(unwrapKey(read.encryption as WrappedKey, user, read.id)).toEqual(dataKey)
    expect(unwrapKey(read.encryption as WrappedKey, user, '1111111111111111')).toBe('damaged')
    for (const [, other] of users) if (other !== user) expect(unwrapKey(read.encryption as WrappedKey, other, read.id)).toBe('wrong')
    expect(unwrapKey(read.encryption as WrappedKey, 'bytes' in user ? { bytes: Buffer.alloc(32, 0xef) } : { passphrase: 'another' }, read.id)).toBe('wrong')
  })

  it('that asks for more memory than a reader gives, or is not whole, is none', () => {
    const wrapped = wrapKey(dataKey, { passphrase: 'correct horse' }, '0011223344556677', fixed())
    expect(parseWrappedKey(wrapped)).toEqual(wrapped)
    for (const cost of [undefined, { n: 2 ** 24, r: 8, p: 1 }, { n: 3, r: 8, p: 1 }, { n: 2 ** 15, r: 8 }])
      expect(parseWrappedKey({ ...wrapped, cost })).toBe(undefined)
    for (const member of ['salt', 'check', 'key'] as const) expect(parseWrappedKey({ ...wrapped, [member]: wrapped[member].slice(2) })).toBe(undefined)
    expect(() => parseWrappedKey({ ...wrapped, cipher: 'other' })).toThrow(/which this version of cairn does not know/)
  })
})

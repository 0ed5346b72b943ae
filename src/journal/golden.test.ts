import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FRAME_HEADROOM } from '../codec/frame.js'
import { PackKind } from '../codec/pack.js'
import { RelocationIndex } from '../codec/relocation.js'
import { SegmentKind } from '../codec/segment.js'
import { PackWriter } from '../store/packs.js'
import { Journal } from './index.js'

/** The tables of docs/format-packs.md, once more by hand: what is written today must be read for ever. */
const u = (size: number, value: number): Buffer => {
  const b = Buffer.alloc(size)
  b.writeUIntLE(value, 0, size)
  return b
}
const zeros = (size: number): Buffer => Buffer.alloc(size)
const text = (value: string): Buffer => Buffer.from(value, 'latin1')
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-golden-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function segment(kind: number, plain: Buffer): Buffer {
  const head = Buffer.concat([u(1, kind), u(1, 0), u(2, 0), u(4, plain.length), u(4, plain.length)])
  return Buffer.concat([head, u(4, crc32(Buffer.concat([head, plain]))), plain])
}

it('a pack is what the page says, byte for byte', () => {
  const id = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
  const plains = [text('a page'), text('a block, longer')]
  const writer = new PackWriter(join(folder, 'pack'), id, PackKind.content)
  writer.append(SegmentKind.page, plains[0], 0, 6, 'none')
  writer.append(SegmentKind.block, plains[1], 0, 15, 'brotli')
  writer.close()
  const entry = (plain: Buffer, offset: number, kind: number): Buffer => Buffer.concat([sha256(plain), u(5, offset), u(3, 16 + plain.length), u(1, kind)])
  const segments = [text('CAIRNPK1'), id, u(1, 2), u(1, 1), zeros(6), segment(1, plains[0]), segment(2, plains[1])]
  const index = Buffer.concat([entry(plains[0], 32, 1), entry(plains[1], 54, 2), u(4, 2), u(6, 85), zeros(2)])
  expect(readFileSync(join(folder, 'pack')).toString('hex')).toBe(
    Buffer.concat([...segments, index, u(4, crc32(index)), zeros(8), text('CAIRNPKE')]).toString('hex'),
  )
})

it('a journal is what the page says, byte for byte', () => {
  const volume = Buffer.from('0123456789abcdef', 'hex')
  const nonce = text('8 random')
  const journal = Journal.open(folder, { volume, afterSequence: 6, random: { bytes: () => nonce }, bootId: 'boot' })
  journal.append(Buffer.concat([zeros(FRAME_HEADROOM), text('first')]), 5)
  journal.append(Buffer.concat([zeros(FRAME_HEADROOM), text('second')]), 6)
  journal.rotate()
  journal.append(Buffer.concat([zeros(FRAME_HEADROOM), text('third')]), 5)
  journal.close()
  const frame = (sequence: number, payload: string, seed: number): { bytes: Buffer; crc: number } => {
    const covered = Buffer.concat([u(6, sequence), u(2, 0), text(payload)])
    const crc = crc32(covered, seed)
    return { bytes: Buffer.concat([u(4, payload.length), u(4, crc), covered]), crc }
  }
  const header = (first: number, link: number): Buffer => {
    const boot = sha256(text('boot')).subarray(0, 8)
    const head = Buffer.concat([text('CAIRNJL1'), volume, u(2, 1), zeros(2), u(6, first), zeros(2), nonce, boot, u(4, link), zeros(12)])
    return Buffer.concat([head, u(4, crc32(head))])
  }
  const first = frame(7, 'first', crc32(nonce, 0))
  const second = frame(8, 'second', first.crc)
  const third = frame(9, 'third', crc32(nonce, second.crc))
  const files = [
    ['000000000007.journal', Buffer.concat([header(7, 0), first.bytes, second.bytes])],
    ['000000000009.journal', Buffer.concat([header(9, second.crc), third.bytes])],
  ] as const
  for (const [name, bytes] of files) {
    const found = readFileSync(join(folder, name))
    expect(found.subarray(0, bytes.length).toString('hex')).toBe(bytes.toString('hex'))
    expect(found.subarray(bytes.length).every(byte => byte === 0)).toBe(true)
  }
})

it('a relocation index is what the page says, byte for byte', () => {
  const [low, high, other] = [1, 2, 9].map(n => Buffer.alloc(16, n))
  const made = RelocationIndex.from([
    { oldPack: high, oldOffset: 32, newPack: other, newOffset: 2 ** 33 },
    { oldPack: low, oldOffset: 300, newPack: other, newOffset: 48 },
    { oldPack: low, oldOffset: 32, newPack: other, newOffset: 32 },
  ])
  const entries = [low, u(5, 32), other, u(5, 32), low, u(5, 300), other, u(5, 48), high, u(5, 32), other, u(5, 2 ** 33)]
  const all = Buffer.concat([text('CAIRNRL1'), u(4, 3), zeros(4), ...entries])
  expect(made.encode().toString('hex')).toBe(Buffer.concat([all, u(4, crc32(all))]).toString('hex'))
})

import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  BundleFrame,
  BundleItem,
  bundleExtent,
  bundlePayload,
  encodeBundleFrame,
  encodeBundleJson,
  parseBundleHeader,
  putBundleBlockHeader,
  putBundleExtent,
  putBundleItem,
} from '../src/codec/bundle.js'
import {
  ATTR_BYTES,
  Attr,
  BatchReader,
  BatchWriter,
  checkpointKey,
  commitIdText,
  commitKey,
  DirHash,
  decodeAttr,
  decodeCommit,
  decodePastName,
  decodePrunedName,
  decodeVersion,
  direntKey,
  Ended,
  encodeAttr,
  encodeCommit,
  encodePastName,
  encodePointer,
  encodePrunedName,
  encodeVersion,
  extentBlock,
  extentKey,
  getIno,
  Item,
  inodeKey,
  MAX_KEY_BYTES,
  makeCommitId,
  metaKey,
  type PastName,
  POINTER_BYTES,
  packId,
  packKey,
  pastNameEnd,
  pastNameKey,
  pointerBirth,
  pointerLength,
  pointerOffset,
  prunedStateKey,
  putIno,
  settingKey,
  Tag,
  type VersionRecord,
  versionBlock,
  versionBlockKey,
  versionContentKey,
  versionKey,
  versionSequence,
  versionXattrKey,
  withSequence,
  xattrKey,
} from '../src/codec/index.js'
import { decodeLogObject, encodeLogObject, type LogObject } from '../src/codec/log-object.js'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { Engine } from '../src/volume/engine.js'
import { goldenIn, writesFixtures } from './support/golden.js'

/**
 * The bytes of format 1, as they were when it was fixed. `CAIRN_TEST_WRITE_FIXTURES=1` writes them anew, which is right only
 * together with a new format version.
 */
const golden = goldenIn('format-1.json')
/** The bytes of a fixture. */
const stored = (name: string): Buffer => Buffer.from(JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/format-1.json'), 'utf8'))[name], 'hex')

const K = Buffer.alloc(MAX_KEY_BYTES)
const key = (length: number): Uint8Array => K.subarray(0, length)
const INO = 5 * 2 ** 22 + 77

describe('format 1', () => {
  it('keys', () => {
    golden('key attributes', key(inodeKey(K, Tag.attr, INO)))
    expect(getIno(K, 1)).toBe(INO)
    golden('key inode of 53 bits', key(inodeKey(K, Tag.attr, Number.MAX_SAFE_INTEGER)))
    expect(getIno(K, 1)).toBe(Number.MAX_SAFE_INTEGER)
    golden('key extent', key(extentKey(K, INO, 2 ** 33 + 9)))
    expect(extentBlock(K, 0)).toBe(2 ** 33 + 9)
    golden('key xattr', key(xattrKey(K, INO, 'user.mime', 3)))
    golden('key meta', key(metaKey(K, 'usage')))
    golden('key commit', key(commitKey(K, makeCommitId(1_700_000_000_123, Buffer.from('0123456789')))))
    golden('key checkpoint', key(checkpointKey(K, 'vor-dem-Umbau-ü')))
  })

  it('frames of a bundle', () => {
    const header = { format: 1, volume: { id: '0011223344556677', name: 'work', createdMs: 5 }, madeMs: 9, dirHashKey: '8899aabbccddeeff', arenas: 65 }
    const whole = { ...header, since: { commit: '0'.repeat(26), timeMs: 7 }, live: { inodes: 3, bytes: 65536 } }
    const frame = encodeBundleJson(BundleFrame.header, whole)
    golden('bundle header', frame)
    expect(parseBundleHeader(bundlePayload(frame, 0))).toEqual(whole)
    golden('bundle tree', encodeBundleJson(BundleFrame.tree, { commit: '1'.repeat(26) }))
    const block = Buffer.alloc(38)
    putBundleBlockHeader(block, 0, Buffer.alloc(32, 0xab), 3)
    block.write('abc', 35)
    golden('bundle blocks', encodeBundleFrame(BundleFrame.blocks, block))
    const extent = Buffer.alloc(7)
    putBundleExtent(extent, 0, 2 ** 40 + 3)
    expect(bundleExtent(extent, 0)).toBe(2 ** 40 + 3)
    const items = Buffer.alloc(64)
    const end = putBundleItem(items, putBundleItem(items, 0, BundleItem.put, key(extentKey(K, INO, 1)), extent), BundleItem.del, key(5), new Uint8Array(0))
    golden('bundle items', encodeBundleFrame(BundleFrame.items, items.subarray(0, end)))
    golden('bundle end', encodeBundleJson(BundleFrame.end, { blocks: 1, trees: 2, items: 3, sha256: 'f'.repeat(64) }))
  })

  it('log objects', () => {
    const object: LogObject = {
      volume: '0011223344556677',
      number: 12,
      epoch: 2048,
      previous: 0xdeadbeef,
      last: 9,
      batches: [Buffer.from('one'), Buffer.from('two')],
    }
    golden('log object', encodeLogObject(object))
    golden('log object, compressed', encodeLogObject({ ...object, batches: [Buffer.alloc(1500, 'batch ')] }))
    const { batches: _, ...fence } = object
    golden('log fence', encodeLogObject(fence))
    for (const [name, decoded] of [
      ['log object', object],
      ['log object, compressed', { ...object, batches: [Buffer.alloc(1500, 'batch ')] }],
      ['log fence', fence],
    ] as const)
      expect(decodeLogObject(stored(name), name)).toEqual(decoded)
  })

  it('directory entries: the hash is the readdir offset', () => {
    const hash = new DirHash(Buffer.from('0001020304050607', 'hex'))
    for (const name of ['a', 'README.md', 'x'.repeat(255), '\u00ff\u0001']) {
      hash.of(name)
      expect(hash.high).toBeLessThan(2 ** 31)
      golden(`key entry ${name.slice(0, 9)} ${name.length}`, key(direntKey(K, 1, hash.high, hash.low, name)))
    }
    const value = Buffer.alloc(8)
    putIno(value, 0, INO)
    value[7] = 8
    golden('value entry', value)
  })

  it('attributes', () => {
    const a = new Attr()
    Object.assign(a, { kind: 3, flags: 3, mode: 0o100644, nlink: 2, uid: 1000, gid: 100, rdev: 0, size: 2 ** 40 + 5, blocks: 2 ** 33, changed: 9, parent: INO })
    Object.assign(a, {
      atimeS: 1_700_000_000,
      atimeNs: 999_999_999,
      mtimeS: -5,
      mtimeNs: 1,
      ctimeS: 2 ** 33,
      ctimeNs: 3,
      btimeS: 1,
      btimeNs: 2,
      nameHigh: 7,
      nameLow: 0xfffffff0,
    })
    const bytes = Buffer.alloc(ATTR_BYTES)
    encodeAttr(a, bytes, 0)
    golden('attributes', bytes)
    expect(decodeAttr(bytes, 0, new Attr())).toEqual(a)
  })

  it('pointers and pack names', () => {
    const pack = packId(Buffer.from('0102030405060708', 'hex'), 3, 41)
    const bytes = Buffer.alloc(POINTER_BYTES)
    encodePointer(bytes, 0, { hash: Buffer.alloc(32, 0xab), pack, offset: 2 ** 35 + 1, length: 65_552, birth: 2 ** 40 + 2 })
    golden('pointer', bytes)
    expect([pointerOffset(bytes, 0), pointerLength(bytes, 0), pointerBirth(bytes, 0)]).toEqual([2 ** 35 + 1, 65_552, 2 ** 40 + 2])
    expect(packKey(pack)).toBe('packs/0102030405060708/00000003-00000029')
  })

  it('batches', () => {
    const batch = new BatchWriter(0)
    const k = Buffer.from('key')
    const v = Buffer.from('value')
    batch.put(Item.put, k, 3, v, 5)
    batch.del(Item.del, k, 3)
    batch.data(INO, 2 ** 33, v, 1, 4)
    batch.zero(INO, 4096, 2 ** 34)
    batch.drop(INO, 1, 2 ** 35)
    batch.put(Item.historyPut, k, 3, v, 5)
    batch.del(Item.historyDel, k, 3)
    batch.tag(7, 1, 0xfffffffe)
    batch.finish({ timeMs: 1_700_000_000_123.25, nextIno: INO, inodes: 12, bytes: 2 ** 41 })
    const bytes = batch.buffer.subarray(batch.start, batch.end)
    golden('batch', bytes)
    const reader = new BatchReader()
    expect(reader.open(bytes, 0, bytes.length)).toBe(true)
    expect(reader).toMatchObject({
      timeMs: 1_700_000_000_123.25,
      nextIno: INO,
      inodes: 12,
      bytes: 2 ** 41,
      tagged: true,
      mount: 7,
      uniqueHigh: 1,
      uniqueLow: 0xfffffffe,
    })
    const ops: number[] = []
    while (reader.next()) ops.push(reader.op)
    expect(ops).toEqual([Item.put, Item.del, Item.data, Item.zero, Item.drop, Item.historyPut, Item.historyDel])
    expect(reader.open(Buffer.alloc(bytes.length, 9), 0, bytes.length)).toBe(false)
  })

  it('versions', () => {
    const sequence = 1_700_000_000_123_456
    golden('key version', key(versionKey(K, INO, sequence)))
    expect(versionSequence(K, 0)).toBe(sequence)
    golden('key version content', key(versionContentKey(K, INO, sequence)))
    golden('key version block', key(versionBlockKey(K, INO, sequence, 2 ** 33 + 9)))
    expect(versionBlock(K, 0)).toBe(2 ** 33 + 9)
    golden('key version xattr', key(versionXattrKey(K, INO, sequence, Buffer.from('user.a\0\0\0'), 0, 9)))
    golden('key past name', key(withSequence(K, pastNameKey(K, INO, 'README.md'), sequence)))
    expect(pastNameEnd(K, 0, 24)).toBe(17)
    golden('key pruned state', key(prunedStateKey(K, INO, sequence)))
    golden('key setting', key(settingKey(K, 'retention')))

    const short = Object.assign(new Attr(), { kind: 1, mode: 0o100644, uid: 1000, gid: 100, size: 5, blocks: 1, nlink: 1 })
    Object.assign(short, {
      mtimeS: 1_700_000_000,
      mtimeNs: 5,
      ctimeS: 1_700_000_000,
      ctimeNs: 5,
      btimeS: 1_700_000_000,
      btimeNs: 5,
      atimeS: 1_700_000_000,
      atimeNs: 5,
    })
    const plain = { ended: Ended.modified, actor: '', skipped: 0, gap: false, holesFrom: Number.POSITIVE_INFINITY, apart: false, hasBirth: false }
    goldenVersion('version', short, plain, Buffer.from('hello'))
    const long = Object.assign(new Attr(), { kind: 3, mode: 0o104755, size: 2 ** 40 + 5, blocks: 8, rdev: 7, flags: 3, nlink: 1, atimeS: -5, atimeNs: 1 })
    Object.assign(long, { mtimeS: -5, mtimeNs: 1, ctimeS: 2 ** 33, ctimeNs: 2, btimeS: 3, btimeNs: 4 })
    goldenVersion(
      'version with all',
      long,
      { ended: Ended.deleted, actor: 'jürgen', skipped: 300, gap: true, holesFrom: 5, apart: true, hasBirth: true },
      Buffer.alloc(0),
    )

    const past: PastName = { ended: Ended.renamed, ino: INO, isDirectory: true, skipped: 3, dropped: false, actor: 'ada', to: { parent: 1, name: '\u00ff' } }
    const pastBytes = encodePastName(past)
    golden('past name', pastBytes)
    expect(decodePastName(pastBytes, 0, pastBytes.length)).toEqual(past)
    golden('pruned name', encodePrunedName(300))
    expect(decodePrunedName(encodePrunedName(300), 0, 2)).toBe(300)
  })

  it('commits', () => {
    const id = makeCommitId(1_700_000_000_123, Buffer.from('0123456789'))
    expect(commitIdText(id)).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/)
    expect(commitIdText(makeCommitId(1_700_000_000_124, Buffer.alloc(10))) > commitIdText(id)).toBe(true)
    golden('commit id as text', Buffer.from(commitIdText(id)))
    const record = { kind: 'checkpoint', root: '00'.repeat(62), parents: [commitIdText(id)], name: 'n', timeMs: 5, inodes: 1, bytes: 2, nextIno: 3 }
    const bytes = encodeCommit(record)
    golden('commit', bytes)
    expect(decodeCommit(bytes, 0, bytes.length)).toEqual(record)
  })
})

function goldenVersion(name: string, a: Attr, record: Omit<VersionRecord, 'content'>, content: Buffer): void {
  const bytes = Buffer.alloc(512)
  let length = encodeVersion(bytes, a, record, Buffer.from(record.actor))
  length += content.copy(bytes, length)
  golden(name, bytes.subarray(0, length))
  const decoded = new Attr()
  expect(decodeVersion(bytes, 0, length, decoded)).toEqual({ ...record, content })
  expect(decoded).toEqual(a)
}

/** Contents of the volumes of fixtures/home-1. */
function populate(fs: ReturnType<typeof createFs>): void {
  fs.mkdirSync('/docs')
  fs.writeFileSync('/docs/inline.txt', 'inline\n')
  fs.writeFileSync('/docs/small.txt', 'small '.repeat(200))
  fs.writeFileSync('/docs/blocks.txt', 'blocks '.repeat(1000))
  fs.symlinkSync('inline.txt', '/docs/link')
  fs.linkSync('/docs/small.txt', '/docs/hard')
}

describe('a CAIRN_HOME of format 1 keeps opening', () => {
  const home1 = join(import.meta.dirname, 'fixtures/home-1')

  it.runIf(writesFixtures)('is written', () => {
    rmSync(home1, { recursive: true, force: true })
    const engine = Engine.open({ home: home1 })
    engine.create('sealed')
    const volume = engine.openVolume('sealed')
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    populate(fs)
    volume.checkpoint('first', { message: 'as it was' })
    fs.rmSync('/docs/hard')
    volume.flush()
    fs.writeFileSync('/journaled', 'j'.repeat(5000))
    engine.fork('sealed', 'first', 'forked')
    fs.appendFileSync('/journaled', 'k')
    engine.crash()
  })

  it('with its checkpoint, its fork and its journal', () => {
    const home = mkdtempSync(join(tmpdir(), 'cairn-format-'))
    try {
      cpSync(home1, home, { recursive: true })
      const engine = Engine.open({ home })
      const volume = engine.openVolume('sealed')
      const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
      expect(fs.readdirSync('/docs').sort()).toEqual(['blocks.txt', 'inline.txt', 'link', 'small.txt'])
      expect(fs.readFileSync('/docs/blocks.txt', 'utf8')).toBe('blocks '.repeat(1000))
      expect(fs.readFileSync('/docs/small.txt', 'utf8')).toBe('small '.repeat(200))
      expect(fs.readFileSync('/docs/link', 'utf8')).toBe('inline\n')
      expect(fs.readFileSync('/journaled', 'utf8')).toBe(`${'j'.repeat(5000)}k`)
      expect(volume.commits({ checkpointsOnly: true })).toMatchObject([{ name: 'first', message: 'as it was', kind: 'checkpoint' }])
      const forked = engine.openVolume('forked')
      const other = createFs(new LocalBackend(new LocalOps(new FileSystem(forked.session))))
      expect(other.readdirSync('/docs').sort()).toEqual(['blocks.txt', 'hard', 'inline.txt', 'link', 'small.txt'])
      expect(other.statSync('/docs/hard').nlink).toBe(2)
      for (const open of [volume, forked]) expect(open.fsck()).toMatchObject({ ok: true, findings: [] })
      engine.close()
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

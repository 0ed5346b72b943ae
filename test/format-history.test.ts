import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  AUDIT_SALT_BYTES,
  auditHash,
  auditKey,
  auditPayloadHash,
  commitIdText,
  decodeAudit,
  decodeViewRecord,
  encodeAudit,
  encodeViewRecord,
  MAX_KEY_BYTES,
  makeCommitId,
  Tag,
  versionNodeKey,
  viewKey,
  viewOfKey,
} from '../src/codec/index.js'
import { RelocationIndex } from '../src/codec/relocation.js'
import { GC_RECORD_KEY, readGcRecord, swapGcRecord } from '../src/store/gc-record.js'
import { MemoryStore } from '../src/store/memory/memory-store.js'
import { pinKey, readPin, writePin } from '../src/store/pins.js'
import { Engine } from '../src/volume/engine.js'
import { Holds, readHolds } from '../src/volume/holds.js'
import { Incarnations } from '../src/volume/incarnations.js'
import { inodeMark, markValue, pathMark, purgedAt, purgedInodes } from '../src/volume/purged.js'
import { readRetention, retentionRecord } from '../src/volume/versions/settings.js'
import type { Volume } from '../src/volume/volume.js'
import { storedMerge, type WaitingMerge, waitingItems } from '../src/volume/waiting-merge.js'
import { windowItem, windowsIn } from '../src/volume/windows.js'
import { goldenIn } from './support/golden.js'

/** The bytes of format 1 that history brought. */
const golden = goldenIn('history-1.json')
const INO = 5 * 2 ** 22 + 77
const K = Buffer.alloc(MAX_KEY_BYTES)
const commit = makeCommitId(1_700_000_000_123, Buffer.from('0123456789'))

function goldenRecord(name: string, { key, value }: { key: Uint8Array; value?: Uint8Array }): void {
  golden(`${name}, key`, key)
  golden(`${name}, value`, value ?? new Uint8Array(0))
}

describe('records of the history tree', () => {
  let home: string
  let engine: Engine
  let volume: Volume

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-format-'))
    engine = Engine.open({ home })
    engine.create('work')
    volume = engine.openVolume('work')
  })

  afterEach(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  const put = ({ key, value }: { key: Uint8Array; value?: Uint8Array }): void => {
    if (value !== undefined) volume.state.history.put(key, key.length, value, value.length)
  }

  test('views (13)', () => {
    golden('key view', K.subarray(0, viewKey(K, 2 ** 33 + 5, 1025)))
    expect(viewOfKey(K, 0)).toBe(1025)
    golden('key version node', K.subarray(0, versionNodeKey(K, 2 ** 33 + 5, 2, INO)))
    for (const [name, record] of Object.entries({
      view: { name: 'checkpoints/good', commit: commitIdText(commit), root: 'ab'.repeat(62) },
      'version node': { parent: 2, name: 'a\u00ff', version: { number: 3, sequence: 1_700_000_000_123_456 } },
    })) {
      const bytes = encodeViewRecord(record)
      golden(`value ${name}`, bytes)
      expect(decodeViewRecord(bytes, 0, bytes.length)).toEqual(record)
    }
  })

  test('audit entries (14), which chain, also redacted', () => {
    const payload = Buffer.from(
      JSON.stringify({ salt: '00'.repeat(AUDIT_SALT_BYTES), kind: 'session', actor: 'agent-7', session: '1'.repeat(26), paths: ['/a'] }),
    )
    const first = { previous: Buffer.alloc(32), payloadHash: auditPayloadHash(payload), timeMs: 1_700_000_000_123, payload }
    const second = { previous: auditHash(first), payloadHash: auditPayloadHash(payload), timeMs: 1_700_000_000_456 }
    golden('key audit entry', K.subarray(0, auditKey(K, 2 ** 33 + 5, 1)))
    golden('value audit entry', encodeAudit(first))
    golden('value audit entry, redacted', encodeAudit(second))
    expect(decodeAudit(encodeAudit(first))).toEqual(first)
    expect(decodeAudit(encodeAudit(second))).toEqual(second)
  })

  test('applied requests (15)', () => {
    volume.state.remember(7, 1, 0xfffffffe)
    volume.state.remember(8, 0, 2)
    volume.state.saveApplied()
    const { history } = volume.state
    const key = Buffer.from([Tag.applied])
    expect(history.get(key, 1)).toBe(true)
    expect(history.vl).toBe(128 * 12)
    golden('applied requests, last three', history.vb.subarray(history.vp + 125 * 12, history.vp + history.vl))
  })

  test('incarnations (16)', () => {
    const made = new Incarnations()
    const next = made.next(INO)
    goldenRecord('incarnation', next)
    goldenRecord('untold commit', made.tell(commit))
    for (const { key, value } of [next, made.tell(commit)]) made.applied(key, value)
    expect([made.of(INO), made.untold]).toEqual([1, commitIdText(commit)])
  })

  test('hidden windows (17)', () => {
    const window = { fromMs: 1_700_000_000_123, toMs: 1_700_000_000_456 }
    goldenRecord('hidden window', windowItem(window))
    put(windowItem(window))
    expect(windowsIn(volume.state.history)).toEqual([window])
  })

  test('settings (19)', () => {
    const retention = { keep: 'count' as const, count: 5, exclude: ['*.log'] }
    goldenRecord('retention', retentionRecord(retention))
    put(retentionRecord(retention))
    expect(readRetention(volume.state.history)).toEqual(retention)
  })

  test('a merge that waits (1a), in pieces', () => {
    const waiting: WaitingMerge = {
      ...{ operation: 'merge', volume: volume.info.id, other: 'try', labels: { ours: 'work', theirs: 'try' } },
      ...{ base: '0'.repeat(26), theirs: '1'.repeat(26), before: '2'.repeat(26), conflicts: [{ path: '/a'.repeat(1000) }] },
    }
    const items = waitingItems(volume.state.history, waiting)
    expect(items.map(({ value }) => value?.length)).toEqual([2048, expect.any(Number)])
    golden('key merge, second piece', items[1].key)
    const text = Buffer.concat(items.map(({ value }) => value ?? Buffer.alloc(0))).toString()
    golden('value merge', Buffer.from(text.replace(volume.info.id, '0011223344556677')))
    for (const item of items) put(item)
    expect(storedMerge(volume.state.history, volume.info.id)).toEqual(waiting)
  })

  test('marks of a purge (1b)', () => {
    golden('purged path', pathMark('8899aabbccddeeff', '/secret\u00ff'))
    golden('purged inode', inodeMark(INO))
    golden('purged value', markValue(1_700_000_000_123))
    const { dirHashKey } = volume.head.value
    put({ key: pathMark(dirHashKey, '/a'), value: markValue(1_700_000_000_123) })
    put({ key: inodeMark(INO), value: markValue(1_700_000_000_123) })
    expect(purgedAt(volume.state.history, dirHashKey, '/a/b')).toBe(1_700_000_000_123)
    expect(purgedInodes(volume.state.history)).toEqual([INO])
  })
})

describe('objects of the store', () => {
  test('the gc record', () => {
    const store = new MemoryStore()
    expect(swapGcRecord(store, readGcRecord(store), { epoch: 3, relocations: 'gc/relocations/0000000000000003' })).toBeDefined()
    golden('gc record', store.getSync(GC_RECORD_KEY)?.bytes ?? new Uint8Array(0))
    expect(readGcRecord(store)).toMatchObject({ epoch: 3, relocations: 'gc/relocations/0000000000000003' })
  })

  test('a pin', () => {
    const store = new MemoryStore()
    const pin = { atMs: 1_700_000_000_123, into: '0011223344556677', roots: ['ab'.repeat(62)], done: true as const }
    writePin(store, 'one', pin)
    golden('pin', store.getSync(pinKey('one'))?.bytes ?? new Uint8Array(0))
    expect(readPin(store, pinKey('one'))).toEqual(pin)
  })

  test('small objects, whose checksum tells what came damaged; earlier ones had none', () => {
    const store = new MemoryStore()
    const fixtures = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/history-1.json'), 'utf8')) as Record<string, string>
    const bytes = (name: string): Buffer => Buffer.from(fixtures[name], 'hex')
    for (const name of ['gc record', 'gc record without a crc']) {
      store.putSync(GC_RECORD_KEY, bytes(name))
      expect(readGcRecord(store)).toMatchObject({ epoch: 3, relocations: 'gc/relocations/0000000000000003' })
    }
    for (const name of ['pin', 'pin without a crc']) {
      store.putSync(pinKey('one'), bytes(name))
      expect(readPin(store, pinKey('one'))).toMatchObject({ into: '0011223344556677', done: true })
    }
    const record = bytes('gc record')
    for (let i = 0; i < record.lastIndexOf(',"crc"'); i++) {
      const other = Buffer.from(record)
      other[i] ^= 1
      store.putSync(GC_RECORD_KEY, other)
      expect(() => readGcRecord(store)).toThrow(/its checksum does not match/)
    }
  })

  test('a relocation index', () => {
    const pack = (byte: number): Buffer => Buffer.alloc(16, byte)
    const index = RelocationIndex.from([
      { oldPack: pack(2), oldOffset: 32, newPack: pack(0), newOffset: 2 ** 33 },
      { oldPack: pack(1), oldOffset: 2 ** 34, newPack: pack(0), newOffset: 32 },
    ])
    golden('relocation index', index.encode())
    expect(RelocationIndex.decode(index.encode())).toMatchObject({ count: 2 })
  })

  test('holds', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-format-'))
    const path = join(folder, 'holds')
    const holds = new Holds(path)
    const user = {}
    holds.add(user, ['ab'.repeat(62)])
    holds.save()
    golden('holds', readFileSync(path))
    expect(readHolds(path)).toEqual(['ab'.repeat(62)])
    rmSync(folder, { recursive: true, force: true })
  })
})

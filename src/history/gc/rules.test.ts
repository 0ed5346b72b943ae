import '../../../test/support/without-syncs.js'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Head } from '../../codec/head.js'
import { Tag } from '../../codec/index.js'
import { packId } from '../../codec/pointer.js'
import { readGcRecord, swapGcRecord } from '../../store/gc-record.js'
import { PINS_PREFIX, pinKey, writePin } from '../../store/pins.js'
import { onCrashPoint, systemRandom } from '../../sys/index.js'
import { collected } from '../../testing/collected.js'
import { fsOf } from '../../testing/merge-rig.js'
import { Engine } from '../../volume/engine.js'
import { HeadFile } from '../../volume/head.js'
import { readHolds } from '../../volume/holds.js'
import { allKeys } from '../../volume/names.js'
import { openTree } from '../../volume/recovery.js'
import type { Volume } from '../../volume/volume.js'
import { attrOf, placeOf } from '../purge/tree-purge.js'
import { isSettled, listPacks } from './plan.js'
import { RootReader } from './roots.js'

// One test for each rule of spec/README.md that others do not fail without. Files whose names end in -wal have no versions.

let home: string
let engine: Engine
let volume: Volume

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-rules-'))
  engine = Engine.open({ home })
  engine.create('w')
  volume = engine.openVolume('w')
})

afterEach(() => {
  onCrashPoint(undefined)
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  for (let i = 0; i < size; i += 4) b.writeUInt32LE(Math.imul(i + 1, 2654435761 + seed * 97) >>> 0, i)
  return b
}

const fs = () => fsOf(volume.session)

/** As after SIGKILL: what was in no head is in the journal only. */
function crash(): void {
  engine.crash()
  engine = Engine.open({ home })
}

function forgetCommits({ session, state }: Volume): void {
  const keys: Buffer[] = []
  const cursor = state.history.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.commit]), 1); more && cursor.buf[cursor.kp] <= Tag.checkpoint; more = cursor.next())
    keys.push(Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)))
  session.tick()
  for (const key of keys) session.historyDel(key, key.length)
  expect(session.commit()).toBe(0)
}

function forgetCaches(): void {
  engine.dev.context.packs.clearCache()
  engine.dev.context.pages.trim(0)
}

describe('journals', () => {
  it('name blocks of the store that no head names', () => {
    engine.fork('w', undefined, 'other')
    const other = engine.openVolume('other')
    fsOf(other.session).writeFileSync('/a-wal', bytes(500_000, 1))
    other.flush()
    volume.takingFrom(other, () => volume.become(openTree(engine.dev.context.pages, other.head.value.root), { kind: 'merge' }))
    fsOf(other.session).rmSync('/a-wal')
    forgetCommits(other)
    other.flush()
    engine.dev.context.store.deleteSync(allKeys(engine.dev.context.store, PINS_PREFIX))
    crash()
    collected(engine)
    volume = engine.openVolume('w')
    expect(fs().readFileSync('/a-wal').equals(bytes(500_000, 1))).toBe(true)
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('belong to the head: both are read again when a seal comes in between, and then what is held', () => {
    fs().writeFileSync('/a', bytes(200_000, 1))
    volume.checkpoint('one')
    volume.flush()
    const held = volume.head.value.root
    fs().writeFileSync('/b', bytes(200_000, 2))
    let sealed = false
    const seal = (): void => {
      if (sealed) return
      sealed = true
      views.push(volume.at('one'))
      volume.flush()
    }
    const views: unknown[] = []
    const roots = new RootReader(engine.dev.context.store, home, systemRandom).read(volume.info.id, { block: seal, root: seal })
    expect(sealed).toBe(true)
    expect(roots?.head.value.root).toBe(volume.head.value.root)
    expect(roots?.held).toContain(held)
    expect(views).toHaveLength(1)
  })
})

describe('what is held', () => {
  it('is written down before the head changes', () => {
    fs().writeFileSync('/a', bytes(200_000, 1))
    volume.checkpoint('one')
    volume.flush()
    const { root } = volume.head.value
    const view = volume.at('one')
    fs().writeFileSync('/a', 'other')
    let held: string[] = []
    onCrashPoint(point => {
      if (point === 'seal.after-head') held = readHolds(join(home, 'volumes', volume.info.id, 'holds'))
    })
    volume.flush()
    expect(held).toContain(root)
    expect(view).toBeDefined()
  })

  it('by a backup or a check under its hidden head: the state, its history, and the commits in it', () => {
    fs().writeFileSync('/a-wal', bytes(500_000, 1))
    const commit = volume.checkpoint('one')
    fs().writeFileSync('/a-wal', bytes(500_000, 2))
    volume.flush()
    const pinned = engine.dev.pinned(engine.pin('w').id)
    const { root } = volume.history.resolve(commit.id)
    fs().rmSync('/a-wal')
    forgetCommits(volume)
    volume.flush()
    engine.dev.context.store.deleteSync(allKeys(engine.dev.context.store, PINS_PREFIX))
    collected(engine)
    forgetCaches()
    for (const [state, seed] of [
      [root, 1],
      [pinned.root, 2],
    ] as const) {
      const tree = openTree(engine.dev.context.pages, state)
      const { ino } = placeOf(tree, volume.session.dirHash, '/a-wal') ?? { ino: 0 }
      expect(attrOf(tree, ino)?.size).toBe(500_000)
      volume.become(tree, { kind: 'restore' })
      expect(fs().readFileSync('/a-wal').equals(bytes(500_000, seed))).toBe(true)
    }
  })
})

describe('history', () => {
  it('of versions: the blocks that a later change replaced', () => {
    fs().writeFileSync('/a', bytes(500_000, 1))
    volume.flush()
    fs().writeFileSync('/a', bytes(500_000, 2))
    forgetCommits(volume)
    volume.flush()
    collected(engine)
    forgetCaches()
    const { session, ino } = volume.versions.open('/a', 1)
    expect(ino).toBeGreaterThan(0)
    expect(fsOf(session).readFileSync('/a').equals(bytes(500_000, 1))).toBe(true)
  })
})

describe('packs that somebody may still write', () => {
  const head = (fenced: number, mark: [number, number]) => new Map([['00000000000000aa', { fenced, mark } as unknown as Head]])
  const pack = (epoch: number, sequence: number) => Buffer.from(packId(Buffer.from('00000000000000aa', 'hex'), epoch, sequence))

  it.each([
    [2, 9, true],
    [3, 9, true],
    [3, 10, false],
    [3, 11, false],
    [4, 1, false],
  ])('epoch %i, number %i: settled %s', (epoch, sequence, settled) => {
    expect(isSettled(pack(epoch, sequence), head(3, [3, 10]))).toBe(settled)
  })
})

describe('collectors', () => {
  it('that were overtaken by one of another host end before they change anything', () => {
    fs().writeFileSync('/a-wal', bytes(500_000, 1))
    volume.flush()
    fs().rmSync('/a-wal')
    volume.flush()
    const { store } = engine.dev.context
    const before = listPacks(store).length
    const overtake = (step: number): void => {
      const record = readGcRecord(store)
      if (step === 0) expect(swapGcRecord(store, record, { epoch: record.epoch + 1, relocations: record.relocations })).toBeDefined()
    }
    expect(() => collected(engine, { between: overtake })).toThrow(expect.objectContaining({ code: 'ERR_GC_RUNNING' }))
    expect(listPacks(store)).toHaveLength(before)
  })

  it('leave pins alone that came meanwhile', () => {
    engine.fork('w', undefined, 'other')
    collected(engine)
    const other = engine.openVolume('other')
    const { store } = engine.dev.context
    collected(engine, { between: step => step === 0 && volume.takingFrom(other, () => undefined) })
    expect(allKeys(store, PINS_PREFIX)).toHaveLength(1)
    collected(engine)
    expect(allKeys(store, PINS_PREFIX)).toHaveLength(0)
  })

  it('leave the pin of a mover that is slow, until it is gone', () => {
    const { store } = engine.dev.context
    volume.flush()
    writePin(store, 'slow', { atMs: 1, into: volume.info.id, roots: [volume.head.value.root] })
    collected(engine)
    expect(store.headSync(pinKey('slow'))).toBeDefined()
    crash()
    collected(engine)
    expect(store.headSync(pinKey('slow'))).toBeUndefined()
  })

  it('find no pin of what nobody needs any more: a check that is over, a fork that is deleted', () => {
    const { store } = volume.context
    engine.unpin('w', engine.pin('w').id)
    expect(allKeys(store, PINS_PREFIX)).toEqual([])
    engine.fork('w', undefined, 'f')
    engine.remove('f', { now: true })
    collected(engine)
    expect(allKeys(store, PINS_PREFIX)).toEqual([])
  })

  it('leave a volume alone that has no name yet', () => {
    let met = 0
    onCrashPoint(point => {
      if (point !== 'volume.create.before-name') return
      met++
      collected(engine)
    })
    engine.create('new')
    onCrashPoint(undefined)
    expect(met).toBe(1)
    expect(engine.openVolume('new').fsck()).toMatchObject({ ok: true })
  })

  it('keep a pack in which a segment that is needed does not verify, and say so', () => {
    for (const [i, name] of ['/kept', '/gone-wal'].entries()) fs().writeFileSync(name, bytes(i === 0 ? 65_536 : 3_000_000, i))
    volume.flush()
    fs().rmSync('/gone-wal')
    forgetCommits(volume)
    volume.flush()
    const largest = listPacks(engine.dev.context.store).sort((a, b) => b.sizeBytes - a.sizeBytes)[0]
    const path = join(home, 'store', largest.key)
    crash()
    const damaged = readFileSync(path)
    damaged[200] ^= 1
    writeFileSync(path, damaged)
    const report = collected(engine)
    expect(report.problems).toMatchObject([{ pack: largest.key }])
    expect(existsSync(path)).toBe(true)
  })
})

describe('a fork', () => {
  it('whose pin was taken away meanwhile begins again', () => {
    let met = 0
    const { store } = engine.dev.context
    onCrashPoint(point => {
      if (point === 'volume.fork.pending' && met++ === 0) store.deleteSync(allKeys(store, PINS_PREFIX))
    })
    const { id } = engine.fork('w', undefined, 'f')
    expect(met).toBe(2)
    expect(store.headSync(pinKey(id))).toBeDefined()
  })

  it('of a volume whose head moved after it was pinned is refused', () => {
    volume.flush()
    onCrashPoint(point => {
      if (point === 'volume.fork.after-pin') HeadFile.read(engine.dev.context.store, volume.info.id, systemRandom)?.update({})
    })
    expect(() => engine.fork('w', undefined, 'f')).toThrow(expect.objectContaining({ code: 'ERR_FENCED' }))
  })
})

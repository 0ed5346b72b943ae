import '../../../test/support/without-syncs.js'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../node/index.js'
import { PINS_PREFIX, writePin } from '../../store/pins.js'
import type { Clock } from '../../sys/index.js'
import { collected as collectedAt } from '../../testing/collected.js'
import { Engine } from '../../volume/engine.js'
import { HeadFile } from '../../volume/head.js'
import { allKeys } from '../../volume/names.js'
import type { Session } from '../../volume/session.js'
import { listPacks } from './plan.js'
import type { GcReport } from './report.js'

// Files whose names end in -wal have no versions: what is removed of them is gone.

const DAY_MS = 24 * 3600 * 1000

let home: string
let engine: Engine
let nowMs: number
const clock: Clock = { now: () => nowMs, monotonic: () => performance.now() }

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-gc-'))
  nowMs = 1_700_000_000_000
  engine = Engine.open({ home, clock })
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

const shape = (session: Session): ReturnType<typeof createFs> => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
const fsOf = (name: string): ReturnType<typeof createFs> => shape(engine.openVolume(name).session)

function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  for (let i = 0; i < size; i += 4) b.writeUInt32LE(Math.imul(i + 1, 2654435761 + seed * 97) >>> 0, i)
  return b
}

const collected = (of: Engine, options: { dryRun?: boolean; thorough?: boolean | string; between?: () => void } = {}): GcReport =>
  collectedAt(of, { clock, ...options })
const packs = (): string[] => listPacks(engine.dev.context.store).map(({ key }) => key)

/** Everything of every volume verifies, and nothing more is to be collected. */
function expectWhole(): void {
  for (const { name } of engine.volumes()) expect(engine.openVolume(name).fsck()).toMatchObject({ ok: true, findings: [] })
}

function reopen(): void {
  engine.crash()
  engine = Engine.open({ home, clock })
}

describe('a collection', () => {
  it('deletes what nothing needs, and a dry run says so before', () => {
    engine.create('w')
    const fs = fsOf('w')
    fs.writeFileSync('/kept', bytes(300_000, 1))
    fs.writeFileSync('/gone-wal', bytes(3_000_000, 2))
    engine.openVolume('w').flush()
    expect(collected(engine).freedBytes).toBe(0)
    fs.rmSync('/gone-wal')
    engine.openVolume('w').flush()
    const before = packs()
    const dry = collected(engine, { dryRun: true })
    expect(packs()).toEqual(before)
    const real = collected(engine)
    expect(real.freedBytes).toBeGreaterThan(2_900_000)
    expect(Math.abs(real.freedBytes - dry.freedBytes)).toBeLessThan(20_000)
    expect(real.keptBytes).toBeLessThan(500_000)
    expect(fs.readFileSync('/kept').equals(bytes(300_000, 1))).toBe(true)
    expectWhole()
    reopen()
    expect(fsOf('w').readFileSync('/kept').equals(bytes(300_000, 1))).toBe(true)
    expectWhole()
    collected(engine)
    expect(collected(engine).freedBytes).toBe(0)
  })

  it('leaves a fork whole when its parent is deleted', () => {
    engine.create('parent')
    const fs = fsOf('parent')
    for (let i = 0; i < 50; i++) fs.writeFileSync(`/f${i}`, bytes(20_000, i))
    engine.openVolume('parent').checkpoint('half')
    for (let i = 25; i < 50; i++) fs.rmSync(`/f${i}`)
    fs.writeFileSync('/only-parent-wal', bytes(2_000_000, 99))
    engine.fork('parent', 'half', 'child')
    engine.close()
    engine = Engine.open({ home, clock })
    engine.remove('parent')
    expect(collected(engine).freedBytes).toBe(0)
    nowMs += 8 * DAY_MS
    const report = collected(engine)
    expect(report.erased).toEqual(['parent'])
    expect(report.freedBytes).toBeGreaterThan(1_900_000)
    expect(readdirSync(join(home, 'volumes'))).toEqual([])
    const child = fsOf('child')
    for (let i = 0; i < 50; i++) expect(child.readFileSync(`/f${i}`).equals(bytes(20_000, i))).toBe(true)
    expectWhole()
  })

  it('keeps checkpoints, and says what each holds', () => {
    engine.create('w')
    const fs = fsOf('w')
    const volume = engine.openVolume('w')
    fs.writeFileSync('/a-wal', bytes(1_000_000, 1))
    volume.checkpoint('one')
    fs.writeFileSync('/a-wal', bytes(2_000_000, 2))
    volume.checkpoint('two')
    fs.writeFileSync('/a-wal', bytes(500_000, 3))
    volume.flush()
    nowMs += 1000
    engine.fork('w', undefined, 'f')
    const [w, f] = collected(engine).volumes.sort((x, y) => y.name.localeCompare(x.name))
    expect(w.checkpoints.map(({ name, bytes: held }) => [name, Math.round(held / 100_000)])).toEqual([
      ['two', 20],
      ['one', 10],
    ])
    expect(Math.round(w.liveBytes / 100_000)).toBe(5)
    expect(Math.round(f.liveBytes / 100_000)).toBe(5)
    expect(f.sharedBytes).toBe(f.liveBytes)
    expect(f.ownBytes).toBe(0)
  })

  it('rewrites packs again and again, and old pointers lead to the last place', () => {
    engine.create('w')
    const fs = fsOf('w')
    const volume = engine.openVolume('w')
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 40; i++) if (fs.existsSync(`/f${i}-wal`) || round === 0) fs.writeFileSync(`/f${i}-wal`, bytes(70_000, i))
      volume.flush()
      for (let i = 0; i < 40; i++) if (i % 3 !== 0 && i % (round + 2) !== 0) fs.rmSync(`/f${i}-wal`, { force: true })
      volume.flush()
      collected(engine)
      expectWhole()
    }
    const index = engine.dev.context.packs.relocated
    expect(index).toBeGreaterThan(0)
    reopen()
    for (let i = 0; i < 40; i += 3) expect(fsOf('w').readFileSync(`/f${i}-wal`).equals(bytes(70_000, i))).toBe(true)
    expect(packs().length).toBeLessThan(12)
  })

  it('leaves open views of the past and transactions what they see', () => {
    engine.create('w')
    const fs = fsOf('w')
    const volume = engine.openVolume('w')
    fs.writeFileSync('/a-wal', bytes(1_000_000, 1))
    fs.writeFileSync('/other-wal', bytes(900_000, 4))
    volume.checkpoint('one')
    const view = volume.at('one')
    const past = shape(view)
    const transaction = volume.begin()
    const tx = shape(transaction)
    fs.writeFileSync('/a-wal', bytes(100, 2))
    tx.writeFileSync('/b', bytes(900_000, 3))
    volume.flush()
    fs.writeFileSync('/c', bytes(100, 2))
    // The history forgets it, as pruning does.
    forgetCommits('w')
    volume.flush()
    collected(engine)
    engine.dev.context.packs.clearCache()
    engine.dev.context.pages.trim(0)
    expect(past.readFileSync('/a-wal').equals(bytes(1_000_000, 1))).toBe(true)
    expect(tx.readFileSync('/other-wal').equals(bytes(900_000, 4))).toBe(true)
    expect(transaction.commitTransaction()).toBe(0)
    volume.flush()
    collected(engine)
    engine.dev.context.packs.clearCache()
    expect(fs.readFileSync('/b').equals(bytes(900_000, 3))).toBe(true)
    expectWhole()
  })

  it('leaves open views what an earlier opening wrote, and takes it when they are gone', () => {
    engine.create('w')
    fsOf('w').writeFileSync('/a-wal', bytes(1_000_000, 1))
    engine.openVolume('w').checkpoint('one')
    engine.openVolume('w').flush()
    // Packs of this epoch are settled: nobody writes to them any more.
    reopen()
    const volume = engine.openVolume('w')
    fsOf('w').rmSync('/a-wal')
    let past: ReturnType<typeof createFs> | undefined = shape(volume.at('one'))
    volume.deleteCheckpoint('one')
    // The newest commit stays.
    volume.commitChanges()
    volume.flush()
    expect(volume.versions.prune({ keep: 0 }).droppedCommits).toBe(1)
    volume.flush()
    collected(engine)
    engine.dev.context.packs.clearCache()
    engine.dev.context.pages.trim(0)
    expect(past.readFileSync('/a-wal').equals(bytes(1_000_000, 1))).toBe(true)
    past = undefined
    reopen()
    expect(collected(engine).freedBytes).toBeGreaterThan(900_000)
    expectWhole()
  })

  it('keeps what only a journal names', () => {
    engine.create('w')
    const fs = fsOf('w')
    fs.writeFileSync('/a', bytes(1_000_000, 1))
    engine.openVolume('w').flush()
    fs.writeFileSync('/b', bytes(1_000_000, 2))
    reopen()
    collected(engine)
    collected(engine)
    expect(fsOf('w').readFileSync('/b').equals(bytes(1_000_000, 2))).toBe(true)
    engine.openVolume('w').flush()
    collected(engine)
    expectWhole()
  })

  it('takes a fork given up by a killed process away, and its pin', () => {
    engine.create('w')
    fsOf('w').writeFileSync('/a', bytes(100_000, 1))
    engine.openVolume('w').flush()
    const { store } = engine.dev.context
    const id = '00000000000000aa'
    const { value } = engine.openVolume('w').head
    const random = { bytes: (n: number) => Buffer.alloc(n, 7) }
    HeadFile.create(store, { ...value, volume: id, name: 'half', pending: true, createdMs: nowMs }, random)
    writePin(store, id, { atMs: nowMs, into: id, roots: [value.root] })
    collected(engine)
    expect(allKeys(store, PINS_PREFIX)).toHaveLength(1)
    expect(HeadFile.read(store, id, random)).toBeDefined()
    nowMs += 2 * 3600 * 1000
    collected(engine)
    expect(allKeys(store, PINS_PREFIX)).toHaveLength(0)
    collected(engine)
    expect(HeadFile.read(store, id, random)).toBeUndefined()
    expect(engine.volumes().map(({ name }) => name)).toEqual(['w'])
  })

  it('deletes nothing when what a volume needs cannot be read', () => {
    engine.create('w')
    const fs = fsOf('w')
    fs.writeFileSync('/a-wal', bytes(3_000_000, 1))
    engine.openVolume('w').flush()
    fs.rmSync('/a-wal')
    engine.openVolume('w').flush()
    const { store } = engine.dev.context
    const { root } = engine.openVolume('w').head.value
    const key = `packs/${root.slice(64, 80)}/${root.slice(80, 88)}-${root.slice(88, 96)}`
    const whole = store.getSync(key)?.bytes ?? Buffer.alloc(0)
    store.putSync(key, Buffer.from(whole).fill(0, 40))
    const before = packs()
    expect(() => collected(engine)).toThrow(expect.objectContaining({ code: 'ERR_GC_DAMAGED' }))
    expect(packs()).toEqual(before)
    store.putSync(key, whole)
    expect(collected(engine).freedBytes).toBeGreaterThan(2_900_000)
    expect(existsSync(join(home, 'gc'))).toBe(false)
  })

  it('after a purge rewrites what may hold what was purged, and no packs of other volumes', () => {
    for (const name of ['purged', 'other']) {
      engine.create(name)
      const fs = fsOf(name)
      fs.writeFileSync('/kept', bytes(2_000_000, 1))
      fs.writeFileSync('/gone-wal', bytes(100_000, 2))
      engine.openVolume(name).flush()
      fs.rmSync('/gone-wal')
      engine.openVolume(name).flush()
    }
    engine.fork('purged', undefined, 'fork')
    const of = (name: string): string[] => packs().filter(key => key.includes(engine.info(name).id) && contentBytes(key) > 1_000_000)
    const contentBytes = (key: string): number => engine.openVolume('purged').context.store.headSync(key)?.sizeBytes ?? 0
    expect([of('purged').length, of('other').length]).toEqual([1, 1])
    collected(engine, { thorough: engine.info('fork').id })
    expect([of('purged').length, of('other').length]).toEqual([0, 1])
    collected(engine, { thorough: true })
    expect(of('other')).toEqual([])
    expectWhole()
  })

  it('is one at a time', () => {
    engine.create('w')
    let tried = 0
    collected(engine, {
      between: () => {
        tried++
        expect(() => collected(engine)).toThrow(expect.objectContaining({ code: 'ERR_GC_RUNNING' }))
      },
    })
    expect(tried).toBeGreaterThan(0)
  })
})

/** Takes all commits out of a volume's history. */
function forgetCommits(name: string): void {
  const { session, state } = engine.openVolume(name)
  const keys: Buffer[] = []
  const cursor = state.history.cursor()
  for (let more = cursor.seek(Buffer.from([0x10]), 1); more && cursor.buf[cursor.kp] <= 0x11; more = cursor.next())
    keys.push(Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)))
  session.tick()
  for (const key of keys) session.historyDel(key, key.length)
  expect(session.commit()).toBe(0)
}

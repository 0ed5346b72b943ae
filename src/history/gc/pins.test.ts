import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Tag } from '../../codec/index.js'
import { Packs } from '../../store/packs.js'
import { PINS_PREFIX } from '../../store/pins.js'
import { onCrashPoint } from '../../sys/index.js'
import { collected } from '../../testing/collected.js'
import { fsOf } from '../../testing/merge-rig.js'
import { Engine } from '../../volume/engine.js'
import { HeadFile } from '../../volume/head.js'
import { allKeys } from '../../volume/names.js'
import { openTree } from '../../volume/recovery.js'
import type { Volume } from '../../volume/volume.js'
import { Marker } from './mark.js'
import { RootReader } from './roots.js'

// Content that moves from one volume to another while a collection looks at them one after the other (spec/README.md, "A mover", "A
// forker"). What only a -wal file has is in no version; commits are forgotten, so that nothing but the rule under test keeps it.

const content = Buffer.alloc(600_000, 'what moves')

let home: string
let engine: Engine
let counter: number
let target: Volume
let source: Volume

/** Ids in the order in which volumes are made: a collection reads them in this order. */
const random = {
  bytes: (size: number): Buffer => {
    const b = Buffer.alloc(size)
    b.writeUIntBE(++counter, 0, 6)
    return b
  },
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-pins-'))
  counter = 0
  engine = Engine.open({ home, random })
  engine.create('target')
  target = engine.openVolume('target')
  engine.fork('target', undefined, 'source')
  source = engine.openVolume('source')
  fsOf(source.session).writeFileSync('/a-wal', content)
  source.flush()
})

afterEach(() => {
  onCrashPoint(undefined)
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** The source has it no more, in no state. */
function drop(): void {
  fsOf(source.session).rmSync('/a-wal')
  forgetCommits(source)
}

function forgetCommits(volume: Volume): void {
  const { session, state } = volume
  const keys: Buffer[] = []
  const cursor = state.history.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.commit]), 1); more && cursor.buf[cursor.kp] <= Tag.checkpoint; more = cursor.next())
    keys.push(Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)))
  session.tick()
  for (const key of keys) session.historyDel(key, key.length)
  expect(session.commit()).toBe(0)
  volume.flush()
}

/** Takes what the source has into the target; `meanwhile` runs when it is pinned and not taken yet. */
function move(meanwhile: () => void = () => {}): void {
  const { root } = source.head.value
  target.takingFrom(source, () => {
    meanwhile()
    target.become(openTree(engine.dev.context.pages, root), { kind: 'merge' })
  })
}

/** A collector of another host that began earlier ends: it takes the pins away that are done. */
function removePins(): void {
  const { store } = engine.dev.context
  store.deleteSync(allKeys(store, PINS_PREFIX))
}

function expectWhole(volume: Volume): void {
  engine.dev.context.packs.clearCache()
  engine.dev.context.pages.trim(0)
  expect(fsOf(volume.session).readFileSync('/a-wal').equals(content)).toBe(true)
  expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
}

/** Runs `work` when the first volume, the target, has been read. */
const collectWith = (work: () => void) => collected(engine, { between: step => step === 0 && work() })

describe('what moves between volumes is kept', () => {
  it('when the source loses it before the target has it: the pin names it', () => {
    move(() => {
      drop()
      collected(engine)
    })
    expectWhole(target)
  })

  it('when it moves between the readings of both: the pin came meanwhile', () => {
    collectWith(() => {
      move()
      drop()
    })
    expectWhole(target)
  })

  it('when it moves between the readings of both, and the pin goes: it was read at the beginning', () => {
    const work = (): void => {
      collectWith(() => {
        drop()
        removePins()
      })
    }
    move(work)
    expectWhole(target)
  })

  it('when a fork takes it between the readings, and its pin goes: heads are listed again', () => {
    collectWith(() => {
      engine.fork('source', undefined, 'fork')
      drop()
      removePins()
    })
    expectWhole(engine.openVolume('fork'))
  })

  it('when the source loses it while a fork is made', () => {
    let met = 0
    onCrashPoint(point => {
      if (point !== 'volume.fork.before-head') return
      met++
      drop()
      collected(engine)
    })
    engine.fork('source', undefined, 'fork')
    expect(met).toBe(1)
    onCrashPoint(undefined)
    expectWhole(engine.openVolume('fork'))
  })

  it('when a fork is pending and its pin is gone already', () => {
    const { store } = engine.dev.context
    const { value } = source.head
    const id = '00000000000000aa'
    HeadFile.create(store, { ...value, volume: id, name: 'half', pending: true, history: '' }, random)
    const packs = new Packs(store, { blockCacheBytes: 0 })
    const marker = new Marker(packs)
    expect(marker.addVolume(new RootReader(store, home, random), id)).toBe(true)
    for (const _ of marker.run());
    packs.close()
    expect(marker.marks.bytes).toBeGreaterThan(content.length)
  })

  it('no longer than until it has moved: what both lose then is freed at once, and the pin with it', () => {
    move()
    fsOf(target.session).rmSync('/a-wal')
    forgetCommits(target)
    drop()
    expect(allKeys(engine.dev.context.store, PINS_PREFIX)).toHaveLength(2)
    expect(collected(engine).freedBytes).toBeGreaterThan(content.length)
    expect(allKeys(engine.dev.context.store, PINS_PREFIX)).toEqual([])
  })
})

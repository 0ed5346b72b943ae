import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../node/index.js'
import { type Clock, limits } from '../../sys/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'
import { HistoryUse } from './history-limit.js'

const MINUTE = 60_000
const KIB = 1024

describe('the use of a history', () => {
  it('says how far back to cut', () => {
    const use = new HistoryUse()
    for (let minute = 0; minute < 10; minute++) use.add(minute * MINUTE + 5, 100)
    expect(use.cutFor(1000)).toBeUndefined()
    expect(use.cutFor(999)).toBe(MINUTE)
    expect(use.cutFor(300)).toBe(7 * MINUTE)
    expect(use.cutFor(0)).toBe(10 * MINUTE)
  })
})

describe('a limit of the history', () => {
  let home: string
  let engine: Engine
  let volume: Volume
  let now: number
  const clock: Clock = { now: () => now, monotonic: () => now }

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-limit-'))
    now = Date.parse('2026-11-20T10:00:00Z')
    engine = Engine.open({ home, clock })
    engine.create('w')
    volume = engine.openVolume('w')
  })
  afterEach(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  const used = (): number => {
    const steps = volume.versions.use()
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value.bytes
    }
  }
  const files = () => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  const change = (count: number): void => {
    const fs = files()
    for (let i = 0; i < count; i++) {
      now += 2 * MINUTE
      // No two blocks are equal.
      fs.writeFileSync('/f', Buffer.alloc(100 * KIB, `${now} `))
    }
  }
  /** As a server does, until there is nothing to do for a while. */
  const settle = (): void => {
    for (let i = 0; i < 10_000; i++) if (volume.versions.pump(10) > 1) return
    throw new Error('there is always something to do')
  }

  it('lets the oldest versions go, never a change, nor what a checkpoint holds', () => {
    change(4)
    volume.checkpoint('kept')
    change(20)
    expect(used()).toBeGreaterThan(2000 * KIB)
    volume.setQuota({ history: 1000 * KIB })
    // Whatever the limit is.
    change(1)
    settle()
    expect(used()).toBeLessThanOrEqual(1000 * KIB)
    expect(used()).toBeGreaterThan(700 * KIB)
    const left = volume.versions.list('/f')
    expect(left.length).toBeGreaterThan(6)
    expect(left.at(-1)?.number).toBe(25)
    expect(left[0].number).toBe(25 - left.length + 1)
    expect(volume.commits({ checkpointsOnly: true }).map(({ name }) => name)).toEqual(['kept'])
    expect(volume.fsck()).toMatchObject({ ok: true })

    // It is looked at again when something has changed, and some time has gone by.
    change(10)
    now += limits.historyCheckMs
    settle()
    expect(used()).toBeLessThanOrEqual(1000 * KIB)
    volume.setQuota({})
    change(20)
    now += limits.historyCheckMs
    settle()
    expect(used()).toBeGreaterThan(2000 * KIB)
  })

  it('holds for `prune`, too', () => {
    change(20)
    volume.setQuota({ history: 500 * KIB })
    expect(volume.versions.prune({ dryRun: true }).dropped).toBe(0)
    expect(volume.versions.prune().dropped).toBeGreaterThan(10)
    expect(used()).toBeLessThanOrEqual(500 * KIB)
  })
})

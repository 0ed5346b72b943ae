import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import type { Clock } from '../sys/index.js'
import { Engine } from './engine.js'
import type { Volume } from './volume.js'

let home: string
let engine: Engine
let now: number

const clock: Clock = { now: () => now, monotonic: () => performance.now() }

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-history-'))
  now = Date.parse('2026-11-20T10:00:00Z')
  engine = Engine.open({ home, clock })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function commitAfter(volume: Volume, ms: number, name?: string): string {
  now += ms
  return volume.checkpoint(name).id
}

function resolved(volume: Volume, ref: string): string {
  return volume.history.resolve(ref).id
}

function refused(volume: Volume, ref: string): { code: string; message: string } {
  try {
    volume.history.resolve(ref)
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error(`'${ref}' was found`)
}

describe('refs', () => {
  it('are names, then steps back, then ids, then times', () => {
    const volume = engine.openVolume('w')
    expect(refused(volume, '~0').code).toBe('ERR_REF_UNKNOWN')
    const ids = Array.from({ length: 400 }, (_, i) => commitAfter(volume, 60_000, i % 100 === 0 ? `n${i}` : undefined))
    for (const sealed of [false, true]) {
      if (sealed) volume.flush()
      expect(resolved(volume, 'n200')).toBe(ids[200])
      for (const back of [0, 1, 57, 399]) expect(resolved(volume, `~${back}`)).toBe(ids[399 - back])
      expect(refused(volume, '~400')).toMatchObject({ code: 'ERR_REF_UNKNOWN', message: expect.stringContaining('400 commits') })
      for (const i of [0, 1, 200, 399]) {
        expect(resolved(volume, ids[i])).toBe(ids[i])
        expect(resolved(volume, ids[i].slice(0, 14).toUpperCase())).toBe(ids[i])
      }
      expect(resolved(volume, '2026-11-20T12:00:00Z')).toBe(ids[119])
      expect(resolved(volume, '2026-11-20T12:00:59.999Z')).toBe(ids[119])
      expect(resolved(volume, '-1h')).toBe(ids[339])
      expect(resolved(volume, '-0s')).toBe(ids[399])
      expect(refused(volume, '-1d')).toMatchObject({ code: 'ERR_REF_UNKNOWN' })
      const several = refused(volume, ids[0].slice(0, 5))
      expect(several.code).toBe('ERR_REF_AMBIGUOUS')
      expect(several.message).toContain(`${ids[0]} (n0)`)
      expect(several.message).toContain(ids[4])
      for (const none of ['', 'z', 'u', '0!', 'nope', '~', 'w'.repeat(400)]) expect(refused(volume, none).code).toBe('ERR_REF_UNKNOWN')
      expect(volume.commits({ limit: 3 }).map(commit => commit.id)).toEqual(ids.slice(-3).reverse())
      expect(volume.commits({ limit: 0 })).toEqual([])
      expect(volume.commits().map(commit => commit.id)).toEqual(ids.slice().reverse())
      expect(volume.commits({ checkpointsOnly: true }).map(commit => commit.name)).toEqual(['n300', 'n200', 'n100', 'n0'])
    }
  })
})

describe('a fork of an older state', () => {
  it('has the history up to that state, and its own', () => {
    const volume = engine.openVolume('w')
    const ids = Array.from({ length: 300 }, (_, i) => commitAfter(volume, 1000, `c${i}`))
    engine.fork('w', 'c99', 'one')
    const one = engine.openVolume('one')
    expect(one.commits().map(commit => commit.id)).toEqual(ids.slice(0, 100).reverse())
    expect(resolved(one, '~0')).toBe(ids[99])
    expect(resolved(one, '-0s')).toBe(ids[99])
    for (const ref of ['c100', ids[150], ids[299].slice(0, 20)]) expect(refused(one, ref).code).toBe('ERR_REF_UNKNOWN')
    expect(one.commits({ checkpointsOnly: true })).toHaveLength(100)
    // A name of what is hidden is free, and no commit of its own is hidden, whatever the clock says.
    const own = [commitAfter(one, -100_000, 'c100'), commitAfter(one, 0), commitAfter(one, 0)]
    expect(one.history.get(own[0])).toMatchObject({ parents: [ids[99]] })
    expect(resolved(one, 'c100')).toBe(own[0])
    expect(resolved(one, '~3')).toBe(ids[99])
    now += 1_000_000
    // A fork of the fork, from before the window and from behind it.
    engine.fork('one', 'c49', 'two')
    engine.fork('one', '~1', 'three')
    engine.crash()
    engine = Engine.open({ home, clock })
    expect(
      engine
        .openVolume('two')
        .commits()
        .map(commit => commit.id),
    ).toEqual(ids.slice(0, 50).reverse())
    expect(engine.openVolume('two').history.hiddenWindows()).toHaveLength(1)
    const three = engine.openVolume('three')
    expect(three.commits().map(commit => commit.id)).toEqual([own[1], own[0], ...ids.slice(0, 100).reverse()])
    expect(three.history.hiddenWindows()).toHaveLength(2)
    expect(engine.openVolume('one').commits()).toHaveLength(103)
    expect(engine.openVolume('w').commits()).toHaveLength(300)
  })

  it('shows the files of that state, whatever became of its parent', () => {
    const fs = new FileSystem(engine.openVolume('w').session)
    fs.mknod(1, 'a', 0o100644, 0)
    engine.openVolume('w').checkpoint('one')
    fs.mknod(1, 'b', 0o100644, 0)
    engine.fork('w', 'one', 'fork')
    engine.close()
    engine = Engine.open({ home, clock })
    engine.remove('w', { now: true })
    const forked = new FileSystem(engine.openVolume('fork').session)
    expect(forked.find(1, 'a')).toBeGreaterThan(0)
    expect(forked.find(1, 'b')).toBeLessThan(0)
    expect(engine.openVolume('fork').fsck()).toMatchObject({ ok: true })
  })
})

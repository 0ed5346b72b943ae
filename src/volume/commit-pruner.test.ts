import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../node/index.js'
import { Engine } from './engine.js'
import type { Session } from './session.js'
import type { Volume } from './volume.js'

const HOUR = 3600_000
const DAY = 24 * HOUR
const shaped = (session: Session) => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))

let home: string
let nowMs: number
let engine: Engine
let volume: Volume

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-prune-'))
  nowMs = Date.UTC(2026, 0, 1)
  engine = Engine.open({ home, clock: { now: () => nowMs, monotonic: () => nowMs } })
  engine.create('v')
  volume = engine.openVolume('v')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** A change at a time, and the commit that records it. */
function commitAt(ms: number, text: string): string {
  nowMs = ms
  shaped(volume.session).writeFileSync('/f', text)
  const commit = volume.commitChanges()
  if (commit === undefined) throw new Error('nothing changed')
  return commit.id
}

const ids = (): string[] =>
  volume
    .commits()
    .map(commit => commit.id)
    .reverse()

describe('pruning of commits', () => {
  it('thins what nobody named, keeps checkpoints and the newest, and joins what is left', () => {
    const start = nowMs
    const first = commitAt(start, 'first')
    const sameDay = commitAt(start + HOUR, 'second')
    volume.checkpoint('named')
    const named = ids()[2]
    const later = [0, 1, 2].map(i => commitAt(start + 3 * DAY + i * 60_000, `later ${i}`))
    const recent = [0, 1, 2].map(i => commitAt(start + 5 * DAY + i * 60_000, `recent ${i}`))
    nowMs += 60_000
    volume.flush()
    expect(volume.versions.prune({ dryRun: true })).toMatchObject({ commits: 7, droppedCommits: 3 })
    expect(volume.versions.prune()).toMatchObject({ commits: 7, droppedCommits: 3 })
    expect(ids()).toEqual([sameDay, named, later[2], ...recent])
    expect(volume.history.get(first)).toBeUndefined()
    // Who came after a dropped one comes after its parents.
    expect(volume.history.get(later[2])?.parents).toEqual([named])
    expect(volume.history.get(sameDay)?.parents).toEqual([])
    expect(shaped(volume.at(later[2])).readFileSync('/f', 'utf8')).toBe('later 2')
    engine.crash()
    engine = Engine.open({ home, clock: { now: () => nowMs, monotonic: () => nowMs } })
    volume = engine.openVolume('v')
    expect(ids()).toEqual([sameDay, named, later[2], ...recent])
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('drops all but the newest, the named, and those where forks began, when nothing is to be kept', () => {
    const made = [0, 1, 2, 3].map(i => commitAt(nowMs + HOUR, String(i)))
    engine.fork('v', made[1], 'w')
    volume.flush()
    volume.versions.prune({ keep: 0 })
    expect(ids()).toEqual([made[1], made[3]])
    expect(volume.history.get(made[3])?.parents).toEqual([made[1]])
    expect(shaped(volume.at(made[1])).readFileSync('/f', 'utf8')).toBe('1')
  })

  it('keeps all where retention says so', () => {
    volume.versions.setRetention({ keep: 'all', exclude: [] })
    commitAt(nowMs, 'a')
    commitAt(nowMs + DAY, 'b')
    nowMs += 400 * DAY
    expect(volume.versions.prune()).toMatchObject({ droppedCommits: 0 })
    expect(ids()).toHaveLength(2)
  })
})

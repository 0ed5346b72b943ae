import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NotYourTurn } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import { undo } from '../history/merge/undo.js'
import { createFs, LocalBackend, LocalOps } from '../node/index.js'
import { limits } from '../sys/index.js'
import { Engine } from './engine.js'
import type { Volume } from './volume.js'

let home: string
let engine: Engine
let volume: Volume
let fs: ReturnType<typeof createFs>
let ahead = 1_800_000_000_000

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-authors-'))
  engine = openEngine()
  engine.create('w')
  volume = engine.openVolume('w')
  fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
})

function openEngine(): Engine {
  const clock = { now: () => ahead, monotonic: () => ahead }
  return Engine.open({ home, clock, actor: 'host' })
}

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function as<T>(actor: string, work: () => T): T {
  volume.session.actor = actor
  try {
    return work()
  } finally {
    volume.session.actor = 'host'
  }
}

/** The process is killed, and another opens the volume. */
function crash(): void {
  volume.abandon()
  engine = openEngine()
  volume = engine.openVolume('w')
  fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
}

const write = (actor: string, path: string, text: string): void => as(actor, () => fs.writeFileSync(path, text))
const logged = (): string[] => volume.commits().map(({ actor, kind }) => `${kind} ${actor}`)

describe('what several change', () => {
  it('is in a commit of each, newest first', () => {
    write('alice', '/a', '1')
    write('alice', '/a', '2')
    write('bob', '/b', '1')
    write('host', '/c', '1')
    volume.commitChanges()
    expect(logged()).toEqual(['auto host', 'auto bob', 'auto alice'])
  })

  it('is not mixed up by who reads it, and recorded for whoever did it, not for who asks', () => {
    write('alice', '/a', '1')
    ahead += 2 * 86_400_000
    expect(as('bob', () => fs.readFileSync('/a', 'utf8'))).toBe('1')
    expect(logged()).toEqual([])
    const { undone } = undo(volume, { by: 'alice', actor: 'carol' })
    expect(undone.map(({ actor }) => actor)).toEqual(['alice'])
    expect(logged()).toEqual(['undo carol', 'auto alice'])
    expect(fs.existsSync('/a')).toBe(false)
  })

  it('is not of those who keep a state of it', () => {
    write('alice', '/a', '1')
    volume.checkpoint('kept', { actor: 'bob' })
    write('bob', '/b', '1')
    volume.checkpoint('again', { actor: 'bob' })
    expect(logged()).toEqual(['checkpoint bob', 'checkpoint bob', 'auto alice'])
  })

  it('in turns is for a while, and then in one commit of all of them, which an undo of one leaves', () => {
    const turns = 2 * limits.authorCommits
    for (let i = 0; i < turns; i++) write(i % 2 === 0 ? 'alice' : 'bob', `/f${i}`, 'x')
    volume.commitChanges()
    expect(logged().slice(0, 2)).toEqual(['auto alice, bob', 'auto bob'])
    undo(volume, { by: 'alice' })
    expect([0, 1, turns - 2, turns - 1].filter(i => fs.existsSync(`/f${i}`))).toEqual([1, turns - 2, turns - 1])
    ahead += limits.authorCommitMs
    write('alice', '/g', '1')
    write('bob', '/h', '1')
    volume.commitChanges()
    expect(logged().slice(0, 2)).toEqual(['auto bob', 'auto alice'])
  })

  it('in a transaction is apart from what was changed before it began', () => {
    write('alice', '/a', '1')
    const transaction = volume.begin()
    createFs(new LocalBackend(new LocalOps(new FileSystem(transaction)))).writeFileSync('/t', '1')
    as('bob', () => expect(transaction.commitTransaction()).toBe(0))
    volume.commitChanges()
    expect(logged()).toEqual(['auto bob', 'auto alice'])
    expect(fs.readdirSync('/').sort()).toEqual(['a', 't'])
    expect(volume.fsck()).toMatchObject({ ok: true })
  })

  it('of a run is in commits of it, whoever is at work beside it', () => {
    const run = (exec: string | undefined, work: () => void): void => {
      volume.session.exec = exec
      as('agent', work)
      volume.session.exec = undefined
    }
    const turns = 3 * limits.authorCommits
    for (let i = 0; i < turns; i++) run(i % 2 === 0 ? 'one' : undefined, () => fs.writeFileSync(`/f${i}`, 'x'))
    volume.commitChanges()
    const commits = volume.commits()
    expect(commits).toHaveLength(turns)
    expect(new Set(commits.map(({ kind, exec, actor }) => `${kind} ${exec} ${actor}`))).toEqual(new Set(['exec one agent', 'auto undefined agent']))
    undo(volume, { exec: 'one' })
    expect(fs.readdirSync('/').sort()).toEqual(Array.from({ length: turns / 2 }, (_, i) => `f${2 * i + 1}`).sort())
  })

  it('by those who can wait is never in one commit: who is not next changes nothing', () => {
    volume.session.takesTurns = true
    let waits = 0
    const turn = (actor: string, path: string): void => {
      for (;;) {
        try {
          write(actor, path, 'x')
          return
        } catch (error) {
          if (!(error instanceof NotYourTurn)) throw error
          volume.session.discard()
          expect(fs.existsSync(path)).toBe(false)
          expect(error.waitMs).toBeLessThanOrEqual(limits.authorTurnMs)
          waits++
          ahead += Math.ceil(error.waitMs)
        }
      }
    }
    const turns = 2 * limits.authorCommits
    for (let i = 0; i < turns; i++) turn(i % 2 === 0 ? 'alice' : 'bob', `/f${i}`)
    volume.session.takesTurns = false
    volume.commitChanges()
    expect(waits).toBe(turns - limits.authorCommits - 1)
    expect(new Set(logged())).toEqual(new Set(['auto alice', 'auto bob']))
    undo(volume, { by: 'alice' })
    expect(fs.readdirSync('/')).toHaveLength(turns / 2)
    expect(volume.fsck()).toMatchObject({ ok: true })
  })

  it('is known after a crash, where somebody else than the host may have made it', () => {
    volume.session.exec = 'run'
    write('agent', '/a', '1')
    crash()
    volume.commitChanges()
    expect(volume.commits()[0]).toMatchObject({ kind: 'exec', exec: 'run', actor: 'agent' })
    write('host', '/b', '1')
    crash()
    volume.commitChanges()
    expect(volume.commits()[0]).toMatchObject({ kind: 'auto', actor: 'host' })
  })
})

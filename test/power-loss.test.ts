import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { type Clock, onCrashPoint } from '../src/sys/index.js'
import { collected } from '../src/testing/collected.js'
import { Engine } from '../src/volume/engine.js'
import type { Session } from '../src/volume/session.js'
import type { Syncer } from '../src/volume/syncer.js'
import { applyToModel, applyToVolume, contents, copyModel, operations, type Step, sameContents } from './programs/workload.mjs'
import type { LossyDisk } from './support/lossy-disk.js'
import { seeded } from './support/seeded.js'

const watched = vi.hoisted(() => ({ disk: undefined as unknown }))
vi.mock('node:fs', async importOriginal => {
  const { LossyDisk } = await import('./support/lossy-disk.js')
  const disk = new LossyDisk(await importOriginal<typeof import('node:fs')>())
  watched.disk = disk
  return disk.module()
})
// The one sync that does not go through node:fs.
vi.mock('../src/sys/libc.js', async importOriginal => ({
  ...(await importOriginal<typeof import('../src/sys/libc.js')>()),
  syncfs: () => {
    disk().syncAll()
    return 0
  },
}))
const disk = (): LossyDisk => watched.disk as LossyDisk

const OPERATIONS = 60
/** One of so many passed crash points, on average, is also a moment at which the power fails. */
const POINTS_PER_FAILURE = 25

const shaped = (session: Session): ReturnType<typeof createFs> => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))

/** What a failure of the power left, and between which states of the workload that must lie. */
interface Failure {
  home: string
  at: string
  /** Index of the last state that was acknowledged as durable. */
  durable: number
  /** Index of the last state that was begun. */
  begun: number
  /** Forks that were acknowledged, and the index of their state. */
  forks: Map<string, number>
}

/** Syncs when it is told to, in order, as a thread of its own does. */
class LateSyncer implements Syncer {
  #waiting: Array<() => void> = []
  readonly #sync: (fd: number) => void

  constructor(sync: (fd: number) => void) {
    this.#sync = sync
  }

  request(fds: readonly number[], done: (errno: number) => void): void {
    const copy = [...fds]
    this.#waiting.push(() => {
      for (const fd of copy) this.#sync(fd)
      done(0)
    })
  }

  step(): void {
    this.#waiting.shift()?.()
  }

  finish(): void {
    while (this.#waiting.length > 0) this.step()
  }
}

class SteppedClock implements Clock {
  ms = 1_700_000_000_000
  now(): number {
    return this.ms
  }
  monotonic(): number {
    return this.ms
  }
}

interface Start {
  home: string
  files: Map<string, Buffer>
  boot: string
}

/** Runs a workload, with the power failing in thought at many moments. */
class Run {
  readonly failures: Failure[] = []
  readonly states: Map<string, Buffer>[]
  readonly seed: number
  readonly #folder: string
  readonly #start: Start
  readonly #pick: (below: number) => number
  readonly #clock = new SteppedClock()
  readonly #forks = new Map<string, number>()
  #durable = 0
  #begun = 0

  constructor(folder: string, seed: number, start: Start) {
    this.#folder = folder
    this.seed = seed
    this.#start = start
    this.#pick = seeded(seed + 1000)
    this.states = [start.files]
  }

  async run(): Promise<this> {
    const { fdatasyncSync } = await import('node:fs')
    const syncer = new LateSyncer(fd => fdatasyncSync(fd))
    disk().watch(this.#start.home)
    const engine = Engine.open({ home: this.#start.home, bootId: this.#start.boot, clock: this.#clock, syncer })
    if (engine.volumes().length === 0) engine.create('w')
    const volume = engine.openVolume('w')
    const fs = shaped(volume.session)
    onCrashPoint(point => {
      if (this.#pick(POINTS_PER_FAILURE) === 0) this.#fail(point)
    })
    for (const step of this.operations()) {
      this.#begin(step)
      applyToVolume(engine, volume, fs, shaped, step)
      if (step.op === 'flush') this.#durable = this.#begun
      if (step.op === 'fork' && step.name !== undefined) this.#forks.set(step.name, this.#begun)
      if (this.#pick(6) === 0) this.#synced(volume.session)
      this.#clock.ms += this.#pick(600)
      if (this.#pick(2) === 0) engine.pump(this.#pick(3))
      if (this.#pick(2) === 0) syncer.step()
      if (this.#pick(10) === 0) this.#fail(`after ${step.op}`)
    }
    syncer.finish()
    engine.close()
    this.#durable = this.#begun
    this.#fail('closed')
    onCrashPoint(undefined)
    return this
  }

  operations(): Step[] {
    const names = (name: string): string => `${name}-${this.seed}`
    return operations(this.seed, OPERATIONS).map(step =>
      'name' in step && /^(checkpoint|fork|restore)$/.test(step.op) ? { ...step, name: names(step.name ?? '') } : step,
    )
  }

  /** Index of the state that a checkpoint of this run names. */
  stateOf(checkpoint: string): number | undefined {
    const [name, seed] = checkpoint.split('-')
    return Number(seed) === this.seed ? Number(name.slice(1)) + 1 : undefined
  }

  #begin(step: Step): void {
    const next = copyModel(this.states[this.states.length - 1])
    applyToModel(next, step)
    this.states.push(next)
    this.#begun = this.states.length - 1
  }

  #synced(session: Session): void {
    const begun = this.#begun
    expect(session.syncNow()).toBe(0)
    this.#durable = begun
  }

  #fail(at: string): void {
    const home = join(this.#folder, `failure-${this.seed}-${this.failures.length}`)
    disk().image(this.#pick, home)
    this.failures.push({ home, at, durable: this.#durable, begun: this.#begun, forks: new Map(this.#forks) })
  }
}

/** What is there after a failure must be a state that was; returns its files. */
function check(run: Run, failure: Failure): Map<string, Buffer> {
  const what = `the power failed at ${failure.at}, in ${failure.home}, durable ${failure.durable}, begun ${failure.begun}`
  // No boot comes twice: what this one writes is in the home that is worked on.
  const engine = Engine.open({ home: failure.home, bootId: `after ${failure.home}` })
  try {
    const volume = engine.openVolume('w')
    const found = contents(shaped(volume.session))
    const possible = run.states.slice(failure.durable, failure.begun + 1)
    expect(
      possible.some(state => sameContents(state, found)),
      what,
    ).toBe(true)
    expect(volume.fsck(), what).toMatchObject({ ok: true, findings: [] })
    for (const { name } of volume.commits({ checkpointsOnly: true })) {
      const index = run.stateOf(name ?? '')
      if (index !== undefined) expect(sameContents(run.states[index], contents(shaped(volume.at(name ?? '')))), `${what}, checkpoint ${name}`).toBe(true)
    }
    for (const [name, index] of failure.forks) {
      const fork = engine.openVolume(name)
      expect(sameContents(run.states[index], contents(shaped(fork.session))), `${what}, fork ${name}`).toBe(true)
    }
    return found
  } finally {
    engine.close()
  }
}

afterEach(() => onCrashPoint(undefined))

describe('after a failure of the power', () => {
  it('a volume is at a state that it had, not older than the last that was synced', { timeout: 600_000 }, async () => {
    let failures = 0
    const first = Number(process.env['CAIRN_POWER_SEED'] ?? 1)
    for (let seed = first; seed < first + Number(process.env['CAIRN_TEST_SEEDS'] ?? 4); seed++) {
      const folder = mkdtempSync(join(tmpdir(), 'cairn-power-'))
      try {
        const run = await new Run(folder, seed, { home: join(folder, 'home'), files: new Map(), boot: 'first' }).run()
        const left = run.failures.map(failure => ({ home: failure.home, files: check(run, failure) }))
        failures += left.length
        // What a failure left is worked on, until the power fails again.
        const { home, files } = left[seeded(seed)(left.length)]
        const again = await new Run(folder, seed + 500, { home, files, boot: 'again' }).run()
        for (const failure of again.failures) check(again, failure)
      } finally {
        onCrashPoint(undefined)
        if (process.env['CAIRN_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
      }
    }
    expect(failures).toBeGreaterThan(20)
  })

  it.each([1, 4, 30])(
    'forks made together (%i) are whole when they were acknowledged, and no collector stumbles over those that were not',
    { timeout: 300_000 },
    async count => {
      const folder = mkdtempSync(join(tmpdir(), 'cairn-power-'))
      const home = join(folder, 'home')
      const names = Array.from({ length: count }, (_, i) => `f${i}`)
      const pick = seeded(count)
      const failures: Array<{ home: string; isDone: boolean }> = []
      const fail = (isDone: boolean): void => {
        for (let i = 0; i < 4; i++) {
          const left = join(folder, `failure-${failures.length}`)
          disk().image(pick, left)
          failures.push({ home: left, isDone })
        }
      }
      try {
        const { fdatasyncSync } = await import('node:fs')
        disk().watch(home)
        const engine = Engine.open({ home, bootId: 'first', syncer: new LateSyncer(fd => fdatasyncSync(fd)) })
        engine.create('w')
        shaped(engine.openVolume('w').session).writeFileSync('/a', Buffer.alloc(100_000, 7))
        let passed = 0
        onCrashPoint(point => {
          if (point.startsWith('volume.fork.') || (point.startsWith('store.put.') && passed++ % 5 === 0)) fail(false)
        })
        engine.forkAll('w', undefined, names)
        onCrashPoint(undefined)
        fail(true)
        engine.crash()
        for (const failure of failures) checkForks(failure.home, names, failure.isDone)
        expect(failures.length).toBeGreaterThan(15)
      } finally {
        onCrashPoint(undefined)
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})

/** Whoever has a name is whole, also behind a collection that comes when nobody goes on making the others. */
function checkForks(home: string, names: readonly string[], areAll: boolean): void {
  const later = { now: () => Date.now() + 3 * 24 * 3600 * 1000, monotonic: () => performance.now() }
  const engine = Engine.open({ home, bootId: `after ${home}`, clock: later })
  try {
    for (let i = 0; i < 3; i++) collected(engine, { clock: later })
    const found = engine.volumes().map(({ name }) => name)
    if (areAll) expect(found).toEqual(expect.arrayContaining([...names]))
    for (const name of found.filter(other => names.includes(other))) {
      expect(shaped(engine.openVolume(name).session).readFileSync('/a').equals(Buffer.alloc(100_000, 7)), `${name} in ${home}`).toBe(true)
      expect(engine.openVolume(name).fsck(), `${name} in ${home}`).toMatchObject({ ok: true, findings: [] })
    }
  } finally {
    engine.close()
  }
}

import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../src/node/index.js'
import type { Clock } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

const names = ['a', 'b', 'c'] as const
const minuteMs = 60_000
/** Ages at which the default retention keeps fewer, and at which a name is no temporary one any more. */
const waits = [2 * minuteMs, 40 * minuteMs, 13 * 60 * minuteMs, 20 * 24 * 60 * minuteMs]
const sizes = [0, 1, 200, 256, 257, 1900, 2048, 2049, 65_535, 65_536, 65_537, 140_000]

interface Seen {
  number: number
  content: string
  ended: string
}

const name = fc.constantFrom(...names)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('write' as const), name, size: fc.constantFrom(...sizes) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('append' as const), name, size: fc.constantFrom(1, 50, 3000, 70_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('patch' as const),
      name,
      at: fc.constantFrom(0, 1, 250, 2000, 65_000, 130_000),
      size: fc.constantFrom(1, 100, 66_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('truncate' as const), name, size: fc.constantFrom(...sizes) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('unlink' as const), name }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('rename' as const), name, to: name }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('link' as const), name, to: name }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('transaction' as const), name, to: name, size: fc.constantFrom(...sizes) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('fork' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.constantFrom(...waits) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('prune' as const), keep: fc.constantFrom(undefined, 0, 1, 2, 3) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A volume, and what it must remember: every state that was closed, under each name. */
class Run {
  readonly home = mkdtempSync(join(tmpdir(), 'cairn-versions-model-'))
  #now = 1_700_000_000_000
  readonly #clock: Clock = { now: () => this.#tick(), monotonic: () => this.#now }
  #engine = this.#openEngine()
  #at = 'v'
  volume!: Volume // open() below
  fs!: VolumeFs // open() below
  #seed = 0
  #forks = 0

  constructor() {
    this.#engine.create('v')
    this.#open()
  }

  #tick(): number {
    this.#now += 0.01
    return this.#now
  }

  #openEngine(): Engine {
    return Engine.open({ home: this.home, clock: this.#clock })
  }

  #open(): void {
    this.volume = this.#engine.openVolume(this.#at)
    this.fs = createFs(new LocalBackend(new LocalOps(new FileSystem(this.volume.session))))
  }

  end(): void {
    this.#engine.close()
    rmSync(this.home, { recursive: true, force: true })
  }

  seen(path: string): Seen[] {
    return this.volume.versions.list(path).map(({ number, ended, size }) => {
      const version = this.volume.versions.open(path, number)
      const content = createFs(new LocalBackend(new LocalOps(new FileSystem(version.session)))).readFileSync(`/${version.name}`)
      expect(content.length).toBe(size)
      return { number, ended, content: content.toString('latin1') }
    })
  }

  all(): Map<string, Seen[]> {
    return new Map(names.map(one => [one, this.seen(one)]))
  }

  #content(size: number): Buffer {
    this.#seed++
    return Buffer.alloc(size, `${this.#seed} never the same; `)
  }

  #there(path: string): boolean {
    return this.fs.existsSync(`/${path}`)
  }

  #changes(path: string, change: () => void): void {
    const existed = this.#there(path)
    const before = this.seen(path)
    const old = existed ? this.fs.readFileSync(`/${path}`) : undefined
    change()
    const after = this.seen(path)
    const now = this.fs.readFileSync(`/${path}`)
    expect(after.at(-1)).toMatchObject({ ended: 'current', content: now.toString('latin1') })
    if (old?.equals(now)) return
    expect(contents(after.slice(0, -1)), 'all that was closed before').toEqual(contents(before))
    expect(after.length).toBe(before.length + 1)
  }

  step(one: Step): void {
    const others = new Map(names.map(each => [each, this.seen(each)]))
    const touched = this.#run(one)
    const inos = new Set(touched.filter(each => this.#there(each)).map(each => this.fs.statSync(`/${each}`).ino))
    for (const [each, before] of others) {
      if (touched.includes(each) || (this.#there(each) && inos.has(this.fs.statSync(`/${each}`).ino))) continue
      expect(contents(this.seen(each)), `${each} after ${one.op}`).toEqual(contents(before))
    }
  }

  /** Returns the names that it is about. */
  #run(one: Step): string[] {
    switch (one.op) {
      case 'write':
        this.#changes(one.name, () => this.fs.writeFileSync(`/${one.name}`, this.#content(one.size)))
        return [one.name]
      case 'append':
        this.#changes(one.name, () => this.fs.appendFileSync(`/${one.name}`, this.#content(one.size)))
        return [one.name]
      case 'patch':
        if (this.#there(one.name)) this.#changes(one.name, () => this.#patch(one.name, one.at, one.size))
        return [one.name]
      case 'truncate':
        if (this.#there(one.name)) this.#changes(one.name, () => this.fs.truncateSync(`/${one.name}`, one.size))
        return [one.name]
      case 'unlink':
        this.#unlink(one.name)
        return [one.name]
      case 'rename':
        this.#rename(one.name, one.to)
        return [one.name, one.to]
      case 'link':
        if (this.#there(one.name) && !this.#there(one.to)) this.fs.linkSync(`/${one.name}`, `/${one.to}`)
        return [one.name, one.to]
      case 'transaction':
        this.#changes(one.name, () => this.#transaction(one.name, one.to, one.size))
        return [one.name, one.to]
      case 'flush':
        this.volume.flush()
        return []
      case 'crash':
        this.#engine.crash()
        this.#engine = this.#openEngine()
        this.#open()
        return []
      case 'fork':
        this.#forks++
        this.#engine.fork(this.#at, undefined, `fork${this.#forks}`)
        this.#at = `fork${this.#forks}`
        this.#open()
        return []
      case 'wait':
        this.#now += one.ms
        return []
      case 'prune':
        this.#prune(one.keep === undefined ? {} : { keep: one.keep })
        return [...names]
    }
  }

  /** Two writes of one handle are one version. */
  #patch(path: string, at: number, size: number): void {
    const fd = this.fs.openSync(`/${path}`, 'r+')
    this.fs.writeSync(fd, this.#content(size), 0, size, at)
    this.fs.writeSync(fd, this.#content(10), 0, 10, at + size)
    this.fs.closeSync(fd)
  }

  #unlink(path: string): void {
    if (!this.#there(path)) return
    const before = this.seen(path)
    const links = this.fs.statSync(`/${path}`).nlink
    this.fs.unlinkSync(`/${path}`)
    const after = this.seen(path)
    if (links === 1) expect(after.at(-1)?.ended).toBe('deleted')
    if (links > 1 && contents(after).length < before.length) return
    expect(contents(after)).toEqual(contents(before))
  }

  #rename(from: string, to: string): void {
    if (!this.#there(from) || from === to || this.#sameFile(from, to)) return
    const replaced = this.#there(to)
    const [source, target] = [this.seen(from), this.seen(to)]
    this.fs.renameSync(`/${from}`, `/${to}`)
    const after = this.seen(to)
    expect(after.at(-1)).toMatchObject({ ended: 'current', content: source.at(-1)?.content })
    if (replaced) expect(contents(after)).toEqual([...contents(target), after.at(-1)?.content])
    else expect(contents(after).slice(0, target.length)).toEqual(contents(target))
  }

  #sameFile(a: string, b: string): boolean {
    return this.#there(b) && this.fs.statSync(`/${a}`).ino === this.fs.statSync(`/${b}`).ino
  }

  /** Saves by rename and writes twice, in one transaction. */
  #transaction(path: string, other: string, size: number): void {
    const session = this.volume.begin()
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
    fs.writeFileSync(`/${path}`, this.#content(size + 7))
    fs.writeFileSync(`/${path}`, this.#content(size))
    if (other !== path) {
      fs.writeFileSync('/temporary', this.#content(20))
      fs.renameSync('/temporary', `/${other}`)
    }
    session.commitTransaction()
  }

  #prune(options: { keep?: number }): void {
    const before = this.all()
    const planned = this.volume.versions.prune({ ...options, dryRun: true })
    expect(this.all()).toEqual(before)
    // What belonged to a name that is forgotten goes beside it, and is not planned.
    expect(this.volume.versions.prune(options).dropped).toBeGreaterThanOrEqual(planned.dropped)
    for (const [path, seen] of this.all()) {
      const known = new Map(before.get(path)?.map(each => [each.number, each]))
      for (const each of seen) expect(each, `version ${each.number} of ${path}`).toEqual(known.get(each.number))
      expect(this.#there(path)).toBe(seen.at(-1)?.ended === 'current')
    }
    expect(this.volume.versions.prune(options).dropped).toBe(0)
  }
}

function contents(seen: Seen[]): string[] {
  return seen.map(each => each.content)
}

/** CAIRN_TEST_RUNS: how many histories; CAIRN_TEST_SEED: those of a run before. */
const seed = process.env['CAIRN_TEST_SEED']

describe('versions', () => {
  it('remember every state that was closed', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), steps => {
        const run = new Run()
        try {
          for (const one of steps) run.step(one)
          expect(run.volume.fsck().findings).toEqual([])
        } finally {
          run.end()
        }
      }),
      { numRuns: Number(process.env['CAIRN_TEST_RUNS'] ?? 40), ...(seed === undefined ? {} : { seed: Number(seed) }), endOnFailure: false },
    )
  }, 900_000)
})

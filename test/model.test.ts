import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { mergeFork } from '../src/history/merge/merge.js'
import { undo } from '../src/history/merge/undo.js'
import { purge } from '../src/history/purge/purge.js'
import { restore } from '../src/history/restore/restore.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { collected } from '../src/testing/collected.js'
import { Engine } from '../src/volume/engine.js'
import type { Session } from '../src/volume/session.js'
import { applyToModel, applyToVolume, contents, type Step, sameContents } from './programs/workload.mjs'

/** The reference: for each volume its files, and its checkpoints' files. */
interface Reference {
  files: Map<string, Buffer>
  checkpoints: Map<string, Map<string, Buffer>>
  /** Before the last restore, and the commit that recorded it. */
  before?: { id: string; files: Map<string, Buffer> }
}

const names = ['a', 'b', 'c', 'd']
const volumes = ['w', 'x', 'y']
const name = fc.constantFrom(...names)
const content = fc.record({ size: fc.constantFrom(0, 10, 256, 257, 2048, 2049, 65_535, 65_536, 65_537, 150_000), seed: fc.nat(200) })
const step = fc.oneof(
  fc.record({ op: fc.constant('write'), name, content }),
  fc.record({ op: fc.constant('patch'), name, at: fc.nat(140_000), content }),
  fc.record({ op: fc.constant('truncate'), name, size: fc.nat(140_000) }),
  fc.record({ op: fc.constant('rename'), from: name, to: name }),
  fc.record({ op: fc.constant('unlink'), name }),
  fc.record({ op: fc.constant('transaction'), writes: fc.array(fc.record({ name, content }), { maxLength: 3 }) }),
  fc.record({ op: fc.constantFrom('flush', 'restart', 'kill', 'pump', 'auto') }),
  fc.record({ op: fc.constant('restore'), at: fc.constantFrom('one', 'two', 'before') }),
  fc.record({ op: fc.constant('checkpoint'), name: fc.constantFrom('one', 'two') }),
  fc.record({ op: fc.constant('fork'), to: fc.constantFrom(...volumes), at: fc.option(fc.constantFrom('one', 'two'), { nil: undefined }) }),
  fc.record({ op: fc.constant('remove'), volume: fc.constantFrom(...volumes) }),
  fc.record({ op: fc.constantFrom('collect', 'collectAll', 'prune') }),
  fc.record({ op: fc.constant('undo'), name, content }),
  fc.record({ op: fc.constant('merge'), name, other: name, content }),
  fc.record({ op: fc.constant('purge'), content }),
)
type ModelStep = { op: string; name?: string; to?: string; at?: string | number; volume?: string; other?: string; content?: Content }
type Content = { size: number; seed: number }
/** A file that is only there between two steps. */
const SECRET = 'secret'

function shaped(session: Session): ReturnType<typeof createFs> {
  return createFs(new LocalBackend(new LocalOps(new FileSystem(session))))
}

/** Runs steps against an engine and the reference alike; each step works in one of up to three volumes. */
class Run {
  readonly home = mkdtempSync(join(tmpdir(), 'cairn-model-'))
  engine = Engine.open({ home: this.home })
  readonly reference = new Map<string, Reference>([['w', { files: new Map(), checkpoints: new Map() }]])
  readonly shapes = new Map<string, ReturnType<typeof createFs>>()

  constructor() {
    this.engine.create('w')
  }

  step(volume: string, step: ModelStep): void {
    const known = this.reference.get(volume)
    if (known === undefined) return
    switch (step.op) {
      case 'restart':
      case 'kill':
        this.#reopen(step.op === 'kill')
        break
      case 'pump':
        this.engine.pump(5)
        break
      case 'checkpoint':
        this.#checkpoint(volume, known, step.name ?? '')
        break
      case 'auto':
        this.#open(volume).commitChanges()
        expect(this.#open(volume).commitChanges()).toBeUndefined()
        break
      case 'restore':
        this.#restore(volume, known, String(step.at))
        break
      case 'fork':
        this.#fork(volume, known, step.to ?? '', typeof step.at === 'string' ? step.at : undefined)
        break
      case 'remove':
        this.#remove(step.volume ?? '')
        break
      case 'collect':
      case 'collectAll':
        collected(this.engine, { thorough: step.op === 'collectAll' })
        break
      case 'prune':
        this.#open(volume).versions.prune({ keep: 1 })
        break
      case 'undo':
        this.#undo(volume, known, step)
        break
      case 'merge':
        this.#merge(volume, known, step)
        break
      case 'purge':
        this.#purge(volume, known, step)
        break
      default:
        applyToModel(known.files, step as Step)
        applyToVolume(this.engine, this.#open(volume), this.#fs(volume), shaped, step as Step)
    }
  }

  #open(volume: string): ReturnType<Engine['openVolume']> {
    return this.engine.open().find(open => open.info.name === volume) ?? this.engine.openVolume(volume)
  }

  #fs(volume: string): ReturnType<typeof createFs> {
    const open = this.#open(volume)
    const found = this.shapes.get(volume) ?? shaped(open.session)
    this.shapes.set(volume, found)
    return found
  }

  #reopen(kill: boolean): void {
    if (kill) this.engine.crash()
    else this.engine.close()
    this.shapes.clear()
    this.engine = Engine.open({ home: this.home })
  }

  #checkpoint(volume: string, known: Reference, checkpoint: string): void {
    if (known.checkpoints.has(checkpoint))
      expect(() => this.#open(volume).checkpoint(checkpoint)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_EXISTS' }))
    else {
      const { timeMs } = this.#open(volume).checkpoint(checkpoint)
      known.checkpoints.set(checkpoint, new Map(known.files))
      // A fork knows what is not later than the state that it is made from, by the millisecond.
      while (Date.now() <= timeMs);
    }
  }

  #restore(volume: string, known: Reference, at: string): void {
    const files = at === 'before' ? known.before?.files : known.checkpoints.get(at)
    const ref = at === 'before' ? (known.before?.id ?? 'before') : at
    if (files === undefined) {
      expect(() => restore(this.#open(volume), { ref })).toThrow(expect.objectContaining({ code: 'ERR_REF_UNKNOWN' }))
      return
    }
    const { commit } = restore(this.#open(volume), { ref })
    known.before = { id: commit.parents[0], files: new Map(known.files) }
    known.files = new Map(files)
  }

  #fork(volume: string, known: Reference, to: string, at: string | undefined): void {
    const state = at === undefined ? known.files : known.checkpoints.get(at)
    if (state === undefined) {
      const code = this.reference.has(to) ? expect.stringMatching(/^ERR_(REF_UNKNOWN|VOLUME_EXISTS)$/) : 'ERR_REF_UNKNOWN'
      expect(() => this.engine.fork(volume, at, to)).toThrow(expect.objectContaining({ code }))
    } else if (this.reference.has(to)) expect(() => this.engine.fork(volume, at, to)).toThrow(expect.objectContaining({ code: 'ERR_VOLUME_EXISTS' }))
    else {
      this.engine.fork(volume, at, to)
      const checkpoints = [...known.checkpoints]
      const last = at === undefined ? checkpoints.length - 1 : checkpoints.findIndex(([name]) => name === at)
      this.reference.set(to, { files: new Map(state), checkpoints: new Map(checkpoints.slice(0, last + 1)) })
    }
  }

  /** What a change brought is taken back, whatever it met. */
  #undo(volume: string, known: Reference, { name = '', content }: ModelStep): void {
    const open = this.#open(volume)
    open.commitChanges()
    this.#write(this.#fs(volume), new Map(known.files), name, content)
    if (open.commitChanges() === undefined) return
    expect(undo(open, { last: 1 }).conflicts).toEqual([])
  }

  /** A fork that changed one file comes home beside a change of another one. */
  #merge(volume: string, known: Reference, { name = '', other = '', content }: ModelStep): void {
    this.engine.fork(volume, undefined, 'short')
    const fork = this.engine.openVolume('short')
    this.#write(shaped(fork.session), known.files, name, content)
    if (other !== name) this.#write(this.#fs(volume), known.files, other, { size: 5000, seed: 3 })
    expect(mergeFork(this.#open(volume), fork).conflicts).toEqual([])
    fork.close()
    this.engine.remove('short', { now: true })
  }

  #purge(volume: string, known: Reference, { content }: ModelStep): void {
    const open = this.#open(volume)
    const files = new Map(known.files)
    this.#write(this.#fs(volume), files, SECRET, content)
    open.commitChanges()
    this.#write(this.#fs(volume), files, SECRET, { size: 100_000, seed: 1 })
    for (const _ of purge(open, `/${SECRET}`));
  }

  #write(fs: ReturnType<typeof createFs>, files: Map<string, Buffer>, name: string, { size, seed }: Content = { size: 1, seed: 1 }): void {
    const bytes = Buffer.alloc(size, `${seed} is what it is; `)
    fs.writeFileSync(`/${name}`, bytes)
    files.set(name, bytes)
  }

  #remove(volume: string): void {
    if (volume === 'w' || !this.reference.has(volume)) return
    for (const open of this.engine.open()) if (open.info.name === volume) open.close()
    this.shapes.delete(volume)
    this.engine.remove(volume, { now: true })
    this.reference.delete(volume)
  }

  compare(): void {
    for (const [volume, known] of this.reference) {
      expect(sameContents(known.files, contents(this.#fs(volume)))).toBe(true)
      for (const [checkpoint, files] of known.checkpoints) expect(sameContents(files, contents(shaped(this.#open(volume).at(checkpoint))))).toBe(true)
    }
  }

  finish(): void {
    try {
      for (const volume of this.reference.keys()) expect(this.#open(volume).fsck()).toMatchObject({ ok: true, findings: [] })
    } finally {
      this.engine.close()
      rmSync(this.home, { recursive: true, force: true })
    }
  }
}

describe('a volume behaves as a map of names to bytes', () => {
  it('through transactions, checkpoints, forks, merges, undos, purges, collections, seals, restarts and kills', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...volumes), step), { minLength: 5, maxLength: 40 }), steps => {
        const run = new Run()
        try {
          for (const [volume, next] of steps) {
            run.step(volume, next)
            run.compare()
          }
        } finally {
          run.finish()
        }
      }),
      { numRuns: Number(process.env['CAIRN_TEST_RUNS'] ?? 60) },
    )
  })
})

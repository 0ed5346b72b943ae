/**
 * Reading the history and going to other states where pages are far away: each is given up at its first read of the store, then at its second, and so on, and what it
 * says and does is as in a volume where nothing is ever missing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { aheadOfMerge, aheadOfRestore, aheadOfUndo } from '../src/history/ahead.js'
import { ContentsRead } from '../src/history/contents/contents-read.js'
import { changesBy } from '../src/history/diff/changes-by.js'
import { diffRead } from '../src/history/diff/diff-read.js'
import { BlameRead } from '../src/history/log/blame-read.js'
import { LogRead } from '../src/history/log/log-read.js'
import { abortMerge, mergeFork, prepareMerge, rebaseFork } from '../src/history/merge/merge.js'
import { prepareUndo, undo } from '../src/history/merge/undo.js'
import { prepareRestore, restore } from '../src/history/restore/restore.js'
import { nextNear, type Slices } from '../src/volume/near-reads.js'
import type { Volume } from '../src/volume/volume.js'
import { Side } from './support/far-side.js'
import { seeded } from './support/seeded.js'

let folder: string
let ms: number
let sides: Side[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-history-misses-'))
  ms = 1_700_000_000_000
  const clock = { now: () => ms, monotonic: () => ms }
  sides = ['plain', 'missing'].map(name => new Side(join(folder, name), clock))
})

afterEach(() => {
  for (const { engine } of sides) engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** How a side reads and changes: at once, or given up at every read. */
interface Way {
  /** All at once, or from its start again. */
  whole: <T>(work: () => T) => T
  /** Goes on where it stood. */
  step: <T>(work: () => T) => T
}

function wayOf(side: Side): Way {
  if (side === sides[0]) return { whole: work => work(), step: work => work() }
  return { whole: work => side.missing(work), step: work => side.resuming(work) }
}

function all<T>(way: Way, next: () => T[] | undefined): T[] {
  const found: T[] = []
  for (let page = way.step(next); page !== undefined; page = way.step(next)) found.push(...page)
  return found
}

function done(way: Way, steps: Slices<unknown, unknown>): unknown {
  for (;;) {
    const { done, value } = way.step(() => nextNear(steps))
    if (done === true) return value
  }
}

/** Ids are drawn, and one side draws more often. */
function plain(value: unknown, ids: ReadonlyMap<string, string>): unknown {
  return JSON.parse(JSON.stringify(value, (key, of) => (key === 'epoch' ? undefined : of)).replace(/[0-9a-hjkmnp-tv-z]{26}/g, id => ids.get(id) ?? 'id'))
}

function idsOf(...volumes: Volume[]): Map<string, string> {
  const ids = new Map<string, string>()
  for (const volume of volumes) for (const { id, timeMs } of volume.commits()) ids.set(id, `at ${timeMs}`)
  return ids
}

const content = (pick: (below: number) => number): string => Array.from({ length: 1 + pick(6) }, () => `line ${pick(4)}\n`).join('')

/** Some changes by path, the same on both sides. */
function changes(pick: (below: number) => number, count: number): (fs: FileSystem, volume: Volume) => void {
  const made = Array.from({ length: count }, () => ({
    kind: pick(5),
    dir: 'abcd'[pick(4)],
    name: 'wxyz'[pick(4)],
    to: 'wxyz'[pick(4)],
    text: Buffer.from(pick(5) === 0 ? `${pick(9)}`.repeat(150_000) : content(pick)),
  }))
  return fs => {
    for (const { kind, dir, name, to, text } of made) {
      const parent = fs.resolve(`/${dir}`, false)
      const found = fs.resolve(`/${dir}/${name}`, false)
      if (kind === 0 && found > 0) fs.unlink(parent, name)
      else if (kind === 1 && found > 0) fs.rename(parent, name, fs.resolve('/a', false), to, 0)
      else if (found > 0) fs.replaceContent?.(found, text, 0, text.length)
      else fs.createWith?.(parent, name, 0o644, text, 0, text.length)
    }
  }
}

/** A tree of several levels, so that few pages hold little of it. */
function fill({ live }: Side): void {
  for (const dir of 'abcd') {
    const ino = live.mkdir(1, dir, 0o755)
    for (let i = 0; i < 70; i++) live.createWith?.(ino, `${dir}-${i}-${'x'.repeat(40)}`, 0o644, Buffer.alloc(200, i), 0, 200)
  }
}

const text = (of: unknown): unknown => (of instanceof Uint8Array ? Buffer.from(of).toString('latin1') : of)

function readAll(side: Side): unknown {
  const way = wayOf(side)
  const { volume } = side
  const begin = <T>(make: () => T): T => way.whole(make)
  const log = (options: object): unknown[] => {
    const read = begin(() => new LogRead(volume, options))
    return all(way, () => read.next())
  }
  const diff = (ref: string, options: object, path?: string): unknown[] => {
    const side = { volume: 'w', ...(path === undefined ? {} : { path }) }
    const { read } = begin(() => diffRead({ volume, side: { ...side, ref } }, { volume, side }, options))
    return all(way, () => read.next()).map(({ before: _before, after: _after, ...change }) => change)
  }
  const apart = begin(() => diffRead({ volume, side: { volume: 'w', path: '/a' } }, { volume, side: { volume: 'w', path: '/b' } }, {})).read
  const contents = begin(() => new ContentsRead(volume, undefined, undefined))
  const files = all(way, () => contents.next())
  const first = volume.commits().at(-1)?.id ?? ''
  const told = {
    log: log({ counts: true }),
    ofDirectory: log({ path: '/b' }),
    ofFile: log({ path: '/a/w' }),
    diff: diff(first, {}),
    files: diff('~3', { files: true, globs: ['w', 'b'] }),
    below: diff('~2', {}, '/a'),
    apart: all(way, () => apart.next()).map(({ before: _before, after: _after, ...change }) => change),
    contents: files.map(({ ino, size, content }) => [text(content), size, way.whole(() => contents.place({ ino, content }))?.path]).sort(),
    by: done(
      way,
      changesBy(volume, first, () => true),
    ),
    blame: blame(side, way),
    versions: way.whole(() => volume.versions.list('/a/w')).map(({ number, ended, size }) => [number, ended, size]),
  }
  return plain(told, idsOf(volume))
}

function blame(side: Side, way: Way): unknown {
  if (side.live.resolve('/a/w', false) <= 0) return undefined
  const read = way.whole(() => new BlameRead(side.volume, '/a/w', undefined))
  while (!way.step(() => read.step()));
  return read.states.map((state, i) => [state, text(way.whole(() => read.read(i, 0)))])
}

/** Names, contents and the log, without what differs by chance. */
function shown(volume: Volume): unknown {
  const fs = new FileSystem(volume.session)
  const found: Record<string, string> = {}
  for (const dir of ['a', 'b', 'c', 'd']) {
    const ino = fs.resolve(`/${dir}`, false)
    const names: Array<[string, number]> = []
    if (ino > 0) fs.readdir(ino, 0, 0, (name, child) => names.push([name, child]) > 0)
    for (const [name, child] of names) {
      fs.getattr(child)
      const bytes = Buffer.alloc(fs.attr.size)
      fs.read(child, 0, bytes, 0, bytes.length)
      found[`${dir}/${name}`] = bytes.length > 1000 ? `${bytes.length} of ${bytes[0]}` : bytes.toString('latin1')
    }
  }
  const commits = volume.commits().map(({ kind, timeMs, message }) => [kind, timeMs, message])
  return plain({ files: Object.fromEntries(Object.entries(found).sort()), commits }, idsOf(volume))
}

/** Runs a change as a server does: prepared, brought near, made; each of them given up at every read. */
function made<P, T>(side: Side, prepare: () => P, ahead: (prepared: P) => Slices<undefined>, change: (prepared: P) => T): T {
  const way = wayOf(side)
  const prepared = way.whole(prepare)
  done(way, ahead(prepared))
  return way.whole(() => change(prepared))
}

function onBoth(work: (side: Side) => unknown): void {
  ms += 10
  const [expected, found] = sides.map(work)
  expect(found).toEqual(expected)
}

it.each([1, 2])('is given up at any read, and then as if it never had been (seed %i)', seed => {
  const pick = seeded(seed)
  for (const side of sides) fill(side)
  const forks = new Map<Side, { fork: Volume; live: FileSystem }>()
  const edit = (): void => {
    const change = changes(pick, 6)
    onBoth(({ live, volume }) => change(live as FileSystem, volume))
    onBoth(({ volume }) => volume.presentCommit().kind)
    for (const side of sides) side.cool()
  }
  for (let i = 0; i < 4; i++) edit()
  for (const side of sides) {
    side.engine.fork('w', undefined, 'f')
    const fork = side.engine.openVolume('f')
    forks.set(side, { fork, live: new FileSystem(fork.session) })
  }
  const forkOf = (side: Side): Volume => (forks.get(side) as { fork: Volume }).fork // made for each above
  onBoth(readAll)
  const restoring = (options: object): void =>
    onBoth(side =>
      made(
        side,
        () => prepareRestore(side.volume, options),
        prepared => aheadOfRestore(side.volume, prepared),
        prepared => plain(restore(side.volume, prepared), idsOf(side.volume)),
      ),
    )
  const undoing = (options: object): void =>
    onBoth(side =>
      made(
        side,
        () => prepareUndo(side.volume, options),
        () => aheadOfUndo(side.volume, options),
        () => plain(undo(side.volume, { resolution: 'ours', ...options }), idsOf(side.volume)),
      ),
    )
  const inFork = (): void => {
    const change = changes(pick, 5)
    onBoth(side => change((forks.get(side) as { live: FileSystem }).live, forkOf(side)))
  }
  const merging = (merge: (into: Volume, from: Volume) => unknown, toFork = false): void =>
    onBoth(side => {
      const [into, from] = toFork ? [forkOf(side), side.volume] : [side.volume, forkOf(side)]
      return made(
        side,
        () => prepareMerge(into, from, {}),
        () => aheadOfMerge(into, from),
        () => plain(merge(into, from), idsOf(into, from)),
      )
    })
  restoring({ ref: '~2' })
  edit()
  restoring({ ref: '~3', path: '/b' })
  undoing({ last: 2 })
  inFork()
  edit()
  merging((into, from) => mergeFork(into, from, { resolution: 'theirs' }))
  undoing({ last: 1, dryRun: true })
  inFork()
  edit()
  merging((into, from) => rebaseFork(into, from, { resolution: 'ours' }), true)
  inFork()
  edit()
  merging((into, from) => mergeFork(into, from, { dryRun: true }))
  merging((into, from) => {
    const { state, conflicts } = mergeFork(into, from)
    return { state, conflicts: conflicts.length }
  })
  onBoth(side => wayOf(side).whole(() => side.volume.status().merge !== undefined && abortMerge(side.volume).state))
  onBoth(readAll)
  for (const of of [(side: Side) => side.volume, forkOf]) onBoth(side => shown(of(side)))
  expect(sides[1].missed).toBeGreaterThan(200)
})

import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { limits, onCrashPoint } from '../sys/index.js'
import { Engine } from './engine.js'
import type { TreeChanges } from './tree-changes.js'
import type { Volume } from './volume.js'

let home: string
let engine: Engine
let volume: Volume
let fs: FileSystem

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-become-'))
  engine = Engine.open({ home })
  engine.create('w')
  use()
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function use(): void {
  volume = engine.openVolume('w')
  fs = new FileSystem(volume.session)
}

/** As SIGKILL leaves it. A sync under way keeps the lock until it is done. */
async function kill(): Promise<void> {
  engine.crash()
  engine = Engine.open({ home })
  await vi.waitFor(use, { timeout: 200_000 })
}

function filled(size: number, seed: number): Buffer {
  return Buffer.alloc(size, 1 + (seed % 250))
}

function write(name: string, content: Buffer, at = 0): number {
  let ino = fs.find(1, name)
  if (ino < 0) ino = fs.mknod(1, name, 0o100644, 0)
  expect(fs.write(ino, at, content, 0, content.length)).toBe(content.length)
  return ino
}

function readIno(ino: number): Buffer {
  expect(fs.getattr(ino)).toBe(0)
  const into = Buffer.alloc(fs.attr.size)
  expect(fs.read(ino, 0, into, 0, into.length)).toBe(into.length)
  return into
}

function read(name: string): Buffer {
  const ino = fs.find(1, name)
  expect(ino).toBeGreaterThan(0)
  return readIno(ino)
}

function goTo(ref: string): TreeChanges {
  return volume.become(volume.treeOf(volume.history.resolve(ref)), { kind: 'restore' }).changes
}

function isWhole(): void {
  expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
}

const sizes = [0, 10, 300, 3000, 70_000, 200_000]

describe('become', () => {
  for (const sealed of [true, false]) {
    it(`goes to a ${sealed ? 'sealed' : 'unsealed'} commit and outlives a kill`, async () => {
      for (const size of sizes) write(`f${size}`, filled(size, size))
      volume.checkpoint('one')
      if (sealed) volume.flush()
      for (const size of sizes) write(`f${size}`, filled(5, 99), size >>> 1)
      expect(fs.unlink(1, 'f3000')).toBe(0)
      write('new', filled(100_000, 3))
      const before = { ...volume.session.usage }
      goTo('one')
      const check = () => {
        for (const size of sizes) expect(read(`f${size}`).equals(filled(size, size))).toBe(true)
        expect(fs.find(1, 'new')).toBeLessThan(0)
      }
      check()
      await kill()
      check()
      isWhole()
      // Nothing is lost: the state before is a commit of its own.
      expect(volume.commits().map(commit => commit.kind)).toEqual(['restore', 'auto', 'checkpoint'])
      goTo('~1')
      expect(volume.session.usage).toEqual(before)
      expect(read('new').equals(filled(100_000, 3))).toBe(true)
      await kill()
      expect(fs.find(1, 'f3000')).toBeLessThan(0)
      isWhole()
    })
  }

  it('while a seal is under way', async () => {
    for (let i = 0; i < 2000; i++) write(`f${i}`, filled(300, i))
    volume.checkpoint('one')
    for (let i = 0; i < 2000; i += 3) fs.unlink(1, `f${i}`)
    void volume.flushSoon()
    volume.pump(1)
    expect(volume.state.tree.beingSealed).toBe(true)
    goTo('one')
    expect(volume.session.usage.inodes).toBe(2001)
    await kill()
    expect(read('f3').equals(filled(300, 3))).toBe(true)
    isWhole()
  })

  it('says what changed', () => {
    const same = write('same', filled(100_000, 1))
    const changed = write('changed', filled(100_000, 1))
    const gone = write('gone', filled(10, 1))
    const renamed = write('renamed', filled(10, 1))
    volume.checkpoint('one')
    write('same', filled(10, 1), 50)
    write('changed', filled(10, 2), 50)
    fs.unlink(1, 'gone')
    fs.rename(1, 'renamed', 1, 'other', 0)
    const fresh = write('fresh', filled(10, 2))
    const changes = goTo('one')
    expect([...changes.stale].sort()).toEqual([changed, gone, fresh].sort())
    expect([...changes.inodes].sort()).toEqual([1, same, changed, gone, renamed, fresh].sort())
    expect(changes.entries.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { parent: 1, name: 'fresh', ino: 0 },
      { parent: 1, name: 'gone', ino: gone },
      { parent: 1, name: 'other', ino: 0 },
      { parent: 1, name: 'renamed', ino: renamed },
    ])
  })

  it('never gives an inode number out again', async () => {
    volume.checkpoint('one')
    const ino = write('a', filled(10, 1))
    goTo('one')
    expect(write('b', filled(10, 1))).toBeGreaterThan(ino)
    await kill()
    expect(write('c', filled(10, 1))).toBeGreaterThan(ino + 1)
  })

  it('leaves alone what is open without a name', () => {
    const open = write('open', filled(100_000, 7))
    volume.checkpoint('zero')
    expect(fs.open(open, 2)).toBe(0)
    expect(fs.unlink(1, 'open')).toBe(0)
    volume.checkpoint('one')
    const temporary = write('temporary', filled(3000, 8))
    expect(fs.open(temporary, 2)).toBe(0)
    expect(fs.unlink(1, 'temporary')).toBe(0)
    goTo('one')
    expect(readIno(open).equals(filled(100_000, 7))).toBe(true)
    expect(readIno(temporary).equals(filled(3000, 8))).toBe(true)
    // Here it has a name again.
    expect([...goTo('zero').stale]).toEqual([])
    expect(read('open').equals(filled(100_000, 7))).toBe(true)
    fs.release(temporary)
    fs.release(open)
    expect(fs.getattr(temporary)).toBeLessThan(0)
    isWhole()
    goTo('one')
    expect(volume.session.usage.inodes).toBe(1)
    isWhole()
  })
})

describe('a commit that recovery cannot fold, on a full disk', () => {
  afterEach(() => onCrashPoint(undefined))

  it('keeps no volume from opening, and is what it was when there is room', async () => {
    write('a', filled(200_000, 1))
    volume.flush()
    write('a', filled(10, 2), 100_000)
    volume.checkpoint('one')
    write('a', filled(10, 3), 100_000)
    volume.checkpoint('two')
    write('a', filled(10, 4), 100_000)
    onCrashPoint(point => {
      if (point.startsWith('pack.write') || point === 'store.put.before-temporary') throw Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' })
    })
    engine.crash()
    engine = Engine.open({ home })
    await vi.waitFor(use, { timeout: 200_000 })
    const expected = (seed: number) => Buffer.concat([filled(100_000, 1), filled(10, seed), filled(99_990, 1)])
    expect(read('a').equals(expected(4))).toBe(true)
    expect(() => volume.at('one')).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    onCrashPoint(undefined)
    const now = fs
    for (const [ref, seed] of [
      ['one', 2],
      ['two', 3],
    ] as const) {
      fs = new FileSystem(volume.at(ref))
      expect(read('a').equals(expected(seed))).toBe(true)
    }
    fs = now
    expect(read('a').equals(expected(4))).toBe(true)
    isWhole()
    await kill()
    fs = new FileSystem(volume.at('one'))
    expect(read('a').equals(expected(2))).toBe(true)
  })
})

describe('changes since the last commit', () => {
  it('are recorded once, and never an empty commit', async () => {
    expect(volume.commitChanges()).toBeUndefined()
    const ino = write('a', filled(10, 1))
    expect(volume.commitChanges()).toMatchObject({ kind: 'auto' })
    expect(volume.commitChanges()).toBeUndefined()
    const into = Buffer.alloc(10)
    fs.read(ino, 0, into, 0, 10, true)
    expect(volume.commitChanges()).toBeUndefined()
    await kill()
    expect(volume.commitChanges()).toBeUndefined()
    write('a', filled(10, 2))
    await kill()
    expect(volume.commitChanges()).toMatchObject({ kind: 'auto' })
    volume.checkpoint('one')
    expect(volume.commitChanges()).toBeUndefined()
    expect(volume.commits()).toHaveLength(3)
  })
})

describe('commits that nobody asks for', () => {
  let nowMs: number

  /** An engine whose time passes when it is told to. */
  async function begin(): Promise<void> {
    engine.close()
    nowMs = 1_800_000_000_000
    engine = Engine.open({ home, actor: 'me', clock: { now: () => nowMs, monotonic: () => nowMs } })
    await vi.waitFor(use, { timeout: 200_000 })
  }

  it('are cut when changes are five minutes old, of whoever made them, and at the end', async () => {
    await begin()
    volume.session.actor = 'other'
    write('a', filled(100_000, 1))
    expect(volume.pump(1000)).toBeLessThanOrEqual(limits.autoCommitMs)
    nowMs += limits.autoCommitMs - 1
    write('b', filled(10, 1))
    volume.session.actor = 'me'
    volume.pump(1000)
    expect(volume.commits()).toEqual([])
    nowMs += 1
    volume.pump(1000)
    expect(volume.commits()).toMatchObject([{ kind: 'auto', actor: 'other', inodes: 3 }])
    for (let i = 0; i < 10; i++) {
      nowMs += limits.autoCommitMs
      volume.pump(1000)
    }
    expect(volume.commits()).toHaveLength(1)
    // The rest comes with the end; an end without changes adds nothing.
    write('c', filled(10, 1))
    for (let i = 0; i < 3; i++) {
      engine.close()
      await begin()
      expect(volume.commits()).toMatchObject([{ kind: 'auto', actor: 'me', inodes: 4 }, { kind: 'auto' }])
    }
    isWhole()
  })

  it('are not made in a fork that nobody changed', async () => {
    await begin()
    write('a', filled(10, 1))
    engine.fork('w', undefined, 'fork')
    for (let i = 0; i < 2; i++) {
      // The one that the fork was made from.
      expect(engine.openVolume('fork').commits()).toHaveLength(1)
      engine.close()
      await begin()
    }
  })

  it('refuses what is too large for one batch, and changes nothing; nor does a transaction that is', () => {
    const { changeBytes } = limits
    for (let i = 0; i < 40; i++) write(`f${i}`, filled(2000, i))
    volume.checkpoint('one')
    for (let i = 0; i < 40; i++) write(`f${i}`, filled(2000, i + 1))
    volume.checkpoint('two')
    const tooLarge = expect.objectContaining({ code: 'ERR_CHANGE_TOO_LARGE' })
    const { changes } = volume.session
    try {
      // The first is seen while changes are collected, the second only with the versions that they replace.
      for (const limit of [40 * 1000, 40 * 3000]) {
        Object.assign(limits, { changeBytes: limit })
        expect(() => goTo('one')).toThrow(tooLarge)
      }
      const transaction = volume.begin()
      const inside = new FileSystem(transaction)
      for (let i = 0; i < 40; i++) inside.write(inside.find(1, `f${i}`), 0, filled(1800, i), 0, 1800)
      expect(() => volume.commitTransaction(transaction)).toThrow(tooLarge)
    } finally {
      Object.assign(limits, { changeBytes })
    }
    expect(volume.session.changes).toBe(changes)
    for (let i = 0; i < 40; i++) expect(read(`f${i}`)).toEqual(filled(2000, i + 1))
    isWhole()
    goTo('one')
    for (let i = 0; i < 40; i++) expect(read(`f${i}`)).toEqual(filled(2000, i))
    isWhole()
  })
})

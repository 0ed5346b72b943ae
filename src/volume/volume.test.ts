import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { limits } from '../sys/index.js'
import { Engine } from './engine.js'
import type { Session } from './session.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-volume-'))
  engine = Engine.open({ home })
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  let x = seed * 2654435761 + 1
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    b[i] = x >>> 16
  }
  return b
}

function write(fs: FileSystem, name: string, content: Buffer, offset = 0): void {
  let ino = fs.find(1, name)
  if (ino < 0) ino = fs.mknod(1, name, 0o100644, 0)
  expect(ino).toBeGreaterThan(0)
  expect(fs.write(ino, offset, content, 0, content.length)).toBe(content.length)
}

function read(fs: FileSystem, name: string): Buffer {
  const ino = fs.find(1, name)
  expect(ino).toBeGreaterThan(0)
  expect(fs.getattr(ino)).toBe(0)
  const into = Buffer.alloc(fs.attr.size)
  expect(fs.read(ino, 0, into, 0, into.length)).toBe(into.length)
  return into
}

function names(fs: FileSystem): string[] {
  const found: string[] = []
  fs.readdir(1, 0, 0, name => {
    found.push(name)
    return true
  })
  return found.sort()
}

function filesystem(session: Session): FileSystem {
  return new FileSystem(session)
}

/** Leaves the process's state behind as SIGKILL would: nothing is flushed, the lock goes with the descriptors. */
function reopen(): void {
  engine.crash()
  engine = Engine.open({ home })
}

describe('a volume', () => {
  it('keeps what was acknowledged, without any flush', () => {
    engine.create('w')
    const fs = filesystem(engine.openVolume('w').session)
    const sizes = [0, 1, 256, 257, 2048, 2049, 65535, 65536, 65537, 300_000]
    for (const size of sizes) write(fs, `f${size}`, bytes(size, size))
    write(fs, 'f300000', bytes(1000, 7), 100_000)
    reopen()
    const again = filesystem(engine.openVolume('w').session)
    for (const size of sizes.slice(0, -1)) expect(read(again, `f${size}`).equals(bytes(size, size))).toBe(true)
    const patched = bytes(300_000, 300_000)
    bytes(1000, 7).copy(patched, 100_000)
    expect(read(again, 'f300000').equals(patched)).toBe(true)
  })

  it('reads the same after sealing, and after sealing and crashing', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    for (let i = 0; i < 500; i++) write(fs, `n${i}`, bytes(i * 40, i))
    volume.flush()
    for (let i = 0; i < 500; i += 2) expect(fs.unlink(1, `n${i}`)).toBe(0)
    write(fs, 'n1', bytes(90_000, 5))
    reopen()
    const again = filesystem(engine.openVolume('w').session)
    expect(names(again)).toHaveLength(250)
    expect(read(again, 'n1').equals(bytes(90_000, 5))).toBe(true)
    expect(read(again, 'n499').equals(bytes(499 * 40, 499))).toBe(true)
    expect(engine.openVolume('w').fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('forks and checkpoints see their moment', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    write(fs, 'a', bytes(100_000, 1))
    volume.checkpoint('before')
    write(fs, 'a', bytes(10, 2), 50_000)
    write(fs, 'b', bytes(10, 3))
    engine.fork('w', undefined, 'now')
    engine.fork('w', 'before', 'then')
    expect(fs.unlink(1, 'a')).toBe(0)
    reopen()
    expect(names(filesystem(engine.openVolume('now').session))).toEqual(['a', 'b'])
    expect(names(filesystem(engine.openVolume('then').session))).toEqual(['a'])
    expect(read(filesystem(engine.openVolume('then').session), 'a').equals(bytes(100_000, 1))).toBe(true)
    expect(names(filesystem(engine.openVolume('w').session))).toEqual(['b'])
    expect(names(filesystem(engine.openVolume('w').at('before')))).toEqual(['a'])
    expect(filesystem(engine.openVolume('w').at('before')).unlink(1, 'a')).toBeLessThan(0)
    for (const name of ['w', 'now', 'then']) expect(engine.openVolume(name).fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('a checkpoint of unsealed changes needs no seal, and outlives a kill', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    const { watermark } = volume.head.value
    for (let i = 0; i < 3; i++) {
      write(fs, 'a', bytes(100_000, i))
      volume.checkpoint(`c${i}`)
      write(fs, `after${i}`, bytes(10, i))
    }
    expect(volume.head.value.watermark).toBe(watermark)
    const isRight = (i: number): void => {
      const then = filesystem(engine.openVolume('w').at(`c${i}`))
      expect(read(then, 'a').equals(bytes(100_000, i))).toBe(true)
      expect(names(then)).toEqual(['a', ...Array.from({ length: i }, (_, k) => `after${k}`)])
    }
    for (let i = 0; i < 3; i++) isRight(i)
    expect(engine.diff({ volume: 'w', ref: 'c1' }, { volume: 'w', ref: 'c2' })).toMatchObject([
      { kind: 'modified', path: '/a' },
      { kind: 'created', path: '/after1' },
    ])
    volume.deleteCheckpoint('c1')
    reopen()
    isRight(0)
    isRight(2)
    engine.fork('w', 'c0', 'f')
    engine.openVolume('w').flush()
    isRight(0)
    reopen()
    isRight(2)
    expect(names(filesystem(engine.openVolume('f').session))).toEqual(['a'])
    for (const name of ['w', 'f']) expect(engine.openVolume(name).fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('diffs by path', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    for (let i = 0; i < 300; i++) write(fs, `n${i}`, bytes(30, i))
    volume.checkpoint('c')
    write(fs, 'n7', bytes(40, 1))
    write(fs, 'new', bytes(5, 1))
    fs.unlink(1, 'n8')
    fs.rename(1, 'n9', 1, 'renamed', 0)
    expect(engine.diff({ volume: 'w', ref: 'c' }, { volume: 'w' })).toMatchObject([
      { kind: 'modified', path: '/n7', sizeBefore: 30, sizeAfter: 40 },
      { kind: 'deleted', path: '/n8' },
      { kind: 'created', path: '/new', sizeAfter: 5 },
      { kind: 'renamed', path: '/renamed', from: '/n9' },
    ])
  })

  it('names follow rename, delete and undelete', () => {
    const { id } = engine.create('w')
    expect(() => engine.create('w')).toThrow(/already/)
    engine.rename('w', 'v')
    expect(engine.volumes().map(v => v.name)).toEqual(['v'])
    expect(engine.volumeById(id)?.name).toBe('v')
    engine.remove('v')
    expect(engine.volumes()).toEqual([])
    expect(engine.volumeById(id)).toBeUndefined()
    expect(engine.volumeById('0123456789abcdef')).toBeUndefined()
    expect(engine.volumes({ deleted: true })).toHaveLength(1)
    engine.create('v')
    expect(() => engine.undelete('v')).toThrow(/already/)
    expect(engine.volumeById(id)).toBeUndefined()
    engine.rename('v', 'u')
    engine.undelete('v')
    expect(engine.volumeById(id)?.name).toBe('v')
    expect(
      engine
        .volumes()
        .map(v => v.name)
        .sort(),
    ).toEqual(['u', 'v'])
  })

  it('transactions are atomic, and conflicts are refused', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    write(fs, 'a', bytes(10, 1))
    const one = volume.begin()
    const two = volume.begin()
    write(filesystem(one), 'x', bytes(70_000, 1))
    write(filesystem(two), 'y', bytes(10, 2))
    expect(names(fs)).toEqual(['a'])
    expect(one.commitTransaction()).toBe(0)
    expect(two.commitTransaction()).toBe(0)
    expect(names(fs)).toEqual(['a', 'x', 'y'])
    const three = volume.begin()
    const four = volume.begin()
    write(filesystem(three), 'a', bytes(10, 3))
    write(filesystem(four), 'a', bytes(10, 4))
    expect(three.commitTransaction()).toBe(0)
    expect(() => four.commitTransaction()).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT' }))
    expect(read(fs, 'a').equals(bytes(10, 3))).toBe(true)
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('flushes in slices while it goes on changing', async () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    for (let i = 0; i < 2000; i++) write(fs, `n${i}`, bytes(3000, i))
    let isFlushed = false
    const flushed = volume.flushSoon().then(() => {
      isFlushed = true
    })
    let slices = 0
    while (!isFlushed) {
      engine.pump(1)
      write(fs, 'meanwhile', bytes(10, slices++))
      await new Promise(resolve => setImmediate(resolve))
    }
    await flushed
    expect(slices).toBeGreaterThan(2)
    reopen()
    // A sync under way keeps the lock until it is done.
    const again = filesystem((await vi.waitFor(() => engine.openVolume('w'), { timeout: 200_000 })).session)
    expect(names(again)).toHaveLength(2001)
    expect(read(again, 'meanwhile').equals(bytes(10, slices - 1))).toBe(true)
    expect(engine.openVolume('w').fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('is not held up by what many others do in the background, and each of them is synced in time', async () => {
    const clock = { at: 1, each: 0, now: () => 1e12, monotonic: () => (clock.at += clock.each) }
    const synced = new Set<number>()
    const syncer = {
      request(fds: readonly number[], done: (errno: number) => void): void {
        for (const fd of fds) synced.add(fd)
        setImmediate(() => done(0))
      },
    }
    engine.close()
    engine = Engine.open({ home, clock, syncer })
    const volumes = Array.from({ length: 12 }, (_, i) => {
      engine.create(`v${i}`)
      const volume = engine.openVolume(`v${i}`)
      write(filesystem(volume.session), 'file', bytes(10, i))
      return volume
    })
    clock.at += 2 * limits.sealIdleMs
    clock.each = 1
    expect(engine.pump(5)).toBe(0)
    expect(synced.size).toBeGreaterThanOrEqual(volumes.length)
    let passes = 1
    for (let before = 0; volumes.some(volume => volume.isDirty); passes++) {
      const sealed = volumes.filter(volume => !volume.isDirty).length
      expect(sealed - before).toBeLessThan(volumes.length / 2)
      before = sealed
      engine.pump(5)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(passes).toBeGreaterThan(3)
  })

  it('knows after a seal and a kill which requests it has done', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    const fs = filesystem(volume.session)
    for (let i = 0; i < 300; i++) {
      volume.session.tagRequest(7, i % 2, i)
      expect(fs.mknod(1, `n${i}`, 0o100644, 0)).toBeGreaterThan(0)
      if (i === 290) volume.flush()
    }
    reopen()
    const { session } = engine.openVolume('w')
    expect(session.wasApplied(7, 1, 299)).toBe(true)
    expect(session.wasApplied(7, 0, 290)).toBe(true)
    expect(session.wasApplied(7, 1, 201)).toBe(true)
    expect(session.wasApplied(7, 0, 299)).toBe(false)
    expect(session.wasApplied(8, 1, 299)).toBe(false)
  })

  it('releases the journal behind a seal', () => {
    engine.create('w')
    const volume = engine.openVolume('w')
    write(filesystem(volume.session), 'a', bytes(1_000_000, 1))
    volume.flush()
    expect(readdirSync(join(home, 'volumes', volume.info.id, 'journal'))).toEqual([])
    expect(readdirSync(join(home, 'volumes', volume.info.id, 'spool'))).toEqual([])
  })
})

describe('status without opening', () => {
  it('is live where it is open here, else of the last seal with the size of the journal', () => {
    engine.create('a')
    expect(engine.statusOf('a')).toMatchObject({ name: 'a', inodes: 0, unsealedBytes: 0, open: 'no' })
    const volume = engine.openVolume('a')
    write(filesystem(volume.session), 'f', bytes(100, 1))
    expect(engine.statusOf('a')).toEqual({ ...volume.status(), open: 'here' })
    const other = Engine.open({ home })
    expect(other.statusOf('a')).toMatchObject({ inodes: 0, open: 'elsewhere' })
    expect(other.statusOf('a').unsealedBytes).toBeGreaterThan(100)
    volume.close()
    expect(other.statusOf('a')).toMatchObject({ inodes: 2, unsealedBytes: 0, open: 'no' })
    expect(other.open()).toEqual([])
    other.close()
  })
})

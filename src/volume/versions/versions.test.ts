import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isVersionBlock, pointerLength, versionKey } from '../../codec/index.js'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../node/index.js'
import { walkPages } from '../../tree/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'

let home: string
let engine: Engine
let volume: Volume
let fs: VolumeFs

function open(): void {
  volume = engine.openVolume('w')
  fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-versions-'))
  engine = Engine.open({ home })
  engine.create('w')
  open()
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** As SIGKILL would leave it. */
function crash(): void {
  engine.crash()
  engine = Engine.open({ home })
  open()
}

function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  let x = seed * 2654435761 + 1
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    b[i] = x >>> 16
  }
  return b
}

function versionFs(path: string, number: number): { fs: VolumeFs; name: string } {
  const version = volume.versions.open(path, number)
  return { fs: createFs(new LocalBackend(new LocalOps(new FileSystem(version.session)))), name: `/${version.name}` }
}

function read(path: string, number: number): Buffer {
  const version = versionFs(path, number)
  return version.fs.readFileSync(version.name)
}

function ends(path: string): string[] {
  return volume.versions.list(path).map(version => `${version.number} ${version.ended} ${version.size}`)
}

function append(path: string, text: string): void {
  const fd = fs.openSync(path, 'a')
  fs.writeSync(fd, text)
  fs.closeSync(fd)
}

describe('a version', () => {
  it('is cut by each write that returns, and reads as it was', () => {
    const contents = [bytes(0, 1), bytes(10, 2), bytes(300, 3), bytes(2048, 4), bytes(2049, 5), bytes(200_000, 6), bytes(65536, 7), bytes(1, 8)]
    for (const content of contents) fs.writeFileSync('/f', content)
    expect(ends('f')).toEqual(contents.map((content, i) => `${i + 1} ${i === contents.length - 1 ? 'current' : 'modified'} ${content.length}`))
    const check = (): void => contents.forEach((content, i) => void expect(read('f', i + 1).equals(content), `version ${i + 1}`).toBe(true))
    check()
    crash()
    check()
    volume.flush()
    check()
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  })
  it('survives deletion, also that of its directory', () => {
    fs.mkdirSync('/a/b', { recursive: true })
    fs.writeFileSync('/a/b/f', bytes(100_000, 1))
    fs.writeFileSync('/a/b/f', 'two')
    fs.rmSync('/a', { recursive: true })
    expect(ends('a/b/f')).toEqual(['1 modified 100000', '2 deleted 3'])
    expect(read('a/b/f', 1).equals(bytes(100_000, 1))).toBe(true)
    expect(read('a/b/f', 2).toString()).toBe('two')
    fs.mkdirSync('/a/b', { recursive: true })
    fs.writeFileSync('/a/b/f', 'three')
    expect(ends('a/b/f')).toEqual(['1 modified 100000', '2 deleted 3', '3 current 5'])
  })
  it('follows the name through save-by-rename', () => {
    fs.writeFileSync('/f', 'one')
    for (const text of ['two2', 'three', 'fourth']) {
      fs.writeFileSync('/f.tmp', 'half')
      fs.writeFileSync('/f.tmp', text)
      fs.renameSync('/f.tmp', '/f')
    }
    expect(ends('f')).toEqual(['1 replaced 3', '2 replaced 4', '3 replaced 5', '4 current 6'])
    expect(ends('f.tmp')).toEqual([])
    expect([1, 2, 3, 4].map(n => read('f', n).toString())).toEqual(['one', 'two2', 'three', 'fourth'])
  })
  it('is cut by closes, not by writes, nor by who of two writes', () => {
    const a = fs.openSync('/f', 'w')
    fs.writeSync(a, 'one')
    fs.writeSync(a, 'two')
    const b = fs.openSync('/f', 'r+')
    for (const text of ['A', 'B', 'C']) {
      fs.writeSync(a, text, 6)
      fs.writeSync(b, text.toLowerCase(), 7)
    }
    expect(ends('f')).toEqual(['1 current 8'])
    fs.closeSync(a)
    fs.writeSync(b, 'after the close of a', 0)
    expect(ends('f')).toEqual(['1 modified 8', '2 current 20'])
    // Opened after the last write of `b`: a close may have lain between, of which a kernel tells late.
    const c = fs.openSync('/f', 'r+')
    fs.writeSync(c, '.', 20)
    fs.closeSync(b)
    fs.closeSync(c)
    expect(ends('f')).toEqual(['1 modified 8', '2 modified 20', '3 current 21'])
    fs.truncateSync('/f', 3)
    fs.appendFileSync('/f', '!')
    expect(ends('f').slice(2)).toEqual(['3 modified 21', '4 modified 3', '5 current 4'])
  })
  it('is not cut by what changes no content', () => {
    fs.writeFileSync('/f', 'one')
    fs.chmodSync('/f', 0o600)
    fs.utimesSync('/f', 1, 2)
    const ino = fs.statSync('/f').ino
    const shape = new FileSystem(volume.session)
    expect(shape.setxattr(ino, 'user.a', Buffer.from('b'), 0)).toBe(0)
    fs.closeSync(fs.openSync('/f', 'r+'))
    expect(ends('f')).toEqual(['1 current 3'])
    fs.writeFileSync('/f', 'two')
    const version = volume.versions.open('f', 1)
    const then = new FileSystem(version.session)
    expect(then.getxattr(ino, 'user.a')).toBe(1)
    expect(then.getattr(ino)).toBe(0)
    expect(then.attr).toMatchObject({ mode: 0o100600, mtimeS: 2, nlink: 1, size: 3 })
    expect(then.write(ino, 0, Buffer.from('x'), 0, 1)).toBeLessThan(0)
  })
  it('keeps holes', () => {
    const fd = fs.openSync('/f', 'w')
    fs.writeSync(fd, 'end', 500_000)
    fs.closeSync(fd)
    fs.writeFileSync('/f', bytes(400_000, 1))
    fs.writeFileSync('/f', 'short')
    const { fs: then, name } = versionFs('f', 1)
    expect(then.statSync(name).blocks).toBeLessThan(2 * 128)
    expect(then.readFileSync(name).equals(Buffer.concat([Buffer.alloc(500_000), Buffer.from('end')]))).toBe(true)
  })
  it('is found under each name, and under those that a file or its directory had', () => {
    fs.mkdirSync('/d')
    fs.writeFileSync('/d/a', 'one')
    fs.writeFileSync('/d/a', 'two')
    fs.linkSync('/d/a', '/d/b')
    expect(ends('d/b')).toEqual(['1 modified 3', '2 current 3'])
    fs.rmSync('/d/a')
    expect(ends('d/a')).toEqual(['1 modified 3', '2 unlinked 3'])
    fs.writeFileSync('/d/b', 'three')
    expect(read('d/a', 2).toString()).toBe('two')
    fs.renameSync('/d/b', '/d/c')
    fs.renameSync('/d', '/e')
    fs.writeFileSync('/e/c', 'fourth')
    expect(ends('e/c')).toEqual(['1 modified 3', '2 modified 3', '3 modified 5', '4 current 6'])
    expect(ends('d/c')).toEqual(['1 modified 3', '2 modified 3', '3 renamed 5'])
    expect(read('d/c', 3).toString()).toBe('three')
    expect(volume.versions.list('d/b').at(-1)).toMatchObject({ ended: 'renamed', renamedTo: '/e/c' })
  })
  it('outlives a file that is open while its name goes', () => {
    fs.writeFileSync('/f', bytes(150_000, 1))
    const fd = fs.openSync('/f', 'r+')
    fs.rmSync('/f')
    fs.writeSync(fd, 'scribbled over', 70_000)
    crash()
    expect(read('f', 1).equals(bytes(150_000, 1))).toBe(true)
    new FileSystem(volume.session).collectOrphans()
    expect(read('f', 1).equals(bytes(150_000, 1))).toBe(true)
    expect(volume.fsck().findings).toEqual([])
  })
  it('is not made of excluded files', () => {
    volume.versions.setRetention({ keep: 'all', exclude: ['*.log', 'build/**'] })
    crash()
    fs.mkdirSync('/build/deep', { recursive: true })
    for (const path of ['/db-wal', '/x.log', '/build/deep/o', '/kept']) {
      fs.writeFileSync(path, 'one')
      fs.writeFileSync(path, 'two')
      fs.rmSync(path)
    }
    expect([ends('db-wal'), ends('x.log'), ends('build/deep/o')]).toEqual([[], [], []])
    expect(ends('kept')).toHaveLength(2)
    expect(volume.versions.retention).toEqual({ keep: 'all', exclude: ['*.log', 'build/**'] })
  })
  it('of a later time is hidden in a fork of an earlier one', () => {
    fs.writeFileSync('/f', 'one')
    fs.writeFileSync('/f', 'two')
    // Versions are hidden by the millisecond, before as after.
    const writtenMs = Date.now()
    while (Date.now() <= writtenMs);
    const { timeMs } = volume.checkpoint('then')
    while (Date.now() <= timeMs);
    fs.writeFileSync('/f', 'three')
    fs.writeFileSync('/f', 'four')
    engine.fork('w', 'then', 'x')
    volume = engine.openVolume('x')
    fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    expect(ends('f')).toEqual(['1 modified 3', '2 current 3'])
    fs.writeFileSync('/f', 'other')
    expect(ends('f')).toEqual(['1 modified 3', '2 modified 3', '3 current 5'])
    expect(read('f', 2).toString()).toBe('two')
  })
})

describe('10,000 appends of 50 bytes', () => {
  /** Bytes of the pages of the history, and of the blocks that they name, as the packs hold them. */
  function historyBytes(): number {
    let held = 0
    walkPages(volume.state.history, (pointer, level, page) => {
      held += pointer === undefined ? Number.POSITIVE_INFINITY : pointerLength(pointer, 0)
      const cell = { kp: 0, kl: 0, vp: 0, vl: 0 }
      for (let i = 0; level === 0 && i < page.count; i++) {
        page.cell(i, cell)
        if (isVersionBlock(page.buf, cell.kp, cell.kl) && cell.vl > 1) held += pointerLength(page.buf, cell.vp + 1)
      }
    })
    return held
  }

  it('cost at most three times their bytes', () => {
    volume.session.actor = 'somebody'
    fs.writeFileSync('/log', '')
    volume.flush()
    const before = historyBytes()
    for (let i = 0; i < 10_000; i++) {
      append('/log', `${i}`.padEnd(50, '.'))
      if (i % 1000 === 0) volume.flush()
    }
    volume.flush()
    expect(volume.versions.list('log')).toHaveLength(10_001)
    expect((historyBytes() - before) / 500_000).toBeLessThan(3)
    const whole = fs.readFileSync('/log')
    for (const number of [1, 2, 41, 1300, 5000, 10_000]) expect(read('log', number).equals(whole.subarray(0, (number - 1) * 50))).toBe(true)
  })
})

describe('fsck', () => {
  it('finds versions that are malformed', () => {
    fs.writeFileSync('/f', bytes(200_000, 1))
    fs.writeFileSync('/f', bytes(3, 2))
    volume.flush()
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    const { ino } = fs.statSync('/f')
    const key = Buffer.alloc(64)
    const [state] = volume.versions.past().states(ino, 0, Number.MAX_SAFE_INTEGER)
    volume.session.historyDel(key, versionKey(key, ino, state.sequence))
    expect(volume.session.commit()).toBe(0)
    volume.flush()
    expect(volume.fsck().findings[0]).toMatchObject({ severity: 'error', object: `inode ${ino}`, problem: `version ${state.sequence} has parts but no record` })
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { versionKey } from '../../codec/index.js'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../node/index.js'
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
  it('appends cost a record each', () => {
    fs.writeFileSync('/log', '')
    for (let i = 0; i < 3000; i++) append('/log', 'x'.repeat(50))
    volume.flush()
    const list = volume.versions.list('log')
    expect(list.length).toBe(3001)
    expect(read('log', 2000).length).toBe(1999 * 50)
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

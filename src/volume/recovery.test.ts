import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { Engine } from './engine.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-recovery-'))
  engine = Engine.open({ home, bootId: 'before' })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

const BLOCK = 65_536

function write(fs: FileSystem, name: string, size: number): void {
  const ino = fs.mknod(1, name, 0o100644, 0)
  expect(fs.write(ino, 0, Buffer.alloc(size, name), 0, size)).toBe(size)
}

function names(fs: FileSystem): string[] {
  const found: string[] = []
  fs.readdir(1, 0, 0, name => found.push(name) > 0)
  return found.sort()
}

/** The folder with the packs that are not sealed yet. */
function spool(id: string): string {
  return join(home, 'volumes', id, 'spool')
}

/** Writes three files of one block each; the blocks behind `kept` never reach the disk. */
function loseBlocks(kept: number): void {
  const volume = engine.openVolume('w')
  const fs = new FileSystem(volume.session)
  const sizes: number[] = []
  const pack = (): string => join(spool(volume.info.id), readdirSync(spool(volume.info.id))[0])
  for (const name of ['a', 'b', 'c']) {
    write(fs, name, BLOCK)
    sizes.push(statSync(pack()).size)
  }
  const path = pack()
  engine.crash()
  truncateSync(path, sizes[kept - 1])
}

describe('recovery after a power loss', () => {
  it.each([1, 2, 3])('ends the history before the first batch whose block is lost: %i kept', kept => {
    loseBlocks(kept)
    engine = Engine.open({ home, bootId: 'after' })
    const volume = engine.openVolume('w')
    const fs = new FileSystem(volume.session)
    const found = names(fs)
    expect(found.slice(0, kept)).toEqual(['a', 'b', 'c'].slice(0, kept))
    // The file after the last kept block may exist, empty: that state existed too.
    expect(found.length).toBeLessThanOrEqual(Math.min(kept + 1, 3))
    for (const name of found.slice(0, kept)) {
      const into = Buffer.alloc(BLOCK)
      expect(fs.read(fs.find(1, name), 0, into, 0, BLOCK)).toBe(BLOCK)
      expect(into.equals(Buffer.alloc(BLOCK, name))).toBe(true)
    }
    write(fs, 'later', BLOCK)
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
  })
})

describe('recovery without a power loss', () => {
  it('counts what it replayed as unsynced: the next fsync reaches it', () => {
    const volume = engine.openVolume('w')
    write(new FileSystem(volume.session), 'a', BLOCK)
    engine.crash()
    const synced: number[] = []
    engine = Engine.open({ home, bootId: 'before', syncer: { request: fds => synced.push(fds.length) } })
    const { session } = engine.openVolume('w')
    // The journal's file, its folder and the pack of the block.
    expect(session.syncTargets().length).toBeGreaterThanOrEqual(2)
    void session.sync()
    expect(synced[0]).toBeGreaterThanOrEqual(2)
    expect(session.syncNow()).toBe(0)
    expect(session.syncTargets()).toEqual([])
  })

  it('never trusts a pack again whose sync failed: the kernel forgot what it could not write', () => {
    let fails = true
    engine.crash()
    engine = Engine.open({ home, bootId: 'before', syncer: { request: (_fds, done) => done(fails ? -5 : 0) } })
    const volume = engine.openVolume('w')
    write(new FileSystem(volume.session), 'a', BLOCK)
    const { sequence } = volume.session
    expect(volume.session.syncTargets().length).toBeGreaterThan(0)
    volume.session.synced(sequence, -5)
    fails = false
    expect(volume.session.syncNow()).toBeLessThan(0)
    expect(() => volume.flush()).toThrow(expect.objectContaining({ code: 'EIO' }))
    // Another process reads what is really there.
    engine.crash()
    engine = Engine.open({ home, bootId: 'before' })
    expect(names(new FileSystem(engine.openVolume('w').session))).toEqual(['a'])
  })

  it('takes a missing block as damage of that file, and keeps everything else', () => {
    loseBlocks(2)
    engine = Engine.open({ home, bootId: 'before' })
    const fs = new FileSystem(engine.openVolume('w').session)
    expect(names(fs)).toEqual(['a', 'b', 'c'])
    const into = Buffer.alloc(BLOCK)
    expect(fs.read(fs.find(1, 'b'), 0, into, 0, BLOCK)).toBe(BLOCK)
    expect(() => fs.read(fs.find(1, 'c'), 0, into, 0, BLOCK)).toThrow(expect.objectContaining({ code: 'ERR_CORRUPT' }))
    expect(fs.unlink(1, 'c')).toBe(0)
  })
})

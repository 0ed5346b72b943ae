import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ATTR_BYTES, Attr, decodeAttr, encodeAttr, extentKey, inodeKey, Tag } from '../../codec/index.js'
import { FileSystem } from '../../fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../../node/index.js'
import { limits } from '../../sys/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(64)
/** More than two batches may drop. */
const BLOCKS = 2 * limits.dropBlocks + 100
const PUNCH = 3

let home: string
let engine: Engine
let volume: Volume
let posix: FileSystem
let fs: VolumeFs

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-long-'))
  engine = Engine.open({ home })
  engine.create('w')
  volume = engine.openVolume('w')
  posix = new FileSystem(volume.session)
  fs = createFs(new LocalBackend(new LocalOps(posix)))
})
afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** A file of `BLOCKS` blocks, as though it had been written: all of them are one. Returns its inode. */
function longFile(path: string): number {
  fs.writeFileSync(path, Buffer.alloc(BLOCK, 7))
  const { ino } = fs.statSync(path)
  const { session } = volume
  session.tree.get(K, extentKey(K, ino, 0))
  const pointer = Buffer.from(session.tree.vb.subarray(session.tree.vp, session.tree.vp + session.tree.vl))
  session.tick()
  for (let block = 1; block < BLOCKS; block++) session.put(K, extentKey(K, ino, block), pointer, pointer.length)
  const attr = new Attr()
  session.tree.get(K, inodeKey(K, Tag.attr, ino))
  decodeAttr(session.tree.vb, session.tree.vp, attr)
  attr.size = BLOCKS * BLOCK
  attr.blocks = BLOCKS * (BLOCK / 512)
  const value = Buffer.alloc(ATTR_BYTES)
  encodeAttr(attr, value, 0)
  session.put(K, inodeKey(K, Tag.attr, ino), value, ATTR_BYTES)
  session.addUsage(0, (BLOCKS - 1) * BLOCK)
  expect(session.commit()).toBe(0)
  // What was put together here is a version of its own; the tests look at what comes after it.
  volume.versions.prune({ keep: 0 })
  return ino
}

function check(): void {
  expect(volume.fsck().findings).toEqual([])
}

/** The only version before the present one has all that the file had. */
function expectOneWholeVersion(path: string): void {
  const past = volume.versions.list(path).filter(version => version.ended !== 'current')
  expect(past.map(({ size }) => size)).toEqual([BLOCKS * BLOCK])
}

describe('a file of very many blocks', () => {
  it.each<[string, (path: string, ino: number) => void, number]>([
    ['is truncated', path => fs.truncateSync(path, 5), 5],
    ['is opened with O_TRUNC', path => fs.closeSync(fs.openSync(path, 'w')), 0],
    ['is written anew', path => fs.writeFileSync(path, 'short'), 5],
    ['becomes all hole', (_, ino) => expect(posix.fallocate(ino, PUNCH, 0, BLOCKS * BLOCK, 0)).toBe(0), BLOCKS * BLOCK],
  ])('%s in batches of a bounded size, and that is one change', (_name, change, size) => {
    const ino = longFile('/long')
    const before = volume.session.sequence
    change('/long', ino)
    expect(volume.session.sequence - before).toBe(3)
    expect(fs.statSync('/long').size).toBe(size)
    expectOneWholeVersion('/long')
    expect(volume.state.usage.bytes).toBeLessThanOrEqual(4096)
    check()
    // Later changes are others.
    fs.writeFileSync('/long', 'later')
    expect(volume.versions.list('/long').length).toBe(3)
  })

  it('is deleted, and is a version', () => {
    longFile('/long')
    fs.unlinkSync('/long')
    expectOneWholeVersion('/long')
    expect(volume.state.usage.bytes).toBe(0)
    check()
  })

  it('with holes that are larger still ends without a batch for each', () => {
    longFile('/long')
    fs.truncateSync('/long', 2 ** 50)
    const before = volume.session.sequence
    fs.truncateSync('/long', 0)
    expect(volume.session.sequence - before).toBe(3)
    check()
  })
})

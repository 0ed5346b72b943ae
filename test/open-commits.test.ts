import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { Side } from './support/far-side.js'

let folder: string
let side: Side
let ms = 1_700_000_000_000

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-open-commits-'))
  side = new Side(join(folder, 'home'), { now: () => ms, monotonic: () => ms })
})

afterEach(() => {
  side.engine.close()
  rmSync(folder, { recursive: true, force: true })
})

it('a commit that is open to be read is not pruned where other hosts may collect: they know of commits, and of nothing else', () => {
  const { volume, live } = side
  const ino = live.createWith?.(1, 'f', 0o644, Buffer.from('0'), 0, 1) ?? 0
  const made = [1, 2, 3, 4].map(i => {
    ms += 3600_000
    live.replaceContent?.(ino, Buffer.from(String(i)), 0, 1)
    return volume.commitChanges()?.id
  })
  volume.flush()
  const view = new FileSystem(volume.at(made[1] ?? ''))
  volume.versions.prune({ keep: 0 })
  expect(volume.commits().map(({ id }) => id)).toEqual([made[3], made[1]])
  const read = Buffer.alloc(1)
  view.read(ino, 0, read, 0, 1)
  expect(read.toString()).toBe('2')
})

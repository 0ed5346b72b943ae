import { copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LOCAL_FILES, LocalFiles } from '../local-files.js'
import { CacheSpace } from './cache-space.js'

const MIB = 2 ** 20
let root: string
let folder: string
let spaces: CacheSpace[]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cairn-space-'))
  folder = join(root, 'cache')
  spaces = []
})

afterEach(() => {
  for (const space of spaces) space.close()
  rmSync(root, { recursive: true, force: true })
})

/** As another thread or process has it. */
function open(id = 'aa', maxBytes?: number): CacheSpace {
  const space = new CacheSpace(folder, id)
  if (maxBytes !== undefined) space.limit(maxBytes)
  spaces.push(space)
  return space
}

/** What the folder takes on the disk. */
function onDisk(path = folder): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map(item => statSync(join(item.parentPath, item.name)).blocks * 512)
    .reduce((a, b) => a + b, statSync(path).blocks * 512)
}

const chunk = (fill: number, size = 256 * 1024): Buffer => Buffer.alloc(size, fill)
const names = (): string[] => readdirSync(join(folder, 'packs', 'v')).sort()

describe('the room of a cache', () => {
  it('holds over all who write to it, with all that is on the disk', () => {
    const [a, b] = [open('aa', 2 * MIB), open()]
    for (let i = 0; i < 40; i++) {
      expect((i % 2 === 0 ? a : b).keep(`packs/v${i % 5}/${i}~0`, chunk(i))).toBe(true)
      expect(onDisk()).toBeLessThanOrEqual(2 * MIB)
    }
    expect(a.use().bytes).toBeLessThanOrEqual(2 * MIB)
    expect(a.use()).toEqual(b.use())
    expect(a.count().bytes).toBeGreaterThanOrEqual(onDisk())
    expect(a.count().files).toBeGreaterThan(5)
  })

  it('is made by what was used longest ago, whoever used it', () => {
    const a = open('aa', 1 * MIB)
    for (const i of [0, 1, 2]) a.keep(`packs/v/${i}~0`, chunk(i))
    for (const [i, age] of [
      [0, 10],
      [1, 30],
      [2, 20],
    ])
      utimesSync(join(folder, 'packs', 'v', `${i}~0`), 1_000_000 - age, 1_000_000 - age)
    open().keep('packs/v/3~0', chunk(3))
    expect(names()).toEqual(['0~0', '2~0', '3~0'])
  })

  it('is not made for what would not fit all the same', () => {
    const a = open('aa', 1 * MIB)
    a.keep('packs/v/0~0', chunk(1))
    expect(a.keep('packs/v/1', chunk(2, 2 * MIB))).toBe(false)
    writeFileSync(join(root, 'pack'), chunk(3, 2 * MIB))
    expect(a.adopt('packs/v/2', join(root, 'pack'))).toBe(false)
    expect(existsSync(join(root, 'pack'))).toBe(false)
    expect(names()).toEqual(['0~0'])
  })

  it('takes a finished file over, and the file of the same name before it does not count twice', () => {
    const a = open('aa', 4 * MIB)
    for (const fill of [1, 2]) {
      writeFileSync(join(root, 'pack'), chunk(fill, MIB))
      expect(a.adopt('packs/v/2', join(root, 'pack'))).toBe(true)
    }
    expect(readFileSync(join(folder, 'packs/v/2')).equals(chunk(2, MIB))).toBe(true)
    expect(a.use().bytes).toBe(a.count().bytes)
  })

  it('is as large as was said last, for others and for those who come later', () => {
    open('aa', 3 * MIB)
    const b = open()
    expect(b.use().maxBytes).toBe(3 * MIB)
    for (let i = 0; i < 8; i++) b.keep(`packs/v/${i}~0`, chunk(i))
    open('aa', 1 * MIB)
    expect(onDisk()).toBeLessThanOrEqual(MIB)
    b.keep('packs/v/9~0', chunk(9))
    expect(b.maxBytes).toBe(MIB)
    expect(onDisk()).toBeLessThanOrEqual(MIB)
  })

  it('counts again what a crash left, and removes what was not finished', () => {
    const a = open('aa', 2 * MIB)
    a.keep('packs/v/0~0', chunk(1))
    const index = join(folder, '~index')
    // As after a crash between reserving and writing.
    const { bytes, ...rest } = JSON.parse(readFileSync(index, 'utf8')) as { bytes: number }
    writeFileSync(index, JSON.stringify({ ...rest, bytes: bytes + 10 * MIB }))
    writeFileSync(join(folder, 'packs/v/1~0~abc'), chunk(2))
    writeFileSync(join(folder, 'packs/v/2~0~abc'), chunk(2))
    utimesSync(join(folder, 'packs/v/2~0~abc'), 1, 1)
    expect(open().keep('packs/v/3~0', chunk(3))).toBe(true)
    expect(names()).toEqual(['0~0', '1~0~abc', '3~0'])
    expect(onDisk()).toBeLessThanOrEqual(a.use().bytes)
  })

  it('trusts nothing that another store left', () => {
    open('aa', 4 * MIB).keep('packs/v/0~0', chunk(1))
    cpSync(folder, join(root, 'other'), { recursive: true })
    folder = join(root, 'other')
    const b = open('bb')
    expect(b.count()).toMatchObject({ files: 0 })
    expect(existsSync(join(folder, 'packs'))).toBe(false)
    b.keep('packs/v/1~0', chunk(1))
    // One that nobody says whose it is.
    for (const text of ['', '{', '{"format":2}']) {
      writeFileSync(join(folder, '~index'), text)
      expect(open('bb').count()).toMatchObject({ files: 0 })
      b.keep('packs/v/1~0', chunk(1))
    }
  })

  it('may be deleted at any time', () => {
    const [a, b] = [open('aa', 2 * MIB), open()]
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 6; i++) expect((i % 2 === 0 ? a : b).keep(`packs/v/${i}~0`, chunk(i))).toBe(true)
      rmSync(folder, { recursive: true })
      expect(a.remove(['packs/v/0~0'])).toBe(0)
    }
    expect(a.use().maxBytes).toBe(2 * MIB)
    rmSync(folder, { recursive: true })
    writeFileSync(folder, 'a file in its place')
    expect(a.keep('packs/v/0~0', chunk(1))).toBe(false)
    expect(b.use().bytes).toBe(0)
  })

  it('keeps what programs have as files, and removes it when they have ended', () => {
    const a = open('aa', 2 * MIB)
    const files = new LocalFiles(join(folder, LOCAL_FILES))
    const path = a.pin(1.5 * MIB, () => files.create('big.bin', 1.5 * MIB)) ?? ''
    expect(statSync(path)).toMatchObject({ size: 1.5 * MIB, mode: 0o100600 })
    for (let i = 0; i < 6; i++) a.keep(`packs/v/${i}~0`, chunk(i))
    expect(existsSync(path)).toBe(true)
    expect(a.count().pinned).toEqual({ files: 1, bytes: 1.5 * MIB })
    expect(a.pin(MIB, () => files.create('more.bin', MIB))).toBeUndefined()
    a.clear()
    expect(existsSync(path)).toBe(true)
    // Left by a process that was killed: its lock is free.
    const left = join(folder, LOCAL_FILES, 'dead')
    cpSync(join(path, '../..'), left, { recursive: true })
    copyFileSync('/dev/null', `${left}.lock`)
    cpSync(join(path, '../..'), join(folder, LOCAL_FILES, 'without-lock'), { recursive: true })
    expect(a.count().pinned.files).toBe(1)
    expect(readdirSync(join(folder, LOCAL_FILES)).length).toBe(2)
    a.unpin(1.5 * MIB, () => files.remove(path))
    expect(a.pin(MIB, () => files.create('more.bin', MIB))).toMatch(/more\.bin$/)
    files.close()
    expect(a.count().pinned.files).toBe(0)
    expect(readdirSync(join(folder, LOCAL_FILES))).toEqual([])
  })

  it('deletes all that is cached of objects, and all of it', () => {
    const a = open('aa', 4 * MIB)
    for (const path of ['packs/v/0~0', 'packs/v/0~1', 'packs/v/01~0', 'packs/w/0~0']) a.keep(path, chunk(1))
    a.removeObjects(['packs/v/0', 'packs/w/none', 'packs/x/none'])
    expect(names()).toEqual(['01~0'])
    expect(a.use().bytes).toBe(a.count().bytes)
    expect(a.clear()).toMatchObject({ files: 2 })
    expect(a.count()).toMatchObject({ files: 0 })
  })
})

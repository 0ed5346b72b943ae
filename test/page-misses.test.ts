/**
 * An operation that meets what is not here yet has changed nothing, and is made again: each is given up at its first read of the store, then at its second, and
 * so on until it gets through, with all pages cold each time, and everything afterwards is as in a volume where nothing is ever missing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileSystemApi } from '../src/fs/index.js'
import type { Volume } from '../src/volume/volume.js'
import { Side } from './support/far-side.js'
import { seeded } from './support/seeded.js'

const BLOCK = 65536
let folder: string
let hosts: Side[]

let ms: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-misses-'))
  ms = 1_700_000_000_000
  const clock = { now: () => ms, monotonic: () => ms }
  hosts = ['plain', 'missing'].map(name => new Side(join(folder, name), clock))
})

afterEach(() => {
  for (const { engine } of hosts) engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What one sees of a tree: by path, with all that its numbers do not decide. */
function shown(fs: FileSystemApi, volume: Volume): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const walk = (path: string, ino: number): void => {
    expect(fs.getattr(ino)).toBe(0)
    const { mode, nlink, uid, gid, size, blocks, mtimeS, mtimeNs, ctimeS, atimeS, flags } = fs.attr
    const isDirectory = (mode & 0o170000) === 0o040000
    const content = Buffer.alloc(isDirectory ? 0 : size)
    if (content.length > 0) expect(fs.read(ino, 0, content, 0, size)).toBe(size)
    expect(fs.listxattr(ino)).toBe(0)
    const xattrs = [...fs.names].sort().map(name => {
      fs.getxattr(ino, name)
      return [name, Buffer.from(fs.value).toString('hex')]
    })
    const versions = isDirectory ? [] : volume.versions.list(path).map(one => [one.number, one.ended])
    found.set(path, { mode, nlink, uid, gid, size, blocks, mtimeS, mtimeNs, ctimeS, atimeS, flags, content: content.toString('hex'), xattrs, versions })
    if (!isDirectory) return
    const names: Array<[string, number]> = []
    fs.readdir(ino, 0, 0, (name, child) => names.push([name, child]) > 0)
    for (const [name, child] of names.sort(([a], [b]) => (a < b ? -1 : 1))) walk(`${path === '/' ? '' : path}/${name}`, child)
  }
  walk('/', 1)
  return found
}

type Operation = (side: Side) => unknown

/** One operation by path, whose arguments do not depend on numbers of inodes. */
function operationOf(pick: (below: number) => number): Operation {
  const name = (): string => 'abcd'[pick(4)]
  const path = (): string => (pick(2) === 0 ? `/${name()}` : `/${name()}/${name()}`)
  const [one, two, large, offset, kind] = [path(), path(), pick(3) * BLOCK + pick(3000), pick(5) * 30_000, pick(20)]
  const length = [10, 300, 1500, 5000, 2 * BLOCK + 77][pick(5)]
  const bytes = Buffer.alloc(length, 65 + pick(20))
  const at = (side: Side, path: string): number => side.fs.resolve(path, false)
  const inParent = (side: Side, path: string, work: (dir: number, name: string) => unknown): unknown => {
    const dir = side.fs.resolveParent(path)
    return dir < 0 ? dir : work(dir, side.fs.text)
  }
  const set = { mode: 0o640, uid: 3, gid: 4, size: large, atimeS: 5, atimeNs: 6, mtimeS: 7, mtimeNs: 8, flags: 0 }
  const valid = [1, 2, 8, 8, 16 | 32][pick(5)]
  const flags = [0, 0, 1, 2][pick(4)]
  const opened = [0, 1, 0o1001][pick(3)]
  const operations: Operation[] = [
    side => inParent(side, one, (dir, name) => side.fs.mknod(dir, name, 0o100644, 0) > 0),
    side => inParent(side, one, (dir, name) => side.fs.mkdir(dir, name, 0o755) > 0),
    side => inParent(side, one, (dir, name) => side.fs.symlink(dir, name, 'x'.repeat(offset % 900) || 'y') > 0),
    side => inParent(side, two, (dir, name) => side.fs.link(at(side, one), dir, name) > 0),
    side => inParent(side, one, (dir, name) => side.fs.unlink(dir, name)),
    side => inParent(side, one, (dir, name) => side.fs.rmdir(dir, name)),
    side => inParent(side, one, (dir, name) => inParent(side, two, (toDir, toName) => side.fs.rename(dir, name, toDir, toName, flags))),
    side => side.fs.setattr(at(side, one), valid, set),
    side => side.fs.write(at(side, one), offset, bytes, 0, length),
    side => side.fs.write(at(side, one), offset, bytes, 0, length, true),
    side => side.fs.write(at(side, one), 1, bytes, 0, 10),
    side => inParent(side, one, (dir, name) => (side.fs.createWith?.(dir, name, 0o600, bytes, 0, length) ?? 0) > 0),
    side => side.fs.replaceContent?.(at(side, one), bytes, 0, length),
    side => side.fs.setxattr(at(side, one), `user.${name}`, bytes, 0),
    side => side.fs.removexattr(at(side, one), `user.${name}`),
    side => side.fs.fallocate(at(side, one), 3, offset, 100_000),
    side => {
      const ino = at(side, one)
      const result = side.fs.open(ino, opened)
      if (result < 0) return result
      // As those who open, and go on with what they opened.
      side.fs.session.waitFromNow?.()
      side.fs.release(ino)
      return result
    },
    // What is open outlives its names.
    side => side.keep(at(side, one)),
    side => side.letGo(),
    side => side.letGo(),
  ]
  return operations[kind]
}

/** A tree of several levels. */
function fill({ live }: Side): void {
  for (const name of 'abcd') {
    const dir = live.mkdir(1, name, 0o755)
    for (let i = 0; i < 150; i++) live.createWith?.(dir, `${name}-${i}-${'x'.repeat(40)}`, 0o644, Buffer.alloc(200, i), 0, 200)
    for (const file of 'abcd') live.createWith?.(dir, file, 0o644, Buffer.alloc(4 * BLOCK, name), 0, 4 * BLOCK)
  }
}

describe.each([
  ['of a volume', false],
  ['in a transaction', true],
])('changes %s', (_, inTransactions) => {
  it.each([1, 2])('are made whole or not at all, whatever of the tree is missing (seed %i)', seed => {
    const pick = seeded(seed)
    const [plain, missing] = hosts
    for (const side of hosts) fill(side)
    for (let i = 0; i < 48; i++) {
      ms += 5
      if (i % 3 === 0) for (const side of hosts) side.cool()
      if (inTransactions && i % 6 === 0) for (const side of hosts) side.begin()
      const operation = operationOf(pick)
      const expected = operation(plain)
      expect(missing.missing(operation)).toEqual(expected)
      if (inTransactions && i % 6 === 5) for (const side of hosts) side.commit()
    }
    for (const side of hosts) for (let i = 0; i < 48; i++) side.letGo()
    expect(missing.volume.session.usage).toEqual(plain.volume.session.usage)
    expect(shown(missing.live, missing.volume)).toEqual(shown(plain.live, plain.volume))
    expect(missing.missed).toBeGreaterThan(80)
  })
})

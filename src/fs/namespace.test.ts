import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ATTR_BYTES, Attr, encodeAttr, inodeKey, Tag } from '../codec/index.js'
import { EBUSY, EEXIST, EINVAL, EISDIR, EMLINK, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM } from '../errors.js'
import { limits } from '../sys/index.js'
import { CollidingHash, type Fixture, fixture, ManualClock, trees } from '../testing/fs-fixture.js'
import { violations } from '../testing/fs-invariants.js'
import { MemorySession } from '../testing/memory-session.js'
import { FileSystem, Rename } from './index.js'

function touchFile({ fs }: Fixture, dir: number, name: string): number {
  return fs.mknod(dir, name, 0o100644, 0)
}

function nlink({ fs }: Fixture, ino: number): number {
  expect(fs.getattr(ino)).toBe(0)
  return fs.attr.nlink
}

describe('names', () => {
  it('are any bytes but / and NUL, up to 255 of them', () => {
    const f = fixture()
    const odd = String.fromCharCode(...Array.from({ length: 255 }, (_, i) => i + 1)).replace('/', '')
    expect(touchFile(f, 1, odd)).toBeGreaterThan(0)
    expect(f.fs.lookup(1, odd)).toBeGreaterThan(0)
    expect(touchFile(f, 1, 'x'.repeat(255))).toBeGreaterThan(0)
    expect(touchFile(f, 1, 'x'.repeat(256))).toBe(-ENAMETOOLONG)
    expect(f.fs.lookup(1, 'x'.repeat(256))).toBe(-ENAMETOOLONG)
    expect(f.fs.unlink(1, 'x'.repeat(256))).toBe(-ENAMETOOLONG)
    expect(f.fs.rename(1, odd, 1, 'x'.repeat(256), 0)).toBe(-ENAMETOOLONG)
    for (const name of ['a/b', 'a\0b', 'a\u0161']) expect(touchFile(f, 1, name)).toBe(-EINVAL)
    expect(violations(f.session)).toEqual([])
  })

  it('. and .. are no names to make, remove or rename', () => {
    const f = fixture()
    const dir = f.fs.mkdir(1, 'dir', 0o755)
    for (const name of ['.', '..', '']) {
      expect(f.fs.mkdir(dir, name, 0o755)).toBe(-EEXIST)
      expect(f.fs.unlink(dir, name)).toBe(-EISDIR)
      expect(f.fs.rename(dir, name, 1, 'x', 0)).toBe(-EBUSY)
      expect(f.fs.rename(1, 'dir', dir, name, 0)).toBe(-EBUSY)
      expect(f.fs.rename(1, 'dir', dir, name, Rename.noReplace)).toBe(-EEXIST)
    }
    expect(f.fs.rmdir(dir, '.')).toBe(-EINVAL)
    expect(f.fs.rmdir(dir, '..')).toBe(-ENOTEMPTY)
    expect(f.fs.rmdir(dir, '')).toBe(-EBUSY)
    expect(f.fs.lookup(dir, '.')).toBe(dir)
    expect(f.fs.lookup(dir, '..')).toBe(1)
    expect(f.fs.lookup(1, '..')).toBe(1)
    const file = touchFile(f, dir, 'file')
    for (const name of ['.', '..', 'x']) expect(f.fs.lookup(file, name)).toBe(-ENOTDIR)
    expect(f.fs.mkdir(file, 'x', 0o755)).toBe(-ENOTDIR)
    expect(f.fs.lookup(999, 'x')).toBe(-ENOENT)
  })
})

describe('the name of the history', () => {
  it('is given to nothing in the root directory, and to anything below', () => {
    const f = fixture()
    const dir = f.fs.mkdir(1, 'dir', 0o755)
    const file = touchFile(f, 1, 'file')
    expect(f.fs.mkdir(1, '.cairn', 0o755)).toBe(-EPERM)
    expect(touchFile(f, 1, '.cairn')).toBe(-EPERM)
    expect(f.fs.symlink(1, '.cairn', 'x')).toBe(-EPERM)
    expect(f.fs.link(file, 1, '.cairn')).toBe(-EPERM)
    expect(f.fs.rename(1, 'dir', 1, '.cairn', 0)).toBe(-EPERM)
    expect(f.fs.mkdir(dir, '.cairn', 0o755)).toBeGreaterThan(0)
    expect(f.fs.rename(dir, '.cairn', 1, '.cairn', 0)).toBe(-EPERM)
    expect(f.fs.rename(dir, '.cairn', 1, 'cairn', 0)).toBe(0)
  })
})

describe('links', () => {
  it('are counted, by directories too', () => {
    const f = fixture()
    const a = f.fs.mkdir(1, 'a', 0o755)
    const b = f.fs.mkdir(a, 'b', 0o755)
    expect([nlink(f, 1), nlink(f, a), nlink(f, b)]).toEqual([3, 3, 2])
    const file = touchFile(f, a, 'file')
    expect(f.fs.link(file, b, 'other')).toBe(0)
    expect(f.fs.attr.nlink).toBe(2)
    expect(f.fs.link(b, a, 'dir-link')).toBe(-EPERM)
    expect(f.fs.link(file, a, 'file')).toBe(-EEXIST)
    expect(f.fs.unlink(a, 'file')).toBe(0)
    expect(nlink(f, file)).toBe(1)
    expect(f.fs.rename(a, 'b', 1, 'b', 0)).toBe(0)
    expect([nlink(f, 1), nlink(f, a)]).toEqual([4, 2])
    expect(f.fs.lookup(b, '..')).toBe(1)
    expect(violations(f.session)).toEqual([])
  })

  it('are limited', () => {
    const f = fixture()
    const file = touchFile(f, 1, 'file')
    f.fs.getattr(file)
    const almost = Object.assign(new Attr(), f.fs.attr, { nlink: limits.linkCount - 1 })
    const K = Buffer.alloc(8)
    const V = Buffer.alloc(ATTR_BYTES)
    encodeAttr(almost, V, 0)
    f.session.tree.put(K, inodeKey(K, Tag.attr, file), V, ATTR_BYTES)
    expect(f.fs.link(file, 1, 'the last')).toBe(0)
    expect(f.fs.link(file, 1, 'one more')).toBe(-EMLINK)
  })
})

describe('rename', () => {
  it('of what to what is allowed as Linux allows it', () => {
    const f = fixture()
    const { fs } = f
    const file = touchFile(f, 1, 'file')
    const dir = fs.mkdir(1, 'dir', 0o755)
    const full = fs.mkdir(1, 'full', 0o755)
    touchFile(f, full, 'entry')
    expect(fs.rename(1, 'file', 1, 'dir', 0)).toBe(-EISDIR)
    expect(fs.rename(1, 'dir', 1, 'file', 0)).toBe(-ENOTDIR)
    expect(fs.rename(1, 'dir', 1, 'full', 0)).toBe(-ENOTEMPTY)
    expect(fs.rename(1, 'missing', 1, 'x', 0)).toBe(-ENOENT)
    expect(fs.rename(1, 'dir', dir, 'x', 0)).toBe(-EINVAL)
    expect(fs.rename(1, 'file', file, 'x', 0)).toBe(-ENOTDIR)
    expect(fs.rename(1, 'file', 1, 'dir', 4)).toBe(-EINVAL)
    expect(fs.rename(1, 'file', 1, 'dir', Rename.noReplace | Rename.exchange)).toBe(-EINVAL)
    expect(fs.rename(1, 'file', 1, 'dir', Rename.noReplace)).toBe(-EEXIST)
    expect(fs.rename(1, 'file', 1, 'missing', Rename.exchange)).toBe(-ENOENT)
    const deep = fs.mkdir(dir, 'deep', 0o755)
    expect(fs.rename(1, 'dir', deep, 'x', 0)).toBe(-EINVAL)
    expect(fs.rename(1, 'dir', deep, 'x', Rename.exchange)).toBe(-ENOENT)
    touchFile(f, deep, 'leaf')
    expect(fs.rename(deep, 'leaf', 1, 'dir', 0)).toBe(-ENOTEMPTY)
    expect(fs.rename(deep, 'leaf', 1, 'dir', Rename.exchange)).toBe(-EINVAL)
    expect(fs.rename(1, 'full', dir, 'moved', 0)).toBe(0)
    expect(fs.resolve('/dir/moved/entry', true)).toBeGreaterThan(0)
    expect(violations(f.session)).toEqual([])
  })

  it('onto another link of the same file does nothing', () => {
    const f = fixture()
    const file = touchFile(f, 1, 'a')
    f.fs.link(file, 1, 'b')
    const before = f.session.dump()
    expect(f.fs.rename(1, 'a', 1, 'b', 0)).toBe(0)
    expect(f.fs.rename(1, 'a', 1, 'a', 0)).toBe(0)
    expect(f.session.dump()).toEqual(before)
  })

  it('replaces in one batch and drops what was there', () => {
    const f = fixture()
    const dir = f.fs.mkdir(1, 'dir', 0o755)
    const a = touchFile(f, 1, 'a')
    const b = f.fs.createWith(dir, 'b', 0o644, Buffer.alloc(200000), 0, 200000)
    const before = f.session.changes
    expect(f.fs.rename(1, 'a', dir, 'b', 0)).toBe(0)
    expect(f.session.changes).toBe(before + 1)
    expect(f.fs.getattr(b)).toBe(-ENOENT)
    expect(f.fs.lookup(dir, 'b')).toBe(a)
    expect(f.fs.lookup(1, 'a')).toBe(-ENOENT)
    expect(violations(f.session)).toEqual([])
  })

  it('exchanges across directories, a directory with a file as well', () => {
    const f = fixture()
    const { fs } = f
    const left = fs.mkdir(1, 'left', 0o755)
    const right = fs.mkdir(1, 'right', 0o755)
    const sub = fs.mkdir(left, 'sub', 0o755)
    const inner = fs.mkdir(sub, 'inner', 0o755)
    const file = touchFile(f, right, 'file')
    expect(fs.rename(left, 'sub', right, 'file', Rename.exchange)).toBe(0)
    expect([fs.lookup(left, 'sub'), fs.lookup(right, 'file')]).toEqual([file, sub])
    expect([nlink(f, left), nlink(f, right)]).toEqual([2, 3])
    expect(fs.lookup(sub, '..')).toBe(right)
    expect(fs.resolve('/right/file/inner', true)).toBe(inner)
    const other = fs.mkdir(1, 'other', 0o755)
    expect(fs.rename(right, 'file', 1, 'other', Rename.exchange)).toBe(0)
    expect([fs.lookup(sub, '..'), fs.lookup(other, '..')]).toEqual([1, right])
    expect(fs.pathOf(inner)).toBe(0)
    expect(fs.text).toBe('/other/inner')
    expect(violations(f.session)).toEqual([])
  })
})

/** A step of the model: an operation on names from a tiny pool, which collide. */
const names = ['a', 'b', 'c', 'name that is longer than others']
const name = fc.constantFrom(...names)
const pick = fc.nat(5)
const steps = fc.array(
  fc.record({
    op: fc.constantFrom(
      'mkdir',
      'mkdir',
      'mknod',
      'mknod',
      'symlink',
      'link',
      'unlink',
      'rmdir',
      'rename',
      'rename',
      'exchange',
      'noReplace',
      'write',
      'readdir',
      'resolve',
      'lookup',
      'chmod',
    ),
    dir: pick,
    name,
    toDir: pick,
    toName: name,
  }),
  { minLength: 20, maxLength: 60 },
)

class Player {
  readonly session: MemorySession
  readonly fs: FileSystem
  readonly dirs = [1]
  readonly files: number[] = []

  constructor(session: MemorySession, nameCacheEntries: number) {
    this.session = session
    this.fs = new FileSystem(session, { nameCacheEntries })
  }

  #dir(pick: number): number {
    return this.dirs[this.dirs.length - 1 - (pick % this.dirs.length)]
  }

  /** Does a step; what it answers, in full. */
  play(s: { op: string; dir: number; name: string; toDir: number; toName: string }): unknown {
    const { fs } = this
    const dir = this.#dir(s.dir)
    const toDir = this.#dir(s.toDir)
    const note = (to: number[], ino: number) => {
      if (ino > 0) to.push(ino)
      return ino
    }
    switch (s.op) {
      case 'mkdir':
        return note(this.dirs, fs.mkdir(dir, s.name, 0o755))
      case 'mknod':
        return note(this.files, fs.mknod(dir, s.name, 0o100644, 0))
      case 'symlink':
        return fs.symlink(dir, s.name, s.toDir % 2 === 0 ? s.toName : `../${s.toName}`)
      case 'link':
        return fs.link(this.files[s.toDir % Math.max(1, this.files.length)] ?? 999, dir, s.name)
      case 'unlink':
        return fs.unlink(dir, s.name)
      case 'rmdir':
        return fs.rmdir(dir, s.name)
      case 'rename':
        return fs.rename(dir, s.name, toDir, s.toName, 0)
      case 'exchange':
        return fs.rename(dir, s.name, toDir, s.toName, Rename.exchange)
      case 'noReplace':
        return fs.rename(dir, s.name, toDir, s.toName, Rename.noReplace)
      case 'write':
        return fs.write(fs.find(dir, s.name), 0, Buffer.alloc(3000), 0, (s.toDir + 1) * 500)
      case 'chmod':
        return fs.setattr(dir, 1, { mode: s.toDir % 2 === 0 ? 0o700 : 0o755, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 })
      case 'readdir': {
        const seen: unknown[] = []
        const result = fs.readdir(dir, 0, 0, (...entry) => seen.push(entry) > 0)
        return [result, seen]
      }
      case 'lookup':
        return fs.lookup(dir, s.name)
      default: {
        const found = fs.pathOf(dir) === 0 ? fs.text : '/gone'
        const path = `${found}/${s.name}/${s.toName}`
        const cred = { uid: 7, gid: 7, groups: [] }
        return [fs.resolve(path, true), fs.resolve(path, false, cred), fs.resolve(`${found}/${s.name}`, true, cred), fs.resolveParent(path) > 0 ? fs.text : '']
      }
    }
  }
}

describe('any sequence of operations', () => {
  it.each([
    ['spread hashes', () => undefined],
    ['colliding hashes', () => new CollidingHash(3)],
  ])('keeps the volume whole and answers the same with and without caches: %s', (_, hash) => {
    fc.assert(
      fc.property(steps, list => {
        const players = [10000, 0, 4].map(entries => new Player(new MemorySession({ clock: new ManualClock(), dirHash: hash() }), entries))
        for (const step of list) {
          const answers = players.map(player => player.play(step))
          expect(answers[1]).toEqual(answers[0])
          expect(answers[2]).toEqual(answers[0])
          expect(violations(players[0].session)).toEqual([])
        }
        const dumps = players.map(player => player.session.dump())
        expect(dumps[1]).toEqual(dumps[0])
        expect(dumps[2]).toEqual(dumps[0])
      }),
      { numRuns: 60 },
    )
  })

  it('that fails in commit leaves no trace and can be done again', () => {
    fc.assert(
      fc.property(steps, list => {
        const player = new Player(new MemorySession({ clock: new ManualClock() }), 1000)
        const { session } = player
        for (const step of list) {
          const before = session.dump()
          const changes = session.changes
          session.failures.push(-ENOSPC)
          const answer = player.play(step)
          if (session.failures.length === 0) expect(answer).toBe(-ENOSPC)
          else session.failures.length = 0
          expect(session.dump()).toEqual(before)
          expect(session.changes).toBe(changes)
          player.play(step)
          expect(violations(session)).toEqual([])
        }
      }),
      { numRuns: 25 },
    )
  })

  it('of another file system on the same session is noticed', () => {
    const session = new MemorySession()
    const one = new FileSystem(session)
    const two = new FileSystem(session)
    const dir = one.mkdir(1, 'dir', 0o755)
    expect(two.resolve('/dir/file', true)).toBe(-ENOENT)
    const file = one.mknod(dir, 'file', 0o100644, 0)
    expect(two.resolve('/dir/file', true)).toBe(file)
    one.rename(1, 'dir', 1, 'moved', 0)
    expect(two.resolve('/dir/file', true)).toBe(-ENOENT)
    expect(two.resolve('/moved/file', true)).toBe(file)
  })
})

describe.each(trees)('a directory of many entries over %s', (_, tree) => {
  it('is read in pages while others delete, each entry that stays exactly once', () => {
    const f = fixture({ tree: tree(), dirHash: new CollidingHash(4000) })
    const all = new Set<string>()
    for (let i = 0; i < 1500; i++) {
      touchFile(f, 1, `entry ${i}`)
      all.add(`entry ${i}`)
    }
    const seen = new Map<string, number>()
    let high = 0
    let low = 0
    for (let more = true; more; ) {
      let room = 7
      more = false
      const batch: string[] = []
      f.fs.readdir(1, high, low, (entry, _ino, _type, h, l) => {
        if (room-- === 0) {
          more = true
          return false
        }
        batch.push(entry)
        high = h
        low = l
        return true
      })
      for (const entry of batch) seen.set(entry, (seen.get(entry) ?? 0) + 1)
      const victim = batch[0]
      if (victim !== undefined && all.delete(victim)) f.fs.unlink(1, victim)
    }
    for (const entry of all) expect(seen.get(entry) ?? 0).toBeGreaterThan(0)
    expect(violations(f.session)).toEqual([])
  })
})

describe('readdir', () => {
  it('gives a group of one hash the offset before it, all but its last', () => {
    const f = fixture({ dirHash: new CollidingHash(1) })
    for (const entry of ['a', 'b', 'c']) touchFile(f, 1, entry)
    const read = (high: number, low: number, count = 10): Array<[string, number, number]> => {
      const got: Array<[string, number, number]> = []
      f.fs.readdir(1, high, low, (entry, _ino, _type, h, l) => {
        if (got.length === count) return false
        got.push([entry, h, l])
        return true
      })
      return got
    }
    for (const _ of ['from the tree', 'from the listing']) {
      expect(read(0, 0)).toEqual([
        ['a', 5, 0xfffffffd],
        ['b', 5, 0xfffffffd],
        ['c', 5, 0xfffffffe],
      ])
    }
    expect(read(5, 0xfffffffd, 2).map(([entry]) => entry)).toEqual(['a', 'b'])
    expect(read(5, 0xfffffffe)).toEqual([])
  })

  it('lets the visitor read other directories', () => {
    const f = fixture()
    const dirs = ['x', 'y', 'z'].map(entry => f.fs.mkdir(1, entry, 0o755))
    for (const dir of dirs) touchFile(f, dir, 'inside')
    const seen: string[] = []
    f.fs.readdir(1, 0, 0, (entry, ino) => {
      f.fs.readdir(ino, 0, 0, inner => seen.push(`${entry}/${inner}`) > 0)
      return true
    })
    expect(seen.sort()).toEqual(['x/inside', 'y/inside', 'z/inside'])
    expect(f.fs.readdir(f.fs.find(dirs[0], 'inside'), 0, 0, () => true)).toBe(-ENOTDIR)
    expect(f.fs.readdir(4711, 0, 0, () => true)).toBe(-ENOENT)
  })
})

describe('a removed directory', () => {
  it('that is open holds nothing and takes nothing', () => {
    const f = fixture()
    const dir = f.fs.mkdir(1, 'dir', 0o755)
    const file = touchFile(f, 1, 'file')
    expect(f.fs.open(dir, 0)).toBe(0)
    expect(f.fs.rmdir(1, 'dir')).toBe(0)
    expect(nlink(f, dir)).toBe(0)
    expect(touchFile(f, dir, 'x')).toBe(-ENOENT)
    expect(f.fs.mkdir(dir, 'x', 0o755)).toBe(-ENOENT)
    expect(f.fs.link(file, dir, 'x')).toBe(-ENOENT)
    expect(f.fs.rename(1, 'file', dir, 'x', 0)).toBe(-ENOENT)
    expect(f.fs.lookup(dir, 'x')).toBe(-ENOENT)
    expect(f.fs.pathOf(dir)).toBe(-ENOENT)
    expect(violations(f.session)).toEqual([])
    f.fs.release(dir)
    expect(f.fs.getattr(dir)).toBe(-ENOENT)
    expect(violations(f.session)).toEqual([])
  })
})

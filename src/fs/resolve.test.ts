import { describe, expect, it } from 'vitest'
import { EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from '../errors.js'
import { limits } from '../sys/index.js'
import { fixture } from '../testing/fs-fixture.js'
import { Set as Field } from './filesystem.js'

const noSet = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }

function setUp() {
  const f = fixture()
  const { fs } = f
  const a = fs.mkdir(1, 'a', 0o755)
  const b = fs.mkdir(a, 'b', 0o755)
  const file = fs.mknod(b, 'file', 0o100644, 0)
  return { ...f, a, b, file }
}

describe('a path', () => {
  it('is walked as Linux walks it, the second time as the first', () => {
    const { fs, a, b, file } = setUp()
    const expected: Array<[string, number]> = [
      ['', -ENOENT],
      ['/', 1],
      ['///', 1],
      ['.', 1],
      ['..', 1],
      ['/../..', 1],
      ['a', a],
      ['/a', a],
      ['/a/', a],
      ['//a//b//', b],
      ['/a/./b/../b/.', b],
      ['/a/b/file', file],
      ['/a/b/../b/file', file],
      ['/a/b/file/', -ENOTDIR],
      ['/a/b/file/.', -ENOTDIR],
      ['/a/b/file/..', -ENOTDIR],
      ['/a/b/file/x', -ENOTDIR],
      ['/a/x', -ENOENT],
      ['/a/x/', -ENOENT],
      ['/a/x/y', -ENOENT],
      [`/a/${'n'.repeat(256)}`, -ENAMETOOLONG],
      [`/a/b/file/${'n'.repeat(256)}`, -ENOTDIR],
      [`/${'./'.repeat(2047)}`, 1],
      [`/${'./'.repeat(2048)}`, -ENAMETOOLONG],
    ]
    for (let round = 0; round < 2; round++) for (const [path, ino] of expected) expect([path, fs.resolve(path, true)]).toEqual([path, ino])
    fs.resolve('/a/b/file', true)
    expect(fs.attr.mode).toBe(0o100644)
  })

  it('follows symbolic links, the last one when asked or when a slash follows', () => {
    const { fs, a, b, file } = setUp()
    const toDir = fs.symlink(a, 'to-dir', 'b')
    const toFile = fs.symlink(1, 'to-file', 'a/to-dir/file')
    const absolute = fs.symlink(b, 'absolute', '/a/b/')
    const dangling = fs.symlink(1, 'dangling', 'nowhere/x')
    const up = fs.symlink(b, 'up', '../..')
    for (let round = 0; round < 2; round++) {
      expect(fs.resolve('/a/to-dir', false)).toBe(toDir)
      expect(fs.resolve('/a/to-dir', true)).toBe(b)
      expect(fs.resolve('/a/to-dir/', false)).toBe(b)
      expect(fs.resolve('/a/to-dir/file', false)).toBe(file)
      expect(fs.resolve('/to-file', false)).toBe(toFile)
      expect(fs.resolve('/to-file', true)).toBe(file)
      expect(fs.resolve('/to-file/', true)).toBe(-ENOTDIR)
      expect(fs.resolve('/to-file/', false)).toBe(-ENOTDIR)
      expect(fs.resolve('/a/b/absolute', false)).toBe(absolute)
      expect(fs.resolve('/a/b/absolute/absolute/file', true)).toBe(file)
      expect(fs.resolve('/a/b/up', true)).toBe(1)
      expect(fs.resolve('/a/b/up', false)).toBe(up)
      expect(fs.resolve('/dangling', true)).toBe(-ENOENT)
      expect(fs.resolve('/dangling', false)).toBe(dangling)
    }
    fs.rename(a, 'b', 1, 'c', 0)
    expect(fs.resolve('/a/to-dir/file', true)).toBe(-ENOENT)
    expect(fs.resolve('/a/b/file', true)).toBe(-ENOENT)
    expect(fs.resolve('/c/file', true)).toBe(file)
  })

  it('ends in ELOOP after 40 links', () => {
    const { fs, file } = setUp()
    fs.symlink(1, 'self', 'self')
    expect(fs.resolve('/self', true)).toBe(-ELOOP)
    expect(fs.resolve('/self', false)).toBeGreaterThan(0)
    fs.symlink(1, 'l1', 'a/b/file')
    for (let i = 2; i <= limits.symlinkDepth + 1; i++) fs.symlink(1, `l${i}`, `l${i - 1}`)
    expect(fs.resolve(`/l${limits.symlinkDepth}`, true)).toBe(file)
    expect(fs.resolve(`/l${limits.symlinkDepth + 1}`, true)).toBe(-ELOOP)
  })

  it('has a parent and a last component, which need not exist', () => {
    const { fs, a, b } = setUp()
    const parent = (path: string, follow = false) => [fs.resolveParent(path, undefined, follow), fs.text, fs.trailingSlash]
    for (let round = 0; round < 2; round++) {
      expect(parent('/a/b/new')).toEqual([b, 'new', false])
      expect(parent('/a/b/new/')).toEqual([b, 'new', true])
      expect(parent('new')).toEqual([1, 'new', false])
      expect(parent('/')).toEqual([1, '', false])
      expect(parent('/a/..')).toEqual([a, '..', false])
      expect(parent('/a/.')).toEqual([a, '.', false])
      expect(parent('/a/b/file/x')[0]).toBe(-ENOTDIR)
      expect(parent('/a/missing/x')[0]).toBe(-ENOENT)
    }
    fs.symlink(1, 'dangling', 'a/b/new')
    expect(parent('/dangling')).toEqual([1, 'dangling', false])
    expect(parent('/dangling', true)).toEqual([b, 'new', false])
  })

  it('needs search permission on every directory, whatever was cached', () => {
    const { fs, a, file } = setUp()
    const cred = { uid: 1000, gid: 1000, groups: [] }
    expect(fs.resolve('/a/b/file', true, cred)).toBe(file)
    fs.setattr(a, Field.mode, { ...noSet, mode: 0o700 })
    expect(fs.resolve('/a/b/file', true, cred)).toBe(-EACCES)
    expect(fs.resolveParent('/a/b/file', cred)).toBe(-EACCES)
    expect(fs.resolve('/a', true, cred)).toBe(a)
    expect(fs.resolve('/a/b/file', true)).toBe(file)
    expect(fs.resolve('/a/b/file', true, { uid: 0, gid: 0, groups: [] })).toBe(file)
    expect(fs.resolve('/a/b/file', true, { ...cred, checked: true })).toBe(file)
    fs.setattr(a, Field.mode | Field.gid, { ...noSet, mode: 0o710, gid: 55 })
    expect(fs.resolve('/a/b/file', true, { ...cred, groups: [55] })).toBe(file)
    expect(fs.resolve('/a/b/file', true, cred)).toBe(-EACCES)
  })
})

describe('a symbolic link', () => {
  it('keeps targets of any length up to 4095 bytes', () => {
    const { fs } = setUp()
    for (const length of [1, 256, 257, 2048, 2049, 4095]) {
      const target = Array.from({ length }, (_, i) => String.fromCharCode(33 + (i % 90))).join('')
      const ino = fs.symlink(1, `of ${length}`, target)
      expect(fs.attr.size).toBe(length)
      expect(fs.readlink(ino)).toBe(0)
      expect(fs.text).toBe(target)
    }
    expect(fs.symlink(1, 'x', 'y'.repeat(4096))).toBe(-ENAMETOOLONG)
    expect(fs.symlink(1, 'x', '')).toBe(-ENOENT)
    expect(fs.readlink(1)).toBe(-EINVAL)
    expect(fs.readlink(999)).toBe(-ENOENT)
  })
})

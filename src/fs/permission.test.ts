import { constants } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AttrFlag } from '../codec/index.js'
import { EACCES, EEXIST, EISDIR, ELOOP, ENOTDIR, ENXIO, EPERM, EROFS } from '../errors.js'
import { type Fixture, fixture } from '../testing/fs-fixture.js'
import { violations } from '../testing/fs-invariants.js'
import { type Cred, Set as Field, type SetAttr } from './filesystem.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC, O_DIRECTORY } = constants
const root: Cred = { uid: 0, gid: 0, groups: [] }
const alice: Cred = { uid: 1000, gid: 100, groups: [200] }
const bob: Cred = { uid: 1001, gid: 101, groups: [] }
const noSet: SetAttr = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }

function set({ fs }: Fixture, ino: number, valid: number, values: Partial<SetAttr>, cred?: Cred): number {
  return fs.setattr(ino, valid, { ...noSet, ...values }, cred)
}

function modeOf({ fs }: Fixture, ino: number): number {
  fs.getattr(ino)
  return fs.attr.mode & 0o7777
}

/** A directory in which everybody may do everything. */
function open(mode = 0o777): Fixture & { dir: number } {
  const f = fixture()
  const dir = f.fs.mkdir(1, 'dir', 0o755)
  set(f, dir, Field.mode, { mode })
  return { ...f, dir }
}

describe('permission bits', () => {
  it('are those of owner, else group, else others; root passes', () => {
    const f = open()
    const ino = f.fs.mknod(f.dir, 'file', 0o100640, 0, alice)
    set(f, ino, Field.gid, { gid: 200 })
    expect(f.fs.access(ino, 6, alice)).toBe(0)
    expect(f.fs.access(ino, 1, alice)).toBe(-EACCES)
    expect(f.fs.access(ino, 4, bob)).toBe(-EACCES)
    expect(f.fs.access(ino, 4, { ...bob, groups: [200] })).toBe(0)
    expect(f.fs.access(ino, 2, { ...bob, gid: 200 })).toBe(-EACCES)
    set(f, ino, Field.mode, { mode: 0o077 })
    expect(f.fs.access(ino, 4, alice)).toBe(-EACCES)
    set(f, ino, Field.mode, { mode: 0 })
    expect(f.fs.access(ino, 6, root)).toBe(0)
    expect(f.fs.access(ino, 1, root)).toBe(-EACCES)
    set(f, ino, Field.mode, { mode: 0o001 })
    expect(f.fs.access(ino, 1, root)).toBe(0)
  })

  it('of a directory guard its names', () => {
    const f = open()
    const file = f.fs.mknod(f.dir, 'file', 0o100666, 0, alice)
    const sub = f.fs.mkdir(f.dir, 'sub', 0o777, bob)
    expect(file).toBeGreaterThan(0)
    set(f, f.dir, Field.mode | Field.uid, { mode: 0o755, uid: 0 })
    expect(f.fs.mknod(f.dir, 'x', 0o100644, 0, alice)).toBe(-EACCES)
    expect(f.fs.mknod(f.dir, 'file', 0o100644, 0, alice)).toBe(-EEXIST)
    expect(f.fs.unlink(f.dir, 'file', alice)).toBe(-EACCES)
    expect(f.fs.rmdir(f.dir, 'sub', bob)).toBe(-EACCES)
    expect(f.fs.rename(f.dir, 'file', sub, 'file', 0, alice)).toBe(-EACCES)
    set(f, f.dir, Field.mode, { mode: 0o700 })
    expect(f.fs.lookup(f.dir, 'file', alice)).toBe(-EACCES)
    expect(f.fs.mknod(f.dir, 'file', 0o100644, 0, alice)).toBe(-EACCES)
    expect(f.fs.lookup(f.dir, 'file', { ...alice, checked: true })).toBe(file)
  })

  it('of a directory moved to another parent must allow writing it', () => {
    const f = open()
    const target = f.fs.mkdir(1, 'target', 0o755)
    set(f, target, Field.mode, { mode: 0o777 })
    const sub = f.fs.mkdir(f.dir, 'sub', 0o755, bob)
    expect(f.fs.rename(f.dir, 'sub', target, 'sub', 0, alice)).toBe(-EACCES)
    expect(f.fs.rename(f.dir, 'sub', f.dir, 'renamed', 0, alice)).toBe(0)
    set(f, sub, Field.mode, { mode: 0o777 })
    expect(f.fs.rename(f.dir, 'renamed', target, 'sub', 0, alice)).toBe(0)
  })

  it('guard open, and truncation by it', () => {
    const f = open()
    const ino = f.fs.createWith(f.dir, 'file', 0o644, Buffer.from('content'), 0, 7, alice)
    const link = f.fs.symlink(f.dir, 'link', 'file')
    const fifo = f.fs.mknod(f.dir, 'fifo', 0o010666, 0)
    expect(f.fs.open(ino, O_RDONLY, bob)).toBe(0)
    expect(f.fs.open(ino, O_WRONLY, bob)).toBe(-EACCES)
    expect(f.fs.open(ino, O_RDONLY | O_TRUNC, bob)).toBe(-EACCES)
    expect(f.fs.open(ino, O_RDONLY | O_DIRECTORY, bob)).toBe(-ENOTDIR)
    expect(f.fs.open(f.dir, O_RDONLY | O_DIRECTORY, bob)).toBe(0)
    expect(f.fs.open(f.dir, O_RDWR, bob)).toBe(-EISDIR)
    expect(f.fs.open(link, O_RDONLY, alice)).toBe(-ELOOP)
    expect(f.fs.open(fifo, O_RDONLY, alice)).toBe(-ENXIO)
    expect(f.fs.holds(ino)).toBe(1)
    expect(f.fs.open(ino, O_WRONLY | O_TRUNC, alice)).toBe(0)
    f.fs.getattr(ino)
    expect([f.fs.attr.size, f.fs.holds(ino)]).toEqual([0, 2])
    expect(violations(f.session)).toEqual([])
  })
})

describe('sticky directories', () => {
  it('let only owners of a file or the directory remove or rename it', () => {
    const f = open(0o1777)
    f.fs.mknod(f.dir, 'file', 0o100666, 0, alice)
    f.fs.mknod(f.dir, 'other', 0o100666, 0, bob)
    expect(f.fs.unlink(f.dir, 'file', bob)).toBe(-EPERM)
    expect(f.fs.rename(f.dir, 'file', f.dir, 'x', 0, bob)).toBe(-EPERM)
    expect(f.fs.rename(f.dir, 'other', f.dir, 'file', 0, bob)).toBe(-EPERM)
    expect(f.fs.rename(f.dir, 'file', f.dir, 'x', 0, alice)).toBe(0)
    expect(f.fs.unlink(f.dir, 'x', root)).toBe(0)
    set(f, f.dir, Field.uid, { uid: 1000 })
    expect(f.fs.unlink(f.dir, 'other', alice)).toBe(0)
  })
})

describe('setgid', () => {
  it('on a directory gives its group, and to directories itself', () => {
    const f = open()
    set(f, f.dir, Field.gid | Field.mode, { gid: 555, mode: 0o2777 })
    const file = f.fs.mknod(f.dir, 'file', 0o102755, 0, alice)
    expect([f.fs.attr.gid, f.fs.attr.mode & 0o7777]).toEqual([555, 0o755])
    f.fs.mknod(f.dir, 'member', 0o102755, 0, { ...alice, groups: [555] })
    expect(f.fs.attr.mode & 0o7777).toBe(0o2755)
    f.fs.mkdir(f.dir, 'sub', 0o700, alice)
    expect([f.fs.attr.gid, f.fs.attr.mode & 0o7777]).toEqual([555, 0o2700])
    expect(f.fs.access(file, 4, alice)).toBe(0)
  })

  it('is cleared by chmod of who is not in the group, and by chown', () => {
    const f = open()
    const ino = f.fs.mknod(f.dir, 'file', 0o100755, 0, alice)
    set(f, ino, Field.gid, { gid: 555 })
    expect(set(f, ino, Field.mode, { mode: 0o6755 }, alice)).toBe(0)
    expect(modeOf(f, ino)).toBe(0o4755)
    expect(set(f, ino, Field.mode, { mode: 0o6755 }, root)).toBe(0)
    expect(modeOf(f, ino)).toBe(0o6755)
    set(f, ino, Field.uid, { uid: 1000 })
    expect(modeOf(f, ino)).toBe(0o755)
    set(f, ino, Field.mode, { mode: 0o6745 })
    set(f, ino, Field.gid, { gid: 555 })
    expect(modeOf(f, ino)).toBe(0o2745)
    const dir = f.fs.mkdir(f.dir, 'sub', 0o755)
    set(f, dir, Field.mode, { mode: 0o6755 })
    set(f, dir, Field.gid, { gid: 5 })
    expect(modeOf(f, dir)).toBe(0o6755)
  })

  it('and setuid are cleared by a truncation of who has no privilege', () => {
    const f = open()
    const ino = f.fs.createWith(f.dir, 'file', 0o6777, Buffer.from('x'), 0, 1)
    set(f, ino, Field.size, { size: 5 }, root)
    expect(modeOf(f, ino)).toBe(0o6777)
    set(f, ino, Field.size, { size: 5 }, alice)
    expect(modeOf(f, ino)).toBe(0o777)
    set(f, ino, Field.mode, { mode: 0o6777 })
    f.fs.open(ino, O_WRONLY | O_TRUNC, alice)
    expect(modeOf(f, ino)).toBe(0o777)
  })
})

describe('attributes', () => {
  it('belong to the owner', () => {
    const f = open()
    const ino = f.fs.mknod(f.dir, 'file', 0o100666, 0, alice)
    expect(set(f, ino, Field.mode, { mode: 0o600 }, bob)).toBe(-EPERM)
    expect(set(f, ino, Field.uid, { uid: 1001 }, alice)).toBe(-EPERM)
    expect(set(f, ino, Field.uid, { uid: 1000 }, alice)).toBe(0)
    expect(set(f, ino, Field.gid, { gid: 200 }, alice)).toBe(0)
    expect(set(f, ino, Field.gid, { gid: 300 }, alice)).toBe(-EPERM)
    expect(set(f, ino, Field.gid, { gid: 101 }, bob)).toBe(-EPERM)
    expect(set(f, ino, Field.uid | Field.gid, { uid: 7, gid: 8 }, root)).toBe(0)
    expect([f.fs.attr.uid, f.fs.attr.gid]).toEqual([7, 8])
  })

  it('times are set to now by who may write, to anything else by the owner', () => {
    const f = open()
    const ino = f.fs.mknod(f.dir, 'file', 0o100666, 0, alice)
    const now = Field.atimeNow | Field.mtimeNow
    expect(set(f, ino, now, {}, bob)).toBe(0)
    expect(set(f, ino, Field.mtimeNow, {}, bob)).toBe(-EPERM)
    expect(set(f, ino, Field.mtime, { mtimeS: 1 }, bob)).toBe(-EPERM)
    set(f, ino, Field.mode, { mode: 0o644 })
    expect(set(f, ino, now, {}, bob)).toBe(-EACCES)
    const before = f.clock.ms
    expect(set(f, ino, Field.atime | Field.mtime, { atimeS: -5, atimeNs: 7, mtimeS: 2 ** 33, mtimeNs: 999999999 }, alice)).toBe(0)
    f.fs.getattr(ino)
    const { atimeS, atimeNs, mtimeS, mtimeNs, ctimeS } = f.fs.attr
    expect([atimeS, atimeNs, mtimeS, mtimeNs]).toEqual([-5, 7, 2 ** 33, 999999999])
    expect(ctimeS).toBeGreaterThan(before / 1000)
  })
})

describe('an immutable file', () => {
  it('stays as it is, for root too', () => {
    const f = open()
    const ino = f.fs.createWith(f.dir, 'file', 0o666, Buffer.from('x'), 0, 1)
    const flags = AttrFlag.immutable
    expect(set(f, ino, Field.flags, { flags }, alice)).toBe(-EPERM)
    expect(set(f, ino, Field.flags, { flags: flags | 0xff0 }, root)).toBe(0)
    expect(f.fs.attr.flags).toBe(flags)
    const b = Buffer.from('y')
    const before = f.session.dump()
    expect(f.fs.write(ino, 0, b, 0, 1)).toBe(-EPERM)
    expect(f.fs.replaceContent(ino, b, 0, 1)).toBe(-EPERM)
    expect(f.fs.fallocate(ino, 0, 0, 10)).toBe(-EPERM)
    expect(f.fs.open(ino, O_RDWR)).toBe(-EPERM)
    expect(f.fs.open(ino, O_TRUNC)).toBe(-EPERM)
    expect(f.fs.access(ino, 2)).toBe(-EPERM)
    expect(set(f, ino, Field.mode, { mode: 0 }, root)).toBe(-EPERM)
    expect(set(f, ino, Field.size, { size: 0 }, root)).toBe(-EPERM)
    expect(set(f, ino, Field.atimeNow | Field.mtimeNow, {}, root)).toBe(-EPERM)
    expect(f.fs.setxattr(ino, 'user.a', b, 0)).toBe(-EPERM)
    expect(f.fs.removexattr(ino, 'user.a')).toBe(-EPERM)
    expect(f.fs.link(ino, f.dir, 'link')).toBe(-EPERM)
    expect(f.fs.unlink(f.dir, 'file')).toBe(-EPERM)
    expect(f.fs.rename(f.dir, 'file', f.dir, 'x', 0)).toBe(-EPERM)
    expect(f.fs.read(ino, 0, Buffer.alloc(1), 0, 1, true)).toBe(1)
    expect(f.session.dump()).toEqual(before)
    expect(f.fs.mknod(f.dir, 'new', 0o100644, 0)).toBeGreaterThan(0)
    expect(f.fs.rename(f.dir, 'new', f.dir, 'file', 0)).toBe(-EPERM)
    expect(set(f, ino, Field.flags, { flags: 0 }, root)).toBe(0)
    expect(f.fs.unlink(f.dir, 'file')).toBe(0)
  })

  it('that is a directory keeps its entries', () => {
    const f = open()
    const file = f.fs.mknod(f.dir, 'file', 0o100644, 0)
    set(f, f.dir, Field.flags, { flags: AttrFlag.immutable })
    expect(f.fs.mknod(f.dir, 'x', 0o100644, 0)).toBe(-EPERM)
    expect(f.fs.mkdir(f.dir, 'x', 0o755)).toBe(-EPERM)
    expect(f.fs.link(file, f.dir, 'x')).toBe(-EPERM)
    expect(f.fs.unlink(f.dir, 'file')).toBe(-EPERM)
    expect(f.fs.rename(f.dir, 'file', 1, 'x', 0)).toBe(-EPERM)
    expect(f.fs.rmdir(1, 'dir')).toBe(-EPERM)
    expect(f.fs.write(file, 0, Buffer.alloc(1), 0, 1)).toBe(1)
  })
})

describe('a read-only session', () => {
  it('answers EROFS to every change and reads on', () => {
    const f = open()
    const ino = f.fs.createWith(f.dir, 'file', 0o666, Buffer.from('x'), 0, 1)
    f.session.readOnly = true
    const b = Buffer.alloc(1)
    expect(f.fs.mknod(f.dir, 'x', 0o100644, 0)).toBe(-EROFS)
    expect(f.fs.mkdir(f.dir, 'file', 0o755)).toBe(-EEXIST)
    expect(f.fs.symlink(f.dir, 'x', 'y')).toBe(-EROFS)
    expect(f.fs.link(ino, f.dir, 'x')).toBe(-EROFS)
    expect(f.fs.unlink(f.dir, 'file')).toBe(-EROFS)
    expect(f.fs.rmdir(1, 'dir')).toBe(-EROFS)
    expect(f.fs.rename(f.dir, 'file', f.dir, 'x', 0)).toBe(-EROFS)
    expect(f.fs.write(ino, 0, b, 0, 1)).toBe(-EROFS)
    expect(f.fs.replaceContent(ino, b, 0, 1)).toBe(-EROFS)
    expect(f.fs.fallocate(ino, 0, 0, 1)).toBe(-EROFS)
    expect(set(f, ino, Field.mode, { mode: 0 })).toBe(-EROFS)
    expect(f.fs.setxattr(ino, 'user.a', b, 0)).toBe(-EROFS)
    expect(f.fs.removexattr(ino, 'user.a')).toBe(-EROFS)
    expect(f.fs.open(ino, O_WRONLY)).toBe(-EROFS)
    expect(f.fs.access(ino, 2)).toBe(-EROFS)
    expect(f.fs.open(ino, O_RDONLY)).toBe(0)
    expect(f.fs.read(ino, 0, b, 0, 1, true)).toBe(1)
    expect(f.fs.touch(ino)).toBe(0)
    f.fs.release(ino)
    expect(f.fs.collectOrphans()).toBe(0)
  })
})

describe('the listener', () => {
  it('hears of changes that were committed, and of no others', () => {
    const f = open()
    const heard: string[] = []
    f.fs.listener = { inode: ino => heard.push(`inode ${ino}`), entry: (parent, name, ino) => heard.push(`entry ${parent} ${name} ${ino}`) }
    const hear = () => heard.splice(0)
    f.session.failures.push(-EROFS)
    f.fs.mknod(f.dir, 'a', 0o100644, 0)
    expect(hear()).toEqual([])
    const a = f.fs.mknod(f.dir, 'a', 0o100644, 0)
    expect(hear()).toEqual([`entry ${f.dir} a ${a}`, `inode ${f.dir}`])
    f.fs.write(a, 0, Buffer.alloc(1), 0, 1)
    expect(hear()).toEqual([`inode ${a}`])
    f.fs.rename(f.dir, 'a', 1, 'b', 0)
    expect(hear()).toEqual([`entry ${f.dir} a 0`, `entry 1 b ${a}`, `inode ${f.dir}`, 'inode 1', `inode ${a}`])
    f.fs.unlink(1, 'b')
    expect(hear()).toEqual(['entry 1 b 0', 'inode 1', `inode ${a}`])
  })
})

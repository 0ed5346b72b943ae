import { describe, expect, it } from 'vitest'
import { EIO, ENOENT, ENOSPC } from '../errors.js'
import { type Fixture, fixture } from '../testing/fs-fixture.js'
import { violations } from '../testing/fs-invariants.js'
import { MemorySession } from '../testing/memory-session.js'
import { FileSystem } from './index.js'
import { ERASE_BLOCKS, ERASE_KEYS } from './orphans.js'

const BLOCK = 65536

function bigFile({ fs }: Fixture, name: string, blocks: number): number {
  const ino = fs.mknod(1, name, 0o100644, 0)
  const one = Buffer.alloc(1, 1)
  for (let i = 0; i < blocks; i++) fs.write(ino, i * BLOCK + 5, one, 0, 1)
  return ino
}

describe('an unlinked file', () => {
  it('lives while it is open, with all its content', () => {
    const f = fixture()
    const { fs } = f
    const ino = fs.createWith(1, 'file', 0o644, Buffer.from('still here'), 0, 10)
    fs.open(ino, 0)
    fs.open(ino, 2)
    expect(fs.unlink(1, 'file')).toBe(0)
    expect(fs.getattr(ino)).toBe(0)
    expect(fs.attr.nlink).toBe(0)
    expect(fs.write(ino, 10, Buffer.alloc(100000, 65), 0, 100000)).toBe(100000)
    expect(fs.link(ino, 1, 'again')).toBe(-ENOENT)
    expect(violations(f.session)).toEqual([])
    fs.release(ino)
    expect(fs.holds(ino)).toBe(1)
    const into = Buffer.alloc(12)
    expect(fs.read(ino, 0, into, 0, 12)).toBe(12)
    expect(into.toString()).toBe('still hereAA')
    fs.release(ino)
    expect(fs.getattr(ino)).toBe(-ENOENT)
    expect(f.session.usage).toEqual({ inodes: 1, bytes: 0 })
    expect(violations(f.session)).toEqual([])
  })

  it('that nobody opened is gone at once, in one batch', () => {
    const f = fixture()
    const ino = f.fs.createWith(1, 'file', 0o644, Buffer.alloc(300000), 0, 300000)
    f.fs.setxattr(ino, 'user.note', Buffer.alloc(5000), 0)
    const before = f.session.changes
    expect(f.fs.unlink(1, 'file')).toBe(0)
    expect(f.session.changes).toBe(before + 1)
    expect(f.session.dump().length).toBe(new MemorySession().dump().length)
    expect(violations(f.session)).toEqual([])
  })

  it('that was replaced by rename while open lives as well', () => {
    const f = fixture()
    const { fs } = f
    const old = fs.createWith(1, 'file', 0o644, Buffer.from('old'), 0, 3)
    fs.createWith(1, 'new', 0o644, Buffer.from('new'), 0, 3)
    fs.open(old, 0)
    fs.rename(1, 'new', 1, 'file', 0)
    const into = Buffer.alloc(3)
    expect(fs.read(old, 0, into, 0, 3)).toBe(3)
    expect(into.toString()).toBe('old')
    expect(violations(f.session)).toEqual([])
    fs.release(old)
    expect(fs.getattr(old)).toBe(-ENOENT)
  })

  it('stays for a kernel until it forgets it, whatever is closed before', () => {
    const f = fixture({ keepUnlinked: true })
    const { fs } = f
    const ino = fs.mknod(1, 'file', 0o100644, 0)
    fs.open(ino, 0)
    fs.unlink(1, 'file')
    fs.release(ino)
    expect(fs.getattr(ino)).toBe(0)
    fs.forget(ino)
    expect(fs.getattr(ino)).toBe(-ENOENT)
    const early = fs.mknod(1, 'file', 0o100644, 0)
    fs.open(early, 0)
    fs.unlink(1, 'file')
    fs.forget(early)
    expect(fs.getattr(early)).toBe(0)
    fs.release(early)
    expect(fs.getattr(early)).toBe(-ENOENT)
    const linked = fs.mknod(1, 'linked', 0o100644, 0)
    fs.forget(linked)
    expect(fs.getattr(linked)).toBe(0)
    expect(violations(f.session)).toEqual([])
  })

  it('stays only for those that the kernel knows, when it can tell', () => {
    const known = new Set<number>()
    const f = fixture({ keepUnlinked: ino => known.has(ino) })
    const a = f.fs.mknod(1, 'a', 0o100644, 0)
    const b = f.fs.mknod(1, 'b', 0o100644, 0)
    known.add(a)
    f.fs.unlink(1, 'a')
    f.fs.unlink(1, 'b')
    expect([f.fs.getattr(a), f.fs.getattr(b)]).toEqual([0, -ENOENT])
    expect(f.fs.collectOrphans()).toBe(0)
    known.clear()
    expect(f.fs.collectOrphans()).toBe(1)
    expect(f.fs.getattr(a)).toBe(-ENOENT)
  })
})

describe('orphans', () => {
  it('that a crash left are collected at the next start, many of them', () => {
    const f = fixture({ keepUnlinked: true })
    for (let i = 0; i < 600; i++) {
      f.fs.mknod(1, `f${i}`, 0o100644, 0)
      f.fs.unlink(1, `f${i}`)
    }
    const held = f.fs.mknod(1, 'held', 0o100644, 0)
    f.fs.unlink(1, 'held')
    const next = new FileSystem(f.session)
    next.open(held, 0)
    expect(next.collectOrphans()).toBe(600)
    expect(next.getattr(held)).toBe(0)
    next.release(held)
    expect(f.session.usage.inodes).toBe(1)
    expect(violations(f.session)).toEqual([])
  })

  it('of great size go in bounded batches, and a failed one leaves the rest for later', () => {
    const f = fixture()
    const { fs, session } = f
    const ino = bigFile(f, 'big', ERASE_BLOCKS * 2 + 10)
    for (let i = 0; i < ERASE_KEYS + 5; i++) fs.setxattr(ino, `user.${i}`, Buffer.from('x'), 0)
    const before = session.changes
    session.failures.push(0, -ENOSPC)
    expect(fs.unlink(1, 'big')).toBe(0)
    expect(session.changes).toBe(before + 1)
    expect(fs.resolve('/big', true)).toBe(-ENOENT)
    expect(session.allocated(ino)).toBe(ERASE_BLOCKS + 10)
    expect(violations(session)).toEqual([])
    expect(fs.collectOrphans()).toBe(1)
    expect(session.changes - before).toBeGreaterThan(3)
    expect(session.usage).toEqual({ inodes: 1, bytes: 0 })
    expect(session.inosWithBlocks()).toEqual([])
    expect(violations(session)).toEqual([])
  })

  it('are not touched when the unlink itself fails', () => {
    const f = fixture()
    const ino = bigFile(f, 'big', 3)
    const before = f.session.dump()
    f.session.failures.push(-EIO)
    expect(f.fs.unlink(1, 'big')).toBe(-EIO)
    expect(f.session.dump()).toEqual(before)
    expect(f.fs.resolve('/big', true)).toBe(ino)
  })
})

describe('damage', () => {
  it('is thrown, and leaves nothing in the batch', () => {
    const f = fixture()
    const ino = f.fs.createWith(1, 'file', 0o644, Buffer.alloc(1000), 0, 1000)
    const original = f.session.tree.get.bind(f.session.tree)
    f.session.tree.get = (K, length) => (K[0] === 3 ? false : original(K, length))
    expect(() => f.fs.write(ino, 1000, Buffer.alloc(10), 0, 10)).toThrow(/inode 2 is damaged/)
    expect(() => f.fs.read(ino, 0, Buffer.alloc(10), 0, 10)).toThrow(/inode 2 is damaged/)
    expect(f.session.pending).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import { EEXIST, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY } from '../errors.js'
import { MemorySession } from '../testing/memory-session.js'
import { FileSystem } from './posix.js'

describe('a file system in memory', () => {
  it('creates, finds, writes, reads and removes a file', () => {
    const session = new MemorySession()
    const fs = new FileSystem(session)
    const empty = session.dump().filter(line => !line.startsWith('01'))
    const dir = fs.mkdir(1, 'dir', 0o755)
    const file = fs.mknod(dir, 'file', 0o100644, 0)
    const bytes = Buffer.from('hello')
    expect(fs.write(file, 0, bytes, 0, 5)).toBe(5)
    const into = Buffer.alloc(10)
    expect(fs.read(file, 0, into, 0, 10)).toBe(5)
    expect(into.toString('latin1', 0, 5)).toBe('hello')
    expect(fs.resolve('/dir/file', true)).toBe(file)
    expect(fs.attr.size).toBe(5)
    expect(fs.resolve('/dir/file/', true)).toBe(-ENOTDIR)
    expect(fs.mkdir(1, 'dir', 0o755)).toBe(-EEXIST)
    expect(fs.rmdir(1, 'dir')).toBe(-ENOTEMPTY)
    expect(fs.unlink(1, 'dir')).toBe(-EISDIR)
    expect(fs.unlink(dir, 'file')).toBe(0)
    expect(fs.lookup(dir, 'file')).toBe(-ENOENT)
    expect(fs.rmdir(1, 'dir')).toBe(0)
    expect(session.dump().filter(line => !line.startsWith('01'))).toEqual(empty)
  })
})

import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EAGAIN, ENOENT, ENOTCONN, ENXIO } from '../errors.js'
import * as libc from './libc.js'

describe.skipIf(process.platform !== 'linux')('libc', () => {
  let dir = ''
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cairn-libc-'))
  })
  afterEach(() => fs.rmSync(dir, { recursive: true }))

  it('locks an open file against another description of it', () => {
    const name = path.join(dir, 'lock')
    const a = fs.openSync(name, 'w')
    const b = fs.openSync(name, 'r')
    expect(libc.flock(a, libc.LOCK_EX | libc.LOCK_NB)).toBe(0)
    expect(libc.flock(b, libc.LOCK_EX | libc.LOCK_NB)).toBe(-EAGAIN)
    fs.closeSync(a)
    expect(libc.flock(b, libc.LOCK_EX | libc.LOCK_NB)).toBe(0)
    fs.closeSync(b)
  })

  it('seeks holes', () => {
    const fd = fs.openSync(path.join(dir, 'hole'), 'w+')
    fs.ftruncateSync(fd, 1 << 20)
    expect(libc.lseek(fd, 0, libc.SEEK_DATA)).toBe(-ENXIO)
    expect(libc.lseek(fd, 0, libc.SEEK_HOLE)).toBe(0)
    fs.closeSync(fd)
  })

  it('passes a descriptor with its bytes', () => {
    const pair = libc.socketpair()
    if (typeof pair === 'number') throw new Error(`socketpair: ${pair}`)
    const name = path.join(dir, 'passed')
    fs.writeFileSync(name, 'through the socket')
    const fd = fs.openSync(name, 'r')
    expect(libc.sendFd(pair[0], fd, Buffer.from('here'))).toBe(4)
    fs.closeSync(fd)
    const got = libc.receiveFd(pair[1])
    if (typeof got === 'number') throw new Error(`receiveFd: ${got}`)
    expect(got.data.toString()).toBe('here')
    expect(fs.readFileSync(got.fd, 'utf8')).toBe('through the socket')
    fs.closeSync(got.fd)
    libc.close(pair[0])
    expect(libc.receiveFd(pair[1])).toBe(-ENOTCONN)
    libc.close(pair[1])
  })

  it('wakes a poll through an eventfd', () => {
    const fd = libc.eventfd()
    const set = Buffer.alloc(libc.POLLFD_BYTES)
    set.writeInt32LE(fd, 0)
    set.writeInt16LE(libc.POLLIN, 4)
    expect(libc.poll(set, 1, 0)).toBe(0)
    const one = Buffer.alloc(8)
    one.writeUInt32LE(1, 0)
    expect(libc.write(fd, one, 8)).toBe(8)
    expect(libc.poll(set, 1, -1)).toBe(1)
    expect(libc.read(fd, one, 8)).toBe(8)
    expect(libc.read(fd, one, 8)).toBe(-EAGAIN)
    libc.close(fd)
  })

  it('sets times to the nanosecond and names errors', () => {
    const name = path.join(dir, 'timed')
    fs.symlinkSync('nowhere', name)
    expect(libc.utimens(name, 10, 123456789, 20, 987654321)).toBe(0)
    const stat = fs.lstatSync(name, { bigint: true })
    expect([stat.atimeNs, stat.mtimeNs]).toEqual([10123456789n, 20987654321n])
    expect(libc.utimens(path.join(dir, 'missing'), 0, 0, 0, 0)).toBe(-ENOENT)
    expect(libc.access(path.join(dir, 'missing'), 0)).toBe(-ENOENT)
  })

  it('reads back extended attributes with any bytes', () => {
    const name = path.join(dir, 'attributed')
    fs.writeFileSync(name, '')
    const set = libc.setxattr(name, 'user.one', Buffer.from([0, 255, 10]))
    if (set < 0) return expect(libc.getxattr(name, 'user.one')).toBe(set)
    expect(libc.setxattr(name, 'user.empty', Buffer.alloc(0))).toBe(0)
    expect(libc.getxattr(name, 'user.one')).toEqual(Buffer.from([0, 255, 10]))
    expect(libc.getxattr(name, 'user.empty')).toEqual(Buffer.alloc(0))
    const names = libc.listxattr(name)
    expect(Array.isArray(names) && names.map(String).sort()).toEqual(['user.empty', 'user.one'])
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContentKind } from '../codec/index.js'
import { EFBIG, EINVAL, EISDIR, ENXIO, EOPNOTSUPP } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Fixture, fixture, trees } from '../testing/fs-fixture.js'
import { violations } from '../testing/fs-invariants.js'
import { Set as Field, type SetAttr } from './filesystem.js'

const noSet: SetAttr = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }
const KEEP = 1
const PUNCH = 2
const ZERO = 16
const GIB = 1024 ** 3

function file({ fs }: Fixture, name = 'file'): number {
  return fs.mknod(1, name, 0o100644, 0)
}

function truncate({ fs }: Fixture, ino: number, size: number): number {
  return fs.setattr(ino, Field.size, { ...noSet, size })
}

function contentOf({ fs }: Fixture, ino: number): Buffer {
  fs.getattr(ino)
  const bytes = Buffer.alloc(fs.attr.size + 10, 0xee)
  const length = fs.read(ino, 0, bytes, 0, bytes.length)
  return bytes.subarray(0, length)
}

/** Sizes on both sides of every boundary between kinds of content, and of blocks. */
const edges = [0, 1, 255, 256, 257, 2047, 2048, 2049, 4096, 65535, 65536, 65537, 69632, 131072, 140000, 200000]
const offset = fc.oneof(fc.constantFrom(...edges), fc.nat(200000))
const length = fc.oneof(fc.constantFrom(1, 100, 256, 2048, 2049, 65536, 70000), fc.integer({ min: 1, max: 140000 }))
const step = fc.oneof(
  fc.record({ op: fc.constantFrom('write', 'append'), offset, length }),
  fc.record({ op: fc.constant('truncate'), offset, length }),
  fc.record({ op: fc.constantFrom('punch', 'zero', 'zero-grow', 'allocate', 'replace'), offset, length }),
)

/** The same step on a plain buffer. */
function reference(bytes: Buffer, op: string, at: number, length: number, fill: number): Buffer {
  const grown = (size: number) => (size <= bytes.length ? Buffer.from(bytes) : Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]))
  switch (op) {
    case 'write':
      return grown(at + length).fill(fill, at, at + length)
    case 'append':
      return Buffer.concat([bytes, Buffer.alloc(length, fill)])
    case 'truncate':
      return at <= bytes.length ? Buffer.from(bytes.subarray(0, at)) : grown(at)
    case 'punch':
    case 'zero':
      return Buffer.from(bytes).fill(0, Math.min(at, bytes.length), Math.min(at + length, bytes.length))
    case 'zero-grow':
      return grown(at + length).fill(0, at, at + length)
    case 'allocate':
      return grown(at + length)
    default:
      return Buffer.alloc(length, fill)
  }
}

function run(f: Fixture, ino: number, op: string, at: number, length: number, fill: number): number {
  const { fs } = f
  const bytes = Buffer.alloc(length + 3, fill)
  switch (op) {
    case 'write':
      return fs.write(ino, at, bytes, 3, length)
    case 'append':
      return fs.write(ino, at, bytes, 3, length, true)
    case 'truncate':
      return truncate(f, ino, at)
    case 'punch':
      return fs.fallocate(ino, KEEP | PUNCH, at, length)
    case 'zero':
      return fs.fallocate(ino, KEEP | ZERO, at, length)
    case 'zero-grow':
      return fs.fallocate(ino, ZERO, at, length)
    case 'allocate':
      return fs.fallocate(ino, 0, at, length)
    default:
      return fs.replaceContent(ino, bytes, 3, length)
  }
}

/** Data and holes by SEEK_DATA and SEEK_HOLE: every byte outside of data must be zero. */
function holesAreZeros({ fs }: Fixture, ino: number, bytes: Buffer): boolean {
  let at = 0
  while (at < bytes.length) {
    const data = fs.lseek(ino, at, 3)
    const end = data === -ENXIO ? bytes.length : data
    if (bytes.subarray(at, end).some(byte => byte !== 0)) return false
    if (data === -ENXIO) return true
    at = fs.lseek(ino, data, 4)
    if (at <= data) return false
  }
  return true
}

describe.each(trees)('content over %s', (_, tree) => {
  it.each([300, 4096])('zeroes the end of a small file and grows it to %i more in one step', more => {
    const f = fixture({ tree: tree() })
    const ino = file(f)
    run(f, ino, 'write', 0, 1000, 1)
    expect(run(f, ino, 'zero-grow', 900, 100 + more, 0)).toBe(0)
    expect(contentOf(f, ino).equals(Buffer.concat([Buffer.alloc(900, 1), Buffer.alloc(100 + more)]))).toBe(true)
  })

  it('reads what was written, cut, punched and zeroed, and counts its blocks', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), steps => {
        const f = fixture({ tree: tree() })
        const ino = file(f)
        let bytes: Buffer = Buffer.alloc(0)
        steps.forEach((s, i) => {
          expect(run(f, ino, s.op, s.offset, s.length, i + 1)).toBe(s.op === 'write' || s.op === 'append' ? s.length : 0)
          bytes = reference(bytes, s.op, s.offset, s.length, i + 1)
          f.fs.getattr(ino)
          expect(f.fs.attr.size).toBe(bytes.length)
          expect(contentOf(f, ino).equals(bytes)).toBe(true)
          expect(holesAreZeros(f, ino, bytes)).toBe(true)
          expect(violations(f.session)).toEqual([])
        })
        expect(truncate(f, ino, 0)).toBe(0)
        expect(f.session.usage.bytes).toBe(0)
        expect(f.session.inosWithBlocks()).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('makes a file with its content in one batch', () => {
    const f = fixture({ tree: tree() })
    for (const size of edges) {
      const before = f.session.changes
      const ino = f.fs.createWith(1, `of ${size}`, 0o644, Buffer.alloc(size + 1, 9), 1, size)
      expect(f.session.changes).toBe(before + 1)
      expect(contentOf(f, ino).equals(Buffer.alloc(size, 9))).toBe(true)
    }
    expect(violations(f.session)).toEqual([])
  })
})

describe('content', () => {
  it('keeps a sparse file of 100 GiB', () => {
    const f = fixture()
    const ino = file(f)
    expect(truncate(f, ino, 100 * GIB)).toBe(0)
    expect(f.fs.attr.blocks).toBe(0)
    expect(f.fs.lseek(ino, 0, 3)).toBe(-ENXIO)
    expect(f.fs.write(ino, 50 * GIB + 10, Buffer.from('middle'), 0, 6)).toBe(6)
    expect(f.fs.lseek(ino, 0, 3)).toBe(50 * GIB)
    expect(f.fs.lseek(ino, 50 * GIB, 4)).toBe(50 * GIB + 65536)
    const into = Buffer.alloc(8)
    expect(f.fs.read(ino, 50 * GIB + 9, into, 0, 8)).toBe(8)
    expect(into.toString('latin1')).toBe('\0middle\0')
    f.fs.getattr(ino)
    expect(f.fs.attr.blocks).toBe(128)
    expect(violations(f.session)).toEqual([])
    expect(f.fs.unlink(1, 'file')).toBe(0)
    expect(f.session.usage).toEqual({ inodes: 1, bytes: 0 })
  })

  it('knows the largest file', () => {
    const f = fixture()
    const ino = file(f)
    const max = limits.fileSizeBytes
    expect(truncate(f, ino, max)).toBe(0)
    expect(truncate(f, ino, max + 1)).toBe(-EFBIG)
    expect(f.fs.write(ino, max, Buffer.alloc(1), 0, 1)).toBe(-EFBIG)
    expect(f.fs.write(ino, max - 1, Buffer.alloc(5), 0, 5)).toBe(1)
    expect(f.fs.fallocate(ino, 0, max, 1)).toBe(-EFBIG)
    expect(violations(f.session)).toEqual([])
  })

  it('writes nothing, stamps nothing for no bytes', () => {
    const f = fixture()
    const ino = file(f)
    const before = f.session.dump()
    expect(f.fs.write(ino, 5, Buffer.alloc(0), 0, 0)).toBe(0)
    expect(f.session.dump()).toEqual(before)
  })

  it('refuses what is no regular file, and modes that it does not know', () => {
    const f = fixture()
    const dir = f.fs.mkdir(1, 'dir', 0o755)
    const fifo = f.fs.mknod(1, 'fifo', 0o010644, 0)
    const ino = file(f)
    const b = Buffer.alloc(4)
    expect(f.fs.write(dir, 0, b, 0, 4)).toBe(-EISDIR)
    expect(f.fs.read(dir, 0, b, 0, 4)).toBe(-EISDIR)
    expect(f.fs.write(fifo, 0, b, 0, 4)).toBe(-EINVAL)
    expect(truncate(f, dir, 0)).toBe(-EISDIR)
    expect(truncate(f, fifo, 0)).toBe(-EINVAL)
    expect(truncate(f, ino, -1)).toBe(-EINVAL)
    expect(f.fs.fallocate(ino, PUNCH, 0, 1)).toBe(-EOPNOTSUPP)
    expect(f.fs.fallocate(ino, 8, 0, 1)).toBe(-EOPNOTSUPP)
    expect(f.fs.fallocate(ino, 0, 0, 0)).toBe(-EINVAL)
    expect(f.fs.fallocate(ino, 0, -1, 1)).toBe(-EINVAL)
  })

  it('keeps small things small: 100 bytes take one record', () => {
    const f = fixture()
    const ino = file(f)
    f.fs.write(ino, 0, Buffer.alloc(100, 1), 0, 100)
    f.fs.getattr(ino)
    expect(f.fs.attr.kind).toBe(ContentKind.inline)
    f.fs.write(ino, 100, Buffer.alloc(900, 2), 0, 900)
    f.fs.getattr(ino)
    expect(f.fs.attr.kind).toBe(ContentKind.small)
    f.fs.write(ino, 1000, Buffer.alloc(2000, 3), 0, 2000)
    f.fs.getattr(ino)
    expect(f.fs.attr.kind).toBe(ContentKind.blocks)
    expect(f.fs.attr.blocks).toBe(8)
    truncate(f, ino, 50)
    expect(f.fs.attr.kind).toBe(ContentKind.inline)
  })

  it('keeps atime as relatime does', () => {
    const f = fixture()
    const ino = file(f)
    const b = Buffer.alloc(4)
    f.fs.write(ino, 0, Buffer.from('abcd'), 0, 4)
    const atime = () => {
      f.fs.getattr(ino)
      return f.fs.attr.atimeS
    }
    const made = atime()
    f.fs.read(ino, 0, b, 0, 4)
    expect(atime()).toBe(made)
    f.fs.read(ino, 0, b, 0, 4, true)
    const first = atime()
    expect(first).toBeGreaterThan(made)
    f.fs.read(ino, 0, b, 0, 4, true)
    expect(atime()).toBe(first)
    f.clock.ms += 25 * 3600 * 1000
    f.fs.read(ino, 0, b, 0, 4, true)
    expect(atime()).toBeGreaterThan(first + 24 * 3600)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AttrFlag } from '../codec/index.js'
import { E2BIG, EACCES, EEXIST, EINVAL, ENODATA, ENOSPC, EOPNOTSUPP, EPERM, ERANGE } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Fixture, fixture, trees } from '../testing/fs-fixture.js'
import { violations } from '../testing/fs-invariants.js'

const CREATE = 1
const REPLACE = 2
const user = { uid: 1000, gid: 1000, groups: [] }

function readXattr({ fs }: Fixture, ino: number, name: string): Uint8Array | number {
  const length = fs.getxattr(ino, name)
  return length < 0 ? length : fs.value
}

describe.each(trees)('extended attributes over %s', (_, tree) => {
  it('keep any value, as a map would', () => {
    const name = fc.constantFrom('user.a', 'user.ab', 'user.b', 'trusted.x', 'security.capability', `user.${'n'.repeat(250)}`)
    const size = fc.oneof(fc.constantFrom(0, 1, 2043, 2044, 2045, 4092, 4093, 65535, 65536), fc.nat(10000))
    const steps = fc.array(fc.record({ remove: fc.boolean(), name, size, flags: fc.constantFrom(0, 0, CREATE, REPLACE) }), { maxLength: 25 })
    fc.assert(
      fc.property(steps, list => {
        const f = fixture({ tree: tree() })
        const ino = f.fs.mknod(1, 'file', 0o100644, 0)
        const model = new Map<string, Buffer>()
        list.forEach((s, i) => {
          const has = model.has(s.name)
          if (s.remove) {
            expect(f.fs.removexattr(ino, s.name)).toBe(has ? 0 : -ENODATA)
            model.delete(s.name)
          } else {
            const refused = has && s.flags === CREATE ? -EEXIST : !has && s.flags === REPLACE ? -ENODATA : 0
            const value = Buffer.alloc(s.size, i + 1)
            expect(f.fs.setxattr(ino, s.name, value, s.flags)).toBe(refused)
            if (refused === 0) model.set(s.name, value)
          }
          expect(violations(f.session)).toEqual([])
        })
        for (const [key, value] of model) expect(Buffer.compare(readXattr(f, ino, key) as Uint8Array, value)).toBe(0)
        expect(f.fs.listxattr(ino)).toBe(0)
        expect(f.fs.names.sort()).toEqual([...model.keys()].sort())
        f.fs.unlink(1, 'file')
        expect(violations(f.session)).toEqual([])
      }),
      { numRuns: 40 },
    )
  })
})

describe('extended attributes', () => {
  it('have names of known kinds and limited sizes', () => {
    const f = fixture()
    const ino = f.fs.mknod(1, 'file', 0o100644, 0)
    const v = Buffer.from('v')
    const set = (name: string, value: Uint8Array = v) => f.fs.setxattr(ino, name, value, 0)
    expect(set('')).toBe(-ERANGE)
    expect(set(`user.${'x'.repeat(251)}`)).toBe(-ERANGE)
    expect(set('user.')).toBe(-EINVAL)
    expect(set('nonsense')).toBe(-EOPNOTSUPP)
    expect(set('other.name')).toBe(-EOPNOTSUPP)
    expect(set('system.posix_acl_access')).toBe(-EOPNOTSUPP)
    expect(f.fs.getxattr(ino, 'system.posix_acl_access')).toBe(-EOPNOTSUPP)
    expect(set('user.big', Buffer.alloc(limits.xattrValueBytes + 1))).toBe(-E2BIG)
    expect(f.fs.setxattr(ino, 'user.x', v, 4)).toBe(-EINVAL)
    let count = 0
    while (set(`user.${String(count).padStart(250, '0')}`) === 0) count++
    expect(count).toBe(limits.xattrListBytes / 256)
    expect(set('user.one-more')).toBe(-ENOSPC)
    expect(set(`user.${'0'.repeat(250)}`)).toBe(0)
  })

  it('are guarded as Linux guards them', () => {
    const f = fixture()
    const { fs } = f
    const v = Buffer.from('v')
    const file = fs.mknod(1, 'file', 0o100644, 0)
    fs.setattr(file, 2, { mode: 0, uid: user.uid, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 })
    const foreign = fs.mknod(1, 'foreign', 0o100644, 0)
    const link = fs.symlink(1, 'link', 'file')
    const sticky = fs.mkdir(1, 'sticky', 0o777)
    fs.setattr(sticky, 1, { mode: 0o1777, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 })
    expect(fs.setxattr(file, 'user.a', v, 0, user)).toBe(0)
    expect(fs.setxattr(foreign, 'user.a', v, 0, user)).toBe(-EACCES)
    expect(fs.setxattr(link, 'user.a', v, 0)).toBe(-EPERM)
    expect(fs.setxattr(link, 'trusted.a', v, 0)).toBe(0)
    expect(fs.setxattr(sticky, 'user.a', v, 0, user)).toBe(-EPERM)
    for (const name of ['trusted.a', 'security.a']) {
      expect(fs.setxattr(file, name, v, 0, user)).toBe(-EPERM)
      expect(fs.setxattr(file, name, v, 0, { ...user, uid: 0 })).toBe(0)
      expect(fs.removexattr(file, name, user)).toBe(-EPERM)
    }
  })

  it('lose the capability with the next write, and the flag with the last of them', () => {
    const f = fixture()
    const ino = f.fs.mknod(1, 'file', 0o104755, 0)
    f.fs.setxattr(ino, 'security.capability', Buffer.alloc(20), 0)
    f.fs.getattr(ino)
    expect(f.fs.attr.flags).toBe(AttrFlag.xattr)
    f.fs.write(ino, 0, Buffer.alloc(3), 0, 3)
    expect(f.fs.getxattr(ino, 'security.capability')).toBe(20)
    f.fs.write(ino, 0, Buffer.alloc(3), 0, 3, false, true)
    f.fs.getattr(ino)
    expect([f.fs.attr.flags, f.fs.attr.mode]).toEqual([0, 0o100755])
    expect(f.fs.getxattr(ino, 'security.capability')).toBe(-ENODATA)
    expect(violations(f.session)).toEqual([])
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { DEFERRED } from '../fuse/index.js'
import { MemorySession } from '../testing/memory-session.js'
import type { KernelChange } from './changes.js'
import { Member, MountGroup } from './mount-group.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

const REPLY = 24

/** A volume with mounts of which nobody tells a kernel anything before the test says so. */
class Rig {
  readonly session = Object.assign(new MemorySession(), { incarnation: () => 0, actor: 'host', exec: undefined as string | undefined, takesTurns: false })
  readonly fs = new FileSystem(this.session)
  readonly tells: Array<{ mounts: number[]; changes: KernelChange[]; done: () => void }> = []
  readonly open = { fs: this.fs, volume: { session: this.session } } as unknown as OpenVolume
  readonly group = new MountGroup(this.open, (changes, mounts) => new Promise(done => this.tells.push({ mounts, changes, done })))

  mount(id: number, actor: string, view = true): Member {
    const record = { id, actor, ...(view && { view: { secret: '', exec: `run${id}` } }) } as MountRecord
    const member = new Member(record, -1, this.open, false)
    this.group.add(member)
    return member
  }

  /** A request of a mount. Returns whether it is answered at once. */
  ask(member: Member, work: (fs: FileSystem) => number, makes = false): boolean {
    this.group.answering(member, true)
    this.actors.push(`${this.session.actor} ${this.session.exec}`)
    expect(work(this.fs)).toBeGreaterThanOrEqual(0)
    this.group.answering(member, false)
    return this.group.answered(member, REPLY, Buffer.alloc(REPLY), makes) !== DEFERRED
  }

  readonly actors: string[] = []

  create(member: Member, dir: number, name: string): boolean {
    return this.ask(member, fs => fs.mknod(dir, name, 0o100644, 0), true)
  }

  write(member: Member, ino: number): boolean {
    return this.ask(member, fs => fs.write(ino, 0, Buffer.from('x'), 0, 1))
  }
}

describe('mounts of one volume', () => {
  let rig: Rig
  let a: Member
  let b: Member

  beforeEach(() => {
    rig = new Rig()
    a = rig.mount(1, 'a')
    b = rig.mount(2, 'b')
  })

  it('each request is its own mount’s', () => {
    rig.create(a, 1, 'x')
    rig.create(b, 1, 'y')
    expect(rig.actors).toEqual(['a run1', 'b run2'])
    expect([rig.session.actor, rig.session.exec, rig.session.takesTurns, rig.fs.listener]).toEqual(['host', undefined, false, undefined])
    rig.mount(3, 'main', false)
    rig.create(a, 1, 'z')
    expect(rig.session.actor).toBe('main')
  })

  it('nobody hears of a directory that it has not looked into', () => {
    expect(rig.create(a, 1, 'x')).toBe(true)
    expect(rig.tells).toEqual([])
  })

  it('nor of a name that it has never asked for, but of what stands for all of them', () => {
    b.seen.add(1)
    rig.create(a, 1, 'x')
    expect(rig.tells[0].changes).toEqual([{ ino: 1, view: 0 }])
    rig.create(a, 1, 'y')
    expect(rig.tells).toHaveLength(1)
    b.told.delete(1)
    b.missed.add('1/z')
    rig.create(a, 1, 'z')
    expect(rig.tells[1].changes).toEqual([
      { parent: 1, name: 'z', ino: 4 },
      { ino: 1, view: 0 },
    ])
    expect(rig.ask(a, fs => fs.unlink(1, 'y'))).toBe(false)
    expect(rig.tells[2].changes).toContainEqual({ parent: 1, name: 'y', ino: 0 })
  })

  it('a change is answered when the others were told', async () => {
    b.seen.add(1)
    b.missed.add('1/x')
    expect(rig.create(a, 1, 'x')).toBe(false)
    expect(rig.tells.map(({ mounts }) => mounts)).toEqual([[2]])
    expect(rig.tells[0].changes).toEqual([
      { parent: 1, name: 'x', ino: 2 },
      { ino: 1, view: 0 },
    ])
    expect(a.held).toBe(1)
    rig.tells[0].done()
    await new Promise(setImmediate)
    expect(a.held).toBe(0)
  })

  it('what it was told of a file, or never knew, is not told again until it asks', () => {
    b.seen.add(1)
    rig.create(a, 1, 'x')
    rig.tells[0].done()
    expect(rig.write(a, 2)).toBe(true)
    expect(rig.tells).toHaveLength(1)
    b.told.delete(2)
    expect(rig.write(a, 2)).toBe(false)
    expect(rig.write(a, 2)).toBe(true)
    expect(rig.tells).toHaveLength(2)
    expect(rig.tells[1].changes).toEqual([{ ino: 2, view: 0 }])
  })

  it('an answer is not held for a mount that holds one itself', () => {
    a.seen.add(1)
    b.seen.add(1)
    expect(rig.create(a, 1, 'x')).toBe(false)
    b.missed.add('1/y')
    expect(rig.create(b, 1, 'y')).toBe(true)
    expect(rig.tells.map(({ mounts }) => mounts)).toEqual([[2], [1]])
  })

  it('nor while its own mount is being told, which waits for locks that it may have', () => {
    b.seen.add(1)
    const one = rig.group.telling([1])
    const all = rig.group.telling()
    one()
    expect(rig.create(a, 1, 'x')).toBe(true)
    expect(rig.tells.map(({ mounts }) => mounts)).toEqual([[2]])
    all()
    b.missed.add('1/y')
    expect(rig.create(a, 1, 'y')).toBe(false)
  })

  it('nor while its mount is being unmounted', () => {
    b.seen.add(1)
    a.isLeaving = true
    expect(rig.create(a, 1, 'x')).toBe(true)
    expect(rig.tells).toHaveLength(1)
  })

  it('what is open through a mount is closed with it', () => {
    rig.create(a, 1, 'x')
    rig.fs.open(2, 2)
    a.opens.add(2, 0, 0)
    rig.fs.unlink(1, 'x')
    expect(rig.fs.getattr(2)).toBe(0)
    rig.group.as(a, () => a.opens.end(rig.fs))
    expect(rig.fs.getattr(2)).toBeLessThan(0)
  })
})

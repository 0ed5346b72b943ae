import { describe, expect, it } from 'vitest'
import { CorruptError, EEXIST, EIO, ENOENT, ENOSYS, ESTALE, EXDEV } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import { MemorySession } from '../testing/memory-session.js'
import type { Past } from '../views/index.js'
import type { MountOptions } from './exchange.js'
import { Frame } from './frame.js'
import { FuseHandler, type HandlerHooks } from './handler.js'
import { parseMountinfo } from './mountinfo.js'
import { Op, UNIQUE_RESEND_HIGH } from './protocol.js'

const MOUNT = 7

/** Requests as the kernel writes them, and the answers. */
class Kernel {
  readonly session = new MemorySession()
  readonly fs = new FileSystem(this.session)
  readonly frame = new Frame()
  readonly handler: FuseHandler
  unique = 2

  constructor(hooks: HandlerHooks = {}, options: Partial<MountOptions> = {}) {
    this.handler = new FuseHandler(this.frame, this.fs, { mountId: MOUNT, ...options }, hooks)
  }

  /** Returns the error of the answer; the body stands in `frame.out` at 16. */
  ask(opcode: number, node: number, body: Buffer, options: { high?: number; view?: number } = {}): number {
    const { in: into, in32 } = this.frame
    in32.fill(0, 0, 10)
    in32[0] = 40 + body.length
    in32[1] = opcode
    in32[2] = this.unique
    in32[3] = options.high ?? 0
    in32[4] = node
    in32[5] = ((options.view ?? 0) << 21) >>> 0
    body.copy(into, 40)
    const length = this.handler.handle(40 + body.length)
    expect(this.frame.out32[0]).toBe(length)
    expect([this.frame.out32[2], this.frame.out32[3]]).toEqual([this.unique, options.high ?? 0])
    return new Int32Array(this.frame.out32.buffer)[1]
  }

  get node(): number {
    return this.frame.out32[4]
  }
}

function words(...values: number[]): Buffer {
  const b = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => {
    b.writeUInt32LE(value >>> 0, i * 4)
  })
  return b
}
const name = (text: string): Buffer => Buffer.from(`${text}\0`)
const mkdirBody = (text: string): Buffer => Buffer.concat([words(0o755, 0), name(text)])
const createBody = (text: string, flags: number): Buffer => Buffer.concat([words(flags, 0o644, 0, 0), name(text)])
const writeBody = (flags: number, text: string): Buffer => Buffer.concat([words(0, 0, 0, 0, text.length, 0, 0, 0, flags, 0), Buffer.from(text)])
const O_APPEND = 0o2000
const O_EXCL = 0o200
const AGAIN = { high: UNIQUE_RESEND_HIGH }

describe('a request that the kernel sends again', () => {
  const changes: readonly [string, number, Buffer][] = [
    ['MKDIR', Op.mkdir, mkdirBody('new')],
    ['CREATE', Op.create, createBody('new', O_EXCL)],
    ['MKNOD', Op.mknod, Buffer.concat([words(0o100644, 0, 0, 0), name('new')])],
    ['SYMLINK', Op.symlink, Buffer.concat([name('new'), name('target')])],
    ['UNLINK', Op.unlink, name('old')],
    ['RENAME', Op.rename2, Buffer.concat([words(1, 0, 1, 0), name('old'), name('moved')])],
  ]

  it.each(changes)('%s is not run twice when it was committed, and answered alike', (_, opcode, body) => {
    const kernel = new Kernel()
    kernel.ask(Op.create, 1, createBody('old', 0))
    kernel.unique += 2
    expect(kernel.ask(opcode, 1, body)).toBe(0)
    const [first, committed] = [kernel.node, kernel.session.changes]
    expect(kernel.ask(opcode, 1, body, AGAIN)).toBe(0)
    expect(kernel.session.changes).toBe(committed)
    if (opcode !== Op.unlink && opcode !== Op.rename2) expect(kernel.node).toBe(first)
  })

  it.each(changes)('%s runs when it was not', (_, opcode, body) => {
    const kernel = new Kernel()
    kernel.ask(Op.create, 1, createBody('old', 0))
    kernel.unique += 2
    const before = kernel.session.changes
    expect(kernel.ask(opcode, 1, body, AGAIN)).toBe(0)
    expect(kernel.session.changes).toBeGreaterThan(before)
  })

  it('is not taken for another request of the same kind', () => {
    const kernel = new Kernel()
    expect(kernel.ask(Op.mkdir, 1, mkdirBody('d'))).toBe(0)
    kernel.unique += 2
    expect(kernel.ask(Op.mkdir, 1, mkdirBody('d'), AGAIN)).toBe(-EEXIST)
  })

  it('does not append twice', () => {
    const kernel = new Kernel()
    kernel.ask(Op.create, 1, createBody('f', 0))
    const ino = kernel.node
    kernel.unique += 2
    expect(kernel.ask(Op.write, ino, writeBody(O_APPEND, 'once'))).toBe(0)
    expect(kernel.ask(Op.write, ino, writeBody(O_APPEND, 'once'), AGAIN)).toBe(0)
    expect(kernel.node).toBe(4)
    kernel.fs.getattr(ino)
    expect(kernel.fs.attr.size).toBe(4)
  })

  it('leaves no id behind when it failed', () => {
    const kernel = new Kernel()
    kernel.ask(Op.mkdir, 1, mkdirBody('d'))
    kernel.unique += 2
    expect(kernel.ask(Op.mkdir, 1, mkdirBody('d'))).toBe(-EEXIST)
    const failed = kernel.unique
    kernel.unique += 2
    kernel.ask(Op.mkdir, 1, mkdirBody('e'))
    expect(kernel.session.wasApplied(MOUNT, 0, failed)).toBe(false)
    expect(kernel.session.wasApplied(MOUNT, 0, kernel.unique)).toBe(true)
  })
})

describe('answers', () => {
  it('a missing name is inode 0, which may be remembered', () => {
    const kernel = new Kernel()
    expect(kernel.ask(Op.lookup, 1, name('missing'))).toBe(0)
    expect([kernel.node, kernel.frame.out32[8]]).toEqual([0, 3600])
  })

  it('an inode that is gone is stale, so that the kernel looks its name up again', () => {
    const kernel = new Kernel()
    expect(kernel.ask(Op.open, 99, words(0, 0))).toBe(-ESTALE)
    expect(kernel.ask(Op.getattr, 99, words(0, 0, 0, 0))).toBe(-ESTALE)
    expect(kernel.ask(Op.unlink, 1, name('missing'))).toBe(-ENOENT)
  })

  it('an unknown request is one the kernel does without', () => {
    expect(new Kernel().ask(60, 1, Buffer.alloc(0))).toBe(-ENOSYS)
  })

  it('views are apart: unknown ones are stale, and nothing is renamed between them', () => {
    const other = new FileSystem(new MemorySession())
    const views = { get: (view: number) => (view === 9 ? other : undefined) }
    const kernel = new Kernel({}, { past: { views } as unknown as Past })
    expect(kernel.ask(Op.getattr, 1, words(0, 0, 0, 0), { view: 10 })).toBe(-ESTALE)
    expect(kernel.ask(Op.getattr, 1, words(0, 0, 0, 0), { view: 9 })).toBe(0)
    expect(kernel.frame.out32[9]).toBe(9 << 21)
    kernel.ask(Op.mkdir, 1, mkdirBody('d'))
    expect(kernel.ask(Op.rename2, 1, Buffer.concat([words(1, 9 << 21, 0, 0), name('d'), name('e')]))).toBe(-EXDEV)
  })

  it('damage is EIO and one line in the log', () => {
    const log: string[] = []
    const kernel = new Kernel({ log: line => log.push(line) })
    kernel.fs.getattr = () => {
      throw new CorruptError('pack 12', 'its checksum is wrong')
    }
    expect(kernel.ask(Op.getattr, 1, words(0, 0, 0, 0))).toBe(-EIO)
    expect(log).toHaveLength(1)
    expect(log[0]).toContain('pack 12')
  })

  it('a failed commit is its error', () => {
    const kernel = new Kernel()
    kernel.session.failures.push(-28)
    expect(kernel.ask(Op.mkdir, 1, mkdirBody('d'))).toBe(-28)
    expect(kernel.ask(Op.mkdir, 1, mkdirBody('d'))).toBe(0)
  })
})

describe('mountinfo', () => {
  it('is unescaped', () => {
    const line = '36 35 0:44 / /mnt/a\\040b\\134 ro,nosuid shared:1 - fuse.cairn vol\\011ume rw,user_id=0'
    expect(parseMountinfo(`${line}\n`)).toEqual([{ path: '/mnt/a b\\', device: '0:44', type: 'fuse.cairn', source: 'vol\tume', readOnly: true }])
  })
})

import { beforeEach, describe, expect, it } from 'vitest'
import { EACCES, ENOENT, EROFS, ESTALE, EXDEV } from '../errors.js'
import { FileSystem } from '../fs/index.js'
import { MemorySession } from '../testing/memory-session.js'
import { PathRules, type RuleGlobs } from '../views/index.js'
import { Frame } from './frame.js'
import { Guard } from './guard.js'
import { FuseHandler } from './handler.js'
import { Ioctl, Op } from './protocol.js'

const O_WRONLY = 1
const O_RDWR = 2
const O_TRUNC = 0o1000
const EXCHANGE = 2

/** A volume, and a kernel that asks for it through a view. */
class View {
  readonly fs = new FileSystem(new MemorySession())
  readonly frame = new Frame()
  handler: FuseHandler
  #unique = 2

  constructor(globs: RuleGlobs) {
    this.handler = this.#made(globs)
  }

  #made(globs: RuleGlobs): FuseHandler {
    return new FuseHandler(this.frame, this.fs, { mountId: 1, guard: new Guard(new PathRules(globs), this.fs) })
  }

  /** The same volume through a view that knows nothing yet, as after a restart of the server. */
  again(globs: RuleGlobs): void {
    this.handler = this.#made(globs)
  }

  /** Makes a file or, with a slash at its end, a directory, and all above it; not through the view. */
  make(path: string): number {
    let dir = 1
    const names = path.split('/').filter(Boolean)
    names.forEach((name, i) => {
      const found = this.fs.find(dir, name)
      const isDirectory = i < names.length - 1 || path.endsWith('/')
      dir = found > 0 ? found : isDirectory ? this.fs.mkdir(dir, name, 0o40755) : this.fs.mknod(dir, name, 0o100644, 0)
    })
    return dir
  }

  at(path: string): number {
    return path === '/' ? 1 : this.fs.resolve(path, false)
  }

  /** The error of the answer. */
  ask(opcode: number, node: number, body: Buffer): number {
    const { in: into, in32, out32 } = this.frame
    in32.fill(0, 0, 10)
    in32[0] = 40 + body.length
    in32[1] = opcode
    in32[2] = this.#unique++
    in32[4] = node
    body.copy(into, 40)
    this.handler.handle(40 + body.length)
    return new Int32Array(out32.buffer)[1]
  }

  lookup(path: string): number {
    const [dir, name] = split(path)
    return this.ask(Op.lookup, this.at(dir), text(name))
  }

  rename(from: string, to: string, flags = 0): number {
    const [[dir, name], [toDir, toName]] = [split(from), split(to)]
    return this.ask(Op.rename2, this.at(dir), Buffer.concat([words(this.at(toDir), 0, flags, 0), text(name), text(toName)]))
  }

  link(from: string, to: string): number {
    const [dir, name] = split(to)
    return this.ask(Op.link, this.at(dir), Buffer.concat([words(this.at(from), 0), text(name)]))
  }

  open(path: string, flags: number): number {
    return this.ask(Op.open, this.at(path), words(flags, 0))
  }

  names(path: string): string[] {
    expect(this.ask(Op.readdirplus, this.at(path), words(0, 0, 0, 0, 4096, 0, 0, 0, 0, 0))).toBe(0)
    const { out, out32 } = this.frame
    const found: string[] = []
    for (let p = 16; p < out32[0]; ) {
      const bytes = out32[(p + 128) / 4 + 4]
      found.push(out.latin1Slice(p + 152, p + 152 + bytes))
      p += 128 + ((24 + bytes + 7) & ~7)
    }
    return found.filter(name => !name.startsWith('.') || name.length > 2).sort()
  }
}

function split(path: string): [string, string] {
  const cut = path.lastIndexOf('/')
  return [path.slice(0, cut) || '/', path.slice(cut + 1)]
}

function words(...values: number[]): Buffer {
  const b = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => {
    b.writeUInt32LE(value >>> 0, i * 4)
  })
  return b
}
const text = (name: string): Buffer => Buffer.from(`${name}\0`)
const setattr = (): Buffer => Buffer.concat([words(1), Buffer.alloc(84)])

/** Requests about a name, in a directory: what the answer is where it is new. */
const naming: Record<string, (name: string) => [number, Buffer]> = {
  mknod: name => [Op.mknod, Buffer.concat([words(0o100644, 0, 0, 0), text(name)])],
  mkdir: name => [Op.mkdir, Buffer.concat([words(0o755, 0), text(name)])],
  symlink: name => [Op.symlink, Buffer.concat([text(name), text('to')])],
  create: name => [Op.create, Buffer.concat([words(O_RDWR, 0o644, 0, 0), text(name)])],
}
/** Requests that take a name away. */
const taking: Record<string, (name: string) => [number, Buffer]> = {
  unlink: name => [Op.unlink, text(name)],
}
/** Requests that change an inode. */
const changing: Record<string, () => [number, Buffer]> = {
  'setattr (chmod, chown, truncate, utimes)': () => [Op.setattr, setattr()],
  setxattr: () => [Op.setxattr, Buffer.concat([words(1, 0), text('user.a'), Buffer.from('x')])],
  'removexattr, which finds nothing elsewhere': () => [Op.removexattr, text('user.b')],
  'open to write': () => [Op.open, words(O_WRONLY, 0)],
  'open to read and write': () => [Op.open, words(O_RDWR, 0)],
  'open to truncate': () => [Op.open, words(O_TRUNC, 0)],
  'chattr +i': () => [Op.ioctl, Buffer.concat([words(0, 0, 0, Ioctl.setFlags, 0, 0, 4, 0), words(0)])],
  'access to write': () => [Op.access, words(2, 0)],
}
/** Requests that look at an inode. */
const looking: Record<string, () => [number, Buffer]> = {
  getattr: () => [Op.getattr, words(0, 0, 0, 0)],
  statx: () => [Op.statx, Buffer.alloc(24)],
  'open to read': () => [Op.open, words(0, 0)],
  listxattr: () => [Op.listxattr, words(4096, 0)],
  'access to read': () => [Op.access, words(4, 0)],
}

describe('a view with rules', () => {
  const globs: RuleGlobs = { hidden: ['.env', 'deep/in/secret'], readOnly: ['ro', '*.lock'] }
  let view: View

  beforeEach(() => {
    view = new View(globs)
    for (const path of ['/ro/a', '/ro/dir/b', '/free/a', '/free/dir/', '/.env', '/free/.env', '/deep/in/secret', '/deep/in/other', '/x.lock']) view.make(path)
  })

  it.each(Object.keys(naming))('%s: EACCES under a hidden name, EROFS under a read-only one', what => {
    const made = (dir: string, name: string): number => view.ask(naming[what](name)[0], view.at(dir), naming[what](name)[1])
    expect(made('/free/dir', '.env')).toBe(-EACCES)
    expect(made('/ro/dir', 'new')).toBe(-EROFS)
    expect(made('/free', 'new.lock')).toBe(-EROFS)
    expect(made('/free', 'new')).toBe(0)
    expect(view.fs.find(view.at('/free/dir'), '.env')).toBe(-ENOENT)
    expect(view.fs.find(view.at('/ro/dir'), 'new')).toBe(-ENOENT)
  })

  it.each(Object.keys(taking))('%s: ENOENT of what is hidden, EROFS of what is read-only', what => {
    const taken = (dir: string, name: string): number => view.ask(taking[what](name)[0], view.at(dir), taking[what](name)[1])
    expect(taken('/free', '.env')).toBe(-ENOENT)
    expect(taken('/ro', 'a')).toBe(-EROFS)
    expect(taken('/', 'x.lock')).toBe(-EROFS)
    expect(taken('/free', 'a')).toBe(0)
    expect(view.at('/free/.env')).toBeGreaterThan(0)
  })

  it('rmdir: as unlink; what is not shown keeps its directory', () => {
    const removed = (dir: string, name: string): number => view.ask(Op.rmdir, view.at(dir), text(name))
    view.make('/hidden/.env')
    expect(removed('/ro', 'dir')).toBe(-EROFS)
    expect(view.names('/hidden')).toEqual([])
    expect(removed('/', 'hidden')).toBe(-39)
    expect(removed('/free', 'dir')).toBe(0)
  })

  it.each(Object.keys(changing))('%s: ENOENT of what is hidden, EROFS of what is read-only', what => {
    const asked = (path: string): number => {
      const node = view.at(path)
      return view.ask(changing[what]()[0], node, changing[what]()[1])
    }
    expect(asked('/ro/a')).toBe(-EROFS)
    expect(asked('/x.lock')).toBe(-EROFS)
    expect([-ENOENT, -ESTALE]).toContain(asked('/free/.env'))
    expect([0, -61]).toContain(asked('/free/a'))
  })

  it.each(Object.keys(looking))('%s: not of what is hidden', what => {
    const asked = (path: string): number => view.ask(looking[what]()[0], view.at(path), looking[what]()[1])
    expect([-ENOENT, -ESTALE]).toContain(asked('/.env'))
    expect([-ENOENT, -ESTALE]).toContain(asked('/deep/in/secret'))
    expect(asked('/ro/a')).toBe(0)
    expect(asked('/free/a')).toBe(0)
  })

  it('what is hidden is found by nobody and listed nowhere', () => {
    expect(view.lookup('/.env')).toBe(-ENOENT)
    expect(view.lookup('/free/.env')).toBe(-ENOENT)
    expect(view.lookup('/deep/in/secret')).toBe(-ENOENT)
    expect(view.lookup('/deep/in/other')).toBe(0)
    expect(view.names('/')).toEqual(['deep', 'free', 'ro', 'x.lock'])
    expect(view.names('/deep/in')).toEqual(['other'])
  })

  it('rename: not of, over, into or out of what is hidden or read-only', () => {
    expect(view.rename('/free/.env', '/free/env')).toBe(-ENOENT)
    expect(view.rename('/free/a', '/free/dir/.env')).toBe(-EACCES)
    expect(view.rename('/free/a', '/.env')).toBe(-EACCES)
    expect(view.rename('/ro/a', '/free/b')).toBe(-EROFS)
    expect(view.rename('/free/a', '/ro/b')).toBe(-EROFS)
    expect(view.rename('/free/a', '/ro/a')).toBe(-EROFS)
    expect(view.rename('/free/a', '/x.lock')).toBe(-EROFS)
    expect(view.rename('/free/a', '/ro/a', EXCHANGE)).toBe(-EROFS)
    expect(view.rename('/ro/a', '/free/a', EXCHANGE)).toBe(-EROFS)
    expect(view.rename('/free/a', '/.env', EXCHANGE)).toBe(-ENOENT)
    expect(view.rename('/free/a', '/free/b')).toBe(0)
  })

  it('rename: a directory moves as a whole only where nothing in it is treated otherwise there', () => {
    expect(view.rename('/deep', '/elsewhere')).toBe(-EXDEV)
    expect(view.rename('/deep/in', '/deep/out')).toBe(-EXDEV)
    expect(view.rename('/deep/in', '/free/dir', EXCHANGE)).toBe(-EXDEV)
    expect(view.rename('/free/dir', '/deep/in', EXCHANGE)).toBe(-EXDEV)
    view.make('/other/.env')
    view.make('/other/y.lock')
    // What is told by its name is treated the same everywhere.
    expect(view.rename('/other', '/moved')).toBe(0)
    expect(view.lookup('/moved/.env')).toBe(-ENOENT)
    expect(view.open('/moved/y.lock', O_WRONLY)).toBe(-EROFS)
  })

  it('link: not of what is hidden; of what is read-only it is to be a copy; not under such names', () => {
    expect([-ENOENT, -ESTALE]).toContain(view.link('/.env', '/free/copy'))
    expect(view.link('/ro/a', '/free/copy')).toBe(-EXDEV)
    expect(view.link('/free/a', '/ro/copy')).toBe(-EROFS)
    expect(view.link('/free/a', '/free/dir/.env')).toBe(-EACCES)
    expect(view.link('/free/a', '/free/copy')).toBe(0)
    expect(view.open('/free/copy', O_WRONLY)).toBe(0)
  })

  it('what is made, moved or linked elsewhere is judged by the name that it has then', () => {
    view.make('/free/dir/.env')
    expect(view.lookup('/free/dir/.env')).toBe(-ENOENT)
    expect(view.lookup('/free/a')).toBe(0)
    view.fs.rename(view.at('/free'), 'a', view.at('/ro'), 'moved', 0)
    expect(view.open('/ro/moved', O_WRONLY)).toBe(-EROFS)
    view.fs.rename(view.at('/ro'), 'moved', 1, 'back', 0)
    expect(view.open('/back', O_WRONLY)).toBe(0)
    const dir = view.at('/free/dir')
    expect(view.ask(Op.mkdir, dir, Buffer.concat([words(0o755, 0), text('before')]))).toBe(0)
    view.fs.rename(view.at('/free'), 'dir', view.at('/ro'), 'moved', 0)
    expect(view.ask(Op.mkdir, dir, Buffer.concat([words(0o755, 0), text('after')]))).toBe(-EROFS)
  })

  it('of a file with several names the strictest counts that were looked up', () => {
    view.fs.link(view.at('/ro/a'), view.at('/free'), 'other')
    expect(view.lookup('/free/other')).toBe(0)
    expect(view.open('/free/other', O_WRONLY)).toBe(0)
    expect(view.lookup('/ro/a')).toBe(0)
    expect(view.open('/free/other', O_WRONLY)).toBe(-EROFS)
    view.fs.unlink(view.at('/ro'), 'a')
    expect(view.open('/free/other', O_WRONLY)).toBe(0)
  })

  it('a server that has taken over asks for the name of a file that has several', () => {
    view.fs.link(view.at('/ro/a'), view.at('/free'), 'other')
    view.lookup('/free/other')
    view.again(globs)
    expect(view.open('/free/other', O_WRONLY)).toBe(-ESTALE)
    expect(view.lookup('/free/other')).toBe(0)
    expect(view.open('/free/other', O_WRONLY)).toBe(0)
    view.again(globs)
    expect(view.open('/ro/dir/b', O_WRONLY)).toBe(-EROFS)
  })

  it('what is open without a name is its holder’s own', () => {
    const ino = view.at('/free/a')
    view.fs.open(ino, O_RDWR)
    view.fs.unlink(view.at('/free'), 'a')
    expect(view.ask(Op.setattr, ino, setattr())).toBe(0)
  })

  it('with a list of what is writable all else can only be read', () => {
    view = new View({ writable: ['build/**', '*.log'] })
    for (const path of ['/build/', '/src/a']) view.make(path)
    const made = (dir: string, name: string): number => view.ask(Op.mkdir, view.at(dir), Buffer.concat([words(0o755, 0), text(name)]))
    expect(made('/', 'new')).toBe(-EROFS)
    expect(made('/src', 'new')).toBe(-EROFS)
    expect(made('/src', 'new.log')).toBe(0)
    expect(made('/build', 'new')).toBe(0)
    expect(view.open('/src/a', O_WRONLY)).toBe(-EROFS)
    expect(view.open('/src/a', 0)).toBe(0)
    expect(view.ask(Op.access, 1, words(2, 0))).toBe(0)
    expect(view.rename('/build', '/src/new.log')).toBe(0)
  })
})

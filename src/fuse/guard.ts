/** The rules of a view, asked before each request that names or changes something. */
import { isDirectory } from '../codec/mode.js'
import { EACCES, ENOENT, EROFS, ESTALE, EXDEV } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import { Access, type PathRules } from '../views/index.js'
import type { Exchange } from './exchange.js'
import { GuardedNames, UNKNOWN } from './guarded-names.js'
import { isLiveView } from './node-id.js'
import { Ioctl, OP_COUNT, Op, OpenFlag } from './protocol.js'

type Check = (g: Guard, x: Exchange) => number

const W_OK = 2
const EXCHANGE = 2

/** Keeps the rules of a view. What is opened is judged when it is opened: reads and writes of a handle are not asked about. */
export class Guard {
  readonly names: GuardedNames

  constructor(rules: PathRules, live: FileSystemApi) {
    this.names = new GuardedNames(rules, live)
  }

  /** 0 when a request may be answered, else the negated errno that is its answer. */
  refuses(x: Exchange, opcode: number): number {
    return checks[opcode]?.(this, x) ?? 0
  }

  /** Called after a request that succeeded: what the kernel knows from now on. */
  answered(x: Exchange, opcode: number): void {
    if (!isLiveView(x.view)) return
    const made = madeAt[opcode]
    if (made > 0) this.#found(x, x.ino, x.in.latin1Slice(made, x.nameEnd(made)))
    else if (opcode === Op.symlink) this.#found(x, x.ino, x.in.latin1Slice(40, x.nameEnd(40)))
    else if (opcode === Op.rename || opcode === Op.rename2) this.#renamed(x, opcode === Op.rename ? 48 : 56)
  }

  #renamed(x: Exchange, at: number): void {
    const end = x.nameEnd(at)
    this.#found(x, x.inoAt(10), x.in.latin1Slice(end + 1, x.nameEnd(end + 1)))
    this.#found(x, x.ino, x.in.latin1Slice(at, end))
  }

  #found(x: Exchange, dir: number, name: string): void {
    this.names.remember(dir, name, x.live.find(dir, name))
  }

  /** Whether a listing of a directory shows an entry. */
  lists(x: Exchange): (name: string, ino: number) => boolean {
    const { names } = this
    const ground = names.ground(x.fs, x.ino)
    if (ground === undefined) return () => true
    const isLive = x.fs === x.live
    return (name, ino) => {
      if (names.rules.access(names.rules.below(ground, name)) === Access.hidden) return false
      if (isLive) names.remember(x.ino, name, ino)
      return true
    }
  }

  forget(ino: number): void {
    this.names.forget(ino)
  }

  /** A name that is looked up. */
  finds(x: Exchange, name: string): number {
    if (name === '.' || name === '..') return 0
    if (this.names.ofName(x.fs, x.ino, name) === Access.hidden) return -ENOENT
    if (x.fs === x.live) this.#found(x, x.ino, name)
    return 0
  }

  /** A name that is to mean something else. */
  makes(x: Exchange, dir: number, name: string): number {
    const access = this.names.ofName(x.fs, dir, name)
    return access === Access.hidden ? -EACCES : access === Access.readOnly ? -EROFS : 0
  }

  /** A name that goes away. */
  takes(x: Exchange, dir: number, name: string): number {
    const refused = this.makes(x, dir, name)
    return refused === -EACCES ? -ENOENT : refused
  }

  /** An inode that is looked at, or changed. */
  uses(x: Exchange, changes: boolean): number {
    if (x.fs !== x.live) return 0
    const access = this.names.ofInode(x.ino)
    if (access === UNKNOWN) return -ESTALE
    return access === Access.hidden ? -ENOENT : changes && access === Access.readOnly ? -EROFS : 0
  }

  /** The kernel asks this where it checks nothing itself. In a directory that is read-only there may be names that are not. */
  accesses(x: Exchange): number {
    const ground = this.names.ground(x.fs, x.ino)
    const isClosed = ground === undefined || this.names.rules.isClosed(ground)
    const result = this.uses(x, (x.in32[10] & W_OK) !== 0)
    return result === -EROFS && !isClosed ? 0 : result
  }

  /** Another name of a file that cannot be changed would be a way to change it; who is told that it lies elsewhere makes a copy. */
  links(x: Exchange, dir: number, name: string, ino: number): number {
    const refused = this.makes(x, dir, name)
    if (refused !== 0 || x.fs !== x.live) return refused
    const access = this.names.ofInode(ino)
    if (access === UNKNOWN) return -ESTALE
    return access === Access.hidden ? -ENOENT : access === Access.readOnly ? -EXDEV : 0
  }

  renames(x: Exchange, at: number, flags: number): number {
    const end = x.nameEnd(at)
    const name = x.in.latin1Slice(at, end)
    const toDir = x.inoAt(10)
    const toName = x.in.latin1Slice(end + 1, x.nameEnd(end + 1))
    const refused = this.takes(x, x.ino, name) || (flags & EXCHANGE ? this.takes(x, toDir, toName) : this.makes(x, toDir, toName))
    if (refused !== 0 || x.fs !== x.live) return refused
    const isMovable = this.#isMovable(x.live, [x.ino, name], [toDir, toName])
    const isMovableBack = (flags & EXCHANGE) === 0 || this.#isMovable(x.live, [toDir, toName], [x.ino, name])
    return isMovable && isMovableBack ? 0 : -EXDEV
  }

  /** A directory moves as a whole only if nothing in it is treated otherwise there: what is told that it cannot is moved file by file. */
  #isMovable(fs: FileSystemApi, [dir, name]: [number, string], [toDir, toName]: [number, string]): boolean {
    const ino = fs.lookup(dir, name)
    if (ino < 0 || !isDirectory(fs.attr.mode)) return true
    const { names } = this
    const [from, to] = [names.ground(fs, dir), names.ground(fs, toDir)]
    if (from === undefined || to === undefined) return true
    return names.moves(ino, names.rules.below(from, name), names.rules.below(to, toName))
  }
}

const looks: Check = (g, x) => g.uses(x, false)
const changes: Check = (g, x) => g.uses(x, true)
const makesAt =
  (at: number): Check =>
  (g, x) =>
    g.makes(x, x.ino, x.in.latin1Slice(at, x.nameEnd(at)))
const takes: Check = (g, x) => g.takes(x, x.ino, x.lastName(40))

const checks: (Check | undefined)[] = new Array(OP_COUNT).fill(undefined)
checks[Op.lookup] = (g, x) => g.finds(x, x.lastName(40))
checks[Op.mknod] = makesAt(56)
checks[Op.mkdir] = makesAt(48)
checks[Op.symlink] = makesAt(40)
checks[Op.create] = makesAt(56)
checks[Op.link] = (g, x) => g.links(x, x.ino, x.in.latin1Slice(48, x.nameEnd(48)), x.inoAt(10))
checks[Op.unlink] = takes
checks[Op.rmdir] = takes
checks[Op.rename] = (g, x) => g.renames(x, 48, 0)
checks[Op.rename2] = (g, x) => g.renames(x, 56, x.in32[12])
checks[Op.open] = (g, x) => g.uses(x, (x.in32[10] & (OpenFlag.accessMode | OpenFlag.trunc)) !== 0)
checks[Op.access] = (g, x) => g.accesses(x)
checks[Op.ioctl] = (g, x) => g.uses(x, x.in32[13] === Ioctl.setFlags || x.in32[13] === Ioctl.setFsx)
for (const op of [Op.setattr, Op.setxattr, Op.removexattr]) checks[op] = changes
for (const op of [Op.getattr, Op.statx, Op.readlink, Op.getxattr, Op.listxattr, Op.readdir, Op.readdirplus]) checks[op] = looks

/** Where the name stands in requests that make something. */
const madeAt = new Uint8Array(OP_COUNT)
madeAt[Op.mknod] = madeAt[Op.create] = 56
madeAt[Op.mkdir] = madeAt[Op.link] = 48

import { CairnError, EIO, ENOENT, ENOSYS, ESTALE, errnoName, NotYourTurn, PageMiss } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import { View } from '../views/index.js'
import * as attributes from './attributes.js'
import * as directory from './directory.js'
import * as entries from './entries.js'
import { DEFERRED, Exchange, type MountOptions, NO_REPLY } from './exchange.js'
import * as flags from './flags.js'
import type { Frame } from './frame.js'
import { init, type Negotiated } from './init.js'
import * as io from './io.js'
import { isLiveView } from './node-id.js'
import { forgetIn, inFolder } from './past.js'
import { inVersions } from './past-versions.js'
import { HeaderWord, OP_COUNT, Op } from './protocol.js'
import { WalkAhead } from './walk-ahead.js'
import * as xattr from './xattr.js'

type Operation = (x: Exchange) => number

const operations: (Operation | undefined)[] = new Array(OP_COUNT).fill(undefined)
operations[Op.lookup] = entries.lookup
operations[Op.forget] = entries.forget
operations[Op.batchForget] = entries.batchForget
operations[Op.access] = attributes.access
operations[Op.getattr] = attributes.getattr
operations[Op.setattr] = attributes.setattr
operations[Op.readlink] = io.readlink
operations[Op.symlink] = entries.symlink
operations[Op.mknod] = entries.mknod
operations[Op.mkdir] = entries.mkdir
operations[Op.unlink] = entries.unlink
operations[Op.rmdir] = entries.rmdir
operations[Op.rename] = entries.rename
operations[Op.rename2] = entries.rename2
operations[Op.link] = entries.link
operations[Op.create] = entries.create
operations[Op.open] = io.open
operations[Op.read] = io.read
operations[Op.write] = io.write
operations[Op.release] = io.release
operations[Op.flush] = io.flush
operations[Op.copyFileRange] = io.copyFileRange
operations[Op.copyFileRange64] = io.copyFileRange64
operations[Op.fallocate] = io.fallocate
operations[Op.lseek] = io.lseek
operations[Op.statfs] = attributes.statfs
operations[Op.statx] = attributes.statx
operations[Op.ioctl] = flags.ioctl
operations[Op.readdir] = directory.readdir
operations[Op.readdirplus] = directory.readdirplus
operations[Op.getxattr] = xattr.getxattr
operations[Op.setxattr] = xattr.setxattr
operations[Op.listxattr] = xattr.listxattr
operations[Op.removexattr] = xattr.removexattr
operations[Op.init] = init
operations[Op.interrupt] = () => NO_REPLY
operations[Op.destroy] = x => x.ok(0)
// OPENDIR, TMPFILE, POLL and all newer requests are answered ENOSYS: the kernel does without and
// asks once. Directories have no handles here.

/**
 * Requests about an inode alone: when it is gone, the name that led to it was replaced meanwhile. The kernel then looks the
 * name up again, so that opening never fails while another renames over it.
 */
const aboutInode: readonly number[] = [Op.access, Op.getattr, Op.setattr, Op.statx, Op.open, Op.read, Op.write, Op.readlink, Op.fallocate, Op.lseek]
const staleWhenMissing = new Uint8Array(OP_COUNT)
for (const op of aboutInode) staleWhenMissing[op] = 1

/** Requests that only read, and OPEN: in a view of the past they may be given up, where a store would have to be waited for, and made again. */
const reading: readonly number[] = [
  Op.lookup,
  Op.access,
  Op.getattr,
  Op.statx,
  Op.open,
  Op.readlink,
  Op.read,
  Op.lseek,
  Op.getxattr,
  Op.listxattr,
  Op.readdir,
  Op.readdirplus,
]
/** In the live volume those that change something may, too: nothing is changed before all is here. */
const changing: readonly number[] = [
  ...[Op.create, Op.mknod, Op.mkdir, Op.symlink, Op.link, Op.unlink, Op.rmdir, Op.rename, Op.rename2],
  ...[Op.setattr, Op.setxattr, Op.removexattr, Op.ioctl, Op.write, Op.fallocate, Op.copyFileRange, Op.copyFileRange64],
  ...[Op.release, Op.forget, Op.batchForget],
]
const PAST = 1
const LIVE = 2
const mayMiss = new Uint8Array(OP_COUNT)
for (const op of reading) mayMiss[op] = PAST | LIVE
for (const op of changing) mayMiss[op] = LIVE

function isSync(opcode: number): boolean {
  return opcode === Op.fsync || opcode === Op.fsyncdir || opcode === Op.syncfs
}

/** Whether the request in a frame makes an inode, where it changes a name. */
export function makesInode({ in32 }: Frame): boolean {
  const opcode = in32[HeaderWord.opcode]
  return opcode === Op.create || opcode === Op.mknod || opcode === Op.mkdir || opcode === Op.symlink
}

/** What the host of a mount provides. */
export interface HandlerHooks {
  /**
   * Makes everything committed so far durable and answers the request with this id, later; returning `SYNC_LATER`;
   * or returns its result at once.
   * Without it `session.syncNow` is called. `alone`: since the last sync only this process has asked for anything.
   */
  sync?: (uniqueHigh: number, uniqueLow: number, fs: FileSystemApi, alone: boolean) => number
  /** Whether what a request met is gone because the volume went on to another state since: the client is told ESTALE, and finds that. */
  isStale?: (error: unknown, isPast: boolean) => boolean
  /** One line for the log: damage, or a fault of our own that was answered with EIO. */
  log?: (line: string) => void
  /** Of a volume that lies in a store elsewhere: its store. */
  far?: { store: { mayMiss?: boolean } }
  /** What becomes of a request in `frame.in` that is to be made again later, and when its client waits no longer for it. */
  park?: (length: number, until: PageMiss | NotYourTurn) => void
  interrupt?: (uniqueHigh: number, uniqueLow: number) => void
  /** Called before and after each request, so that its changes are not announced to the kernel that asked for them. `ino`: what it is about. */
  answering?: (busy: boolean, ino: number) => void
}

/** No errno. */
export const SYNC_LATER = -100000

/** Answers the requests of one mount. Synchronous; one per connection. */
export class FuseHandler {
  readonly exchange: Exchange
  readonly frame: Frame
  /** Requests so far. */
  count = 0
  readonly #hooks: HandlerHooks
  #pid = 0
  #alone = false

  constructor(frame: Frame, fs: FileSystemApi, options: Partial<MountOptions> = {}, hooks: HandlerHooks = {}) {
    this.frame = frame
    this.#hooks = hooks
    this.exchange = new Exchange(frame, fs, { readOnly: false, rootIno: fs.session.rootIno, mountId: undefined, space: undefined, past: undefined, ...options })
    // Without `changes` nobody could say whether what was made still holds; rules may hide what is listed.
    if (fs.session.changes !== undefined && options.guard === undefined) this.exchange.ahead = new WalkAhead(this.exchange, hooks.far)
  }

  /** Undefined until the kernel sent INIT; a server that takes over a mount never sees it. */
  get negotiated(): Negotiated | undefined {
    return this.exchange.negotiated
  }

  /**
   * For `FileSystemOptions.keepUnlinked` of a filesystem that this handler serves: whether an inode that just lost its last link must live
   * on until the kernel forgets it.
   */
  get keepsUnlinked(): boolean {
    return this.exchange.keepsUnlinked
  }

  /** For a server that took over a mount: what was opened before is not known to it, so that nothing unlinked is erased before the kernel forgets it. */
  keepAllUnlinked(): void {
    this.exchange.keepsUnlinked = true
  }

  /**
   * Answers the request of `length` bytes in `frame.in`.
   * @param patient it waits for what it needs, whatever it is
   * @returns bytes of the reply in `frame.out`; 0 when none is wanted, -1 when it comes later
   */
  handle(length: number, patient = false): number {
    const x = this.exchange
    const opcode = x.in32[HeaderWord.opcode]
    this.count++
    this.#watchPid(x.in32[HeaderWord.pid])
    const isLive = x.begin(length)
    const hooks = this.#hooks
    if (opcode === Op.interrupt) hooks.interrupt?.(x.in32[HeaderWord.body + 1], x.in32[HeaderWord.body])
    hooks.answering?.(true, x.ino)
    if (hooks.far !== undefined) hooks.far.store.mayMiss = !patient && (mayMiss[opcode] & (isLive ? LIVE : PAST)) !== 0
    try {
      if (!isLive) return this.#elsewhere(opcode)
      if (isSync(opcode)) return this.#sync()
      return this.#run(opcode)
    } catch (error) {
      const isLater = hooks.park !== undefined && (error instanceof NotYourTurn || (hooks.far !== undefined && error instanceof PageMiss))
      return isLater ? this.#park(length, error) : this.#failed(opcode, error)
    } finally {
      if (hooks.far !== undefined) hooks.far.store.mayMiss = false
      hooks.answering?.(false, x.ino)
    }
  }

  /** While nobody asks: makes an answer that will most likely be asked for. @returns false when there is none to make */
  workAhead(): boolean {
    return this.exchange.ahead?.make() === true
  }

  /** What another state replaced: all that can be done with it is to let go of it. */
  #stale(opcode: number): number {
    const x = this.exchange
    if (opcode === Op.forget) return NO_REPLY
    if (opcode !== Op.release) return x.fail(-ESTALE)
    x.options.opens?.remove(x.ino, x.u64(10))
    x.live.release(x.ino)
    return x.ok(0)
  }

  #run(opcode: number): number {
    const x = this.exchange
    const reply = this.#answer(opcode)
    if (x.tagged) this.#untag()
    if (staleWhenMissing[opcode] === 1 && x.outI32[1] === -ENOENT) x.outI32[1] = -ESTALE
    return reply
  }

  #answer(opcode: number): number {
    const x = this.exchange
    const operation = operations[opcode]
    const { guard } = x.options
    if (operation === undefined) return x.fail(-ENOSYS)
    if (guard === undefined) return operation(x)
    const refused = guard.refuses(x, opcode)
    if (refused < 0) return x.fail(refused)
    const reply = operation(x)
    // What was opened by then would be opened twice.
    x.live.session.waitFromNow?.()
    if (reply > 0 && x.outI32[1] === 0) guard.answered(x, opcode)
    return reply
  }

  /** Another view than the live one. Nothing in it has to be made durable. */
  #elsewhere(opcode: number): number {
    const x = this.exchange
    if (isLiveView(x.view)) return this.#stale(opcode)
    if (opcode === Op.forget) {
      forgetIn(x.options.past, x.view, x.ino, x.u64(10))
      return NO_REPLY
    }
    if (isSync(opcode)) return x.ok(0)
    if (x.view === View.folder) return inFolder(x, opcode)
    if (x.view === View.versions) return inVersions(x, opcode)
    return x.enterView() ? this.#run(opcode) : x.fail(-ESTALE)
  }

  /** What failed committed nothing, and its id must not stay for the next batch. */
  #untag(): void {
    const x = this.exchange
    x.tagged = false
    if (x.outI32[1] < 0) x.fs.session.discard()
  }

  /** Requests of the kernel's own, such as RELEASE, come from nobody. */
  #watchPid(pid: number): void {
    if (pid === this.#pid || pid === 0) return
    this.#pid = pid
    this.#alone = false
  }

  #sync(): number {
    const x = this.exchange
    const sync = this.#hooks.sync
    const alone = this.#alone
    this.#alone = true
    if (sync === undefined) return x.done(x.fs.session.syncNow())
    const result = sync(x.in32[HeaderWord.uniqueHigh], x.in32[HeaderWord.uniqueLow], x.fs, alone)
    return result === SYNC_LATER ? DEFERRED : x.done(result)
  }

  #park(length: number, miss: PageMiss | NotYourTurn): number {
    const x = this.exchange
    x.tagged = false
    x.fs.session.discard()
    x.live.session.discard()
    this.#hooks.park?.(length, miss)
    return DEFERRED
  }

  /** An exception leaves no trace of the request; the client gets EIO. */
  #failed(opcode: number, error: unknown): number {
    const x = this.exchange
    x.tagged = false
    x.fs.session.discard()
    const errno = this.#hooks.isStale?.(error, !isLiveView(x.view)) === true ? ESTALE : EIO
    const what = error instanceof CairnError ? error.message : error instanceof Error ? error.stack : String(error)
    this.#hooks.log?.(`request ${opcode} for inode ${x.ino} answered ${errnoName(errno)}: ${what}`)
    return opcode === Op.forget || opcode === Op.batchForget ? NO_REPLY : x.fail(-errno)
  }
}

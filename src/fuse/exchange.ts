import { EDQUOT, EFBIG, ESTALE, EXDEV } from '../errors.js'
import type { Cred, FileSystemApi } from '../fs/filesystem.js'
import { limits } from '../sys/index.js'
import type { Past } from '../views/index.js'
import type { Frame } from './frame.js'
import type { Guard } from './guard.js'
import type { Negotiated } from './init.js'
import { generationOfIncarnation, IN_VIEW, isLiveView, LIVE_VIEW, VIEW_SHIFT, viewOfIncarnation } from './node-id.js'
import type { OpenFiles } from './open-files.js'
import { HeaderWord, OpenFlag, OpenReply, OUT_HEADER_BYTES, REPLY_WORD, UNIQUE_RESEND_HIGH } from './protocol.js'
import type { WalkAhead } from './walk-ahead.js'

/** What a mount is told about itself. */
export interface MountOptions {
  /** Answers every open from the kernel's own knowledge, and refuses changes before they come here. */
  readOnly: boolean
  /** The inode shown as the root of the mount. */
  rootIno: number
  /** Names this mount in the ids of requests that must not run twice; stays the same when a new server takes the mount over. Undefined: no request comes twice. */
  mountId: number | undefined
  /** Bytes free and in all where the volume is stored. */
  space: (() => { freeBytes: number; totalBytes: number }) | undefined
  /** What `.cairn` at its root shows; undefined: there is none. */
  past: Past | undefined
  /** `major:minor` of the mount; undefined: unknown. */
  device?: () => string | undefined
  /** Rules of this mount; without them all is shown and may be changed. */
  guard?: Guard | undefined
  /** What is open through it. */
  opens?: OpenFiles | undefined
  /** Whether another mount may have an unlinked inode open of which nobody knows: then it does not go when this kernel forgets it. */
  othersHold?: ((ino: number) => boolean) | undefined
  /** Called with each directory in which the kernel learns what names mean, or that they mean nothing. */
  looksInto?: ((dir: number) => void) | undefined
  /** Called with each name that the kernel learns to be missing. */
  misses?: ((dir: number, name: string) => void) | undefined
  /** Called with each inode of which the kernel learns something by a request that is about another one. */
  tellsOf?: ((ino: number) => void) | undefined
  /** Called when something is refused for a quota. */
  overQuota?: (() => void) | undefined
}

const TWO_32 = 4294967296

/** Answers `-1`: the reply comes later, from another thread. */
export const DEFERRED = -1
/** The request wants no reply. */
export const NO_REPLY = 0

/** One request being answered: what it asks in this mount's terms, and how to write the reply. */
export class Exchange {
  readonly in
  readonly in32
  readonly out
  readonly out32
  readonly outI32: Int32Array
  /** Bytes of the request. */
  length = 0
  /** The inode it concerns, its view, and the filesystem of that view. */
  ino = 0
  view = 0
  fs: FileSystemApi
  /** The asking user, whose permissions the kernel has checked. */
  readonly cred: Cred = { uid: 0, gid: 0, groups: [], checked: true }
  readonly options: MountOptions
  /** The filesystem of view 0, the volume as it is. */
  readonly live: FileSystemApi
  negotiated: Negotiated | undefined
  /**
   * Whether an inode that loses its last link now must live until the kernel forgets it, opened or not. A name that is replaced may be
   * on its way to being opened; other inodes are known here when they are open. The host's filesystem asks (`keepUnlinked`).
   */
  keepsUnlinked = false
  /** `once` tied a batch to this request. */
  tagged = false
  /** Answers that were made before they are asked for, where this is the live view. */
  ahead: WalkAhead | undefined

  constructor(frame: Frame, fs: FileSystemApi, options: MountOptions) {
    this.in = frame.in
    this.in32 = frame.in32
    this.out = frame.out
    this.out32 = frame.out32
    this.outI32 = new Int32Array(frame.out32.buffer)
    this.fs = this.live = fs
    this.options = options
  }

  /** Takes the header of a request of `length` bytes. False when it is not about an inode of the live view in its present incarnation. */
  begin(length: number): boolean {
    const w = this.in32
    this.length = length
    this.view = w[HeaderWord.nodeHigh] >>> VIEW_SHIFT
    this.ino = this.inoAt(HeaderWord.nodeLow)
    this.cred.uid = w[HeaderWord.uid]
    this.cred.gid = w[HeaderWord.gid]
    this.fs = this.live
    if (!isLiveView(this.view) || this.view !== this.#liveView(this.live, this.ino)) return false
    this.view = LIVE_VIEW
    return true
  }

  /** The filesystem of the request's view, which is none of the live volume, from now on. False when the view is unknown. */
  enterView(): boolean {
    const fs = this.options.past?.views.get(this.view)
    if (fs === undefined) return false
    this.fs = fs
    return true
  }

  /** The filesystem of the node in words `at` and `at + 1`; undefined for an unknown view, and for what the live volume replaced. */
  fsAt(at: number): FileSystemApi | undefined {
    const view = this.viewAt(at)
    if (!isLiveView(view)) return this.options.past?.views.get(view)
    return view === this.#liveView(this.live, this.inoAt(at)) ? this.live : undefined
  }

  /** Why `fsAt` is not the filesystem of this request. */
  otherView(at: number): number {
    return isLiveView(this.viewAt(at)) && this.view === LIVE_VIEW ? -ESTALE : -EXDEV
  }

  #liveView(live: FileSystemApi, ino: number): number {
    const incarnation = live.session.incarnation?.(ino)
    return incarnation === undefined || incarnation === 0 ? LIVE_VIEW : viewOfIncarnation(incarnation)
  }

  /** The inode of the node id in words `at` and `at + 1` of the request. */
  inoAt(at: number): number {
    const high = this.in32[at + 1] & IN_VIEW
    const low = this.in32[at]
    return low === 1 && high === 0 ? this.options.rootIno : high * TWO_32 + low
  }

  viewAt(at: number): number {
    return this.in32[at + 1] >>> VIEW_SHIFT
  }

  /** A 64-bit count or offset of the request; beyond 2^53 it is inexact, and too large for everything. */
  u64(at: number): number {
    return this.in32[at] + this.in32[at + 1] * TWO_32
  }

  s64(at: number): number {
    return this.in32[at] + (this.in32[at + 1] | 0) * TWO_32
  }

  /** The name from byte `at` to the end of the request, without its NUL. */
  lastName(at: number): string {
    return this.in.latin1Slice(at, this.length - 1)
  }

  /** Where the NUL of the name at byte `at` stands. */
  nameEnd(at: number): number {
    const end = this.in.indexOf(0, at)
    return end < 0 || end >= this.length ? this.length : end
  }

  ok(bodyBytes: number): number {
    const n = bodyBytes + OUT_HEADER_BYTES
    const o = this.out32
    o[0] = n
    o[1] = 0
    o[2] = this.in32[HeaderWord.uniqueLow]
    o[3] = this.in32[HeaderWord.uniqueHigh]
    return n
  }

  /** @param errno negated */
  fail(errno: number): number {
    if (errno === -EDQUOT || errno === -EFBIG) this.options.overQuota?.()
    this.ok(0)
    this.outI32[1] = errno
    return OUT_HEADER_BYTES
  }

  /** For operations that answer with their result alone. */
  done(result: number): number {
    return result < 0 ? this.fail(result) : this.ok(0)
  }

  /** The number that programs see: that of the inode, whatever its incarnation. */
  putIno(at: number, ino: number): void {
    this.#putNode(at, ino, this.view)
  }

  /** The node of an inode in the view of this request. */
  putNode(at: number, ino: number): void {
    this.#putNode(at, ino, this.view === LIVE_VIEW ? this.#liveView(this.fs, ino) : this.view)
  }

  #putNode(at: number, ino: number, view: number): void {
    if (ino === this.options.rootIno) {
      this.out32[at] = 1
      this.out32[at + 1] = (view << VIEW_SHIFT) >>> 0
      return
    }
    this.out32[at] = ino >>> 0
    this.out32[at + 1] = ((view << VIEW_SHIFT) | Math.floor(ino / TWO_32)) >>> 0
  }

  putU64(at: number, value: number): void {
    this.out32[at] = value >>> 0
    this.out32[at + 1] = Math.floor(value / TWO_32)
  }

  /** struct fuse_attr (22 words) from `fs.attr`. */
  putAttr(at: number, ino: number): void {
    const a = this.fs.attr
    const o = this.out32
    this.putIno(at, ino)
    this.putU64(at + 2, a.size)
    this.putU64(at + 4, a.blocks)
    this.putU64(at + 6, a.atimeS)
    this.putU64(at + 8, a.mtimeS)
    this.putU64(at + 10, a.ctimeS)
    o[at + 12] = a.atimeNs
    o[at + 13] = a.mtimeNs
    o[at + 14] = a.ctimeNs
    o[at + 15] = a.mode
    o[at + 16] = a.nlink
    o[at + 17] = a.uid
    o[at + 18] = a.gid
    o[at + 19] = a.rdev
    o[at + 20] = 4096
    o[at + 21] = 0
  }

  /** struct fuse_entry_out (32 words). Inode 0 is a name that the kernel may remember as missing. */
  putEntry(at: number, ino: number): void {
    const o = this.out32
    o.fill(0, at, at + 32)
    o[at + 4] = limits.fuseCacheSeconds
    if (ino === 0) return
    this.options.tellsOf?.(ino)
    this.putNode(at, ino)
    if (this.view === LIVE_VIEW) o[at + 2] = generationOfIncarnation(this.fs.session.incarnation?.(ino) ?? 0)
    o[at + 6] = limits.fuseCacheSeconds
    this.putAttr(at + 10, ino)
  }

  /** A number for a handle that is opened with these flags; 0 for one that only reads. The kernel keeps it, also over restarts of the server. */
  newHandle(flags: number, created: boolean): number {
    if ((flags & OpenFlag.accessMode) === 0 && (flags & OpenFlag.trunc) === 0) return 0
    return this.fs.session.newHandle?.(created) ?? 0
  }

  /** struct fuse_open_out (4 words). */
  putOpen(at: number, flags: number, handle: number): void {
    const o = this.out32
    this.putU64(at, handle)
    o[at + 2] = OpenReply.keepCache | ((flags & OpenFlag.accessMode) === 0 ? OpenReply.noFlush : 0)
    o[at + 3] = 0
  }

  /** Of an entry that was put: the kernel may not remember what the name means. */
  askAgain(at: number): void {
    this.out32[at + 4] = 0
  }

  /** The reply of all that make or find an entry; `ino` may be a negated errno. */
  entry(ino: number): number {
    if (ino < 0) return this.fail(ino)
    this.putEntry(REPLY_WORD, ino)
    return this.ok(128)
  }

  /**
   * Called before a change that must not run twice: ties it to the request's id, and says whether that was
   * committed before this server was started.
   */
  once(): boolean {
    const mount = this.options.mountId
    if (mount === undefined) return false
    const high = this.in32[HeaderWord.uniqueHigh]
    const low = this.in32[HeaderWord.uniqueLow]
    const session = this.fs.session
    if (high >= UNIQUE_RESEND_HIGH && session.wasApplied(mount, (high - UNIQUE_RESEND_HIGH) >>> 0, low)) return true
    this.tagged = true
    session.tagRequest(mount, (high & ~UNIQUE_RESEND_HIGH) >>> 0, low)
    return false
  }
}

import { ENOENT } from '../errors.js'
import { isDirectory } from '../fs/index.js'
import { DEFERRED, type FuseHandler, invalAttributes, OpenFiles } from '../fuse/index.js'
import { viewOfIncarnation } from '../fuse/node-id.js'
import { limits } from '../sys/index.js'
import { write } from '../sys/libc.js'
import { ChangeLog, type KernelChange } from './changes.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

const ROOT_NODE = 1

/** What a kernel may know. Too much is all. */
class Known<T> {
  readonly #known = new Set<T>()
  #isAll: boolean

  constructor(isAll: boolean) {
    this.#isAll = isAll
  }

  add(one: T): void {
    if (this.#isAll) return
    this.#known.add(one)
    if (this.#known.size <= limits.knownToKernel) return
    this.#isAll = true
    this.#known.clear()
  }

  delete(one: T): void {
    this.#known.delete(one)
  }

  has(one: T): boolean {
    return this.#isAll || this.#known.has(one)
  }
}

/** One mount of a volume, beside others. */
export class Member {
  readonly record: MountRecord
  readonly fd: number
  readonly opens = new OpenFiles()
  /** Directories in which its kernel may know what names mean. */
  readonly seen: Known<number>
  /** Names, each behind its directory and a slash, that it may know to be missing. */
  readonly missed: Known<string>
  /** Inodes of which its kernel knows nothing that was not told to be forgotten: they are new, or it has not asked since. */
  readonly told = new Set<number>()
  /** What the present request changed. */
  readonly changes: ChangeLog
  /** Answers that wait until the other mounts were told. */
  held = 0
  /** So often its kernel is being told of changes now, which may wait for locks of its own requests. */
  beingTold = 0
  /** It is being unmounted, by the thread that would tell the others. */
  isLeaving = false
  /** Something was refused for a quota. */
  isOverQuota = false
  handler: FuseHandler | undefined
  readonly #isResumed: boolean

  constructor(record: MountRecord, fd: number, open: OpenVolume, resumed: boolean) {
    this.record = record
    this.#isResumed = resumed
    this.fd = fd
    this.seen = new Known(resumed)
    this.missed = new Known(resumed)
    this.changes = new ChangeLog(ino => open.volume.session.incarnation(ino))
  }

  /** Whether its kernel may hold an inode that lost its last link. What was open before a server took it over only the kernel knows: it is asked. */
  keepsUnlinked(ino: number, view: number): boolean {
    if (this.handler?.keepsUnlinked !== true) return false
    const message = invalAttributes(ino === this.record.rootIno ? ROOT_NODE : ino, view)
    return write(this.fd, message, message.length) !== -ENOENT
  }

  /** Its kernel may have what was written through it and is not here: whoever asks syncs it. Of what the server before opened nothing is known. */
  get mayHoldBack(): boolean {
    return !this.record.readOnly && (this.#isResumed || this.opens.mayHoldBack)
  }

  /** It is told to forget an inode, or knows nothing of it. */
  noteTold(ino: number): void {
    if (this.told.size >= limits.knownToKernel) this.told.clear()
    this.told.add(ino)
  }

  /** It is told to forget a name. @param made inode that is new, and so known to nobody; 0: none */
  noteName(dir: number, name: string, made: number): void {
    if (!this.seen.has(dir)) return
    this.missed.delete(`${dir}/${name}`)
    if (made > 0) this.noteTold(made)
  }
}

/** Tells mounts what changed; resolves when their kernels know. */
export type Tell = (changes: KernelChange[], mounts: number[]) => Promise<void>

/**
 * The mounts of one volume. What is changed through one is that one's author's, and the kernel answers it when the others, as far as they may know of it, have been told: so
 * all of them show the same at any time, as if they were one.
 */
export class MountGroup {
  readonly open: OpenVolume
  readonly #members = new Map<number, Member>()
  readonly #tell: Tell
  /** Who changes when none of these mounts does. */
  #usual: string

  constructor(open: OpenVolume, tell: Tell) {
    this.open = open
    this.#tell = tell
    this.#usual = open.volume.session.actor
  }

  get size(): number {
    return this.#members.size
  }

  /** Something has to be told apart. */
  get isShared(): boolean {
    return this.#members.size > 1
  }

  keepsUnlinked(ino: number): boolean {
    return this.#keeps(ino, undefined)
  }

  #keeps(ino: number, but: Member | undefined): boolean {
    const view = viewOfIncarnation(this.open.volume.session.incarnation(ino))
    for (const member of this.#members.values()) if (member !== but && member.keepsUnlinked(ino, view)) return true
    return false
  }

  /** Where the mounts are that may hold something back. */
  heldBack(): string[] {
    return [...this.#members.values()].flatMap(one => (one.mayHoldBack ? [one.record.mountpoint] : []))
  }

  add(member: Member): void {
    this.#members.set(member.record.id, member)
    const { actor, view } = member.record
    if (view !== undefined || actor === undefined) return
    this.#usual = actor
    this.open.volume.session.actor = actor
  }

  remove(member: Member): void {
    this.#members.delete(member.record.id)
  }

  /** Whether another mount than this may have an unlinked file open of which nobody knows. */
  othersKeep(member: Member, ino: number): boolean {
    return this.isShared && this.#keeps(ino, member)
  }

  /** Mounts are being told of changes, from now on until the returned function is called. @param ids default all */
  telling(ids?: readonly number[]): () => void {
    const members = [...this.#members.values()].filter(({ record }) => ids?.includes(record.id) !== false)
    for (const member of members) member.beingTold++
    return () => {
      for (const member of members) member.beingTold--
    }
  }

  /** Before and after each request of a mount. */
  answering(member: Member, busy: boolean): void {
    const isShared = this.isShared
    if (!isShared && member.record.view === undefined) return
    const { session } = this.open.volume
    const { fs } = this.open
    session.actor = busy ? (member.record.actor ?? this.#usual) : this.#usual
    session.exec = busy ? member.record.view?.exec : undefined
    session.takesTurns = busy && isShared
    fs.listener = busy && isShared ? member.changes : undefined
  }

  /** Runs `work`, whose changes are those of a mount. */
  as(member: Member, work: () => void): void {
    this.answering(member, true)
    this.open.volume.session.takesTurns = false
    try {
      work()
    } finally {
      this.answering(member, false)
    }
  }

  /**
   * Tells the other mounts what a request changed.
   * @param reply bytes of its answer in `out`
   * @param makes it was one that makes an inode
   * @returns the same; or -1, and it is answered when they know
   */
  answered(member: Member, reply: number, out: Uint8Array, makes: boolean): number {
    if (member.changes.isEmpty) return reply
    const changes = member.changes.take()
    const told: Promise<void>[] = []
    // What it is being told comes before what the others are to be told, and may wait for a lock that this request has.
    let mayHold = reply > 0 && !member.isLeaving && member.beingTold === 0
    for (const other of this.#members.values()) {
      if (other === member) continue
      const known = changes.filter(change => this.#knows(other, change, makes))
      for (const change of known) if (!('name' in change) && 'ino' in change) other.noteTold(change.ino)
      for (const change of changes) if ('name' in change) other.noteName(change.parent, change.name, makes ? change.ino : 0)
      if (known.length === 0) continue
      told.push(this.#tell(known, [other.record.id]))
      // Telling it waits for locks that a request of its own may have, whose answer waits for this mount.
      if (other.held > 0) mayHold = false
    }
    if (told.length === 0 || !mayHold) return reply
    const answer = Buffer.from(out.subarray(0, reply))
    member.held++
    void Promise.all(told).finally(() => {
      member.held--
      if (this.#members.get(member.record.id) === member) write(member.fd, answer, answer.length)
    })
    return DEFERRED
  }

  /** What is made had no name before; whoever knows that it was missing has asked for it. */
  #knows(other: Member, change: KernelChange, makes: boolean): boolean {
    if ('names' in change || 'inodes' in change) return true
    if ('name' in change) return other.seen.has(change.parent) && (!makes || other.missed.has(`${change.parent}/${change.name}`))
    const { fs } = this.open
    if (other.told.has(change.ino)) return false
    if (other.seen.has(change.ino)) return true
    // Who had it open keeps it.
    if (fs.getattr(change.ino) < 0) return false
    return other.seen.has(fs.attr.parent) || (fs.attr.nlink > 1 && !isDirectory(fs.attr.mode))
  }
}

import { isDirectory } from '../fs/index.js'
import { DEFERRED, type FuseHandler, OpenFiles } from '../fuse/index.js'
import { limits } from '../sys/index.js'
import { write } from '../sys/libc.js'
import { ChangeLog, type KernelChange } from './changes.js'
import type { OpenVolume } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

/** Directories in which a kernel may know what names mean. Too many are all. */
class SeenDirectories {
  readonly #seen = new Set<number>()
  isAll: boolean

  constructor(isAll: boolean) {
    this.isAll = isAll
  }

  add(dir: number): void {
    if (this.isAll) return
    this.#seen.add(dir)
    if (this.#seen.size <= limits.seenDirectories) return
    this.isAll = true
    this.#seen.clear()
  }

  has(dir: number): boolean {
    return this.isAll || this.#seen.has(dir)
  }
}

/** One mount of a volume, beside others. */
export class Member {
  readonly record: MountRecord
  readonly fd: number
  readonly opens = new OpenFiles()
  readonly seen: SeenDirectories
  /** What the present request changed. */
  readonly changes: ChangeLog
  /** Answers that wait until the other mounts were told. */
  held = 0
  /** It is being unmounted, by the thread that would tell the others. */
  isLeaving = false
  handler: FuseHandler | undefined

  constructor(record: MountRecord, fd: number, open: OpenVolume, resumed: boolean) {
    this.record = record
    this.fd = fd
    this.seen = new SeenDirectories(resumed)
    this.changes = new ChangeLog(ino => open.volume.session.incarnation(ino))
  }

  get keepsUnlinked(): boolean {
    return this.handler?.keepsUnlinked === true
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
  get #isShared(): boolean {
    return this.#members.size > 1
  }

  get keepsUnlinked(): boolean {
    for (const member of this.#members.values()) if (member.keepsUnlinked) return true
    return false
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

  /** Whether another mount than this may have unlinked files open that nobody knows of. */
  othersKeep(member: Member): boolean {
    if (!this.#isShared) return false
    for (const other of this.#members.values()) if (other !== member && other.keepsUnlinked) return true
    return false
  }

  /** Before and after each request of a mount. */
  answering(member: Member, busy: boolean): void {
    const isShared = this.#isShared
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
   * @returns the same; or -1, and it is answered when they know
   */
  answered(member: Member, reply: number, out: Uint8Array): number {
    if (member.changes.isEmpty) return reply
    const changes = member.changes.take()
    const told: Promise<void>[] = []
    let mayHold = reply > 0 && !member.isLeaving
    for (const other of this.#members.values()) {
      if (other === member) continue
      const known = changes.filter(change => this.#knows(other, change))
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

  #knows(other: Member, change: KernelChange): boolean {
    if ('names' in change || 'inodes' in change || other.seen.isAll) return true
    if ('name' in change) return other.seen.has(change.parent)
    const { fs } = this.open
    if (other.seen.has(change.ino)) return true
    // Who had it open keeps it.
    if (fs.getattr(change.ino) < 0) return false
    return other.seen.has(fs.attr.parent) || (fs.attr.nlink > 1 && !isDirectory(fs.attr.mode))
  }
}

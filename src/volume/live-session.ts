import { FRAME_HEADROOM } from '../codec/frame.js'
import { BATCH_HEADER_BYTES, BatchReader, BatchWriter, type DirHash, Item } from '../codec/index.js'
import { EIO, ENOSPC, EROFS, posixError } from '../errors.js'
import type { RedoLog } from '../journal/index.js'
import type { Clock } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { type Author, authorRecord, readAuthor } from './authors.js'
import { Collector, diskErrno } from './collector.js'
import type { Durability } from './durability.js'
import { checkChangeBytes, type ItemLog } from './item-log.js'
import type { LogWriter } from './log/log-writer.js'
import { readAttr } from './paths.js'
import { checkQuota, type Quota } from './quota.js'
import type { Spool } from './spool.js'
import type { VolumeState } from './state.js'
import { VersionRecorder } from './versions/recorder.js'

/** Inode numbers of one arena. */
export const ARENA_INODES = 2 ** 22

/** What a transaction, or whatever else commits many items at once, made of the tree. */
export interface Made {
  /** As it left it; others may have changed the live one meanwhile. */
  tree: Tree
  /** Inodes from here on are its own. */
  firstIno: number
}

/** The writable session of an open volume: one for all its front ends. */
export class LiveSession extends Collector {
  readonly #journal: RedoLog
  readonly #durability: Durability
  readonly #reader = new BatchReader()
  /** Sequence of the last committed batch. */
  sequence: number
  readOnly = false
  quota: Quota = {}
  /** Whether so many bytes more may wait to be published; default any. Else changes fail with ENOSPC. */
  admits: (bytes: number) => boolean = () => true
  /** Saves the versions that changes replace. */
  readonly versions: VersionRecorder
  readonly #afterCommit: () => void
  readonly #newArena: () => number
  #halfApplied = false
  /** Sequence of the last batch that changed the tree. */
  #changes: number
  /** Who began the last change; undefined when that is in a commit. */
  #author: string | undefined
  #authorExec: string | undefined
  /** Who began the last change as the history has it, and as the present batch puts it there. */
  #recorded: Author | undefined
  #recording: Author | undefined
  /** Called before a change by somebody else than who made the last one, and before the first after a commit. */
  onAuthor: ((author: Author) => void) | undefined
  /** Id of the run that changes, for the time of a call. */
  exec: string | undefined
  /** Who calls can be told to come again (`NotYourTurn`), for the time of a call. */
  takesTurns = false
  /** Items of the present batch that are none of the tree. */
  #historyItems = 0
  /** Where what is synced must be, in place of this host's disk. */
  remote: LogWriter | undefined

  constructor(parts: {
    state: VolumeState
    dirHash: DirHash
    spool: Spool
    clock: Clock
    journal: RedoLog
    durability: Durability
    sequence: number
    afterCommit: () => void
    newArena: () => number
    actor: string
  }) {
    super(
      parts.state,
      parts.dirHash,
      parts.spool,
      parts.clock,
      FRAME_HEADROOM,
      batch => new VersionRecorder(parts.state, batch, parts.spool, () => parts.clock.now()),
    )
    this.versions = this.watch as VersionRecorder // made by the line above
    this.#journal = parts.journal
    this.#durability = parts.durability
    this.sequence = parts.sequence
    this.#afterCommit = parts.afterCommit
    this.#newArena = parts.newArena
    this.#changes = parts.sequence
    this.versions.actor = parts.actor
    this.#recorded = readAuthor(parts.state.history)
  }

  /** Who changes: the user of this process, or for the time of a call whoever makes it. */
  get actor(): string {
    return this.versions.actor
  }

  set actor(actor: string) {
    this.versions.actor = actor
  }

  override tick(): void {
    const { actor } = this.versions
    if (actor !== this.#author || this.exec !== this.#authorExec) {
      this.#begins({ actor, exec: this.exec })
      this.#author = actor
      this.#authorExec = this.exec
    }
    if (actor !== this.#recorded?.actor || this.exec !== this.#recorded.exec) this.#record({ actor, exec: this.exec })
    this.look()
  }

  /** Whose the changes are must be known after a crash, too. Where nobody but one ever changes anything it is not written. */
  #record(author: Author): void {
    if (this.#recorded === undefined && !this.takesTurns && author.exec === undefined) return
    const { key, value } = authorRecord(author)
    this.historyPut(key, key.length, value, value.length)
    this.#recording = author
  }

  /** A commit that is made now is none of the request's, which the batch may be tied to already. */
  #begins(author: Author): void {
    const { request } = this.batch
    if (request !== undefined) this.batch.untag()
    this.onAuthor?.(author)
    if (request !== undefined) this.batch.tag(...request)
  }

  /** The state is another one, which somebody else has made. */
  wentOn(sequence: number): void {
    this.sequence = sequence
    this.#changes++
  }

  /** Whoever changes something next is announced. */
  forgetAuthor(): void {
    this.#author = undefined
  }

  get tree(): Tree {
    return this.state.tree
  }

  override get changes(): number {
    return this.#changes
  }

  incarnation(ino: number): number {
    return this.state.incarnations.of(ino)
  }

  allocIno(): number {
    const ino = this.state.nextIno
    const next = ino + 1
    // The last number of an arena: the next one comes from a fresh arena, so a counter at the start of an arena always owns it.
    this.state.nextIno = next % ARENA_INODES === 0 ? this.#newArena() * ARENA_INODES : next
    this.versions.fresh = ino
    return ino
  }

  historyPut(key: Uint8Array, keyLength: number, value: Uint8Array, valueLength: number): void {
    this.#historyItems++
    this.batch.put(Item.historyPut, key, keyLength, value, valueLength)
  }

  historyDel(key: Uint8Array, keyLength: number): void {
    this.#historyItems++
    this.batch.del(Item.historyDel, key, keyLength)
  }

  get handle(): number {
    return this.versions.handle
  }

  set handle(handle: number) {
    this.versions.handle = handle
  }

  newHandle(created: boolean): number {
    return this.versions.newHandle(created)
  }

  released(ino: number, handle: number): void {
    this.versions.released(ino, handle)
  }

  override discard(): void {
    super.discard()
    this.#historyItems = 0
    this.#recording = undefined
  }

  commit(): number {
    const problem =
      (this.readOnly ? -EROFS : this.failed || checkQuota(this.quota, this.usage, this.inodesDelta, this.bytesDelta)) ||
      this.versions.end() ||
      (this.admits(this.batch.length) ? 0 : -ENOSPC)
    if (problem !== 0 || this.batch.items === 0) {
      this.discard()
      return problem
    }
    const result = this.#append(this.batch, this.state.usage.inodes + this.inodesDelta, this.state.usage.bytes + this.bytesDelta)
    if (result === 0) this.versions.committed()
    if (result === 0) this.#recorded = this.#recording ?? this.#recorded
    // What history alone knows of changes no name and no file.
    if (this.#historyItems < this.batch.items) this.#changes = this.sequence
    this.discard()
    return result
  }

  /**
   * Commits what a transaction collected.
   * @param made what it made of the tree
   * @param become the state after it, when nothing else was changed meanwhile; otherwise the items are applied one by one
   * @returns 0, or a negated errno. @throws CairnError ERR_CHANGE_TOO_LARGE; nothing was changed then, nor with an errno
   */
  commitItems(log: ItemLog, made: Made, become: VolumeState | undefined, inodesDelta: number, bytesDelta: number): number {
    if (this.readOnly) return -EROFS
    if (this.#halfApplied) return -EIO
    const over = checkQuota(this.quota, this.usage, inodesDelta, bytesDelta)
    if (over !== 0) return over
    if (this.nowMs === 0) this.look()
    const items = log.take()
    const { request } = this.batch
    const refused = this.#saveVersions(items, made)
    if (refused !== 0) return refused
    const { usage, nextIno } = this.state
    const after = { inodes: usage.inodes + inodesDelta, bytes: usage.bytes + bytesDelta }
    const head = new BatchWriter(FRAME_HEADROOM)
    head.items = log.items + this.batch.items
    if (request !== undefined) head.tag(...request)
    head.finish({ timeMs: this.nowMs, nextIno, ...after })
    const parts = [...items, Buffer.from(this.batch.buffer.subarray(this.batch.start + BATCH_HEADER_BYTES, this.batch.end))]
    for (const part of parts) this.#bringNear(() => this.#reader.openItems(part, 0, part.length))
    try {
      this.sequence = this.#journal.appendParts(head.buffer, head.length, parts)
    } catch (error) {
      this.discard()
      return diskErrno(error)
    }
    if (become !== undefined) this.state.takeOver(become)
    for (const part of parts) {
      this.#reader.openItems(part, 0, part.length)
      this.#apply(() => this.state.applyItems(this.#reader, become !== undefined))
    }
    if (request !== undefined) this.state.remember(...request)
    usage.inodes = after.inodes
    usage.bytes = after.bytes
    this.versions.committed()
    this.#changes = this.sequence
    this.discard()
    this.remote?.committed(this.sequence, [head.buffer.subarray(head.start, head.end), ...parts])
    this.#committed()
    return 0
  }

  /** Adds to the batch what these items replace. 0, or a negated errno and nothing. */
  #saveVersions(items: readonly Buffer[], made: Made): number {
    try {
      for (const part of items) {
        this.#reader.openItems(part, 0, part.length)
        this.versions.replay(this.#reader, made.firstIno)
      }
      const refused = this.versions.end(ino => readAttr(made.tree, ino)?.nlink ?? 0)
      if (refused !== 0) this.discard()
      if (refused !== 0) return refused
      const bytes = items.reduce((sum, part) => sum + part.length, this.batch.length)
      checkChangeBytes(bytes)
      if (this.admits(bytes)) return 0
      this.discard()
      return -ENOSPC
    } catch (error) {
      this.discard()
      throw error
    }
  }

  #append(batch: BatchWriter, inodes: number, bytes: number): number {
    if (this.#halfApplied) return -EIO
    if (this.nowMs === 0) this.look()
    batch.finish({ timeMs: this.nowMs, nextIno: this.state.nextIno, inodes, bytes })
    this.#bringNear(() => this.#reader.open(batch.buffer, batch.start, batch.length))
    try {
      this.sequence = this.#journal.append(batch.buffer, batch.length)
    } catch (error) {
      return diskErrno(error)
    }
    this.#reader.open(batch.buffer, batch.start, batch.length)
    this.#apply(() => this.state.apply(this.#reader))
    this.remote?.committed(this.sequence, [batch.buffer.subarray(batch.start, batch.end)])
    this.#committed()
    return 0
  }

  /** What cannot be read now is a failure of the operation; once it is in the journal it would be one of the volume. */
  #bringNear(open: () => void): void {
    try {
      open()
      this.state.bringNear(this.#reader)
    } catch (error) {
      this.discard()
      throw error
    }
  }

  #committed(): void {
    this.#durability.changed(this.sequence)
    this.#afterCommit()
  }

  /** The journal has the batch. When a damaged page keeps half of it out of the tree, nothing may be built on that. */
  #apply(apply: () => void): void {
    try {
      apply()
    } catch (error) {
      this.#halfApplied = true
      throw error
    }
  }

  syncNow(): number {
    if (this.remote === undefined) return this.#durability.syncNow()
    return this.remote.waitStored(this.sequence) === undefined ? 0 : -EIO
  }

  sync(): Promise<void> {
    if (this.remote === undefined) return this.#durability.sync()
    return this.stored().catch((cause: Error) => {
      const error = posixError(EIO, 'fsync')
      error.message += ` (${cause.message})`
      throw Object.assign(error, { cause })
    })
  }

  /** Resolves when all that was committed is in the store: the same as `sync` where the store is a file of this host. @throws what the store says; ERR_LEASE_LOST */
  stored(): Promise<void> {
    const { remote, sequence } = this
    if (remote === undefined) return this.#durability.sync()
    if (sequence <= remote.stored) return Promise.resolve()
    return new Promise((resolve, reject) => remote.whenStored(sequence, error => (error === undefined ? resolve() : reject(error))))
  }

  /** As `sync`, without a promise. @param done gets 0 or a negated errno. False where a sync is this host's own affair: see `syncTargets` */
  syncRemote(done: (errno: number) => void): boolean {
    this.remote?.whenStored(this.sequence, error => done(error === undefined ? 0 : -EIO))
    return this.remote !== undefined
  }

  /** See `Durability`: for a thread that syncs for several at once. */
  syncTargets(): readonly number[] {
    return this.#durability.syncTargets()
  }

  synced(sequence: number, errno: number): void {
    this.#durability.synced(sequence, errno)
  }
}

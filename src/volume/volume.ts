import { join } from 'node:path'
import { ATTR_BYTES, Attr, commitIdText, DirHash, encodeAttr, inodeKey, Tag } from '../codec/index.js'
import { CairnError, CorruptError, errnoName, posixError } from '../errors.js'
import type { Journal } from '../journal/index.js'
import type { LocalStore } from '../store/contract.js'
import type { Packs } from '../store/packs.js'
import { assert, type Clock, crashPoint, limits, makeFolders, type Random } from '../sys/index.js'
import { BTree, type PageCache } from '../tree/index.js'
import type { CommitInfo, FsckReport, TransactionSession, VolumeApi, VolumeInfo, VolumeStatus } from './api.js'
import { Durability } from './durability.js'
import { fsck } from './fsck.js'
import type { HeadFile } from './head.js'
import { type Commit, History } from './history.js'
import { LiveSession } from './live-session.js'
import { openTree, type Recovered, recover } from './recovery.js'
import { Seal } from './seal.js'
import { SnapshotSession } from './snapshot-session.js'
import { beginSync, Spool } from './spool.js'
import { VolumeState } from './state.js'
import { poolSyncer, type Syncer } from './syncer.js'
import { TransactionLive } from './transaction.js'

/** What the volumes of one store share. */
export interface StoreContext {
  store: LocalStore
  storeName: string
  packs: Packs
  pages: PageCache
}

export interface VolumeOptions {
  context: StoreContext
  head: HeadFile
  /** This host's folder of the volume: journal and spool. */
  dir: string
  clock: Clock
  random: Random
  bootId: string
  syncer?: Syncer
  /** Takes a fresh arena of inode numbers from the store. */
  newArena: () => number
  onClose: () => void
  /** Called when promises were settled: a thread that runs a loop of its own must give them a turn. */
  onSettled?: () => void
  /** Called by `close`: the engine counts who has the volume open. */
  release: (volume: Volume) => void
}

/** Commits between two looks at how much waits for a seal. */
const COMMITS_PER_LOOK = 64
/** Folds per commit once overlays are over their budget. */
const FOLDS_AT_ONCE = 4

type Stage = 'pages' | 'syncing' | 'footers' | 'head'

/** An open volume: the one writer. */
export class Volume implements VolumeApi {
  readonly session: LiveSession
  readonly context: StoreContext
  readonly head: HeadFile
  readonly state: VolumeState
  readonly history: History
  readonly #journal: Journal
  readonly #spool: Spool
  readonly #durability: Durability
  readonly #clock: Clock
  readonly #onClose: () => void
  readonly #release: (volume: Volume) => void
  readonly #onSettled: () => void
  #seal: Seal | undefined
  /** Journal up to here is superfluous and not deleted yet. */
  #releasable: number | undefined
  #flushing: Array<{ sequence: number; resolve: () => void; reject: (error: unknown) => void }> = []
  #stage: Stage = 'pages'
  #sealedSequence: number
  #lastChangeMs = 0
  #commitsSinceLook = 0
  #lastSealMs: number | undefined
  #retrySealAtMs = 0
  readonly #syncer: Syncer
  #closed = false

  constructor(options: VolumeOptions) {
    const { context, head, dir, clock, random } = options
    this.context = context
    this.head = head
    this.#clock = clock
    this.#onClose = options.onClose
    this.#release = options.release
    this.#onSettled = options.onSettled ?? (() => {})
    this.#syncer = options.syncer ?? poolSyncer
    makeFolders(dir)
    const h = head.value
    const id = Buffer.from(h.volume, 'hex')
    this.#spool = new Spool({
      dir: join(dir, 'spool'),
      volume: id,
      store: context.store,
      packs: context.packs,
      raiseEpoch: () => this.#raiseEpoch(),
      birth: h.sequence + 1,
    })
    const recovered = this.#recover(join(dir, 'journal'), options)
    this.state = recovered.state
    this.#journal = recovered.journal
    const { sequence } = recovered
    this.#sealedSequence = h.watermark
    this.#durability = new Durability(this.#journal, this.#spool, this.#syncer, clock, sequence)
    this.session = new LiveSession({
      state: this.state,
      dirHash: new DirHash(Buffer.from(h.dirHashKey, 'hex')),
      spool: this.#spool,
      clock,
      journal: this.#journal,
      durability: this.#durability,
      sequence,
      afterCommit: () => this.#afterCommit(),
      newArena: options.newArena,
    })
    this.history = new History(this.session, this.state, clock, random)
    try {
      this.#makeRoot()
    } catch (error) {
      this.#closeFiles()
      throw error
    }
  }

  #raiseEpoch(): number {
    this.head.update({ epoch: this.head.value.epoch + 1 })
    this.#spool.birth = this.head.value.sequence + 1
    return this.head.value.epoch
  }

  #recover(journalDir: string, { context, head, random, bootId }: VolumeOptions): Recovered {
    try {
      this.#spool.recover()
      return recover({ context, head: head.value, journalDir, random, bootId, spool: this.#spool })
    } catch (error) {
      this.#spool.close()
      throw error
    }
  }

  #closeFiles(): void {
    this.#spool.close()
    this.#journal.close()
  }

  /** A new volume has nothing but its head: the root directory is its first change. */
  #makeRoot(): void {
    const K = Buffer.alloc(16)
    const { session } = this
    if (session.tree.get(K, inodeKey(K, Tag.attr, 1))) return
    session.tick()
    const attr = new Attr()
    attr.mode = 0o40755
    attr.nlink = 2
    attr.uid = process.getuid?.() ?? 0
    attr.gid = process.getgid?.() ?? 0
    attr.parent = 1
    attr.size = 4096
    attr.atimeS = attr.mtimeS = attr.ctimeS = attr.btimeS = session.nowS
    attr.atimeNs = attr.mtimeNs = attr.ctimeNs = attr.btimeNs = session.nowNs
    const V = Buffer.alloc(ATTR_BYTES)
    encodeAttr(attr, V, 0)
    session.put(K, inodeKey(K, Tag.attr, 1), V, ATTR_BYTES)
    session.addUsage(1, 0)
    const result = session.commit()
    if (result !== 0)
      throw new CairnError(
        `ERR_${errnoName(-result)}`,
        `Volume ${this.info.name} could not be written to: ${errnoName(-result)}.`,
        'Make room on the disk of CAIRN_HOME and try again.',
      )
  }

  get info(): VolumeInfo {
    const h = this.head.value
    return { name: h.name, id: h.volume, store: this.context.storeName, createdMs: h.createdMs, ...(h.parent === undefined ? {} : { parent: h.parent }) }
  }

  #afterCommit(): void {
    this.#lastChangeMs = this.#clock.monotonic()
    this.#boundOverlays()
    if (++this.#commitsSinceLook >= COMMITS_PER_LOOK) this.#boundDirty()
  }

  /** Keeps journal and dirty pages bounded where commits come faster than `pump` is called. */
  #boundDirty(): void {
    this.#commitsSinceLook = 0
    const load = this.#load()
    if (load < 1 || this.#lastChangeMs < this.#retrySealAtMs) return
    try {
      if (load >= 2) this.#sealNow()
      else this.#stepSeal(this.#lastChangeMs + limits.sealSliceMs)
    } catch (error) {
      this.#sealFailed(error)
    }
  }

  /** How much waits for a seal, over what may wait: from 1 on it is time. */
  #load(): number {
    return Math.max(
      this.#journal.bytesBehind(this.#sealedSequence) / limits.sealJournalBytes,
      this.state.tree.dirtyBytes / limits.sealDirtyBytes,
      this.#spool.bytes / limits.sealSpoolBytes,
    )
  }

  /**
   * A full or failing disk, or a damaged page, is not the fault of whoever happens to be served: the journal still has it all, and
   * it is tried again. Who flushes hears of it.
   */
  #sealFailed(error: unknown): void {
    if (!isOfStorage(error)) throw error
    this.#retrySealAtMs = this.#clock.monotonic() + limits.sealIdleMs
  }

  #boundOverlays(): void {
    if (this.state.overlays.bytes <= limits.overlayBytes || this.#lastChangeMs < this.#retrySealAtMs) return
    try {
      this.#fold(FOLDS_AT_ONCE)
    } catch (error) {
      this.#sealFailed(error)
    }
  }

  /** Folds the oldest overlays; true when none is left. @throws on a full or failing disk */
  #fold(count: number): boolean {
    return this.state.foldOldest(count, this.#spool)
  }

  get #dirty(): boolean {
    return this.session.sequence !== this.#sealedSequence
  }

  /**
   * Background work for at most `budgetMs`; returns in how many milliseconds it wants to be called again.
   * A failing disk is not an error here: the work is tried again later, and callers that need it hear of it.
   */
  pump(budgetMs: number): number {
    const now = this.#clock.monotonic()
    const due = this.#durability.dueInMs()
    if (due === 0) this.#durability.startRound()
    let next = due === 0 ? Number.POSITIVE_INFINITY : due
    if (!this.#releaseJournal(1)) next = Math.min(next, 1)
    if (this.#seal !== undefined || this.#flushing.length > 0 || this.#wantsSeal(now)) {
      try {
        next = Math.min(next, this.#stepSeal(now + Math.min(budgetMs, limits.sealSliceMs)))
        if (this.#flushing.length > 0 && this.#seal === undefined) next = 0
      } catch (error) {
        this.#sealFailed(error)
        this.#settleFlushes(error)
        next = Math.min(next, limits.sealIdleMs)
      }
    } else if (this.#dirty) next = Math.min(next, Math.max(1, this.#lastChangeMs + limits.sealIdleMs - now, this.#retrySealAtMs - now))
    return next
  }

  #wantsSeal(now: number): boolean {
    if (!this.#dirty || now < this.#retrySealAtMs) return false
    return this.#load() >= 1 || now - this.#lastChangeMs >= limits.sealIdleMs
  }

  /** One slice of sealing; 0 when there is more to do at once. */
  #stepSeal(deadline: number): number {
    const now = (): number => this.#clock.monotonic()
    while (this.#seal === undefined) {
      if (!this.#fold(1) && now() >= deadline) return 0
      if (this.state.overlays.byId.size === 0) this.#startSeal()
    }
    const seal = this.#seal
    if (this.#stage === 'pages') {
      if (!this.#guard(seal, () => seal.writePages(now, deadline))) return 0
      crashPoint('seal.before-sync')
      this.#syncPacks(seal, 'footers')
    }
    if (this.#stage === 'footers') {
      this.#guard(seal, () => {
        for (const pack of seal.packs) pack.writeFooter()
      })
      this.#syncPacks(seal, 'head')
    }
    if (this.#stage !== 'head') return limits.sealSliceMs
    this.#guard(seal, () => this.#publish(seal))
    return this.#dirty ? limits.sealIdleMs : Number.POSITIVE_INFINITY
  }

  /** Syncs the seal's packs where it blocks nobody, then goes on with `next`. */
  #syncPacks(seal: Seal, next: Stage): void {
    this.#stage = 'syncing'
    const packs = beginSync(seal.packs)
    this.#syncer.request(packs.fds, errno => {
      if (errno === 0) packs.done()
      if (this.#seal !== seal) return
      if (errno === 0) {
        this.#stage = next
        return
      }
      this.#giveUpSeal(seal)
      this.#settleFlushes(posixError(Math.abs(errno), 'fdatasync'))
    })
  }

  #startSeal(): void {
    this.#journal.rotate()
    this.#spool.birth = this.head.value.sequence + 1
    this.#seal = new Seal(this.state, this.#spool, this.session.sequence)
    this.#stage = 'pages'
  }

  #guard<T>(seal: Seal, step: () => T): T {
    try {
      return step()
    } catch (error) {
      this.#giveUpSeal(seal)
      throw error
    }
  }

  /** Nothing is lost: the journal still has it all. */
  #giveUpSeal(seal: Seal): void {
    seal.abandon()
    this.#spool.giveBack(seal.allPacks)
    this.#seal = undefined
    this.#retrySealAtMs = this.#clock.monotonic() + limits.sealIdleMs
  }

  /** Packs into the store, then the head, then the journal behind it is released. */
  #publish(seal: Seal): void {
    for (const pack of seal.packs) pack.finish()
    for (const pack of seal.packs) this.#spool.publish(pack)
    const r = seal.result
    crashPoint('seal.before-head')
    this.head.update({
      root: Buffer.from(r.root).toString('hex'),
      history: Buffer.from(r.history).toString('hex'),
      watermark: r.watermark,
      nextIno: r.nextIno,
      inodes: r.inodes,
      bytes: r.bytes,
    })
    crashPoint('seal.after-head')
    seal.done()
    this.#seal = undefined
    this.#sealedSequence = r.watermark
    this.#lastSealMs = this.#clock.now()
    this.#settleFlushes(undefined)
    const { packs } = seal
    this.#durability.whenUnused(() => {
      for (const pack of packs) pack.closeFd()
      this.#releasable = r.watermark
    })
  }

  /** Deletes journal files that the head has made superfluous; true when none is left. */
  #releaseJournal(files: number): boolean {
    if (this.#releasable === undefined) return true
    let done = false
    // A sync under way may be using their descriptors; then later.
    this.#durability.ifUnused(() => {
      done = this.#journal.release(this.#releasable ?? 0, files)
    })
    if (done) this.#releasable = undefined
    return done
  }

  /**
   * As `flush`, in slices of `pump`, so that nobody waits for it: when it resolves, everything acknowledged at the call is in the store.
   * @throws what the disk says; it stays in the journal then
   */
  flushSoon(): Promise<{ bytes: number }> {
    const bytes = this.#unsealedBytes()
    if (!this.#dirty) return Promise.resolve({ bytes })
    const { sequence } = this.session
    return new Promise((resolve, reject) => this.#flushing.push({ sequence, resolve: () => resolve({ bytes }), reject }))
  }

  #settleFlushes(error: unknown): void {
    const settled = this.#flushing.filter(flush => error !== undefined || flush.sequence <= this.#sealedSequence)
    if (settled.length === 0) return
    this.#flushing = this.#flushing.filter(flush => !settled.includes(flush))
    for (const flush of settled) {
      if (error === undefined) flush.resolve()
      else flush.reject(error)
    }
    this.#onSettled()
  }

  flush(): { bytes: number } {
    const bytes = this.#unsealedBytes()
    // A seal may be under way that froze an older state: finish it, then seal what came after it.
    while (this.#seal !== undefined || this.#dirty) this.#sealNow()
    this.#releaseJournal(Number.POSITIVE_INFINITY)
    return { bytes }
  }

  #sealNow(): void {
    const forever = Number.POSITIVE_INFINITY
    while (!this.#fold(64));
    if (this.#seal === undefined) this.#startSeal()
    const seal = this.#seal
    assert(seal !== undefined, 'a seal has been started')
    this.#guard(seal, () => {
      if (this.#stage === 'pages') {
        seal.writePages(() => 0, forever)
        crashPoint('seal.before-sync')
      }
      this.#publish(seal)
    })
  }

  #unsealedBytes(): number {
    return this.#dirty ? this.#journal.bytesBehind(this.#sealedSequence) + this.state.tree.dirtyBytes : 0
  }

  /** The root that names everything acknowledged so far, and its history; seals when something is newer. */
  sealedRoots(): { root: string; history: string } {
    this.flush()
    return { root: this.head.value.root, history: this.head.value.history }
  }

  at(ref: string): SnapshotSession {
    const commit = this.history.resolve(ref)
    const state = new VolumeState(this.treeOf(commit), BTree.empty(this.context.pages), this.context.packs)
    state.usage.inodes = commit.inodes
    state.usage.bytes = commit.bytes
    state.nextIno = commit.nextIno
    return new SnapshotSession(state, this.session.dirHash, this.#clock)
  }

  /** The tree of a commit, sealed or not. */
  treeOf(commit: Commit): BTree {
    if (commit.root !== '') return openTree(this.context.pages, commit.root)
    const pending = this.state.pendingCommits.find(({ key }) => commitIdText(key.subarray(1)) === commit.id)
    assert(pending !== undefined, 'a commit without a root is in memory')
    return pending.tree.fork()
  }

  begin(): TransactionSession {
    while (!this.#fold(64));
    return new TransactionLive(this.session, this.state, this.context, this.#spool, this.#clock)
  }

  checkpoint(name?: string, options: { message?: string; actor?: string } = {}): CommitInfo {
    this.history.checkName(name)
    // Overlays first: a full disk says no before anything is recorded.
    while (!this.#fold(64));
    const { usage, nextIno } = this.state
    return this.history.add({
      kind: 'checkpoint',
      root: this.#publishedRoot(),
      inodes: usage.inodes,
      bytes: usage.bytes,
      nextIno,
      ...(name === undefined ? {} : { name }),
      ...options,
    })
  }

  /** The tree's root when the head names it; empty while there is something newer. */
  #publishedRoot(): string {
    const { pointer } = this.state.tree
    const { root } = this.head.value
    return pointer !== undefined && Buffer.from(pointer).toString('hex') === root ? root : ''
  }

  deleteCheckpoint(name: string): void {
    this.history.deleteCheckpoint(name)
  }

  commits(options: { limit?: number; checkpointsOnly?: boolean } = {}): CommitInfo[] {
    return this.history.list(options)
  }

  status(): VolumeStatus {
    const h = this.head.value
    return {
      ...this.info,
      epoch: h.epoch,
      inodes: this.state.usage.inodes,
      bytes: this.state.usage.bytes,
      unsealedBytes: this.#unsealedBytes(),
      ...(this.#lastSealMs === undefined ? {} : { lastSealMs: this.#lastSealMs }),
      pageCacheBytes: this.context.pages.counters.residentBytes,
      overlayBytes: this.state.overlays.bytes,
    }
  }

  fsck(): FsckReport {
    this.flush()
    return fsck(this)
  }

  /** Lets go without sealing, as a killed process does; the next open recovers from the journal. */
  abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.session.readOnly = true
    this.#letGo()
  }

  #letGo(): void {
    this.#durability.whenUnused(() => {
      this.#closeFiles()
      this.#onClose()
    })
  }

  /** Ends one `openVolume`; the last one seals and lets go. */
  close(): void {
    this.#release(this)
  }

  /** Seals, then lets go of the volume. What cannot be sealed (a full disk, a damaged page) stays in the journal for the next open. */
  shut(): void {
    if (this.#closed) return
    this.#closed = true
    try {
      this.flush()
    } catch (error) {
      if (!isOfStorage(error)) throw error
      this.#durability.syncNow()
    } finally {
      this.session.readOnly = true
      this.#letGo()
    }
  }
}

/** The disk failed, or what it holds is damaged: no fault of the caller's or our own. */
function isOfStorage(error: unknown): boolean {
  return error instanceof CorruptError || typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

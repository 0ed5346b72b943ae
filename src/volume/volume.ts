import { join } from 'node:path'
import type { Head } from '../codec/head.js'
import { ATTR_BYTES, Attr, commitIdText, DirHash, encodeAttr, inodeKey, packKey, Tag } from '../codec/index.js'
import { CairnError, EROFS, posixError } from '../errors.js'
import type { RedoLog } from '../journal/index.js'
import type { LocalStore, StoredObject } from '../store/contract.js'
import type { Packs } from '../store/packs.js'
import { writePin } from '../store/pins.js'
import { makeFolder } from '../store/sync-folder.js'
import { assert, type Clock, limits, type Random } from '../sys/index.js'
import { BTree, diff, type PageCache, type PageSink } from '../tree/index.js'
import type { CommitInfo, FsckReport, TransactionSession, VolumeApi, VolumeInfo, VolumeStatus } from './api.js'
import { AuditChain, AuditSessions, type AuditSigner } from './audit/index.js'
import { Authors, readAuthor } from './authors.js'
import { isWorthCommit } from './auto-commit.js'
import { Backlog, type BacklogParts } from './backlog.js'
import { type Became, type BecomeCommit, becomeTree, type Onlookers } from './become.js'
import { refusedByDisk } from './collector.js'
import type { BlockSink } from './content.js'
import { staleTogether } from './database-files.js'
import { Durability } from './durability.js'
import { commitItem } from './first-commit.js'
import { fenced } from './fork.js'
import { fsck } from './fsck.js'
import { type HeadFile, volumeInfo } from './head.js'
import { type Commit, History, type NewCommit, type PreparedCommit, putItems } from './history.js'
import { Holds } from './holds.js'
import type { HistoryItem } from './incarnations.js'
import { LiveSession } from './live-session.js'
import type { LogWriter } from './log/log-writer.js'
import { policyItems, policyRevision, readStoredPolicy, revisionOf, type StoredPolicy } from './policy-record.js'
import { refusePurged } from './purged.js'
import { type Quota, quotaRecord, readQuota } from './quota.js'
import { openTree, type Recovered, recover } from './recovery.js'
import { isOfStorage, Sealing } from './sealing.js'
import { SnapshotSession } from './snapshot-session.js'
import { PageSpool, Spool } from './spool.js'
import { readVersionSequence, VolumeState } from './state.js'
import { poolSyncer, type Syncer } from './syncer.js'
import { TransactionLive } from './transaction.js'
import { Transition, type Trees } from './transition.js'
import { TreeChanges } from './tree-changes.js'
import { Versions } from './versions/versions.js'
import { mergeStatus, storedMerge } from './waiting-merge.js'
import { type HiddenWindow, windowItem } from './windows.js'
import { makeWorkFolders } from './work-folders.js'

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
  /** Id of the volume that a journal in the folder was written for; default this one. */
  journalOf?: string
  clock: Clock
  random: Random
  bootId: string
  syncer?: Syncer
  /** Who changes, where nothing else says so. */
  actor: string
  /** Signs tips of the audit chain. @throws CairnError ERR_AUDIT_KEY */
  auditSigner?: (() => AuditSigner) | undefined
  /** Takes a fresh arena of inode numbers from the store. */
  newArena: () => number
  /** Commits where this volume and others parted. */
  forkPoints: () => ReadonlySet<string>
  onClose: () => void
  /** Another host writes it, or may: what is published is read, and nothing is changed. */
  isReader?: boolean
  /** What this home calls it, where other hosts may call it something else. */
  nameHere?: string
  /** Who wrote it until it was taken over for this opening. */
  tookFrom?: string
  /** Called when promises were settled: a thread that runs a loop of its own must give them a turn. */
  onSettled?: () => void
  /** Of a store that other hosts reach too. */
  log?: LogWriter
  /** Nobody sees to background work all the time: what must be sealed is sealed while the caller waits. */
  sealsAtOnce?: boolean
  /** Called by `close`: the engine counts who has the volume open. */
  /** @param isDropped it is deleted next: nothing is to be sealed */
  release: (volume: Volume, isDropped: boolean) => void
  /** Of a store elsewhere: what may wait to be published, beside what waits in the store's outbox. */
  backlog?: Pick<BacklogParts, 'freeBytes' | 'maxBytes' | 'onFull'> & { outboxBytes: () => number }
}

/** See `Volume.beginPages`. */
export interface StoredPages {
  sink: PageSink
  /** Blocks for a sync. @param roots pointers of root pages in hex */
  publish(roots: readonly string[]): void
  end(): void
}

/** What a reader that is mounted must know of what its kernel knows. */
export interface Showing {
  /** It is mounted, and nobody has looked yet. */
  begins(): void
  /** A mount outlived its server: `onBecame` hears of whatever its kernel may not have heard of. */
  resumes(): void
  /** The kernel has heard of all that differs from what it was before the head with this sequence. */
  told(sequence: number): void
  ends(): void
}

/** An open volume: the one writer, or a reader of what the writer published (`isReader`). */
export class Volume implements VolumeApi {
  readonly isReader: boolean
  /** What this home calls it; undefined where that is what its head says. */
  nameHere: string | undefined
  /** Who wrote it until it was taken over for this opening. */
  readonly tookFrom: string | undefined
  /** Of a reader. */
  showing: Showing | undefined
  /** Of a reader: it has shown another state before. */
  hasGoneOn = false
  readonly session: LiveSession
  readonly context: StoreContext
  readonly head: HeadFile
  readonly state: VolumeState
  readonly history: History
  readonly versions: Versions
  /** Who did what, when and why. */
  readonly audit: AuditChain
  readonly auditSessions: AuditSessions
  /** What commits of runs that are at work say, by run. */
  readonly runMessages = new Map<string, string | undefined>()
  readonly #journal: RedoLog
  readonly #spool: Spool
  readonly #durability: Durability
  readonly #sealing: Sealing
  readonly #holds: Holds
  readonly #clock: Clock
  readonly #random: Random
  /** Of a store that other hosts reach too. */
  readonly log: LogWriter | undefined
  readonly #sealsAtOnce: boolean
  #isRemote = false
  readonly #onSettled: () => void
  readonly #onClose: () => void
  readonly #release: (volume: Volume, isDropped: boolean) => void
  #closed = false
  /** A hidden window is in the history tree that no seal has written yet. */
  #unsavedWindow = false
  /** The same of the first commit. */
  #unsavedFirst = false
  /** Sequence at which the state was found to be that of the last commit. */
  #lookedAt = -1
  /** When the first change since then was made. */
  #changedMs: number | undefined
  readonly #authors: Authors
  /** Of a store elsewhere: what may wait to be published. */
  readonly backlog: Backlog | undefined
  /** Who holds handles and caches of the live state; without them nothing is kept for them. */
  onlookers: Onlookers | undefined
  /** Told what `become` changed: caches of names and content, handles, the kernel. */
  onBecame: ((changes: TreeChanges) => void) | undefined

  constructor(options: VolumeOptions) {
    const { context, head, dir, clock, random } = options
    this.isReader = options.isReader === true
    this.nameHere = options.nameHere
    this.tookFrom = options.tookFrom
    this.context = context
    this.head = head
    this.#clock = clock
    this.#random = random
    this.#onClose = options.onClose
    this.#release = options.release
    this.log = options.log
    this.#sealsAtOnce = options.sealsAtOnce ?? true
    this.#onSettled = options.onSettled ?? (() => {})
    const syncer = options.syncer ?? poolSyncer
    if (this.isReader || options.context.store.logs !== undefined) makeFolder(dir)
    else makeWorkFolders(dir)
    this.#holds = new Holds(join(dir, 'holds'))
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
    this.#addOfHead(h)
    this.#journal = recovered.journal
    const { sequence } = recovered
    this.#durability = new Durability(this.#journal, this.#spool, syncer, clock, sequence, h.watermark)
    this.#sealing = new Sealing({
      state: this.state,
      spool: this.#spool,
      journal: this.#journal,
      durability: this.#durability,
      head,
      holds: this.#holds,
      clock,
      syncer,
      sequence: () => this.session.sequence,
      onSettled: options.onSettled ?? (() => {}),
      logMember: watermark => this.log?.member(watermark) ?? {},
    })
    this.session = new LiveSession({
      state: this.state,
      dirHash: new DirHash(Buffer.from(h.dirHashKey, 'hex')),
      spool: this.#spool,
      clock,
      journal: this.#journal,
      durability: this.#durability,
      sequence,
      afterCommit: () => this.#changed(),
      newArena: options.newArena,
      actor: options.actor,
    })
    this.versions = new Versions({
      session: this.session,
      state: this.state,
      clock,
      packs: context.packs,
      pages: context.pages,
      foldAll: () => this.#sealing.foldAll(),
      hold: user => this.hold(user),
      refusePurged: path => refusePurged(this.state.history, h.dirHashKey, path),
      neededCommits: () => new Set([...options.forkPoints(), ...this.#mergedFrom(), ...this.#openToRead()]),
      onSettled: options.onSettled ?? (() => {}),
      audit: event => this.audit.next([event]).items,
    })
    this.#authors = new Authors(clock, sequence > h.watermark ? (readAuthor(this.state.history) ?? { actor: options.actor }) : undefined)
    this.session.onAuthor = author =>
      this.#waiting(() => {
        this.#authors.begins(author, () => this.#commitOf(), this.session.takesTurns)
        this.auditSessions.changes(author.actor)
      })
    if (sequence > h.watermark) this.#changedMs = clock.monotonic()
    this.history = new History(this.session, this.state, clock, random)
    this.audit = new AuditChain({ session: this.session, history: () => this.state.history, clock, random, info: () => this.info, signer: options.auditSigner })
    this.auditSessions = new AuditSessions({
      append: event => this.audit.append(event),
      newId: () => random.bytes(8).toString('hex'),
      nowMs: () => clock.monotonic(),
      forgetAuthor: () => this.session.forgetAuthor(),
    })
    this.history.audit = event => this.audit.next([event]).items
    this.session.readOnly = this.isReader
    this.session.quota = readQuota(this.state.history)
    this.#attachLog()
    this.backlog = this.#bounded(options)
    try {
      this.#makeRoot()
    } catch (error) {
      this.#closeFiles()
      throw error
    }
  }

  #attachLog(): void {
    const { head, session, context } = this
    this.log?.attach({
      get sequence() {
        return session.sequence
      },
      get watermark() {
        return head.value.watermark
      },
      get root() {
        return head.value.root
      },
      isHere: pack => context.packs.isSpooled(pack) || context.store.waitsHere?.(packKey(pack)) === true,
      open: next => head.update({ log: { next: head.value.log?.next ?? next, open: true } }),
      seal: (now, done) => this.#sealFor(now, done),
    })
  }

  #sealFor(now: boolean, done: (error: Error | undefined) => void): void {
    if (!now && !this.#sealsAtOnce) {
      this.flushSoon().then(() => done(undefined), done)
      // It begins now.
      this.#onSettled()
      return
    }
    let failed: unknown
    try {
      this.flush()
    } catch (error) {
      failed = error
    }
    done(failed as Error | undefined)
  }

  /** From now on who waits for a commit to be durable waits until it is in the store, until the volume is closed. In a store that is one file it is there with its sync. */
  makeRemote(): void {
    this.#isRemote = true
    this.log?.turnOn()
    this.session.remote = this.log
  }

  get durability(): 'local' | 'remote' {
    return this.#isRemote ? 'remote' : 'local'
  }

  /** All that was committed is in a store that other hosts reach. */
  get isAllStored(): boolean {
    return this.log?.isOn === true && this.session.sequence <= this.log.stored
  }

  #bounded({ backlog: bound, clock }: VolumeOptions): Backlog | undefined {
    if (bound === undefined) return undefined
    const waiting = (): number => this.#journal.bytesBehind(0) + this.#spool.bytes + bound.outboxBytes()
    const backlog = new Backlog({ ...bound, waiting, clock })
    this.session.admits = this.#spool.admits = bytes => backlog.admits(bytes)
    return backlog
  }

  /** What a merge that waits needs to go on, or to go back. */
  #mergedFrom(): string[] {
    const waiting = storedMerge(this.state.history, this.info.id)
    return waiting === undefined ? [] : [waiting.base, waiting.theirs, waiting.before]
  }

  /** Commits that are open to be read: collectors of other hosts see nothing of that, and keep what commits name. */
  #openToRead(): string[] {
    return this.context.store.isStillOurs === undefined ? [] : this.#holds.commits
  }

  #raiseEpoch(): number {
    // The epoch is its writer's.
    if (this.isReader) throw posixError(EROFS, 'write')
    const epoch = this.head.value.epoch + 1
    // Whoever has the lock is the only writer: from here on no earlier one can change the head.
    // Packs that a crash left are still to be named.
    const fence = Math.max(this.head.value.fenced ?? 0, this.#spool.oldestEpoch(epoch))
    this.head.update({ epoch, ...(fence < epoch ? {} : { fenced: epoch, mark: [epoch, 1] }) })
    this.#spool.birth = this.head.value.sequence + 1
    return this.head.value.epoch
  }

  #recover(journalDir: string, { context, head, random, bootId, journalOf = head.value.volume }: VolumeOptions): Recovered {
    const { isReader } = this
    try {
      // First: from here on nobody else adds to it.
      const log = isReader ? undefined : context.store.logs?.open(head.value.volume, random.bytes(8).toString('hex'))
      this.#spool.recover(log)
      return recover({ context, head: head.value, journalOf, journalDir, random, bootId, spool: this.#spool, isReader, ...(log === undefined ? {} : { log }) })
    } catch (error) {
      this.#spool.close()
      throw error
    }
  }

  #closeFiles(): void {
    this.#spool.close()
    this.#journal.close()
  }

  /**
   * Hides a window of the history, and adds its first commit. Without a change in the journal, which a full disk would refuse: the head says it at every
   * opening, until a seal has written it with the rest.
   */
  #addOfHead({ hidden, first }: Head): void {
    if (hidden !== undefined && this.#add(windowItem(hidden))) this.#unsavedWindow = true
    if (first !== undefined && this.#add(commitItem(first.id, first.commit))) this.#unsavedFirst = true
  }

  /** False when it is there. */
  #add({ key, value }: Required<HistoryItem>): boolean {
    const { history } = this.state
    if (history.get(key, key.length)) return false
    history.put(key, key.length, value, value.length)
    return true
  }

  /** For what is forked from here: it has the history tree, but not the head that says what of it is hidden. */
  #saveOfHead(): void {
    const { hidden, first } = this.head.value
    const window = this.#unsavedWindow && hidden !== undefined ? [windowItem(hidden)] : []
    const items = [...window, ...(this.#unsavedFirst && first !== undefined ? [commitItem(first.id, first.commit)] : [])]
    if (items.length === 0) return
    this.session.look()
    for (const { key, value } of items) this.session.historyPut(key, key.length, value, value.length)
    const result = this.session.commit()
    if (result !== 0) throw refusedByDisk(`Volume ${this.info.name} could not be written to`, result)
    this.#unsavedWindow = false
    this.#unsavedFirst = false
  }

  /** A new volume has nothing but its head: the root directory is its first change. */
  #makeRoot(): void {
    const K = Buffer.alloc(16)
    const { session } = this
    if (session.tree.get(K, inodeKey(K, Tag.attr, 1))) return
    session.look()
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
    // Nothing is published yet. Pages that nobody seals stay in memory.
    if (this.isReader) {
      this.state.tree.put(K, inodeKey(K, Tag.attr, 1), V, ATTR_BYTES)
      return
    }
    session.put(K, inodeKey(K, Tag.attr, 1), V, ATTR_BYTES)
    session.addUsage(1, 0)
    const result = session.commit()
    if (result !== 0) throw refusedByDisk(`Volume ${this.info.name} could not be written to`, result)
  }

  get info(): VolumeInfo {
    const info = volumeInfo(this.head.value, this.context.storeName)
    return this.nameHere === undefined ? info : { ...info, name: this.nameHere }
  }

  /**
   * Background work for at most `budgetMs`: the sync of the commit interval, and sealing. Returns in how many milliseconds it
   * wants to be called again. Without any time, only what others do in its place: the sync.
   */
  pump(budgetMs: number): number {
    if (this.isReader) return Number.POSITIVE_INFINITY
    const due = this.#durability.dueInMs()
    if (due === 0) this.#durability.startRound()
    if (budgetMs <= 0) return due === 0 ? Number.POSITIVE_INFINITY : due
    const commit = this.#commitInTime(budgetMs)
    return Math.min(due === 0 ? Number.POSITIVE_INFINITY : due, commit, this.versions.pump(budgetMs), this.#sealing.pump(budgetMs))
  }

  /** As `commitChanges`, when something was changed since this volume was opened and no commit has it; a disk that refuses is no error. */
  commitAtEnd(): void {
    if (this.#changedMs === undefined) return
    try {
      this.commitChanges()
    } catch (error) {
      if (!isOfStorage(error) && !(error instanceof CairnError)) throw error
    }
  }

  #changed(): void {
    this.#sealing.changed()
    // Nothing that a commit would record.
    if (this.versions.isPruning) return
    this.#changedMs ??= this.#clock.monotonic()
  }

  /** For what is recorded before a change: it waits for what it reads. The change itself may be given up all the same, and made again. */
  #waiting(work: () => void): void {
    const { store } = this.context
    const mayMiss = store.mayMiss === true
    if (mayMiss) store.mayMiss = false
    try {
      work()
    } finally {
      if (mayMiss) store.mayMiss = true
    }
  }

  /** A commit of what was changed so far, before somebody else goes on; false where that would take long, or the disk refuses. */
  #commitOf(): boolean {
    if (this.state.overlays.bytes > limits.sealAtOnceBytes && !this.session.takesTurns) return false
    try {
      return this.commitChanges() !== undefined
    } catch (error) {
      if (!isOfStorage(error) && !(error instanceof CairnError)) throw error
      return false
    }
  }

  /** Records what was changed for `autoCommitMs`. Returns in how many milliseconds it wants to be called again. */
  #commitInTime(budgetMs: number): number {
    if (this.#changedMs === undefined) return Number.POSITIVE_INFINITY
    const left = this.#changedMs + limits.autoCommitMs - this.#clock.monotonic()
    if (left > 0) return left
    try {
      // What is written meanwhile comes into the commit too.
      if (!this.#sealing.foldFor(budgetMs)) return 0
      this.commitChanges()
    } catch (error) {
      if (!isOfStorage(error) && !(error instanceof CairnError)) throw error
      this.#changedMs = this.#clock.monotonic()
    }
    return Number.POSITIVE_INFINITY
  }

  flush(): { bytes: number } {
    if (this.isReader) return { bytes: 0 }
    return this.#sealing.flush()
  }

  /** Blocks of acknowledged changes in packs that no seal has taken. */
  get spooledBytes(): number {
    return this.isDirty ? this.#spool.bytes : 0
  }

  /** Something is newer than the head. */
  get isDirty(): boolean {
    return this.#sealing.isDirty
  }

  /** Sealing what is not sealed yet takes long enough to be done in slices. */
  get hasMuchToSeal(): boolean {
    return this.#sealing.unsealedBytes() > limits.sealAtOnceBytes
  }

  /** As `flush`, in slices of `pump`. */
  flushSoon(): Promise<{ bytes: number }> {
    if (this.isReader) return Promise.resolve({ bytes: 0 })
    return this.#sealing.flushSoon()
  }

  /** What the history tree that is stored does not hide yet. */
  get unsavedWindow(): HiddenWindow | undefined {
    return this.#unsavedWindow ? this.head.value.hidden : undefined
  }

  /** What the history tree that is stored does not have yet. */
  get unsavedFirst(): Head['first'] {
    return this.#unsavedFirst ? this.head.value.first : undefined
  }

  /** The root that names everything acknowledged so far, and its history; seals when something is newer. */
  sealedRoots(): { root: string; history: string } {
    if (!this.isReader) this.#saveOfHead()
    this.flush()
    return { root: this.head.value.root, history: this.head.value.history }
  }

  at(ref: string): SnapshotSession {
    const commit = this.history.resolve(ref)
    const state = new VolumeState(this.treeOf(commit), BTree.empty(this.context.pages), this.context.packs)
    state.usage.inodes = commit.inodes
    state.usage.bytes = commit.bytes
    state.nextIno = commit.nextIno
    const session = new SnapshotSession(state, this.session.dirHash, this.#clock)
    this.hold(session, commit.root === '' ? undefined : [commit.root], commit.id)
    return session
  }

  /** The tree of a commit, sealed or not. */
  treeOf(commit: Commit): BTree {
    if (commit.root !== '') return openTree(this.context.pages, commit.root)
    const pending = this.state.pendingCommits.find(({ key }) => commitIdText(key.subarray(1)) === commit.id)
    assert(pending !== undefined, 'a commit without a root is in memory')
    if (pending.overlays !== undefined) this.#sealing.foldAll()
    return pending.tree.fork()
  }

  /** The tree of this commit is in memory; no seal has written it yet. */
  isPending(id: string): boolean {
    return this.state.pendingCommits.some(({ key }) => commitIdText(key.subarray(1)) === id)
  }

  /** The files as they are now or were at a commit, kept as they are while this volume goes on. @throws on a full or failing disk */
  stateAt(commit?: Commit): VolumeState {
    if (commit === undefined) this.#sealing.foldAll()
    const state = new VolumeState(commit === undefined ? this.state.tree.fork() : this.treeOf(commit), BTree.empty(this.context.pages), this.context.packs)
    this.hold(state, commit === undefined || commit.root === '' ? undefined : [commit.root])
    return state
  }

  /** The same of the newest state whose tree is stored; there is one once anything was sealed. */
  sealedState(): VolumeState {
    const { root } = this.head.value
    const state = new VolumeState(openTree(this.context.pages, root), BTree.empty(this.context.pages), this.context.packs)
    this.hold(state, [root])
    return state
  }

  begin(): TransactionSession {
    this.#sealing.foldAll()
    const transaction = new TransactionLive(this.session, this.state, this.context, this.#spool, this.#clock)
    transaction.onEnd = this.hold(transaction)
    return transaction
  }

  /**
   * Runs `work`, which takes content of another volume's sealed state into this one, so that a collector keeps it whatever becomes of
   * the other meanwhile (spec/README.md, "A mover"). When `work` throws, nothing was taken.
   */
  takingFrom<T>(other: Volume, work: () => T): T {
    const { store } = this.context
    const { volume: into } = this.head.value
    const { root, history } = other.head.value
    const id = this.#random.bytes(8).toString('hex')
    const { isStillOurs } = store
    const of = isStillOurs === undefined ? {} : { epoch: this.head.value.epoch }
    const pin = { atMs: Math.floor(this.#clock.now()), into, roots: [root, history].filter(pointer => pointer !== ''), ...of }
    writePin(store, id, pin)
    // A collector that was past the pins when it came must have met the other volume as it is.
    if (!other.head.isCurrent) throw fenced(other.head.value)
    let upTo: { upTo: number } | { done: true } = { done: true }
    try {
      const result = work()
      this.log?.tieLast()
      // A journal is no root for collectors of other hosts: there it ends when the head has it.
      if (isStillOurs !== undefined) upTo = { upTo: this.session.sequence }
      return result
    } finally {
      writePin(store, id, { ...pin, ...upTo })
    }
  }

  /**
   * Keeps what `user` reads from being collected while `user` lives, or until the returned function is called. It must be reachable
   * from this volume now.
   * @param roots pointers of root pages in hex; default: all that this volume is now, and what is written from now on
   * @param commit id of the one that `user` shows: it is not pruned meanwhile
   */
  hold(user: object, roots?: readonly string[], commit?: string): () => void {
    const { root, history } = this.head.value
    return roots === undefined
      ? this.#holds.add(user, [root, history], this.#spool.firstOpen, commit)
      : this.#holds.add(user, roots, Number.POSITIVE_INFINITY, commit)
  }

  commitTransaction(transaction: TransactionSession, options: { message?: string; actor?: string } = {}): CommitInfo | undefined {
    this.commitChanges()
    let made: PreparedCommit | undefined
    const result = transaction.commitTransaction(after => {
      made = this.history.prepare({ kind: 'auto', root: '', ...after, ...options })
      return made
    })
    if (result !== 0) throw posixError(-result, 'commit')
    return made && this.#committed(this.history.recorded(made))
  }

  checkpoint(name?: string, options: { message?: string; actor?: string } = {}): CommitInfo {
    this.history.checkName(name)
    // Overlays first: a full disk says no before anything is recorded.
    this.#sealing.foldAll()
    this.commitOfOthers(options.actor ?? this.session.actor)
    return this.#committed(this.history.add({ kind: 'checkpoint', ...this.#present(), ...(name === undefined ? {} : { name }), ...options }))
  }

  /** What others than this actor changed, or a run, gets a commit of its own: who keeps a state did not make it. */
  commitOfOthers(actor: string): void {
    if ((this.#authors.text ?? actor) !== actor || this.#authors.exec !== undefined) this.commitChanges()
  }

  /** The present state is that of the last commit. */
  #committed<T>(commit: T): T {
    this.#lookedAt = this.session.sequence
    this.#changedMs = undefined
    this.#authors.forget()
    this.session.forgetAuthor()
    return commit
  }

  /**
   * Records what changed since the last commit as one of kind `auto`; undefined when nothing did. No overlay is left afterwards.
   * Its actor is who changed it, whoever asks for the commit.
   * @throws CairnError, or what the disk says; nothing is recorded then
   */
  commitChanges(): CommitInfo | undefined {
    if (this.isReader) return undefined
    this.#sealing.foldAll()
    if (this.session.sequence === this.#lookedAt) return undefined
    const next = this.#autoCommit()
    return this.#committed(next && this.history.add(next))
  }

  /** The commit that `commitChanges` would make; nothing is recorded, and its id is empty. */
  uncommitted(): Commit | undefined {
    this.#sealing.foldAll()
    const next = this.session.sequence === this.#lookedAt ? undefined : this.#autoCommit()
    return next && { ...this.history.prepare(next).info, id: '', root: '', nextIno: next.nextIno }
  }

  #autoCommit(): NewCommit | undefined {
    const actor = this.#authors.text ?? this.session.actor
    const last = this.history.newest()
    const before = last === undefined ? BTree.empty(this.context.pages) : this.treeOf(last)
    if (!isWorthCommit(before, this.state.tree)) return undefined
    const { exec } = this.#authors
    const message = exec === undefined ? undefined : this.runMessages.get(exec)
    return { ...(exec === undefined ? { kind: 'auto' } : { kind: 'exec', exec }), ...this.#present(), actor, ...(message === undefined ? {} : { message }) }
  }

  /** The commit of the present state: the last one when nothing changed since, else one that is made now. */
  presentCommit(options: { actor?: string } = {}): CommitInfo {
    return this.commitChanges() ?? this.history.newest() ?? this.#committed(this.history.add({ kind: 'auto', ...this.#present(), ...options }))
  }

  /**
   * The way of a reader to what is published now; undefined when that is what it shows.
   * @param found the head as it is stored
   * @throws CorruptError; CairnError ERR_FORMAT
   */
  wayTo(found: StoredObject): Transition | undefined {
    const now = this.head.decode(found)
    return now.nonce === this.head.value.nonce ? undefined : new Transition(this.context.store, this.state, this.treesOf(now), now, found)
  }

  /** The trees that a head names; nothing is read yet. */
  treesOf({ root, history }: Head): Trees {
    return { tree: openTree(this.context.pages, root), history: openTree(this.context.pages, history) }
  }

  /**
   * Goes a way to its end, all at once. Nothing that was opened before is closed: whatever is still there shows what it holds now. `onBecame` hears what changed.
   * @returns false when that was nothing, and only the lease is newer, or the name
   */
  goTo({ found, head, to, changes, rewritten }: Transition): boolean {
    assert(this.isReader, 'a writer knows what it wrote')
    const { root, history } = this.head.value
    const isSame = head.root === root && head.history === history
    if (!isSame) readFirst(to, head)
    this.head.follow(found)
    if (isSame) return false
    this.state.goTo(to, head, rewritten)
    this.hasGoneOn = true
    this.#unsavedWindow = false
    this.#unsavedFirst = false
    this.#addOfHead(head)
    this.history.wentOn()
    this.session.wentOn(head.watermark)
    this.session.quota = readQuota(this.state.history)
    this.#makeRoot()
    this.onBecame?.(changes)
    return true
  }

  /** Records the present state, with other records of the history in the same batch. @throws CairnError; nothing is recorded then */
  record(commit: BecomeCommit, more: readonly HistoryItem[]): CommitInfo {
    this.#sealing.foldAll()
    putItems(this.session, more)
    try {
      return this.#committed(this.history.add({ ...commit, ...this.#present() }))
    } catch (error) {
      this.session.discard()
      throw error
    }
  }

  /** Content of this volume lies in packs that only this process and this host have: another volume may not name it yet. */
  get hasOwnContent(): boolean {
    return this.#spool.bytes > 0 || this.#sealing.isUnderWay
  }

  /** Where content of this volume is written to. */
  get blockSink(): BlockSink {
    return this.#spool
  }

  /** What a commit of the present state says of it. */
  #present(): { root: string; inodes: number; bytes: number; nextIno: number } {
    const { usage, nextIno } = this.state
    return { root: this.#publishedRoot(), inodes: usage.inodes, bytes: usage.bytes, nextIno }
  }

  /**
   * Goes to another state: `target` becomes the live tree, as one batch together with the commit that records it. What changed since
   * the last commit is recorded as an `auto` commit before, so nothing is lost by going back.
   * @param target a tree of this lineage that is nobody else's (`treeOf`, or a fork of the live one) and is used up; its content is
   * stored blocks only
   * @param more records of the history that change in the same batch
   * @returns the commit, and what changed; `onBecame` has heard of it too
   * @throws CairnError when the disk refuses, or ERR_CHANGE_TOO_LARGE; at most the `auto` commit was made then
   * Cost: what differs.
   */
  become(target: BTree, commit: BecomeCommit, more: readonly HistoryItem[] = []): Became {
    this.commitChanges()
    const { session, state, history } = this
    const usual = session.actor
    session.actor = commit.actor ?? usual
    try {
      const became = becomeTree({ session, state, history, blocks: this.context.packs, onlookers: this.onlookers }, target, commit, more)
      this.onBecame?.(became.changes)
      return this.#committed(became)
    } finally {
      session.actor = usual
    }
  }

  /**
   * What the kernel may not have heard of, because the process that went to another state was killed: told to `onBecame` again.
   * For a mount that outlived its server.
   */
  tellAgain(): void {
    this.showing?.resumes()
    const { untold } = this.state.incarnations
    if (untold === undefined) return
    const commit = this.history.resolve(untold)
    const before = commit.parents.length === 0 ? undefined : this.history.resolve(commit.parents[0])
    const changes = new TreeChanges()
    const from = before === undefined ? BTree.empty(this.context.pages) : this.treeOf(before)
    const to = this.treeOf(commit)
    diff(from, to, (key, was, is) => changes.note(key, was, is))
    const { session } = this
    staleTogether(changes, from, to, session.dirHash, ino => session.incarnation(ino) > 0)
    // Handles of any of them may be open.
    for (const ino of changes.stale) if (session.incarnation(ino) > 0) changes.replaced.set(ino, session.incarnation(ino) - 1)
    this.onBecame?.(changes)
  }

  /** The kernel has heard of all that `onBecame` was told. @param sequence of the head then */
  told(sequence: number): void {
    this.showing?.told(sequence)
    this.#changeHistory(this.state.incarnations.told())
  }

  /** Nobody holds a handle from before: when the volume is opened and no mount outlived its server. */
  forgetHandles(): void {
    this.#changeHistory(this.state.incarnations.forget())
  }

  /** What cannot be deleted is deleted another time: it only costs its place. */
  #changeHistory(items: readonly HistoryItem[]): void {
    if (items.length === 0 || this.isReader) return
    this.session.look()
    for (const { key } of items) this.session.historyDel(key, key.length)
    this.session.commit()
  }

  /** The tree's root when the head names it; empty while there is something newer. */
  #publishedRoot(): string {
    const { pointer } = this.state.tree
    const { root } = this.head.value
    return pointer !== undefined && Buffer.from(pointer).toString('hex') === root ? root : ''
  }

  /**
   * Stores pages of trees that no journal makes again, and that a change of the history is to name. `publish` makes them durable and keeps them from the
   * collector until `end`; without it they are garbage.
   */
  beginPages(): StoredPages {
    const pages = new PageSpool(this.#spool)
    let release = (): void => {}
    return {
      sink: pages,
      publish: roots => {
        release = this.hold(pages, roots)
        const { pack } = pages
        if (pack === undefined) return
        pack.finish()
        this.#spool.publish(pack)
        pack.closeFd()
      },
      end: () => release(),
    }
  }

  get quota(): Quota {
    return this.session.quota
  }

  /** What may be in use from now on; what is in use already stays. @throws CairnError ERR_QUOTA; of a full disk */
  setQuota(quota: Quota): void {
    const { session } = this
    const { key, value } = quotaRecord(quota)
    session.look()
    session.historyPut(key, key.length, value, value.length)
    putItems(session, this.audit.next([{ kind: 'quota', detail: { ...quota } }]).items)
    const result = session.commit()
    if (result !== 0) throw refusedByDisk('The quota could not be changed', result)
    session.quota = readQuota(this.state.history)
    this.versions.limitSoon()
  }

  /** Undefined for a volume that has none. @throws CorruptError */
  get policy(): StoredPolicy | undefined {
    return readStoredPolicy(this.state.history)
  }

  /** Replaces it, or takes it away; the audit chain says who did. @throws CairnError ERR_POLICY_LARGE; of a full disk */
  setPolicy(text: string | undefined, actor: string = this.session.actor): StoredPolicy | undefined {
    const { history } = this.state
    const from = policyRevision(history)
    const items = policyItems(history, text === undefined ? undefined : { text, setMs: this.#clock.now(), by: actor })
    const to = text === undefined ? undefined : revisionOf(text)
    this.session.look()
    putItems(this.session, [...items, ...this.audit.next([{ kind: 'policy', actor, detail: { from, to } }]).items])
    const result = this.session.commit()
    if (result !== 0) throw refusedByDisk('The policy could not be changed', result)
    return this.policy
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
      unsealedBytes: this.isReader ? 0 : this.#sealing.unsealedBytes(),
      ...(this.#sealing.lastSealMs === undefined ? {} : { lastSealMs: this.#sealing.lastSealMs }),
      pageCacheBytes: this.context.pages.counters.residentBytes,
      overlayBytes: this.state.overlays.bytes,
      ...mergeStatus(this.state.history, h.volume),
    }
  }

  fsck(): FsckReport {
    this.flush()
    return fsck({ ...this.context, head: this.head.value, nextIno: this.state.nextIno })
  }

  /** Lets go without sealing, as a killed process does; the next open recovers from the journal. */
  abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.session.readOnly = true
    this.#letGo()
  }

  #letGo(): void {
    this.versions.close()
    this.#holds.clear()
    this.#durability.whenUnused(() => {
      this.#closeFiles()
      this.#onClose()
    })
  }

  /** Ends one `openVolume`; the last one seals and lets go. */
  close(): void {
    this.#release(this, false)
  }

  /** As `close`, of a volume that is deleted for good next: nothing is sealed for it. Until it is deleted the journal has what was acknowledged. */
  drop(): void {
    this.#release(this, true)
  }

  /** Seals, then lets go of the volume. What cannot be sealed (a full disk, a damaged page) stays in the journal for the next open. */
  shut(): void {
    if (this.#closed) return
    this.#closed = true
    try {
      this.commitAtEnd()
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

/** What going to a state reads of it, so that nothing fails in the middle of that. */
function readFirst({ tree, history }: Trees, { hidden }: Head): void {
  const K = Buffer.alloc(16)
  tree.get(K, inodeKey(K, Tag.attr, 1))
  readQuota(history)
  readVersionSequence(history)
  if (hidden === undefined) return
  const { key } = windowItem(hidden)
  history.get(key, key.length)
}

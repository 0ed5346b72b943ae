import { existsSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Head } from '../codec/head.js'
import { CairnError, CorruptError, isGone } from '../errors.js'
import { allocateArenas, nextArena } from '../store/arena.js'
import type { StoredObject } from '../store/contract.js'
import { pinKey } from '../store/pins.js'
import { probeStore } from '../store/probe.js'
import type { RemoteStore } from '../store/remote/remote-store.js'
import { isAway } from '../store/remote-errors.js'
import { makeFolder } from '../store/sync-folder.js'
import { type Clock, crashPoint, limits, namesIn, type Random } from '../sys/index.js'
import type { RemoteStatus, StoreCheck, Unpublished, VolumeInfo, VolumeStatus } from './api.js'
import type { VolumeNames } from './attached.js'
import type { AuditSigner } from './audit/index.js'
import { FileLease } from './file-lease.js'
import { firstCommit } from './first-commit.js'
import { Follower, keptHead } from './follower.js'
import { makeForks, type NewFork } from './fork.js'
import { HeadFile, volumeInfo } from './head.js'
import { hiddenHead, isHidden } from './hidden-heads.js'
import type { Commit } from './history.js'
import { Lease, type TakeOptions } from './lease.js'
import { ARENA_INODES } from './live-session.js'
import { FileLock } from './lock.js'
import { allKeys, checkVolumeName, type NameEntry } from './names.js'
import { headsIn, type PublishedHeads } from './published-heads.js'
import { type AsideState, recoverAside, recoveredBefore } from './recovering.js'
import { openTree } from './recovery.js'
import { isOfStorage } from './sealing.js'
import { StagedVolume } from './staging.js'
import type { Syncer } from './syncer.js'
import { type StoreContext, Volume, type VolumeOptions } from './volume.js'
import { mergeStatus } from './waiting-merge.js'
import { makeAllWorkFolders } from './work-folders.js'
import type { WriterLease } from './writer-lease.js'

/** Arenas taken from the store at once: a fork then costs no round trip for its numbers. */
const ARENAS_LEASED = 64
const READ: OpenOptions = { readOnly: true }
/** When a volume was deleted that nobody is to bring back. */
const LONG_AGO = 1

/** How a volume is opened. */
export interface OpenOptions extends TakeOptions {
  /**
   * Only to be read. In a store that other hosts reach, a volume that this host does not write already is then opened at what is published, whoever writes it: no
   * lease is taken and nothing stored.
   */
  readOnly?: boolean
  /** A mount shows what the last reader here saw: begin with that. */
  resumed?: boolean
  /** Of the volume with the name, where the caller has just found it. */
  id?: string
}

/** What the pools of an engine share. */
export interface PoolOptions {
  home: string
  clock: Clock
  random: Random
  syncer: Syncer | undefined
  actor: string
  bootId: string
  onSettled: (() => void) | undefined
  /** Readers look for what is new after this. */
  refreshMs: number
  /** A reader went on to another state by itself. */
  onRefreshed: (() => void) | undefined
  /** Background work is done all the time. */
  isPumped: boolean
  /** What a volume of a store elsewhere may have acknowledged and not published; default a part of the disk. */
  backlogBytes: number | undefined
  log: (line: string) => void
  /** Signs tips of audit chains. @throws CairnError ERR_AUDIT_KEY */
  auditSigner?: (() => AuditSigner) | undefined
}

/** A state that the collector leaves alone. */
export interface Pinned {
  /** Of its hidden head; empty where the credentials allow only reading: then nothing keeps it. */
  id: string
  /** In that case, what the hidden head would say. */
  head?: Head
  /** Arenas of inode numbers up to this one are in use in the store. */
  arenas: number
  ref?: CommitPlace
  since?: CommitPlace
}

export interface CommitPlace {
  id: string
  timeMs: number
}

interface Holder {
  volume: Volume
  count: number
  lease?: WriterLease
  /** Of a reader. */
  follower?: Follower
}

/** What makes this process the one writer of a volume. */
interface Claim {
  id: string
  /** Of this home. */
  name: string
  lock: FileLock
  /** In a store that other hosts reach too. */
  lease?: WriterLease
  head: HeadFile
}

/** The volumes of one store, in this process. Of a store that other hosts reach too it knows those that the home has attached, by the names that they have here. */
export class Pool {
  readonly home: string
  /** What the volumes of this store share, for what is built on them. */
  readonly context: StoreContext
  readonly #clock: Clock
  readonly #random: Random
  readonly #options: PoolOptions
  readonly #remote: RemoteStore | undefined
  readonly #names: VolumeNames
  readonly #open = new Map<string, Holder>()
  /** Closed volumes that could not be published, and are tried again. */
  readonly #leaving = new Map<string, Claim & { atMs: number; problem: string }>()
  /** Volumes that were closed while a sync used their files, and who waits for the end of that. */
  readonly #ending = new Map<string, Array<() => void>>()
  /** Volumes whose files are open: a sync under way keeps them so for a moment. */
  #held = 0
  #isClosing = false
  #isCrashed = false
  #forgetAtMs = 0
  /** Of the open volumes, whose turn it is first when background work goes on. */
  #pumpFrom = 0
  #nextArena = 0
  #arenas = 0

  /** @param remote the store of the context, where other hosts reach it too */
  constructor(options: PoolOptions, context: StoreContext, names: VolumeNames, remote?: RemoteStore) {
    this.home = options.home
    this.context = context
    this.#options = options
    this.#clock = options.clock
    this.#random = options.random
    this.#names = names
    this.#remote = remote
  }

  create(name: string): VolumeInfo {
    const found = this.#freeName(name)
    const id = this.#random.bytes(8).toString('hex')
    const head = HeadFile.create(this.context.store, this.#newHead(id, name, {}), this.#random)
    this.#takeName(name, id, found)
    return this.#made(head)
  }

  /** A volume of the store that has this name there, from now on known here; undefined when there is none. */
  attach(name: string): VolumeInfo | undefined {
    checkVolumeName(name)
    const entry = this.#names.get(name)
    const head = entry === undefined ? undefined : this.#confirmed(name, entry.id)
    return head === undefined ? undefined : this.#made(head)
  }

  #made(head: HeadFile): VolumeInfo {
    const info = this.#infoOf(head)
    this.#names.made(info)
    return info
  }

  /** The entry to be replaced, if there is one that leads nowhere. @throws CairnError when a volume has the name */
  #freeName(name: string): NameEntry | undefined {
    checkVolumeName(name)
    const found = this.#names.get(name)
    if (found !== undefined && this.#confirmed(name, found.id) !== undefined) throw exists(name)
    return found
  }

  /** No volume of the store has the name. */
  isFree(name: string): boolean {
    const found = this.#names.get(name)
    return found === undefined || this.#confirmed(name, found.id) === undefined
  }

  /** The last step of making a volume: before it nobody finds it. */
  #takeName(name: string, id: string, replaces: NameEntry | undefined): void {
    crashPoint('volume.create.before-name')
    if (!this.#names.take(name, id, replaces)) {
      this.context.store.deleteSync([HeadFile.key(id), pinKey(id)])
      throw exists(name)
    }
    crashPoint('volume.create.after-name')
  }

  #newHead(id: string, name: string, from: Partial<Head>): Head {
    const first = this.#takeArena(from.arenaFloor) * ARENA_INODES
    return {
      format: 1,
      volume: id,
      name,
      createdMs: Math.floor(this.#clock.now()),
      epoch: 1,
      sequence: 1,
      nonce: this.#random.bytes(8).toString('hex'),
      root: '',
      history: '',
      watermark: 0,
      inodes: 0,
      bytes: 0,
      dirHashKey: this.#random.bytes(8).toString('hex'),
      ...from,
      nextIno: Math.max(first, 2),
      arena: [first, first + ARENA_INODES - 1],
    }
  }

  /** An arena of inode numbers that nobody else has or will have. Leased in ranges; what is left at the end is never used. */
  #takeArena(floor = 0): number {
    this.#leaseArenas(1, floor)
    this.#arenas--
    return this.#nextArena++
  }

  /** So many can be taken. */
  #leaseArenas(count: number, floor = 0): void {
    if (this.#arenas >= count && this.#nextArena >= floor) return
    const leased = Math.max(count, ARENAS_LEASED)
    this.#nextArena = allocateArenas(this.context.store, leased, floor)
    // Only now: the store may be out of reach.
    this.#arenas = leased
  }

  /** The head that a name leads to; undefined when the entry is stale. */
  #confirmed(name: string, id: string): HeadFile | undefined {
    const open = this.#open.get(id)
    const head = open?.volume.head ?? HeadFile.read(this.context.store, id, this.#random)
    if (head === undefined || head.value.deletedMs !== undefined || head.value.pending === true) return undefined
    return head.value.name === name || this.#names.here(name) !== undefined ? head : undefined
  }

  #find(name: string): HeadFile {
    const written = this.#written(name)
    if (written !== undefined) return written
    checkVolumeName(name)
    const entry = this.#names.get(name)
    const head = entry === undefined ? undefined : this.#confirmed(name, entry.id)
    if (head === undefined) throw unknown(name, this.#names.all())
    return head
  }

  /** The head of a volume of this name that this process writes: nobody else can give the name to another one meanwhile. */
  #written(name: string): HeadFile | undefined {
    for (const { volume, follower } of this.#open.values()) {
      const { head, nameHere } = volume
      const isFound = head.value.name === name && head.value.deletedMs === undefined && head.value.pending !== true
      if (isFound && follower === undefined && nameHere === undefined) return head
    }
    return undefined
  }

  #infoOf(head: HeadFile): VolumeInfo {
    return volumeInfo(head.value, this.context.storeName)
  }

  volumes(options: { deleted?: boolean } = {}): VolumeInfo[] {
    if (options.deleted === true) return this.#deleted().map(head => this.#infoOf(head))
    const found: VolumeInfo[] = []
    for (const name of this.#names.all()) {
      const info = this.#listed(name)
      if (info !== undefined) found.push(info)
    }
    return found
  }

  /** The volume with this id, by its name now; undefined when there is none, or it was deleted. Costs the same however many volumes there are. */
  volumeById(id: string): VolumeInfo | undefined {
    const name = this.#open.get(id)?.volume.info.name ?? this.#readable(id)?.value.name
    const entry = name === undefined || name === '' ? undefined : this.#names.get(name)
    const head = name === undefined || entry?.id !== id ? undefined : this.#confirmed(name, id)
    return head === undefined ? undefined : this.#infoOf(head)
  }

  /** One volume that is damaged does not hide the others. */
  #listed(name: string): VolumeInfo | undefined {
    const here = this.#names.here(name)
    if (here !== undefined) return here
    let id = ''
    try {
      const entry = this.#names.get(name)
      if (entry === undefined) return undefined
      id = entry.id
      const head = this.#confirmed(name, id)
      return head === undefined ? undefined : this.#infoOf(head)
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      return { name, id, store: this.context.storeName, createdMs: 0, problem: error.message }
    }
  }

  /** Deleted volumes that can be brought back. Those whose time is over are the collector's, who alone removes heads. */
  #deleted(): HeadFile[] {
    const oldest = this.#clock.now() - limits.undeleteMs
    return this.heads().filter(({ value }) => value.deletedMs !== undefined && value.deletedMs >= oldest && !isHidden(value))
  }

  /** Commits where a volume and others parted. */
  #forkPoints(id: string): Set<string> {
    const related = this.heads().filter(({ value }) => value.volume === id || value.parent?.id === id)
    return new Set(related.flatMap(({ value }) => value.parent?.commit ?? []))
  }

  #readable(id: string): HeadFile | undefined {
    try {
      return HeadFile.read(this.context.store, id, this.#random)
    } catch (error) {
      if (error instanceof CairnError) return undefined
      throw error
    }
  }

  info(name: string): VolumeInfo {
    return this.#names.here(name) ?? this.#infoOf(this.#find(name))
  }

  openVolume(name: string, options: OpenOptions = {}): Volume {
    checkVolumeName(name)
    const id = options.id ?? this.#names.here(name)?.id ?? this.#find(name).value.volume
    const holder = this.#open.get(id)
    const isRemote = options.durability === 'remote' && options.readOnly !== true
    if (isRemote && this.#remote === undefined && this.context.store.logs === undefined) throw notRemote(name)
    if (holder !== undefined) {
      if (options.readOnly !== true) refuseReader(holder.volume)
      if (isRemote) holder.volume.makeRemote()
      holder.count++
      return holder.volume
    }
    // What is half open cannot be given up.
    if (this.context.store.mayMiss === true) this.context.store.mayMiss = false
    const heads = this.#remote ?? (this.context.store.logs === undefined ? undefined : headsIn(this.context.store))
    if (heads !== undefined && options.readOnly === true) return this.#openToRead(heads, id, name, options)
    return this.#openToWrite(id, name, options)
  }

  #openToWrite(id: string, name: string, options: OpenOptions): Volume {
    const claim = this.#claim(id, name, options)
    try {
      const volume = this.#openHead(claim)
      if (options.durability === 'remote') volume.makeRemote()
      this.#open.set(id, { volume, count: 1, ...(claim.lease === undefined ? {} : { lease: claim.lease }) })
      return volume
    } catch (error) {
      this.#leave(claim)
      throw error
    }
  }

  /** What this host wrote and has not let go of is newer here than in the store: then it is its writer who reads. */
  #openToRead(heads: PublishedHeads, id: string, name: string, options: OpenOptions): Volume {
    if (this.#leaving.has(id) || this.#isOurs(id, name)) {
      try {
        return this.#openToWrite(id, name, {})
      } catch (error) {
        if (!isHeld(error)) throw error
      }
    }
    this.#sealLeft(id, name)
    return this.#openReader(heads, id, name, options.resumed === true)
  }

  /** What a writer that died had acknowledged is in the file: it is sealed, so that readers see it. */
  #sealLeft(id: string, name: string): void {
    if ((this.context.store.logs?.bytesOf(id) ?? 0) === 0) return
    try {
      this.#openToWrite(id, name, {}).close()
    } catch (error) {
      // Its writer lives.
      if (!isHeld(error)) throw error
    }
  }

  /** This host has been the writer and nobody after it; what another one overtook is set aside. */
  #isOurs(id: string, name: string): boolean {
    const isKept = (): boolean => Lease.isKept(this.#dirOf(id))
    if (!isKept()) return false
    // Another process of this home has it: what that one published is read.
    if (FileLock.isHeld(join(this.#dirOf(id), 'lock'))) return false
    const lock = this.#lock(id, name)
    try {
      this.#newLease(id)?.look()
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'ERR_STORE_UNREACHABLE') throw error
    } finally {
      lock.release()
    }
    return isKept()
  }

  #openReader(heads: PublishedHeads, id: string, name: string, resumed: boolean): Volume {
    const dir = join(this.#dirOf(id), 'read')
    makeFolder(dir)
    const kept = keptHead(dir, id, resumed)
    const stored = resumed && kept !== undefined ? undefined : this.#storedHead(id, kept !== undefined)
    const found = stored ?? kept
    const head = found && HeadFile.of(found, this.context.store, id, this.#random)
    if (head?.value.deletedMs !== undefined) throw wasDeleted(name)
    if (head === undefined) throw unknown(name, this.#names.all())
    const { bootId, actor, refreshMs, onRefreshed = () => {}, onSettled } = this.#options
    const volume = new Volume({
      ...{ context: this.context, head, dir, clock: this.#clock, random: this.#random, bootId, actor, isReader: true, nameHere: name },
      newArena: () => this.#takeArena(),
      forkPoints: () => this.#forkPoints(id),
      onClose: () => {},
      release: (closing, isDropped) => this.#closeOne(closing, isDropped),
    })
    const isNew = stored !== undefined
    const follower = new Follower({
      store: heads,
      volume,
      dir,
      clock: this.#clock,
      everyMs: Math.max(1, refreshMs),
      isNew,
      onRefreshed,
      onSettled: onSettled ?? (() => {}),
      mayMiss: onSettled !== undefined,
    })
    volume.showing = follower
    this.#open.set(id, { volume, count: 1, follower })
    return volume
  }

  /** @param mayFail where the store cannot be reached there is something else to begin with */
  #storedHead(id: string, mayFail: boolean): StoredObject | undefined {
    try {
      return this.context.store.getSync(HeadFile.key(id))
    } catch (error) {
      if (mayFail && error instanceof CairnError && error.code === 'ERR_STORE_UNREACHABLE') return undefined
      throw error
    }
  }

  /** A reader goes on to what is published now; a writer knows it. True when there was something new. @throws what the store says */
  refresh(volume: Volume): boolean {
    return this.#open.get(volume.head.value.volume)?.follower?.look() ?? false
  }

  /** As `refresh`, in slices of `pump`. */
  refreshSoon(volume: Volume): Promise<boolean> {
    const follower = this.#open.get(volume.head.value.volume)?.follower
    if (follower === undefined) return Promise.resolve(false)
    return new Promise((resolve, reject) => follower.lookSoon((error, went) => (error === undefined ? resolve(went) : reject(error))))
  }

  /**
   * Whether a reader met what is no more because its writer has published another state, and that before was collected. The reader has gone on to it then.
   * @param error what an operation of the volume threw, or its cause
   * @param isPast it read what was shown when it began: a commit, a difference
   */
  isStale(volume: Volume, error: unknown, isPast = false): boolean {
    if (!volume.isReader || !isGone(error)) return false
    const { sequence } = volume.head.value
    try {
      this.refresh(volume)
    } catch {
      // As it was.
    }
    return volume.head.value.sequence !== sequence || (isPast && volume.hasGoneOn)
  }

  /**
   * Makes a volume of each state of a volume that this host had acknowledged and not published when another host took the volume over.
   * @param nameOf name of the volume that comes of the nth of them
   * @throws CairnError ERR_VOLUME_EXISTS …: what is not done yet stays set aside
   */
  recover(name: string, nameOf: (n: number) => string): VolumeInfo[] {
    const store = this.#remote
    const id = this.#names.here(name)?.id ?? this.#find(name).value.volume
    const folder = join(this.#dirOf(id), 'aside')
    if (store === undefined) return []
    if (this.#open.has(id))
      throw new CairnError('ERR_VOLUME_IN_USE', `The volume ${name} is in use.`, 'Unmount it and close the programs that use it, and try again.')
    this.#leaveNow(id)
    const lock = this.#lock(id, name)
    try {
      this.#newLease(id)?.look()
      return asideIn(folder).map((aside, i) => this.#recoverOne(store, { id, name, folder: join(folder, aside) }, () => nameOf(i + 1)))
    } finally {
      lock.release()
    }
  }

  #recoverOne(store: RemoteStore, state: AsideState, nameOf: () => string): VolumeInfo {
    const recovery = {
      store,
      random: this.#random,
      open: (head: HeadFile, dir: string) => this.#openAlone(head, dir, state.id),
      stage: (members: Pick<Head, 'dirHashKey'> & Partial<Head>) => this.stage(members),
    }
    const before = recoveredBefore(recovery, state)
    if (before !== undefined) rmSync(state.folder, { recursive: true, force: true })
    return this.#made(before ?? recoverAside(recovery, state, nameOf))
  }

  /** A volume that only the caller knows, in a folder of its own. */
  #openAlone(head: HeadFile, dir: string, journalOf: string): Volume {
    const { bootId, actor } = this.#options
    return new Volume({
      ...{ context: this.context, head, dir, journalOf, clock: this.#clock, random: this.#random, bootId, actor },
      newArena: () => this.#takeArena(head.value.arenaFloor),
      forkPoints: () => new Set(),
      onClose: () => {},
      release: volume => volume.abandon(),
    })
  }

  /** @param journalOf the volume that the journal in its folder was written for, where it was another one */
  #openHead(claim: Claim, journalOf = claim.id): Volume {
    const { syncer, onSettled, bootId, actor } = this.#options
    const { head } = claim
    const volume = new Volume({
      context: this.context,
      head,
      dir: this.#dirOf(claim.id),
      journalOf,
      clock: this.#clock,
      random: this.#random,
      bootId,
      ...(syncer === undefined ? {} : { syncer }),
      ...(onSettled === undefined ? {} : { onSettled }),
      ...(claim.lease?.newLog === undefined ? {} : { log: claim.lease.newLog() }),
      ...(claim.lease?.tookFrom === undefined ? {} : { tookFrom: claim.lease.tookFrom }),
      sealsAtOnce: !this.#options.isPumped,
      actor,
      auditSigner: this.#options.auditSigner,
      ...(this.#names.here(claim.name) === undefined ? {} : { nameHere: claim.name }),
      newArena: () => this.#takeArena(head.value.arenaFloor),
      forkPoints: () => this.#forkPoints(claim.id),
      onClose: () => {
        const ended = this.#ending.get(claim.id)
        this.#ending.delete(claim.id)
        for (const then of ended ?? []) then()
        this.#leave(claim)
        this.#held--
        this.#closeStore()
      },
      release: (closing, isDropped) => this.#closeOne(closing, isDropped),
      ...this.#bound(claim),
    })
    this.#held++
    return volume
  }

  /** What a volume of a store elsewhere may have waiting. */
  #bound({ id, head }: Claim): Pick<VolumeOptions, 'backlog'> {
    const store = this.#remote
    if (store === undefined) return {}
    const { home, backlogBytes, log } = this.#options
    const freeBytes = (): number => {
      const disk = statfsSync(home)
      return disk.bavail * disk.bsize
    }
    const onFull = (waiting: number, max: number): void => {
      const why = store.unreachable?.message ?? 'It is written faster than published.'
      log(`changes of ${head.value.name} fail with ENOSPC: ${waiting} bytes wait to be published to ${store.description}, and ${Math.round(max)} may. ${why}`)
    }
    return { backlog: { outboxBytes: () => store.unpublishedBytesOf(HeadFile.key(id)), freeBytes, maxBytes: backlogBytes, onFull } }
  }

  /** Makes this process the one writer of a volume. @throws CairnError ERR_VOLUME_BUSY, ERR_LEASE_HELD, ERR_STORE_UNREACHABLE, ERR_VOLUME_UNKNOWN */
  #claim(id: string, name: string, options: TakeOptions = {}): Claim {
    const leaving = this.#leaving.get(id)
    this.#leaving.delete(id)
    const lock = leaving?.lock ?? this.#lock(id, name)
    try {
      const lease = leaving?.lease ?? this.#newLease(id)
      lease?.take(options)
      // Read now: who had the lock or the lease may have published since.
      const head = HeadFile.read(this.context.store, id, this.#random)
      if (head?.value.deletedMs !== undefined) throw wasDeleted(name)
      if (head === undefined) throw unknown(name, this.#names.all())
      return { id, name, lock, head, ...(lease === undefined ? {} : { lease }) }
    } catch (error) {
      lock.release()
      throw error
    }
  }

  #newLease(id: string): WriterLease | undefined {
    const { store } = this.context
    if (store.logs !== undefined) return new FileLease({ store, id, clock: this.#clock, random: this.#random })
    if (this.#remote === undefined) return undefined
    return new Lease({
      store: this.#remote,
      id,
      dir: this.#dirOf(id),
      clock: this.#clock,
      random: this.#random,
      newArena: () => this.#takeArena(),
      bootId: this.#options.bootId,
    })
  }

  /** Ends a claim. What cannot be published now is kept, and tried again. */
  #leave(claim: Claim): void {
    if (this.#isCrashed) {
      claim.lock.release()
      return
    }
    try {
      claim.lease?.release(claim.head)
      claim.lock.release()
    } catch (error) {
      if (!(error instanceof CairnError) && !isOfStorage(error)) {
        claim.lock.release()
        throw error
      }
      if (claim.lease?.lost !== undefined) {
        claim.lock.release()
        return
      }
      this.#leaving.set(claim.id, { ...claim, atMs: this.#clock.monotonic() + limits.publishMs, problem: (error as Error).message })
    }
  }

  #leaveNow(id: string): void {
    const claim = this.#leaving.get(id)
    this.#leaving.delete(id)
    if (claim !== undefined) this.#leave(claim)
  }

  #tryLeaving(): number {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    if (this.#leaving.size > 0 && this.#remote?.isAway === true) return limits.publishMs
    for (const [id, claim] of this.#leaving) {
      if (claim.atMs <= now) {
        this.#leaving.delete(id)
        this.#leave(claim)
      }
      next = Math.min(next, Math.max(1, claim.atMs - now))
    }
    return next
  }

  #closeOne(volume: Volume, isDropped: boolean): void {
    const id = volume.head.value.volume
    const holder = this.#open.get(id)
    if (holder === undefined || --holder.count > 0) return
    this.#open.delete(id)
    holder.follower?.end()
    // A reader holds no lock.
    if (holder.follower === undefined) this.#ending.set(id, [])
    if (isDropped) volume.abandon()
    else volume.shut()
  }

  /** A volume that was closed here, and whose files a sync under way still uses: resolves when it may be opened again. Undefined where there is nothing to wait for. */
  ending(name: string): Promise<void> | undefined {
    const waiting = this.#ending.size === 0 ? undefined : this.#ending.get(this.#names.get(name)?.id ?? '')
    return waiting && new Promise(resolve => waiting.push(resolve))
  }

  #with<T>(name: string, use: (volume: Volume) => T, options?: OpenOptions): T {
    const volume = this.openVolume(name, options)
    try {
      return use(volume)
    } finally {
      volume.close()
    }
  }

  #dirOf(id: string): string {
    return join(this.home, 'volumes', id)
  }

  #lock(id: string, name: string): FileLock {
    makeFolder(this.#dirOf(id))
    const lock = FileLock.tryAcquire(join(this.#dirOf(id), 'lock'))
    if (lock instanceof FileLock) return lock
    if (this.#ending.has(id)) throw new CairnError('ERR_VOLUME_BUSY', `Volume ${name} is being closed.`, 'Try again.', { retry: 'same-call' })
    throw new CairnError(
      'ERR_VOLUME_BUSY',
      `Volume ${name} is open in ${lock === 0 ? 'another process' : `process ${lock}`}.`,
      'Use it through that process, or end it; mounted volumes can be used by any number of processes through the server.',
      { retry: 'same-call' },
    )
  }

  open(): Volume[] {
    return [...this.#open.values()].map(holder => holder.volume)
  }

  statusOf(name: string): VolumeStatus & { open: 'here' | 'elsewhere' | 'no' } {
    const here = this.#names.here(name)
    const holder = this.#open.get(here?.id ?? this.#find(name).value.volume)
    if (holder !== undefined) {
      const status = holder.volume.status()
      const { remote } = this.#remoteStatus(status.id, holder.volume.head, holder, status.unsealedBytes + holder.volume.spooledBytes)
      const { backlog } = holder.volume
      const bounds = backlog === undefined ? {} : { maxUnpublishedBytes: Math.round(backlog.maxBytes), ...(backlog.isFull && { isFull: true as const }) }
      return { ...status, ...(remote && { remote: { ...remote, ...bounds } }), open: 'here' }
    }
    const head = this.#reachable(() => this.#find(name))
    const id = head?.value.volume ?? here?.id ?? ''
    const dir = this.#dirOf(id)
    const open = FileLock.isHeld(join(dir, 'lock')) ? 'elsewhere' : 'no'
    const unsealedBytes = this.context.store.logs?.bytesOf(id) ?? bytesIn(join(dir, 'journal'))
    const nothing = { epoch: 0, inodes: 0, bytes: 0, unsealedBytes, pageCacheBytes: 0, overlayBytes: 0 }
    // First what reads from the store: the cache is told as it is then.
    const waiting = head === undefined ? {} : this.#waitingIn(head)
    const remote = this.#remoteStatus(id, head, this.#leaving.get(id) ?? {}, unsealedBytes)
    if (head === undefined) return { ...this.info(name), ...nothing, ...remote, open }
    const { epoch, inodes, bytes } = head.value
    return { ...this.#infoOf(head), ...nothing, epoch, inodes, bytes, ...waiting, ...remote, open }
  }

  /** Undefined while the store cannot be reached. */
  #reachable<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (isAway(error)) return undefined
      throw error
    }
  }

  get #encrypted(): Pick<RemoteStatus, 'encrypted'> {
    return this.context.store.coding?.cipher === undefined ? {} : { encrypted: true }
  }

  #remoteStatus(
    id: string,
    head: HeadFile | undefined,
    { lease, follower }: Pick<Holder, 'lease' | 'follower'>,
    unsealedBytes: number,
  ): Pick<VolumeStatus, 'remote'> {
    const store = this.#remote
    if (store === undefined)
      return this.context.store.logs === undefined ? {} : { remote: { ...fileStatus(head, lease, this.#open.get(id)?.volume.durability), ...this.#encrypted } }
    store.feel()
    const { bytes, maxBytes, hits, misses } = store.cacheStats
    const problem = lease?.lost ?? lease?.failed ?? follower?.failed ?? store.unreachable
    const volume = this.#open.get(id)?.volume
    const remote: RemoteStatus = {
      durability: volume?.durability ?? 'local',
      unpublishedBytes: volume?.isAllStored === true ? 0 : store.unpublishedBytesOf(HeadFile.key(id)) + unsealedBytes,
      isWriter: lease !== undefined && lease.lost === undefined,
      ...this.#encrypted,
      setAside: asideIn(join(this.#dirOf(id), 'aside')).length,
      cache: { bytes, maxBytes, hits, misses },
      ...(lease?.lastPublishMs === undefined ? {} : { lastPublishMs: lease.lastPublishMs }),
      ...(follower?.refreshedMs === undefined ? {} : { refreshedMs: follower.refreshedMs }),
      ...shownLease(head, lease),
      ...(problem === undefined ? {} : { problem: problem.message }),
    }
    return { remote }
  }

  /** The merge that waits, as of the last seal. What cannot be read is told when the volume is opened. */
  #waitingIn(head: HeadFile): Pick<VolumeStatus, 'merge'> {
    try {
      return mergeStatus(openTree(this.context.pages, head.value.history), head.value.volume)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      return {}
    }
  }

  rename(from: string, to: string): VolumeInfo {
    checkVolumeName(to)
    const found = this.#find(from)
    if (from === to) return this.#infoOf(found)
    const stale = this.#names.get(to)
    // Its own: a rename was killed before the old name went.
    if (stale !== undefined && stale.id !== found.value.volume && this.#confirmed(to, stale.id) !== undefined) throw exists(to)
    return this.#with(from, volume => {
      // The head's name decides, so the change happens at its compare-and-swap; the entries before and after are hints.
      if (!this.#names.take(to, volume.head.value.volume, stale)) throw exists(to)
      volume.head.update({ name: to })
      if (volume.nameHere !== undefined) volume.nameHere = to
      this.#leaseOf(volume)?.publishSync()
      crashPoint('volume.rename.between')
      this.#names.drop(from)
      return this.#made(volume.head)
    })
  }

  remove(name: string, options: { now?: boolean } = {}): void {
    if (this.#isGoneElsewhere(name)) {
      this.#names.drop(name)
      return
    }
    const id = this.#find(name).value.volume
    if (this.#open.has(id)) throw new CairnError('ERR_VOLUME_BUSY', `Volume ${name} is open.`, 'Unmount and close it first.', { retry: 'same-call' })
    const claim = this.#claim(id, name)
    try {
      crashPoint('volume.delete.before-tombstone')
      claim.head.update({ deletedMs: options.now === true ? LONG_AGO : Math.floor(this.#clock.now()) })
      claim.lease?.publishSync()
      crashPoint('volume.delete.after-tombstone')
      this.#names.drop(name)
      if (options.now !== true) return
      // The folder itself, with the lock in it, goes with the head, which is the collector's to remove.
      for (const part of ['journal', 'spool', 'holds']) rmSync(join(this.#dirOf(id), part), { recursive: true, force: true })
      this.context.store.logs?.drop(id)
    } finally {
      this.#leave(claim)
    }
  }

  /** Attached here, and deleted already: by another host, or by a deletion that was killed before its name went. */
  #isGoneElsewhere(name: string): boolean {
    const here = this.#remote === undefined ? undefined : this.#names.here(name)
    if (here === undefined || this.#open.has(here.id)) return false
    const stored = HeadFile.read(this.context.store, here.id, this.#random)?.value
    return stored?.deletedMs !== undefined && this.#names.get(name)?.id === here.id
  }

  undelete(name: string): VolumeInfo {
    checkVolumeName(name)
    const deleted = this.#deleted().filter(head => head.value.name === name || head.value.volume === name)
    const head = deleted.sort((a, b) => (b.value.deletedMs ?? 0) - (a.value.deletedMs ?? 0))[0]
    if (head === undefined)
      throw new CairnError('ERR_VOLUME_UNKNOWN', `There is no deleted volume '${name}'.`, 'See `cairn volumes --deleted` for those that can be brought back.')
    const stale = this.#names.get(head.value.name)
    if (stale !== undefined && stale.id !== head.value.volume && this.#confirmed(head.value.name, stale.id) !== undefined) throw exists(head.value.name)
    if (!this.#names.take(head.value.name, head.value.volume, stale)) throw exists(head.value.name)
    head.update({ deletedMs: undefined })
    return this.#made(head)
  }

  fork(source: string, ref: string | undefined, name: string): VolumeInfo {
    return this.forkAll(source, ref, [name])[0]
  }

  /** Several forks of one and the same state, or none; with the syncs of one. */
  forkAll(source: string, ref: string | undefined, names: readonly string[]): VolumeInfo[] {
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) throw exists(twice)
    const found = names.map(name => this.#freeName(name))
    return this.#with(
      source,
      volume => {
        if (volume.isReader) this.refresh(volume)
        const members = forkMembers(volume, ref)
        // A fork names what its source names where it is stored.
        this.#leaseOf(volume)?.publishSync()
        this.#leaseArenas(names.length, members.arenaFloor)
        const forks = names.map((name, i) => ({
          makeHead: (id: string) => this.#newHead(id, name, members),
          name: (id: string) => this.#names.taking(name, id, found[i]),
        }))
        const made = this.#makeForks(volume.head, forks)
        if (made === undefined) throw exists(names.find((name, i) => this.#names.get(name)?.version !== found[i]?.version) ?? names[0])
        crashPoint('volume.fork.after-head')
        const dirs = made.map(({ volume: id }) => this.#dirOf(id))
        if (this.context.store.logs === undefined) makeAllWorkFolders(this.home, dirs)
        return made.map(head => {
          const info = volumeInfo(head, this.context.storeName)
          this.#names.made(info)
          return info
        })
      },
      READ,
    )
  }

  #makeForks(source: HeadFile, forks: readonly NewFork[]): Head[] | undefined {
    return makeForks({ store: this.context.store, random: this.#random, clock: this.#clock }, source, forks)
  }

  /** Heads of all volumes that can be read, deleted and hidden ones too. */
  heads(): HeadFile[] {
    const ids = allKeys(this.context.store, 'volumes/').flatMap(key => /^volumes\/([0-9a-f]{16})\/head$/.exec(key)?.[1] ?? [])
    return ids.flatMap(id => this.#readable(id) ?? [])
  }

  /**
   * Keeps what a volume holds now from the collector, under a hidden head, until `unpin`; seals first. What a crash leaves pinned is let go of with the deleted
   * volumes whose time is over.
   * @throws CairnError ERR_VOLUME_UNKNOWN, ERR_REF_UNKNOWN
   */
  pin(name: string, options: { ref?: string; since?: string } = {}): Pinned {
    return this.#with(
      name,
      volume => {
        const sealed = volume.sealedRoots()
        this.#leaseOf(volume)?.publishSync()
        const find = (ref: string | undefined): Commit | undefined => (ref === undefined ? undefined : volume.history.resolve(ref))
        // What was hidden from a fork that its writer has not opened yet comes after its one commit.
        const [ref, since] = [find(options.ref ?? (volume.unsavedWindow && volume.history.newest()?.id)), find(options.since)]
        const { volume: id, dirHashKey, inodes, bytes, createdMs } = volume.head.value
        const members = {
          dirHashKey,
          createdMs,
          root: ref?.root ?? sealed.root,
          history: sealed.history,
          inodes: ref?.inodes ?? inodes,
          bytes: ref?.bytes ?? bytes,
          parent: { volume: name, id, commit: ref?.id ?? '' },
        }
        return { ...this.#kept(volume, members), arenas: nextArena(this.context.store), ...place('ref', ref), ...place('since', since) }
      },
      READ,
    )
  }

  /** Under a hidden head, or as it is where nothing may be stored. */
  #kept(volume: Volume, members: Pick<Head, 'dirHashKey'> & Partial<Head>): Pick<Pinned, 'id' | 'head'> {
    try {
      return { id: this.#makeHidden(volume.head, members).value.volume }
    } catch (error) {
      if (!volume.isReader || !(error instanceof CairnError) || error.code !== 'ERR_STORE_ACCESS') throw error
      return { id: '', head: hiddenHead(volume.head.value.volume, this.#random, this.#clock, members) }
    }
  }

  /** @param source that has what the members name, if they name anything */
  #makeHidden(source: HeadFile | undefined, members: Pick<Head, 'dirHashKey'> & Partial<Head>): HeadFile {
    const { store } = this.context
    const make = (id: string): Head => hiddenHead(id, this.#random, this.#clock, members)
    const made = source && this.#makeForks(source, [{ makeHead: make }])
    const head = made && HeadFile.read(store, made[0].volume, this.#random)
    return head ?? HeadFile.create(store, make(this.#random.bytes(8).toString('hex')), this.#random)
  }

  /** The head of a volume by its id; undefined when there is none that reads. */
  head(id: string): HeadFile | undefined {
    return this.#readable(id)
  }

  /** The hidden head that `pin` made, here or in another process of this home. */
  pinned(id: string): Head {
    const head = HeadFile.read(this.context.store, id, this.#random)
    if (head === undefined) throw new CairnError('ERR_VOLUME_UNKNOWN', `What was pinned as ${id} is gone.`, 'Try again.', { retry: 'same-call' })
    return head.value
  }

  unpin(id: string): void {
    if (id === '') return
    // A pin without a head looks like one whose head is still to be made: it would keep all of it for an hour.
    this.context.store.deleteSync([HeadFile.key(id), pinKey(id)])
  }

  /**
   * Begins a volume that is made from its trees.
   * @param members of its head; `arenaFloor` where inode numbers of another store are in it
   * @param base has the trees that the members name: they are kept from the collector until then
   */
  stage(members: Pick<Head, 'dirHashKey'> & Partial<Head>, base?: HeadFile): StagedVolume {
    const first = this.#takeArena(members.arenaFloor) * ARENA_INODES
    return this.#staged(this.#makeHidden(base, { ...members, nextIno: Math.max(first, 2), arena: [first, first + ARENA_INODES - 1] }))
  }

  /** Goes on with one that `stage` began, in a process that is no more; undefined when it is gone. */
  restage(id: string, arenaFloor: number): StagedVolume | undefined {
    const head = this.#readable(id)
    if (head === undefined || !isHidden(head.value) || head.value.pending === true) return undefined
    const first = this.#takeArena(arenaFloor) * ARENA_INODES
    // Its time begins anew. Whoever else goes on with it cannot make it a volume any more.
    head.update({ arenaFloor, nextIno: Math.max(first, 2), arena: [first, first + ARENA_INODES - 1], deletedMs: Math.floor(this.#clock.now()) })
    return this.#staged(head)
  }

  #staged(head: HeadFile): StagedVolume {
    const takeName = (name: string, id: string): void => {
      if (!this.#names.take(name, id, this.#freeName(name))) throw exists(name)
    }
    return new StagedVolume({ context: this.context, head, dir: this.#dirOf(head.value.volume), takeName })
  }

  /** @throws CairnError ERR_VOLUME_EXISTS, ERR_VOLUME_NAME */
  checkFree(name: string): void {
    this.#freeName(name)
  }

  /** A collection is over: what is open still of packs that it deleted gives its space back. */
  collected(): void {
    this.context.store.forgetRemoved()
    this.#forgetAtMs = this.#clock.monotonic() + limits.storeForgetMs
  }

  #leaseOf(volume: Volume): WriterLease | undefined {
    return this.#open.get(volume.head.value.volume)?.lease
  }

  #pumpLease(volume: Volume, lease: WriterLease | undefined): number {
    if (lease === undefined) return Number.POSITIVE_INFINITY
    const next = lease.pump(volume.head)
    // What is written from now on could never be published.
    if (lease.lost !== undefined) volume.session.readOnly = true
    return next
  }

  /**
   * Stores all that is sealed of an open volume where other hosts see it; nothing to do in a store of this home.
   * @param timeoutMs how long it is tried while the store cannot be reached; `pump` must be called meanwhile
   * @throws CairnError ERR_LEASE_LOST, ERR_STORE_UNREACHABLE …: it stays here then
   */
  publish(volume: Volume, timeoutMs: number = limits.flushMs): Promise<void> {
    const lease = this.#leaseOf(volume)
    if (lease === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      lease.publishWithin(timeoutMs, error => {
        if (error === undefined) resolve()
        else reject(error)
        // Nothing else may come from a store that is silent.
        this.#options.onSettled?.()
      })
    })
  }

  /** See `Engine.isReached`. */
  get isReached(): boolean {
    return this.#remote?.isAway === false
  }

  /** See `Engine.checkStore`. */
  async checkStore(probe: boolean): Promise<StoreCheck> {
    const { store, storeName } = this.context
    const { roundTripMs } = await (this.#remote?.tryOut(probe) ?? (probe ? probeStore(store, { random: this.#random }) : { roundTripMs: 0 }))
    return { store: storeName, roundTripMs }
  }

  /** See `Engine.isPublished`. */
  isPublished(volume: Volume): boolean {
    const lease = this.#leaseOf(volume)
    return lease === undefined || lease.lost !== undefined || (lease.isPublished && !volume.isDirty)
  }

  unpublished(): Unpublished[] {
    const open = this.open().filter(volume => !this.isPublished(volume))
    return [...open.map(({ info }) => ({ name: info.name })), ...[...this.#leaving.values()].map(({ head, problem }) => ({ name: head.value.name, problem }))]
  }

  /**
   * Background work of all open volumes for at most `budgetMs` together, and one step; who had no time is the first the next time.
   * @returns in how many milliseconds it wants to be called again
   */
  pump(budgetMs: number): number {
    // Others collect too, and say nothing.
    if (this.#clock.monotonic() >= this.#forgetAtMs) this.collected()
    let next = Number.POSITIVE_INFINITY
    let failed: unknown
    const deadline = this.#clock.monotonic() + budgetMs
    const open = [...this.#open.values()]
    const first = this.#pumpFrom
    for (let i = 0; i < open.length; i++) {
      const at = (first + i) % open.length
      const { volume, lease, follower } = open[at]
      const leftMs = Math.max(0, deadline - this.#clock.monotonic())
      // Where hundreds have something to do, whoever asks for something meanwhile would wait for all of them.
      if (leftMs > 0) this.#pumpFrom = (at + 1) % open.length
      else next = 0
      try {
        next = Math.min(next, volume.pump(leftMs), this.#pumpLease(volume, lease))
        if (leftMs > 0 && follower !== undefined) next = Math.min(next, follower.pump(leftMs))
        volume.log?.pump()
      } catch (error) {
        // The others have their turn all the same.
        failed ??= error
      }
    }
    if (failed !== undefined) throw failed
    return Math.min(next, this.#tryLeaving())
  }

  /** Lets go of all without sealing, as a killed process does. For tests of recovery. */
  crash(): void {
    this.#isCrashed = true
    for (const { volume, follower } of this.#open.values()) {
      follower?.end()
      volume.abandon()
    }
    this.#open.clear()
    for (const { lock } of this.#leaving.values()) lock.release()
    this.#isClosing = true
    this.#closeStore()
  }

  #closeStore(): void {
    if (this.#isClosing && this.#held === 0) void this.context.store.close()
  }

  close(): void {
    for (const [id, { volume, follower }] of this.#open) {
      this.#open.delete(id)
      follower?.end()
      volume.shut()
    }
    for (const { lock } of this.#leaving.values()) lock.release()
    this.#isClosing = true
    this.#closeStore()
  }
}

/** What the heads of forks of a volume say of it; seals what is not in the store. */
function forkMembers(volume: Volume, ref: string | undefined): Pick<Head, 'root' | 'history' | 'inodes' | 'bytes' | 'dirHashKey'> & Partial<Head> {
  // What the fork starts from is a commit, which both know: the base of a later merge.
  const point: ReturnType<typeof firstCommit> | undefined =
    ref !== undefined ? undefined : volume.isReader ? firstCommit(volume) : { id: volume.presentCommit().id }
  // First the seal: a commit that was made just now has its root then.
  const sealed = volume.sealedRoots()
  const commit = ref === undefined ? undefined : volume.history.resolve(ref)
  const { volume: id, name, inodes, bytes, dirHashKey, arenaFloor } = volume.head.value
  const first = point?.first ?? volume.unsavedFirst
  // What a writer has hidden it has sealed by now.
  const hidden = hiddenIn(volume, commit)
  return {
    root: commit?.root ?? sealed.root,
    history: sealed.history,
    inodes: commit?.inodes ?? inodes,
    bytes: commit?.bytes ?? bytes,
    dirHashKey,
    ...(arenaFloor === undefined ? {} : { arenaFloor }),
    parent: { volume: name, id, commit: (commit ?? point)?.id ?? '' },
    ...(first === undefined ? {} : { first }),
    ...(hidden === undefined ? {} : { hidden }),
  }
}

/** How a volume stands to a store that is one file: nothing of it is anywhere else. */
function fileStatus(head: HeadFile | undefined, lease: WriterLease | undefined, durability: RemoteStatus['durability'] = 'local'): RemoteStatus {
  const problem = lease?.lost ?? lease?.failed
  return {
    durability,
    unpublishedBytes: 0,
    isWriter: lease !== undefined && lease.lost === undefined,
    setAside: 0,
    cache: { bytes: 0, maxBytes: 0, hits: 0, misses: 0 },
    ...(lease?.lastPublishMs === undefined ? {} : { lastPublishMs: lease.lastPublishMs }),
    ...shownLease(head, lease),
    ...(problem === undefined ? {} : { problem: problem.message }),
  }
}

/** Who writes a volume: the head that this host has says so until another one took the volume over. */
function shownLease(head: HeadFile | undefined, own: WriterLease | undefined): Pick<RemoteStatus, 'lease'> {
  const lease = own?.lost === undefined ? head?.value.lease : own.lostTo
  return lease === undefined ? {} : { lease }
}

/** What forks of a commit, or of now, must not show of the history. */
function hiddenIn(volume: Volume, commit: Commit | undefined): Head['hidden'] {
  const own = volume.unsavedWindow
  if (commit === undefined) return own
  const window = { fromMs: commit.timeMs, toMs: volume.history.presentMs() }
  return own === undefined ? window : { fromMs: Math.min(own.fromMs, window.fromMs), toMs: Math.max(own.toMs, window.toMs) }
}

/** Those that are whole. */
function asideIn(folder: string): string[] {
  return namesIn(folder)
    .filter(name => existsSync(join(folder, name, 'head')))
    .sort()
}

function place(name: 'ref' | 'since', commit: Commit | undefined): Pick<Pinned, 'ref' | 'since'> {
  return commit === undefined ? {} : { [name]: { id: commit.id, timeMs: commit.timeMs } }
}

/** Bytes of the files in a folder; 0 without one. */
function bytesIn(folder: string): number {
  let bytes = 0
  for (const name of namesIn(folder)) bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

/** Another host, or another process of this one, has the volume. */
function isHeld(error: unknown): boolean {
  return error instanceof CairnError && (error.code === 'ERR_LEASE_HELD' || error.code === 'ERR_VOLUME_BUSY')
}

/** @throws CairnError ERR_VOLUME_READ_ONLY for a volume that is open to be read only */
export function refuseReader(volume: Volume): void {
  if (!volume.isReader) return
  const { name } = volume.info
  throw new CairnError(
    'ERR_VOLUME_READ_ONLY',
    `The volume ${name} is open read-only on this host.`,
    `Unmount it with \`cairn unmount ${name}\` and close the programs that read it, then write it.`,
  )
}

function notRemote(name: string): CairnError {
  return new CairnError(
    'ERR_DURABILITY',
    `The volume ${name} is in this home's own store, which no other host reaches: there is no durability 'remote' in it.`,
    'Make it in another store with `cairn init NAME --store URL`, or leave the durability as it is.',
    { exitCode: 2 },
  )
}

function exists(name: string): CairnError {
  return new CairnError('ERR_VOLUME_EXISTS', `There is a volume '${name}' already.`, 'Choose another name, or see `cairn volumes`.')
}

function wasDeleted(name: string): CairnError {
  return new CairnError('ERR_VOLUME_UNKNOWN', `There is no volume '${name}' any more: it was deleted.`, '`cairn undelete` brings it back, for 7 days.')
}

function unknown(name: string, names: readonly string[]): CairnError {
  const near = names.slice(0, 5).join(', ')
  return new CairnError(
    'ERR_VOLUME_UNKNOWN',
    `There is no volume '${name}'.`,
    near === '' ? `Make it with \`cairn init ${name}\`.` : `There is ${near}; make a new one with \`cairn init ${name}\`.`,
  )
}

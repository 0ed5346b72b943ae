import type { Head } from '../codec/head.js'
import { CairnError, CorruptError, posixError } from '../errors.js'
import type { RedoLog } from '../journal/index.js'
import { assert, type Clock, crashPoint, limits } from '../sys/index.js'
import type { Durability } from './durability.js'
import type { HeadFile } from './head.js'
import type { Holds } from './holds.js'
import { Seal } from './seal.js'
import type { Spool } from './spool.js'
import type { VolumeState } from './state.js'
import type { Syncer } from './syncer.js'

/** Commits between two looks at how much waits for a seal, and what has come into packs since the last one. */
const COMMITS_PER_LOOK = 64
const BYTES_PER_LOOK = 8 * 1024 * 1024
/** Folds per commit once overlays are over their budget. */
const FOLDS_AT_ONCE = 4
/** Folds between two looks at the clock: a block takes some 50 µs. */
const FOLDS_PER_STEP = 16

type Stage = 'pages' | 'syncing' | 'footers' | 'head'

export interface SealingParts {
  state: VolumeState
  spool: Spool
  journal: RedoLog
  durability: Durability
  head: HeadFile
  holds: Holds
  clock: Clock
  syncer: Syncer
  /** Sequence of the last commit. */
  sequence: () => number
  /** Called when promises of `flushSoon` were settled. */
  onSettled: () => void
  /** What a head with this watermark says of the log. */
  logMember: (watermark: number) => Pick<Head, 'log'>
}

/**
 * When a volume seals, in which steps, and what happens when one fails. Bounds what waits: overlays in memory, dirty pages,
 * journal and spool on the disk.
 */
export class Sealing {
  readonly #state: VolumeState
  readonly #spool: Spool
  readonly #journal: RedoLog
  readonly #durability: Durability
  readonly #head: HeadFile
  readonly #holds: Holds
  readonly #clock: Clock
  readonly #syncer: Syncer
  readonly #sequence: () => number
  readonly #onSettled: () => void
  readonly #logMember: SealingParts['logMember']
  lastSealMs: number | undefined
  #seal: Seal | undefined
  #stage: Stage = 'pages'
  #sealedSequence: number
  /** Journal up to here is superfluous and not deleted yet. */
  #releasable: number | undefined
  #flushing: Array<{ sequence: number; resolve: () => void; reject: (error: unknown) => void }> = []
  #lastChangeMs = 0
  #commitsSinceLook = 0
  /** In packs, at the last look. */
  #bytesAtLook = 0
  #retrySealAtMs = 0

  constructor(parts: SealingParts) {
    this.#state = parts.state
    this.#spool = parts.spool
    this.#journal = parts.journal
    this.#durability = parts.durability
    this.#head = parts.head
    this.#holds = parts.holds
    this.#clock = parts.clock
    this.#syncer = parts.syncer
    this.#sequence = parts.sequence
    this.#onSettled = parts.onSettled
    this.#logMember = parts.logMember
    this.#sealedSequence = parts.head.value.watermark
  }

  /** After every commit. */
  changed(): void {
    this.#lastChangeMs = this.#clock.monotonic()
    this.#boundOverlays()
    if (++this.#commitsSinceLook >= COMMITS_PER_LOOK || Math.abs(this.#spool.bytes - this.#bytesAtLook) >= BYTES_PER_LOOK) this.#boundDirty()
  }

  /** Keeps journal, packs and dirty pages bounded where commits come faster than `pump` is called. */
  #boundDirty(): void {
    this.#commitsSinceLook = 0
    this.#bytesAtLook = this.#spool.bytes
    const load = this.#load()
    if ((load < 1 && this.#seal === undefined) || this.#lastChangeMs < this.#retrySealAtMs) return
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
      this.#state.tree.dirtyBytes / limits.sealDirtyBytes,
      this.#spool.bytes / (this.#spool.isFar ? limits.sealFarSpoolBytes : limits.sealSpoolBytes),
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
    if (this.#state.overlays.bytes <= limits.overlayBytes || this.#lastChangeMs < this.#retrySealAtMs) return
    try {
      this.#fold(FOLDS_AT_ONCE)
    } catch (error) {
      this.#sealFailed(error)
    }
  }

  /** Folds all overlays. @throws on a full or failing disk */
  foldAll(): void {
    while (!this.#fold(64));
  }

  /** Folds overlays for at most so long; true when none is left. @throws as above */
  foldFor(budgetMs: number): boolean {
    const deadline = this.#clock.monotonic() + budgetMs
    while (!this.#fold(1)) if (this.#clock.monotonic() >= deadline) return false
    return true
  }

  /** Folds the oldest overlays; true when none is left. @throws on a full or failing disk */
  #fold(count: number): boolean {
    return this.#state.foldOldest(count, this.#spool)
  }

  /** Something is newer than the head. */
  get isDirty(): boolean {
    return this.#sequence() !== this.#sealedSequence
  }

  /**
   * Work for at most `budgetMs`; returns in how many milliseconds it wants to be called again.
   * A failing disk is not an error here: the work is tried again later, and callers that need it hear of it.
   */
  pump(budgetMs: number): number {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
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
    } else if (this.isDirty) next = Math.min(next, Math.max(1, this.#lastChangeMs + limits.sealIdleMs - now, this.#retrySealAtMs - now))
    return next
  }

  #wantsSeal(now: number): boolean {
    if (!this.isDirty || now < this.#retrySealAtMs) return false
    return this.#load() >= 1 || now - this.#lastChangeMs >= limits.sealIdleMs
  }

  /** One slice of sealing; 0 when there is more to do at once. */
  #stepSeal(deadline: number): number {
    const now = (): number => this.#clock.monotonic()
    while (this.#seal === undefined) {
      if (!this.#fold(FOLDS_PER_STEP) && now() >= deadline) return 0
      if (this.#state.isFolded) this.#startSeal()
    }
    const seal = this.#seal
    if (this.#stage === 'pages') {
      if (!this.#guard(seal, () => this.#writePages(seal, deadline))) return 0
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
    return this.isDirty ? limits.sealIdleMs : Number.POSITIVE_INFINITY
  }

  #writePages(seal: Seal, deadline: number): boolean {
    const done = seal.writePages(() => this.#clock.monotonic(), deadline)
    this.#spool.save()
    return done
  }

  /** Syncs the seal's packs where it blocks nobody, then goes on with `next`. */
  #syncPacks(seal: Seal, next: Stage): void {
    this.#stage = 'syncing'
    const packs = this.#guard(seal, () => this.#spool.beginSealSync(seal.packs))
    this.#syncer.request(packs.fds, errno => {
      if (errno === 0) packs.done()
      else packs.failed()
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
    this.#spool.birth = this.#head.value.sequence + 1
    this.#seal = new Seal(this.#state, this.#spool, this.#sequence())
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
    this.#holds.save()
    this.#head.update({
      ...this.#mark(),
      ...this.#logMember(r.watermark),
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
    this.lastSealMs = this.#clock.now()
    this.#settleFlushes(undefined)
    const { packs } = seal
    this.#durability.whenUnused(() => {
      for (const pack of packs) pack.closeFd()
      this.#releasable = r.watermark
    })
  }

  /** Below it, packs of this opening that the head does not reach are garbage. */
  #mark(): { fenced?: number; mark?: [number, number] } {
    const { epoch } = this.#head.value
    // Without an epoch of its own this opening has published no pack. Packs that a crash left may be waiting for another seal.
    if (!this.#spool.hasEpoch(epoch) || this.#spool.oldestEpoch(epoch) < epoch) return {}
    return { fenced: epoch, mark: [epoch, Math.min(this.#spool.firstOpen, this.#holds.fromPack)] }
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
    const bytes = this.unsealedBytes()
    if (!this.isDirty) return Promise.resolve({ bytes })
    const sequence = this.#sequence()
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

  /** Something was written for a head that is not there yet. */
  get isUnderWay(): boolean {
    return this.#seal !== undefined
  }

  flush(): { bytes: number } {
    const bytes = this.unsealedBytes()
    // A seal may be under way that froze an older state: finish it, then seal what came after it.
    while (this.#seal !== undefined || this.isDirty) this.#sealNow()
    this.#releaseJournal(Number.POSITIVE_INFINITY)
    return { bytes }
  }

  #sealNow(): void {
    const forever = Number.POSITIVE_INFINITY
    this.foldAll()
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

  /** Acknowledged bytes that no head names yet. */
  unsealedBytes(): number {
    return this.isDirty ? this.#journal.bytesBehind(this.#sealedSequence) + this.#state.tree.dirtyBytes : 0
  }
}

/** The disk or the store failed, or what they hold is damaged: no fault of the caller's or our own. */
export function isOfStorage(error: unknown): boolean {
  // Fenced: whoever took the volume over has what was acknowledged here, and the lease tells of it.
  if (error instanceof CairnError && (error.code.startsWith('ERR_STORE_') || error.code === 'ERR_FENCED')) return true
  return error instanceof CorruptError || typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

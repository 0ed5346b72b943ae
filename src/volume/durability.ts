import { posixError } from '../errors.js'
import type { RedoLog } from '../journal/index.js'
import { type Clock, limits } from '../sys/index.js'
import { diskErrno } from './collector.js'
import type { PackSync, Spool } from './spool.js'
import type { Syncer } from './syncer.js'

/**
 * Brings acknowledged changes to the disk: content packs before the journal that names their blocks. Concurrent callers
 * share one round; changes that nobody asked about follow within the commit interval.
 */
export class Durability {
  readonly #journal: RedoLog
  readonly #spool: Spool
  readonly #syncer: Syncer
  readonly #clock: Clock
  #changed: number
  #synced: number
  #dirtySinceMs: number
  #waiting: Array<{ resolve: () => void; reject: (error: Error) => void }> = []
  #inFlight = false
  #afterFlight: Array<() => void> = []
  /** By sequence: the packs of a sync under way. */
  readonly #packs = new Map<number, PackSync>()

  /**
   * @param changed sequence of the last change
   * @param synced sequence up to which all is on the disk: what recovery replayed behind it may be in the page cache only
   */
  constructor(journal: RedoLog, spool: Spool, syncer: Syncer, clock: Clock, changed: number, synced: number) {
    this.#journal = journal
    this.#spool = spool
    this.#syncer = syncer
    this.#clock = clock
    this.#changed = changed
    this.#synced = synced
    this.#dirtySinceMs = clock.monotonic()
  }

  changed(sequence: number): void {
    if (this.#changed === this.#synced) this.#dirtySinceMs = this.#clock.monotonic()
    this.#changed = sequence
  }

  /** Milliseconds until the interval asks for a round; Infinity when all is on the disk or a round is under way. */
  dueInMs(): number {
    if (this.#changed === this.#synced || this.#inFlight) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#dirtySinceMs + limits.commitIntervalMs - this.#clock.monotonic())
  }

  /** Blocks until everything committed so far is on the disk. */
  syncNow(): number {
    if (this.#changed === this.#synced) return 0
    const sequence = this.#changed
    try {
      this.#spool.sync()
      this.#journal.sync()
    } catch (error) {
      this.#journal.fail()
      return diskErrno(error)
    }
    this.#advance(sequence)
    return 0
  }

  #advance(sequence: number): void {
    if (sequence > this.#synced) this.#synced = sequence
    this.#dirtySinceMs = this.#clock.monotonic()
  }

  sync(): Promise<void> {
    if (this.#changed === this.#synced) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (!this.#inFlight) this.startRound()
    })
  }

  /** Starts a round for whoever waits now; nothing when one is under way. */
  startRound(): void {
    if (this.#inFlight) return
    const waiting = this.#waiting
    this.#waiting = []
    this.#inFlight = true
    const sequence = this.#changed
    this.#syncer.request(this.syncTargets(), errno => {
      this.#inFlight = false
      this.synced(sequence, errno)
      for (const then of this.#afterFlight.splice(0)) then()
      for (const { resolve, reject } of waiting) {
        if (errno === 0) resolve()
        else reject(posixError(Math.abs(errno), 'fsync'))
      }
      if (this.#waiting.length > 0) this.startRound()
    })
  }

  /** Descriptors to sync, in this order, to make everything committed so far durable: packs before the journal that names their blocks. */
  syncTargets(): readonly number[] {
    if (this.#changed === this.#synced) return []
    const packs = this.#spool.beginSync()
    this.#packs.set(this.#changed, packs)
    return [...packs.fds, ...this.#journal.fds()]
  }

  /** What `syncTargets` named when `sequence` was the last change is on the disk, or failed to get there. */
  synced(sequence: number, errno: number): void {
    const packs = this.#packs.get(sequence)
    this.#packs.delete(sequence)
    if (errno !== 0) {
      packs?.failed()
      this.#journal.fail()
      return
    }
    packs?.done()
    this.#journal.synced(sequence)
    this.#advance(sequence)
  }

  /** Runs `then` now, or not at all while a round uses descriptors. */
  ifUnused(then: () => void): void {
    if (!this.#inFlight) then()
  }

  /** Runs `then` when no round uses a descriptor: at once, or after the one under way. For closing files. */
  whenUnused(then: () => void): void {
    if (this.#inFlight) this.#afterFlight.push(then)
    else then()
  }
}

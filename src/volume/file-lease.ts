import type { Head } from '../codec/head.js'
import { CairnError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { type Clock, limits, type Random } from '../sys/index.js'
import { HeadFile } from './head.js'
import { checkFree, holder, leaseLost, type TakeOptions } from './lease.js'
import type { WriterLease } from './writer-lease.js'

/**
 * The right to write a volume of a store that is one file, among all that open that file. Everything acknowledged is in the file, so that whoever takes a volume over
 * has all of it, and nothing is ever set aside. What makes it safe is the compare-and-swap of the head, and that the journal in the file takes
 * frames of its last opener only. A holder that is dead is not waited for.
 */
export class FileLease implements WriterLease {
  readonly #store: LocalStore
  readonly #id: string
  readonly #clock: Clock
  readonly #random: Random
  #renewAtMs = 0
  #lookAtMs = 0
  lastPublishMs: number | undefined
  lost: CairnError | undefined
  lostTo: Head['lease']
  failed: Error | undefined

  constructor(parts: { store: LocalStore; id: string; clock: Clock; random: Random }) {
    this.#store = parts.store
    this.#id = parts.id
    this.#clock = parts.clock
    this.#random = parts.random
  }

  take(options: TakeOptions = {}): void {
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) if (this.#tryTake(options)) return
    throw new CairnError('ERR_CONFLICT', `Others took the volume ${limits.casAttempts} times in a row.`, 'Try again.', { retry: 'same-call' })
  }

  #tryTake(options: TakeOptions): boolean {
    const head = HeadFile.read(this.#store, this.#id, this.#random)
    if (head === undefined)
      throw new CairnError('ERR_VOLUME_UNKNOWN', `The volume ${this.#id} is gone from ${this.#store.description}.`, 'See `cairn volumes`.')
    const { lease } = head.value
    if (lease !== undefined && !this.#isGone(lease.holder)) checkFree(head.value, this.#clock.now(), options)
    const epoch = head.value.epoch + 1
    this.#renewAtMs = this.#clock.monotonic() + limits.leaseMs / 3
    return unlessFenced(() => head.update({ epoch, fenced: epoch, mark: [epoch, 1], lease: this.#term() }))
  }

  /** Nobody else has the file open, or a process of this host held the lease and is not there any more. */
  #isGone(by: string): boolean {
    if (this.#store.isAlone?.() === true) return true
    const pid = Number(/ \(process (\d+)\)$/.exec(by)?.[1] ?? Number.NaN)
    return by === holder(pid) && !isRunning(pid)
  }

  #term(sinceMs = Math.floor(this.#clock.now())): NonNullable<Head['lease']> {
    return { holder: holder(), sinceMs, untilMs: Math.floor(this.#clock.now()) + limits.leaseMs }
  }

  get isPublished(): boolean {
    return true
  }

  look(): void {}

  pump(head: HeadFile): number {
    if (this.lost !== undefined) return Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    if (now >= this.#renewAtMs) {
      this.#renewAtMs = now + limits.leaseMs / 3
      if (!unlessFenced(() => head.update({ lease: this.#term(head.value.lease?.sinceMs) }))) this.#overtaken()
    } else if (now >= this.#lookAtMs && !head.isCurrent) this.#overtaken()
    if (now >= this.#lookAtMs) this.#lookAtMs = now + limits.publishMs
    return Math.max(1, Math.min(this.#renewAtMs, this.#lookAtMs) - now)
  }

  #overtaken(): void {
    const stored = HeadFile.read(this.#store, this.#id, this.#random)?.value
    this.lostTo = stored?.lease
    this.lost = leaseLost(stored, 'Close it and open it again: what was acknowledged here is in the file.')
  }

  /** All that is sealed is in the store; from here on it is in the one file, too. */
  publishWithin(_timeoutMs: number, done: (error: Error | undefined) => void): void {
    if (this.lost === undefined) this.#settle()
    done(this.lost ?? this.failed)
  }

  #settle(): void {
    try {
      this.#store.settleSync?.()
      this.failed = undefined
      this.lastPublishMs = this.#clock.now()
    } catch (error) {
      this.failed = error as Error
    }
  }

  publishSync(): void {}

  release(head: HeadFile): void {
    if (this.lost !== undefined) return
    if (unlessFenced(() => head.update({ lease: undefined }))) this.#settle()
  }
}

/** False when somebody else has changed the head. */
function unlessFenced(update: () => void): boolean {
  try {
    update()
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_FENCED') return false
    throw error
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

import type { Head } from '../../codec/head.js'
import { decodeLogObject, encodeLogObject, LOG_HEADER_BYTES, logCrc, logKey, logNumber, logPrefix } from '../../codec/log-object.js'
import { CairnError } from '../../errors.js'
import type { RemoteStore } from '../../store/remote/remote-store.js'
import { crashPoint, limits } from '../../sys/index.js'
import { namedIn } from './frames.js'
import type { LogState } from './take-over.js'

/** What becomes of a wait: undefined when all is in the store. */
export type Stored = (error: Error | undefined) => void

/** What the log needs of the lease of its volume. */
export interface LogLease {
  /** The present head is being stored. */
  readonly isPublishing: boolean
  lost: CairnError | undefined
  /** Stores the present head, and all packs. */
  publish(done: Stored): void
  /** Somebody else has a number of this writer's: why nothing more can be stored; undefined when the head is this writer's all the same. */
  refused(): Error | undefined
}

/** What the log needs of the open volume. */
export interface LoggedVolume {
  /** Sequence of the last change, and of the last one that the head contains. */
  readonly sequence: number
  readonly watermark: number
  /** Of the head, in hex. */
  readonly root: string
  /** A pack that only this host has, or that no stored head names yet. */
  isHere(pack: Uint8Array): boolean
  /** Says in the head that log objects may be made from this number on. */
  open(next: number): void
  /** Seals all that was committed. @param now before it returns; else when there is time, where somebody sees to that */
  seal(now: boolean, done: Stored): void
}

/** A log object on its way. Until it is known what became of it nothing else is stored under its number. */
interface Attempt {
  key: string
  bytes: Buffer
  last: number
}

/**
 * Brings acknowledged changes of one volume into its store: each durable commit is one log object, created where none is, and those who wait while one is on its
 * way share the next. Changes that a log object cannot hold are sealed, and the head is published. Log objects name only what the stored head names, so that
 * collectors need not read them.
 */
export class LogWriter {
  readonly #store: RemoteStore
  readonly #volumeId: string
  readonly #epoch: number
  readonly #lease: LogLease
  #volume: LoggedVolume | undefined
  #state: LogState
  #isOn = false
  /** Committed batches that are in no log object, up to the last change. */
  #frames: Array<{ sequence: number; bytes: Buffer }> = []
  #frameBytes = 0
  /** Up to here only a head brings what is not stored. */
  #headTo = 0
  #attempt: Attempt | undefined
  #isBusy = false
  #isStepping = false
  #sealing: object | undefined
  #isDeleting = false
  #waiting: Array<{ sequence: number; done: Stored }> = []
  /** This thread waits: nothing else runs meanwhile. */
  #isBlocking = false
  #hasEnded = false
  /** Keys of log objects that the stored head contains. */
  #garbage: string[] = []

  constructor(parts: { store: RemoteStore; volume: string; epoch: number; lease: LogLease; state: LogState; cleansUp: boolean }) {
    this.#store = parts.store
    this.#volumeId = parts.volume
    this.#epoch = parts.epoch
    this.#lease = parts.lease
    this.#state = parts.state
    if (parts.cleansUp) this.#findGarbage()
  }

  attach(volume: LoggedVolume): void {
    this.#volume = volume
  }

  /** Commits can be waited for. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** Sequence up to which all is in the store. */
  get stored(): number {
    return this.#state.stored
  }

  /** From now on every change is kept until it is in the store. */
  turnOn(): void {
    if (this.#isOn) return
    const volume = this.#opened()
    this.#isOn = true
    if (volume.sequence > this.#state.stored) this.#headTo = volume.sequence
    if (!this.#state.isOpen && this.#state.isKnown) volume.open(this.#state.next)
  }

  #opened(): LoggedVolume {
    if (this.#volume === undefined) throw new Error('invariant broken: a log belongs to an open volume')
    return this.#volume
  }

  /** A batch was committed. @param parts its bytes in pieces, which are copied */
  committed(sequence: number, parts: readonly Uint8Array[]): void {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    if (this.#frameBytes + bytes > limits.logObjectBytes) {
      this.#tie(sequence)
      return
    }
    const frame = Buffer.concat(parts)
    if (this.#isTied(frame)) {
      this.#tie(sequence)
      return
    }
    this.#frames.push({ sequence, bytes: frame })
    this.#frameBytes += bytes
  }

  /** It names what no stored head names. */
  #isTied(batch: Buffer): boolean {
    const volume = this.#opened()
    const { packs, roots } = namedIn(batch)
    return packs.some(pack => volume.isHere(pack)) || roots.some(root => root !== volume.root || volume.isHere(packOf(root)))
  }

  /** Changes up to this one reach the store by a head only. */
  #tie(sequence: number): void {
    this.#headTo = sequence
    this.#frames = []
    this.#frameBytes = 0
  }

  /** The last change names what a log object must not name. */
  tieLast(): void {
    if (this.#isOn) this.#tie(this.#opened().sequence)
  }

  /** When all up to a sequence is in the store, or why that failed: it is tried again when somebody else waits. */
  whenStored(sequence: number, done: Stored): void {
    if (sequence <= this.#state.stored) done(undefined)
    else {
      this.#waiting.push({ sequence, done })
      this.#step()
    }
  }

  /** As `whenStored`; this thread waits. */
  waitStored(sequence: number): Error | undefined {
    let outcome: { error: Error | undefined } | undefined
    const done: Stored = error => {
      outcome = { error }
    }
    this.#isBlocking = true
    // It goes on in slices, which nobody would do meanwhile.
    if (this.#sealing !== undefined) this.#isBusy = false
    this.#sealing = undefined
    try {
      this.whenStored(sequence, done)
      this.#store.waitUntil(() => outcome !== undefined)
      return outcome?.error
    } catch (error) {
      this.#waiting = this.#waiting.filter(waiting => waiting.done !== done)
      return error as Error
    } finally {
      this.#isBlocking = false
    }
  }

  /** What a head with this watermark says of the log. */
  member(watermark: number): Pick<Head, 'log'> {
    const { entries, next, isKnown } = this.#state
    // As it was: what is there is not known.
    if (!isKnown) return {}
    const first = entries.find(({ last, isFence }) => !isFence && last > watermark)?.number ?? next
    if (this.#isOn || first < next) return { log: { next: first, open: true } }
    return next === 1 ? {} : { log: { next } }
  }

  /** The head was stored. */
  published({ watermark, log }: Pick<Head, 'watermark' | 'log'>): void {
    const state = this.#state
    if (watermark > state.stored) state.stored = watermark
    state.isOpen = log?.open === true
    this.#forget(state.stored)
    const folded = state.entries.filter(({ number }) => log !== undefined && number < log.next)
    state.entries = state.entries.slice(folded.length)
    this.#garbage.push(...folded.flatMap(entry => (entry.isFence ? [] : [logKey(this.#volumeId, entry.number)])))
    this.#step()
  }

  /** The head could not be stored. */
  publishFailed(): void {
    this.#step()
  }

  #forget(upTo: number): void {
    const left = this.#frames.filter(({ sequence }) => sequence > upTo)
    if (left.length === this.#frames.length) return
    this.#frames = left
    this.#frameBytes = left.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Answers those who wait, and begins what the others need. */
  #step(): void {
    // What is begun may end at once.
    if (this.#isStepping || this.#hasEnded) return
    this.#isStepping = true
    try {
      for (;;) {
        this.#answer()
        if (this.#waiting.length === 0 || this.#isBusy || !this.#begin()) return
      }
    } finally {
      this.#isStepping = false
    }
  }

  #answer(): void {
    const { stored } = this.#state
    const { lost } = this.#lease
    const answered = this.#waiting.filter(({ sequence }) => sequence <= stored || lost !== undefined)
    this.#waiting = this.#waiting.filter(waiting => !answered.includes(waiting))
    for (const { sequence, done } of answered) done(sequence <= stored ? undefined : lost)
  }

  #fail(error: Error): void {
    const failed = this.#waiting
    this.#waiting = []
    for (const { done } of failed) done(error)
  }

  /** False when something must end first. */
  #begin(): boolean {
    const { isOpen, isKnown, entries, stored } = this.#state
    const volume = this.#opened()
    const isLoggable = isOpen && isKnown && entries.length < limits.logFoldAtOnce
    if (isLoggable && this.#headTo <= stored) return this.#put()
    const needed = isLoggable ? this.#headTo : Math.max(...this.#waiting.map(({ sequence }) => sequence))
    if (volume.watermark < needed) return this.#seal()
    // What is on its way may be an older head.
    return this.#lease.isPublishing ? false : this.#publish()
  }

  #put(): boolean {
    this.#attempt ??= this.#compose()
    const { key, bytes } = this.#attempt
    this.#isBusy = true
    crashPoint('log.before-put')
    this.#store.later('put', [key, bytes, { ifAbsent: true }], error => {
      crashPoint('log.after-put')
      if (error === undefined) this.#written()
      else if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') this.#look()
      else this.#ended(error)
    })
    return true
  }

  /** A log object of all that was committed and is not stored. */
  #compose(): Attempt {
    const { next, previous } = this.#state
    const { sequence: last } = this.#frames[this.#frames.length - 1]
    const batches = this.#frames.map(({ bytes }) => bytes)
    const bytes = encodeLogObject({ volume: this.#volumeId, number: next, epoch: this.#epoch, previous, last, batches })
    return { key: logKey(this.#volumeId, next), bytes, last }
  }

  #written(): void {
    const state = this.#state
    const attempt = this.#attempt
    if (attempt === undefined) throw new Error('invariant broken: what was written was on its way')
    state.entries.push({ number: state.next, last: attempt.last, isFence: false })
    state.next++
    state.previous = logCrc(attempt.bytes)
    state.stored = Math.max(state.stored, attempt.last)
    this.#attempt = undefined
    this.#forget(attempt.last)
    this.#ended(undefined)
  }

  /** The number is taken: by an earlier attempt whose answer was lost, or by another writer. */
  #look(): void {
    const attempt = this.#attempt
    if (attempt === undefined) throw new Error('invariant broken: what was refused was on its way')
    this.#store.later('get', [attempt.key], (error, found) => {
      if (error !== undefined) this.#ended(error)
      else if (found !== undefined && Buffer.compare(found.bytes, attempt.bytes) === 0) this.#written()
      else this.#refused(found?.bytes)
    })
  }

  #refused(found: Uint8Array | undefined): void {
    const lost = this.#lease.refused() ?? this.#foreign(found)
    if (lost === undefined) {
      // What a writer left there that never came to write.
      this.#attempt = undefined
      this.#state.entries.push({ number: this.#state.next++, last: this.#state.stored, isFence: true })
      this.#state.previous = 0
    }
    this.#ended(lost)
  }

  /** Another writer's commits stand there, though the head is this one's: what it has found when it opened is not all that was acknowledged. */
  #foreign(found: Uint8Array | undefined): CairnError | undefined {
    const isFence = found !== undefined && decodeLogObject(found, this.#attempt?.key ?? '').batches === undefined
    if (isFence) return undefined
    const what = `Another writer has committed to the volume ${this.#volumeId} meanwhile.`
    this.#lease.lost = new CairnError('ERR_LEASE_LOST', what, 'Close it and open it again.', { retry: 'reopen' })
    return this.#lease.lost
  }

  #seal(): boolean {
    const seal = {}
    this.#isBusy = true
    this.#sealing = seal
    this.#opened().seal(this.#isBlocking, error => {
      if (this.#sealing !== seal) return
      this.#sealing = undefined
      this.#ended(error)
    })
    return true
  }

  #publish(): boolean {
    this.#isBusy = true
    this.#lease.publish(error => this.#ended(error))
    return true
  }

  #ended(error: Error | undefined): void {
    this.#isBusy = false
    if (error !== undefined) this.#fail(error)
    this.#step()
  }

  /** Background work: folds a log that has grown, and deletes what is folded. */
  pump(): void {
    const { entries, stored } = this.#state
    if (this.#hasEnded || this.#lease.lost !== undefined) return
    const volume = this.#opened()
    if (!this.#isBusy && entries.length >= limits.logFoldObjects && volume.watermark < stored) volume.seal(false, () => {})
    if (this.#garbage.length >= limits.logDeleteKeys && !this.#isDeleting) this.#delete()
  }

  #delete(): void {
    crashPoint('log.before-delete')
    const keys = this.#garbage.splice(0)
    this.#isDeleting = true
    this.#store.later('delete', [keys], error => {
      this.#isDeleting = false
      if (error !== undefined) this.#garbage.push(...keys)
    })
  }

  /** Log objects that an earlier writer did not come to delete. */
  #findGarbage(): void {
    const { entries, next } = this.#state
    const from = entries[0]?.number ?? next
    this.#store.later('list', [logPrefix(this.#volumeId)], (_, page) => {
      for (const { key, sizeBytes } of page?.objects ?? []) if (sizeBytes > LOG_HEADER_BYTES && logNumber(key) < from) this.#garbage.push(key)
    })
  }

  /**
   * Ends the log of a volume that is sealed: nothing more is made of it.
   * @param isWhole the head contains all that was committed
   * @returns what the last head says of it
   */
  end(isWhole: boolean): Pick<Head, 'log'> {
    this.#settle()
    const { next, isKnown, entries } = this.#state
    // Damage, or a store out of reach, may keep the volume from being opened at all.
    if (!isKnown || this.#attempt !== undefined || !isWhole || this.#volume === undefined) return {}
    const { watermark } = this.#volume
    if (entries.some(({ last, isFence }) => !isFence && last > watermark)) return {}
    return this.#isOn || entries.length > 0 || next > 1 ? { log: { next } } : {}
  }

  /** Waits for a log object that is on its way. */
  #settle(): void {
    try {
      if (this.#isBusy) this.#store.waitUntil(() => !this.#isBusy)
      if (this.#attempt === undefined) return
      this.#put()
      this.#store.waitUntil(() => !this.#isBusy)
    } catch {
      // Not known: the head says that there may be more.
    }
  }

  /** The head could not be stored, and is let go of: nobody is waited for, nor anything begun. */
  giveUp(error: Error): void {
    this.#hasEnded = true
    this.#fail(error)
  }

  /** After the last head was stored. */
  close(): void {
    this.#hasEnded = true
    if (this.#garbage.length === 0) return
    try {
      crashPoint('log.before-delete')
      this.#store.deleteSync(this.#garbage.splice(0))
    } catch {
      // The next writer that has reason to look finds it.
    }
  }
}

function packOf(root: string): Buffer {
  return Buffer.from(root.slice(64, 96), 'hex')
}

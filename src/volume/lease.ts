import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { decodeHead, encodeHead, type Head } from '../codec/head.js'
import { CairnError } from '../errors.js'
import { lastInJournal } from '../journal/peek.js'
import { writePin } from '../store/pins.js'
import type { RemoteStore } from '../store/remote/remote-store.js'
import { isAway } from '../store/remote-errors.js'
import { decodeSmall, encodeSmall } from '../store/small-object.js'
import { makeFolder } from '../store/sync-folder.js'
import { writeFileDurably } from '../store/write-durably.js'
import { type Clock, crashPoint, limits, type Random } from '../sys/index.js'
import { nextStride, strideOf } from './epochs.js'
import { HeadFile } from './head.js'
import { ARENA_INODES } from './live-session.js'
import { LogWriter } from './log/log-writer.js'
import { endedLog, journalLog, type LogState, logFencedAt, takeOverLog } from './log/take-over.js'
import { prefetchRoots } from './nearing.js'
import type { WriterLease } from './writer-lease.js'

export interface TakeOptions {
  /** Take it from a writer whose lease has run out by this host's clock; else some minutes more are waited for, because clocks differ. */
  steal?: boolean
  /** Take it from whoever has it. What that one has not published stays on its host. */
  force?: boolean
  /** `remote`: who waits for a commit to be durable waits until it is in the store. Default `local`: on the disk of this host. */
  durability?: DurabilityLevel
}

/** Where a commit is when it counts as durable. */
export type DurabilityLevel = 'local' | 'remote'

/** What this host remembers of a volume that it writes: `lease` in the volume's folder. */
interface LeaseRecord {
  /** The first of the epochs that are this host's. */
  epoch: number
  /** Nonce of the head that is stored, as far as this host knows; and of the one that it is about to store. */
  stored: string
  next?: string
  /** Of the start of this machine in which it was written. */
  boot?: string
}

const FORMAT = 1
const OBJECT = 'the lease of a volume'
/** Of no object. */
const UNKNOWN_VERSION = 'unknown'

/**
 * The right to write a volume of a store that several hosts reach. Taking it raises the epoch in the stored head, so that whoever had it can publish nothing more;
 * from then on the head is this host's, changed here and stored by `publish`, until `release`. What makes it safe is the compare-and-swap of the head; the time
 * that a lease runs is politeness.
 */
export class Lease implements WriterLease {
  readonly #store: RemoteStore
  readonly #id: string
  readonly #key: string
  /** This host's folder of the volume. */
  readonly #dir: string
  readonly #clock: Clock
  readonly #random: Random
  readonly #newArena: () => number
  readonly #bootId: string
  #renewAtMs = 0
  #publishAtMs = 0
  #failures = 0
  /** How often the store had come back when that was last asked. */
  #recoveries = 0
  /** Nonces of the heads that were tried to publish since the last one that succeeded: each of them may be stored. */
  readonly #tried = new Set<string>()
  #waiting: Array<{ untilMs: number; done: (error: Error | undefined) => void }> = []
  lastPublishMs: number | undefined
  /** First of the epochs of this writer, and what it found in the log; of the last `take`. */
  #epoch = 0
  #logState: LogState = endedLog(1, 0, false)
  #cleansUp = false
  #log: LogWriter | undefined
  tookFrom: string | undefined
  /** Why nothing is published any more: another host has taken the volume. */
  lost: CairnError | undefined
  lostTo: Head['lease']
  /** Why the last publication failed. */
  failed: Error | undefined

  /** @param parts newArena: an arena of inode numbers that nobody has */
  constructor(parts: { store: RemoteStore; id: string; dir: string; clock: Clock; random: Random; newArena: () => number; bootId: string }) {
    this.#store = parts.store
    this.#id = parts.id
    this.#key = HeadFile.key(parts.id)
    this.#dir = parts.dir
    this.#clock = parts.clock
    this.#random = parts.random
    this.#newArena = parts.newArena
    this.#bootId = parts.bootId
  }

  /** This host has been the writer, and has not let go: there may be work that nobody else has. @param dir its folder of the volume */
  static isKept(dir: string): boolean {
    return existsSync(join(dir, 'lease'))
  }

  /**
   * Takes the volume, or goes on with it after a crash. Where the store cannot be reached a volume that this host has not let go of is worked on all the same.
   * @throws CairnError ERR_LEASE_HELD, ERR_STORE_UNREACHABLE, ERR_VOLUME_UNKNOWN
   */
  take(options: TakeOptions = {}): void {
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) if (this.#tryTake(options)) return
    throw new CairnError('ERR_CONFLICT', `Others took the volume ${limits.casAttempts} times in a row.`, 'Try again.', { retry: 'same-call' })
  }

  #tryTake(options: TakeOptions): boolean {
    const record = this.#record()
    const found = this.#stored(record)
    if (found === undefined) return this.#resume()
    const stored = decodeHead(found.bytes, this.#key)
    prefetchRoots(this.#store, stored)
    const isOurs = record !== undefined && isOf(record, stored)
    if (!isOurs) {
      if (record !== undefined) this.#setAside(record, stored)
      checkFree(stored, this.#clock.now(), options)
    }
    const left = isOurs ? this.#store.leftSync(this.#key) : undefined
    const claim = this.#claim(stored, isOurs, options)
    // Whoever is pushed out goes on in the numbers that it has.
    const numbers = isOurs || stored.lease === undefined ? {} : this.#freshNumbers()
    const claimed: Head = { ...stored, ...claim, ...numbers, sequence: stored.sequence + 1 }
    if (!isOurs && stored.lease !== undefined) this.#pin(stored)
    this.#write({ epoch: record?.epoch ?? 0, stored: stored.nonce, next: claim.nonce })
    crashPoint('lease.before-claim')
    const version = this.#put(claimed, found.version)
    if (version === undefined) return false
    crashPoint('lease.after-claim')
    const before = left === undefined ? undefined : decodeHead(left.bytes, this.#key)
    const isNewer = before !== undefined && before.nonce !== record?.stored && before.nonce !== record?.next
    const confirmed = this.#takeLog(claimed, version, stored, isNewer ? before.watermark : stored.watermark, isOurs)
    if (confirmed === undefined) return false
    const { epoch, fenced, mark, lease, log, nonce } = confirmed.head
    const ours = { epoch, fenced, mark, lease, log, nonce: this.#nonce(), sequence: Math.max(before?.sequence ?? 0, confirmed.head.sequence) + 1 }
    this.#store.hold(this.#key, confirmed.version, encodeHead(isNewer ? { ...before, ...ours } : confirmed.head))
    crashPoint('lease.before-record')
    this.#write({ epoch, stored: nonce })
    this.#renewAtMs = this.#clock.monotonic() + limits.leaseMs / 3
    this.tookFrom = isOurs ? undefined : stored.lease?.holder
    return true
  }

  /**
   * Sees to what writers before this one logged: the last of them ended its log, or it is taken over, and the head confirmed.
   * @param watermark of the head that the volume will be opened with
   * @returns the head that is stored then; undefined when another host was faster
   */
  #takeLog(claimed: Head, version: string, stored: Head, watermark: number, isOurs: boolean): { head: Head; version: string } | undefined {
    this.#epoch = claimed.epoch
    this.#cleansUp = stored.log?.open === true
    if (stored.log?.open !== true) {
      this.#logState = endedLog(stored.log?.next ?? 1, stored.watermark, claimed.log?.open === true)
      return { head: claimed, version }
    }
    const taken = takeOverLog(this.#store, this.#id, claimed.epoch, stored.log.next, stored.watermark)
    if (taken === undefined) return undefined
    this.#logState = taken.state
    const head: Head = { ...claimed, ...(isOurs ? {} : { fenced: claimed.epoch }), nonce: this.#nonce(), sequence: claimed.sequence + 1 }
    // The stride is this host's by now.
    this.#write({ epoch: claimed.epoch, stored: claimed.nonce, next: head.nonce })
    const confirmed = this.#put(head, version)
    if (confirmed === undefined) return undefined
    crashPoint('lease.confirmed')
    journalLog(this.#dir, taken.objects, { volume: this.#id, watermark, random: this.#random, bootId: this.#bootId, cipher: this.#store.coding.cipher })
    return { head, version: confirmed }
  }

  /** The log of the volume that is opened with this lease. */
  newLog(): LogWriter {
    this.#log = new LogWriter({ store: this.#store, volume: this.#id, epoch: this.#epoch, lease: this, state: this.#logState, cleansUp: this.#cleansUp })
    return this.#log
  }

  /** Sets aside what this host had not published, if another one has taken the volume over since. */
  look(): void {
    const record = this.#record()
    const found = record === undefined ? undefined : this.#stored(record)
    const stored = found === undefined ? undefined : decodeHead(found.bytes, this.#key)
    if (record !== undefined && stored !== undefined && !isOf(record, stored)) this.#setAside(record, stored)
  }

  /** The head where the store is; undefined where that cannot be told and this host has it. */
  #stored(record: LeaseRecord | undefined): { bytes: Uint8Array; version: string } | undefined {
    try {
      const found = this.#store.storedSync(this.#key)
      if (found !== undefined) return found
      throw new CairnError('ERR_VOLUME_UNKNOWN', `The volume ${this.#id} is gone from ${this.#store.description}.`, 'See `cairn volumes`.')
    } catch (error) {
      const left = this.#here()
      // After a power loss the log may have what this host has not any more.
      const mayLack = left?.log?.open === true && record?.boot !== this.#bootId
      if (isAway(error) && record !== undefined && left !== undefined && !mayLack) return undefined
      throw error
    }
  }

  /** Goes on without having asked: what was stored last is not known to have changed. The first publication finds out. */
  #resume(): true {
    this.#store.hold(this.#key, UNKNOWN_VERSION)
    this.#logState = { ...endedLog(1, 0, false), isKnown: false }
    return true
  }

  /** @param isOurs packs of earlier epochs may be this host's, and it may still come to name them: they are fenced with the next publication */
  #claim(stored: Head, isOurs: boolean, { durability }: TakeOptions): Pick<Head, 'epoch' | 'lease' | 'nonce'> & Partial<Pick<Head, 'fenced' | 'mark' | 'log'>> {
    const epoch = nextStride(stored.epoch)
    const log: Head['log'] = durability === 'remote' ? { next: stored.log?.next ?? 1, open: true } : stored.log
    // Earlier writers are fenced when the log has a fence, if they may log.
    const fence: Pick<Head, 'fenced' | 'mark'> = { ...(stored.log?.open === true ? {} : { fenced: epoch }), mark: [epoch, 1] }
    return { epoch, ...(isOurs ? {} : fence), lease: this.#term(), nonce: this.#nonce(), ...(log === undefined ? {} : { log }) }
  }

  /** What whoever is pushed out has not published is based on this state: it is kept for `recover` on that host. */
  #pin({ root, history, epoch }: Head): void {
    const roots = [root, history].filter(pointer => pointer !== '')
    if (roots.length === 0) return
    writePin(this.#store, `${this.#id}-${epoch}`, { atMs: Math.floor(this.#clock.now()), into: this.#id, roots, epoch })
  }

  #freshNumbers(): Pick<Head, 'nextIno' | 'arena'> {
    const first = this.#newArena() * ARENA_INODES
    return { nextIno: first, arena: [first, first + ARENA_INODES - 1] }
  }

  #term(sinceMs = Math.floor(this.#clock.now())): NonNullable<Head['lease']> {
    return { holder: holder(), sinceMs, untilMs: Math.floor(this.#clock.now()) + limits.leaseMs }
  }

  #nonce(): string {
    return this.#random.bytes(8).toString('hex')
  }

  /** Undefined when somebody else was faster. */
  #put(head: Head, ifMatch: string): string | undefined {
    try {
      return this.#store.putSync(this.#key, encodeHead(head), { ifMatch }).version
    } catch (error) {
      if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return undefined
      throw error
    }
  }

  #record(): LeaseRecord | undefined {
    const path = join(this.#dir, 'lease')
    if (!existsSync(path)) return undefined
    const { epoch, stored, next, boot } = decodeSmall(readFileSync(path), OBJECT, FORMAT)
    const known = { epoch: Number(epoch), stored: String(stored), ...(boot === undefined ? {} : { boot: String(boot) }) }
    return next === undefined ? known : { ...known, next: String(next) }
  }

  #write(record: LeaseRecord): void {
    makeFolder(this.#dir)
    writeFileDurably(join(this.#dir, 'lease'), encodeSmall(FORMAT, { ...record, boot: this.#bootId }))
  }

  /** What was acknowledged here and never published, now that another host has the volume: kept for `recover`. */
  #setAside(record: LeaseRecord, stored: Head): void {
    const left = this.#store.leftSync(this.#key)
    const head = this.#here()
    const isBegun = existsSync(join(this.#dir, 'aside', String(record.epoch)))
    const isHeadStored = head === undefined || head.nonce === record.stored || head.nonce === record.next
    const isPublished = head === undefined || (!isBegun && ((isHeadStored && !hasFrames(this.#dir, head.watermark)) || this.#isLogged(head, stored)))
    if (!isPublished && left !== undefined) {
      // The same folder when a crash came in between; the head is there last, and says that all is.
      const folder = join(this.#dir, 'aside', String(record.epoch))
      makeFolder(folder)
      this.#store.setAside(this.#key, join(folder, 'packs'))
      for (const part of ['journal', 'spool']) if (existsSync(join(this.#dir, part))) renameSync(join(this.#dir, part), join(folder, part))
      crashPoint('lease.before-aside')
      writeFileDurably(join(folder, 'head'), left.bytes)
      crashPoint('lease.set-aside')
    }
    this.#forget()
  }

  /** Who took the volume over found all of it in the log. @param head the last one of this host */
  #isLogged(head: Head, stored: Head): boolean {
    if (stored.log === undefined) return false
    const known = logFencedAt(this.#store, this.#id, nextStride(head.epoch))
    return known !== undefined && Math.max(head.watermark, lastFrame(this.#dir)) <= known
  }

  /** Nothing of what this host had as the writer counts any more. */
  #forget(): void {
    for (const part of ['journal', 'spool', 'holds']) rmSync(join(this.#dir, part), { recursive: true, force: true })
    rmSync(join(this.#dir, 'lease'), { force: true })
    this.#store.letGo(this.#key)
  }

  /** True when all that this host has sealed is stored. */
  get isPublished(): boolean {
    return !this.#store.isUnpublished(this.#key)
  }

  /**
   * Background work: what was sealed is published every `limits.publishMs`, the lease renewed in time.
   * @param head of the open volume
   * @returns in how many milliseconds it wants to be called again
   */
  pump(head: HeadFile): number {
    const waited = this.#settle()
    if (this.lost !== undefined || this.#store.isPublishing(this.#key)) return waited
    const now = this.#clock.monotonic()
    // The store is back: nothing waits any longer.
    if (this.#recoveries !== this.#store.recoveries) this.#publishAtMs = this.#failures = 0
    this.#recoveries = this.#store.recoveries
    if (now >= this.#renewAtMs) {
      this.#renewAtMs = now + limits.leaseMs / 3
      head.update({ lease: this.#term(head.value.lease?.sinceMs) })
    }
    if (this.isPublished) return Math.max(1, this.#renewAtMs - now)
    if (now < this.#publishAtMs) return Math.min(waited, this.#publishAtMs - now)
    this.publish(() => {})
    return waited
  }

  /** Publishes what is sealed. @param done with what went wrong */
  publish(done: (error: Error | undefined) => void): void {
    if (this.lost !== undefined) {
      done(this.lost)
      return
    }
    crashPoint('lease.before-publish')
    const head = this.#here()
    if (head !== undefined) this.#tried.add(head.nonce)
    this.#store.publish(this.#key, error => {
      const failed = this.#published(error, head)
      done(failed)
      if (failed !== undefined) this.#log?.publishFailed()
      this.#settle()
      // Who waits still waits for what was sealed while this was stored.
      if (failed === undefined && this.#waiting.length > 0 && !this.#store.isPublishing(this.#key)) this.publish(() => {})
    })
  }

  /**
   * Publishes all that is sealed, and tries again while the store cannot be reached, as `pump` is called.
   * @param done with why it is not published when that takes longer than `timeoutMs`, or when another attempt would be no use
   */
  publishWithin(timeoutMs: number, done: (error: Error | undefined) => void): void {
    this.#waiting.push({ untilMs: this.#clock.monotonic() + timeoutMs, done })
    this.#publishAtMs = 0
    // What was wrong the last time may have been put right.
    if (!isTransient(this.failed)) this.failed = undefined
    this.#settle()
    if (this.#waiting.length > 0 && !this.#store.isPublishing(this.#key)) this.publish(() => {})
  }

  /** Answers those who wait, where there is an answer. Returns in how many milliseconds the first of them has waited enough. */
  #settle(): number {
    const now = this.#clock.monotonic()
    const final = this.lost ?? (isTransient(this.failed) ? undefined : this.failed)
    const answered = this.#waiting.filter(({ untilMs }) => this.isPublished || final !== undefined || untilMs <= now)
    this.#waiting = this.#waiting.filter(waiting => !answered.includes(waiting))
    for (const { done } of answered)
      done(this.isPublished ? undefined : (final ?? this.failed ?? this.#store.unreachable ?? notInTime(this.#store.description)))
    return Math.min(...this.#waiting.map(({ untilMs }) => Math.max(1, untilMs - now)), Number.POSITIVE_INFINITY)
  }

  #here(): Head | undefined {
    const found = this.#store.leftSync(this.#key)
    return found === undefined ? undefined : decodeHead(found.bytes, this.#key)
  }

  /** As `publish`; this thread waits for it. @throws what went wrong */
  publishSync(): void {
    while (!this.isPublished) {
      if (this.lost !== undefined) throw this.lost
      this.#store.checkReach()
      let failed: Error | undefined
      const done = (error: Error | undefined): void => {
        failed = error
      }
      if (!this.#store.isPublishing(this.#key)) this.publish(done)
      this.#store.waitUntil(() => !this.#store.isPublishing(this.#key))
      if (failed !== undefined) throw failed
    }
  }

  /** @param head that it was about; there may be a newer one here by now */
  #published(error: Error | undefined, head: Head | undefined): Error | undefined {
    const now = this.#clock.monotonic()
    if (error === undefined) {
      this.#failures = 0
      this.failed = undefined
      this.lastPublishMs = this.#clock.now()
      this.#publishAtMs = now + limits.publishMs
      this.#tried.clear()
      crashPoint('lease.published')
      this.#remember(head)
      if (head !== undefined) this.#log?.published(head)
      return undefined
    }
    this.#publishAtMs = now + Math.min(limits.publishRetryMaxMs, limits.publishRetryMs * 2 ** this.#failures++)
    const isRefused = error instanceof CairnError && error.code === 'ERR_PRECONDITION'
    this.failed = isRefused ? this.#looked() : error
    return this.failed
  }

  /** The head is being stored. */
  get isPublishing(): boolean {
    return this.#store.isPublishing(this.#key)
  }

  /** See `LogLease`. */
  refused(): Error | undefined {
    return this.#looked()
  }

  /** Somebody has changed the head: unless it was this host, and the answer was lost, it is another's now. */
  #looked(): Error | undefined {
    try {
      const found = this.#store.storedSync(this.#key)
      const stored = found === undefined ? undefined : decodeHead(found.bytes, this.#key)
      const record = this.#record()
      if (found !== undefined && stored !== undefined && [...this.#tried, record?.stored, record?.next].includes(stored.nonce)) {
        // As after going on without having asked.
        this.#store.hold(this.#key, found.version)
        this.#publishAtMs = 0
        return undefined
      }
      this.lost = leaseLost(stored)
      this.lostTo = stored?.lease
      return this.lost
    } catch (error) {
      return error as Error
    }
  }

  /** Not synced: what is forgotten makes the next opening keep more than it need. */
  #remember(head: Head | undefined): void {
    const record = this.#record()
    if (record !== undefined && head !== undefined) this.#write({ epoch: record.epoch, stored: head.nonce })
  }

  /**
   * Lets go of the volume, which is sealed and closed: other hosts may take it. What cannot be published now stays, and this host keeps it.
   * @throws why it could not be published
   */
  release(head: HeadFile): void {
    if (this.lost === undefined) {
      const { watermark } = head.value
      head.update({ lease: undefined, ...this.#log?.end(!hasFrames(this.#dir, watermark)) })
      try {
        this.publishSync()
        this.#log?.close()
        this.#forgetAll()
        return
      } catch (error) {
        this.#refuse(error as Error)
        this.#store.letGo(this.#key, true)
        throw error
      }
    }
    if (this.lost !== undefined) this.#refuse(this.lost)
    this.#store.letGo(this.#key, true)
  }

  /** Whoever waits for a publication is told before the head is let go of: then nothing is left that could say that it is not stored. */
  #refuse(error: Error): void {
    this.#log?.giveUp(error)
    for (const { done } of this.#waiting.splice(0)) done(error)
  }

  #forgetAll(): void {
    const found = this.#store.leftSync(this.#key)
    // Frames behind the head are left where a seal failed.
    if (found !== undefined && hasFrames(this.#dir, decodeHead(found.bytes, this.#key).watermark)) this.#store.letGo(this.#key, true)
    else this.#forget()
  }
}

/** What is stored is what this host stored, or was about to store. */
function isOf(record: LeaseRecord, stored: Head): boolean {
  return stored.nonce === record.next || strideOf(stored.epoch) === strideOf(record.epoch)
}

/** How a process of this host signs. */
export function holder(pid: number = process.pid): string {
  return `${hostname()} (process ${pid})`
}

function hasFrames(dir: string, watermark: number): boolean {
  return lastFrame(dir) > watermark
}

/** Sequence of the last change in a volume's journal; 0 without one. */
function lastFrame(dir: string): number {
  return lastInJournal(join(dir, 'journal'))
}

/** Another attempt may succeed. */
function isTransient(error: Error | undefined): boolean {
  return error instanceof CairnError && (error.retry === 'same-call' || error.code === 'ERR_STORE_UNCERTAIN')
}

function notInTime(store: string): CairnError {
  return new CairnError(
    'ERR_FLUSH_TIMEOUT',
    `${store} has not taken all of it in this time: it is slow, or does not answer.`,
    'It goes on in the background: see `cairn status`, and flush again.',
    {
      retry: 'same-call',
    },
  )
}

/** @throws CairnError ERR_LEASE_HELD */
export function checkFree({ name, lease }: Head, now: number, { steal, force }: TakeOptions): void {
  if (lease === undefined || force === true) return
  const left = lease.untilMs - now
  if (left < (steal === true ? 0 : -limits.clockSkewMs)) return
  const since = new Date(lease.sinceMs).toISOString()
  throw new CairnError(
    'ERR_LEASE_HELD',
    `The volume ${name} is written by ${lease.holder} since ${since}.`,
    left < 0
      ? `Its lease has run out: take the volume with \`cairn lease steal ${name}\`.`
      : `Unmount it there, wait for it, open it read-only, or take it with \`cairn lease steal ${name} --force\`; what was not published there stays on that host.`,
    { retry: 'same-call' },
  )
}

export function leaseLost(stored: Head | undefined, advice?: string): CairnError {
  if (stored === undefined) return new CairnError('ERR_LEASE_LOST', 'The volume was deleted by another host.', 'See `cairn recover`.')
  const by = stored.lease === undefined ? 'another host' : stored.lease.holder
  return new CairnError(
    'ERR_LEASE_LOST',
    `The volume ${stored.name} was taken over by ${by}.`,
    advice ?? `What was not published is kept here: unmount it, and \`cairn recover ${stored.name}\` makes a fork of it.`,
    { retry: 'reopen' },
  )
}

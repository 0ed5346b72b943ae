import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CairnError, CorruptError } from '../../errors.js'
import type { LocalStore } from '../../store/contract.js'
import { type GcRecord, RELOCATIONS_PREFIX, readGcRecord, readRelocations, swapGcRecord } from '../../store/gc-record.js'
import { Packs } from '../../store/packs.js'
import type { Pin } from '../../store/pins.js'
import { encodeSmall } from '../../store/small-object.js'
import { type Clock, crashPoint, type Random } from '../../sys/index.js'
import { FileLock } from '../../volume/lock.js'
import { allKeys } from '../../volume/names.js'
import { Copier } from './copier.js'
import { Leftovers } from './leftovers.js'
import { Marker } from './mark.js'
import { isOfLineage, type ListedPack, listPacks, type Plan, planOf } from './plan.js'
import { nameOf, placeOf } from './relocation-list.js'
import type { GcProgress, GcReport } from './report.js'
import { RootReader } from './roots.js'
import { writeShared } from './shared-segments.js'

export const GC_REPORT_KEY = 'gc/report'
export const GC_REPORT_FORMAT = 1
const CHECKPOINTS_REPORTED = 50
/** A claim that others keep winning. */
const CLAIMS = 10

export interface GcOptions {
  store: LocalStore
  storeName: string
  /** The CAIRN_HOME whose journals belong to the volumes of the store. */
  home: string
  clock: Clock
  random: Random
  /** Change nothing; say what would be. */
  dryRun?: boolean
  /** Rewrite every pack that holds anything dead, for content that must not be there any more: all, or those that may hold what the volume of this id held. */
  thorough?: boolean | string
}

/**
 * Collects a store beside its writers, readers and forkers: marks what is needed, deletes packs of which nothing is, copies what lives
 * of packs that are mostly dead, or small, into new ones. Each step leaves the store whole, so that it can be stopped at any point; what
 * was copied in vain is garbage of the next collection. Yields every few milliseconds.
 * @throws CairnError ERR_GC_RUNNING when another process of this home collects; ERR_GC_DAMAGED when what a volume needs cannot be read, and
 * then nothing has been deleted; what the disk says
 */
export function* collect(options: GcOptions): Generator<GcProgress, GcReport> {
  const lock = FileLock.tryAcquire(join(options.home, 'gc.lock'))
  if (!(lock instanceof FileLock))
    throw new CairnError('ERR_GC_RUNNING', `Process ${lock === 0 ? 'unknown' : lock} collects already.`, 'Wait until it is done.', { retry: 'same-call' })
  const collection = new Collection(options)
  try {
    return yield* collection.run()
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    // Its writer went on, and a later collection took away what it had before.
    if (error.isGone && collection.isOvertaken) throw overtaken()
    throw new CairnError(
      'ERR_GC_DAMAGED',
      `What a volume needs cannot be read, so nothing more is deleted: ${error.message}.`,
      'Run `cairn fsck` on the volumes; restore the damaged one from a copy, or delete it with --now.',
      { cause: error },
    )
  } finally {
    collection.close()
    lock.release()
  }
}

class Collection {
  readonly #options: GcOptions
  readonly #store: LocalStore
  readonly #reader: RootReader
  readonly #leftovers: Leftovers
  readonly #packs: Packs
  readonly #dir: string
  readonly #startMs: number
  #record: GcRecord
  #freedBytes = 0
  #deleted = 0

  constructor(options: GcOptions) {
    this.#options = options
    this.#store = options.store
    this.#startMs = options.clock.now()
    this.#reader = new RootReader(options.store, options.home, options.random)
    this.#leftovers = new Leftovers(options.store, options.home, options.clock, this.#reader)
    this.#packs = new Packs(options.store, { blockCacheBytes: 0 })
    this.#dir = join(options.home, 'gc')
    this.#record = { epoch: 0, relocations: '', version: undefined }
  }

  close(): void {
    this.#packs.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** Another collection has begun since. */
  get isOvertaken(): boolean {
    return readGcRecord(this.#store).epoch !== this.#record.epoch
  }

  *run(): Generator<GcProgress, GcReport> {
    const { dryRun = false } = this.#options
    if (!dryRun) this.#claim()
    else this.#record = readGcRecord(this.#store)
    crashPoint('gc.claimed')
    const pins = this.#reader.pins()
    // Content that is where it belongs by now is met there; what came of it since may be gone at once, after a purge.
    const over = new Set(this.#leftovers.donePins(pins))
    // Before the heads that they are done by: without them another collection would take them for needed, and miss what this one deletes.
    if (!dryRun) this.#store.deleteSync([...over])
    const erased = dryRun ? this.#expired() : this.#leftovers.end()
    const listing = listPacks(this.#store)
    if (!dryRun) this.#leftovers.fence(listing)
    const marker = new Marker(this.#packs, this.#store.isStillOurs !== undefined)
    yield* this.#readRoots(marker, pins, over)
    // A later one removes pins that this one may have missed, and so what they named.
    if (!dryRun && readGcRecord(this.#store).epoch !== this.#record.epoch) throw overtaken()
    for (const _ of marker.run()) yield { step: 'marking', done: marker.marks.segments }
    crashPoint('gc.marked')
    const plan = planOf(listing, marker.marks, marker.heads, readRelocations(this.#store, this.#record.relocations), id => this.#isThorough(id, marker))
    const outcome = dryRun ? { superseded: false, written: 0, writtenBytes: this.#estimate(plan) } : yield* this.#change(plan)
    if (!dryRun) this.#removePins(pins, over)
    const report = this.#report(plan, listing, marker, { ...outcome, erased })
    if (!dryRun) writeShared(this.#store, report.atMs, marker.marks)
    if (!dryRun) this.#store.putSync(GC_REPORT_KEY, encodeSmall(GC_REPORT_FORMAT, report), { relaxed: true })
    return report
  }

  /** From here on a collection that stalled can change nothing but delete what was garbage when it looked. */
  #claim(): void {
    for (let attempt = 0; attempt < CLAIMS; attempt++) {
      const found = readGcRecord(this.#store)
      const claimed = swapGcRecord(this.#store, found, { epoch: found.epoch + 1, relocations: found.relocations })
      if (claimed === undefined) continue
      this.#record = claimed
      rmSync(this.#dir, { recursive: true, force: true })
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
      return
    }
    throw new CairnError('ERR_GC_RUNNING', 'Other collections of this store begin again and again.', 'Let one of them end.', { retry: 'same-call' })
  }

  #isThorough(packId: Buffer, { heads }: Marker): boolean {
    const { thorough = false } = this.#options
    return typeof thorough === 'string' ? isOfLineage(packId, thorough, heads) : thorough
  }

  #expired(): string[] {
    return this.#reader.volumes().flatMap(id => {
      const head = this.#reader.head(id)?.value
      return head !== undefined && this.#leftovers.isExpired(head) && head.name !== '' ? [head.name] : []
    })
  }

  /**
   * Heads with their journals, then pins, then heads that came meanwhile: content that moves from one volume to another is met at the one or
   * the other, or in the pin of the move, which stays until a later collection.
   */
  *#readRoots(marker: Marker, before: ReadonlyMap<string, Pin>, over: ReadonlySet<string>): Generator<GcProgress, void> {
    const needed = (pins: ReadonlyMap<string, Pin>): Pin[] => [...pins].flatMap(([key, pin]) => (over.has(key) ? [] : [pin]))
    const read = new Set<string>()
    for (const isAgain of [false, true]) {
      for (const id of this.#reader.volumes()) {
        if (read.has(id) || this.#isGoing(id)) continue
        read.add(id)
        marker.addVolume(this.#reader, id)
        yield { step: 'reading', done: read.size }
      }
      if (!isAgain) {
        marker.addPins(needed(before))
        marker.addPins(needed(this.#reader.pins()))
      }
    }
  }

  /** A dry run leaves out what a real one would erase first. */
  #isGoing(id: string): boolean {
    if (this.#options.dryRun !== true) return false
    const head = this.#reader.head(id)?.value
    return head === undefined || this.#leftovers.isExpired(head)
  }

  *#change(plan: Plan): Generator<GcProgress, { superseded: boolean; written: number; writtenBytes: number }> {
    yield* this.#delete(plan.garbage, 'gc.swept-one')
    const copier = new Copier(this.#store, this.#dir, this.#record.epoch)
    yield* this.#copy(plan, copier)
    const superseded = !this.#publish(plan, copier)
    if (superseded) {
      // The refusal may be the answer to an attempt after one that was applied: then the index of whoever came next names the copies.
      if (this.#store.isStillOurs === undefined) copier.discard()
      else copier.leave()
      plan.kept.push(...plan.rewritten.splice(0))
      return { superseded, written: 0, writtenBytes: 0 }
    }
    yield* this.#delete([...plan.dropped, ...plan.rewritten], 'gc.dropped-one')
    this.#removeOldIndexes()
    return { superseded, written: copier.written.length, writtenBytes: copier.written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
  }

  *#delete(packs: readonly ListedPack[], point: 'gc.swept-one' | 'gc.dropped-one'): Generator<GcProgress, void> {
    for (const [i, pack] of packs.entries()) {
      this.#store.deleteSync([pack.key])
      this.#freedBytes += pack.sizeBytes
      this.#deleted++
      crashPoint(point)
      yield { step: 'deleting', done: i + 1, total: packs.length }
    }
  }

  /** A pack that cannot be copied whole is kept; after the first failure of the disk, a full one mostly, nothing more is tried. */
  *#copy(plan: Plan, copier: Copier): Generator<GcProgress, void> {
    const wanted = plan.rewritten.splice(0)
    let failed: Error | undefined
    for (const [i, pack] of wanted.entries()) {
      if (failed !== undefined) keep(plan, pack, failed)
      else {
        try {
          for (const _ of copier.copy(pack)) yield { step: 'copying', done: i, total: wanted.length }
          plan.rewritten.push(pack)
        } catch (error) {
          if (isOfDisk(error)) failed = error
          else if (!(error instanceof CorruptError)) throw error
          keep(plan, pack, error)
        }
      }
    }
    try {
      copier.finish()
    } catch (error) {
      if (!isOfDisk(error)) throw error
      copier.discard()
      for (const pack of plan.rewritten.splice(0)) keep(plan, pack, error)
    }
  }

  /** References the relocation index from the gc record; false when another collection began meanwhile. */
  #publish(plan: Plan, copier: Copier): boolean {
    const { relocations } = plan
    if (copier.moved.length === 0 && relocations.dropped === 0) return true
    const places = new Map(copier.moved.map(moved => [placeOf(moved.oldPack, moved.oldOffset), moved]))
    const index = relocations.rebuilt(
      places,
      copier.moved.filter(moved => !relocations.copies.has(nameOf(moved.oldPack))),
    )
    crashPoint('gc.before-index')
    const key = index.count === 0 ? '' : `${RELOCATIONS_PREFIX}${this.#record.epoch.toString(16).padStart(16, '0')}`
    if (key !== '') this.#store.putSync(key, index.encode())
    crashPoint('gc.before-record')
    const record = swapGcRecord(this.#store, this.#record, { epoch: this.#record.epoch, relocations: key })
    if (record === undefined) return false
    crashPoint('gc.after-record')
    this.#record = record
    return true
  }

  /** Those that crashes left, and the one before. A later collection's is not there yet: it has not begun. */
  #removeOldIndexes(): void {
    const own = this.#record.epoch.toString(16).padStart(16, '0')
    const old = allKeys(this.#store, RELOCATIONS_PREFIX).filter(key => key !== this.#record.relocations && key.slice(RELOCATIONS_PREFIX.length) <= own)
    if (old.length > 0) this.#store.deleteSync(old)
  }

  #removePins(pins: ReadonlyMap<string, Pin>, over: ReadonlySet<string>): void {
    crashPoint('gc.before-pins')
    // The head of a fork that was over may be gone with it by now.
    const done = [...new Set([...over, ...this.#leftovers.donePins(pins)])]
    if (done.length > 0) this.#store.deleteSync(done)
  }

  #estimate(plan: Plan): number {
    for (const pack of [...plan.garbage, ...plan.dropped, ...plan.rewritten]) {
      this.#freedBytes += pack.sizeBytes
      this.#deleted++
    }
    return plan.rewritten.reduce((sum, { live }) => sum + live.liveBytes, 0)
  }

  #report(
    plan: Plan,
    listing: readonly ListedPack[],
    marker: Marker,
    outcome: { superseded: boolean; written: number; writtenBytes: number; erased: string[] },
  ): GcReport {
    const { storeName, dryRun = false, clock } = this.#options
    const storeBytes = listing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const keptBytes = storeBytes - this.#freedBytes + outcome.writtenBytes
    const { marks } = marker
    return {
      store: storeName,
      dryRun,
      atMs: Math.floor(this.#startMs),
      durationMs: Math.round(clock.now() - this.#startMs),
      superseded: outcome.superseded,
      storeBytes,
      freedBytes: storeBytes - keptBytes,
      keptBytes,
      liveBytes: marks.bytes,
      deadBytes: Math.max(0, keptBytes - marks.bytes),
      packs: {
        before: listing.length,
        deleted: this.#deleted - plan.rewritten.length,
        rewritten: plan.rewritten.length,
        written: outcome.written,
        kept: plan.kept.length,
        waiting: plan.waiting.length,
      },
      segments: marks.segments,
      erased: outcome.erased,
      volumes: marker.usages.map(usage => ({ ...usage, checkpoints: usage.checkpoints.slice(0, CHECKPOINTS_REPORTED) })),
      shared: { liveBytes: marks.shared.live, historyBytes: marks.shared.history },
      problems: plan.problems,
    }
  }
}

function overtaken(): CairnError {
  return new CairnError('ERR_GC_RUNNING', 'Another collection of this store has begun meanwhile.', 'Wait until it is done.', { retry: 'same-call' })
}

function keep(plan: Plan, pack: ListedPack, error: Error): void {
  plan.kept.push(pack)
  plan.problems.push({ pack: pack.key, problem: error.message })
}

function isOfDisk(error: unknown): error is Error {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

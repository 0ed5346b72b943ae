import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { logPrefix } from '../../codec/log-object.js'
import { CairnError } from '../../errors.js'
import type { LocalStore } from '../../store/contract.js'
import { type Pin, pinKey } from '../../store/pins.js'
import { type Clock, crashPoint, limits, makeFolders } from '../../sys/index.js'
import { nextStride, strideOf } from '../../volume/epochs.js'
import { HeadFile } from '../../volume/head.js'
import { isHidden } from '../../volume/hidden-heads.js'
import { FileLock } from '../../volume/lock.js'
import { allKeys, Names } from '../../volume/names.js'
import { isSettled, type ListedPack } from './plan.js'
import type { RootReader } from './roots.js'

/** A head that has this time of deletion cannot be brought back. */
const LONG_AGO = 1

/**
 * What ends before a collection looks at anything: volumes whose time as deleted ones is over, forks that nobody goes on making, volumes
 * that a crash left without a name. Heads are removed here and nowhere else, so that content which another volume has taken over meanwhile
 * was there when the collection began.
 */
export class Leftovers {
  readonly #store: LocalStore
  readonly #home: string
  readonly #clock: Clock
  readonly #reader: RootReader
  readonly #names: Names
  /** Several hosts reach the store, or several homes of this one. */
  readonly #isShared: boolean

  constructor(store: LocalStore, home: string, clock: Clock, reader: RootReader) {
    this.#store = store
    this.#home = home
    this.#clock = clock
    this.#reader = reader
    this.#names = new Names(store)
    this.#isShared = store.isStillOurs !== undefined || store.logs !== undefined
  }

  /** True for a head that is removed by the next collection. */
  isExpired(head: HeadFile['value']): boolean {
    return head.deletedMs !== undefined && head.deletedMs < this.#clock.now() - limits.undeleteMs
  }

  /** Returns the names of the volumes that are gone for good. */
  end(): string[] {
    const erased: string[] = []
    for (const id of this.#reader.volumes()) {
      const head = this.#reader.head(id)
      if (head === undefined) {
        // Gone meanwhile, or torn by a failure of the power, and its maker is gone.
        this.#store.deleteSync([HeadFile.key(id)])
        continue
      }
      const { value } = head
      if (value.pending === true && this.#store.headSync(pinKey(id)) === undefined) attempt(() => head.update({ deletedMs: LONG_AGO }))
      else if (this.#isUnnamed(head)) this.#locked(id, () => attempt(() => head.update({ deletedMs: Math.floor(this.#clock.now()) })))
      if (this.isExpired(head.value) && this.#locked(id, () => this.#erase(id, head)) && !isHidden(value)) erased.push(value.name)
    }
    return erased
  }

  /** Made long ago by a process that died before the volume had its name. */
  #isUnnamed({ value }: HeadFile): boolean {
    if (value.pending === true || value.deletedMs !== undefined || value.createdMs > this.#clock.now() - limits.gcUnnamedMs) return false
    return this.#names.get(value.name)?.id !== value.volume
  }

  #erase(id: string, head: HeadFile): boolean {
    // From here on nobody brings it back.
    if (!attempt(() => head.update({ deletedMs: LONG_AGO }))) return false
    crashPoint('gc.erase.before-head')
    if (head.value.log !== undefined) this.#store.deleteSync(allKeys(this.#store, logPrefix(id)))
    this.#store.deleteSync([HeadFile.key(id)])
    this.#store.logs?.drop(id)
    crashPoint('gc.erase.after-head')
    rmSync(this.#dir(id), { recursive: true, force: true })
    return true
  }

  /**
   * Fences the volumes that are closed and left packs which their writer might still have named: it is gone, and a later one
   * begins an epoch of its own.
   */
  fence(listing: readonly ListedPack[]): void {
    const ids = new Set(listing.map(pack => pack.id.toString('hex', 0, 8)))
    for (const id of ids) {
      const head = this.#reader.head(id)
      if (head === undefined || head.value.deletedMs !== undefined || head.value.pending === true) continue
      const heads = new Map([[id, head.value]])
      const open = listing.some(pack => pack.id.toString('hex', 0, 8) === id && !isSettled(pack.id, heads))
      if (open) this.#locked(id, () => this.#raise(id))
    }
  }

  #raise(id: string): boolean {
    const head = this.#reader.head(id)
    if (head === undefined) return false
    // A lock of this home says nothing of others; who has let go of the lease has nothing left to store.
    const { lease } = head.value
    if (this.#isShared && lease !== undefined) return false
    const epoch = this.#isShared ? nextStride(head.value.epoch) : head.value.epoch + 1
    return attempt(() => head.update({ epoch, fenced: epoch, mark: [epoch, 1] }))
  }

  /** Pins that were there when the collection began and that nobody needs any more. */
  donePins(pins: ReadonlyMap<string, Pin>): string[] {
    return [...pins].flatMap(([key, pin]) => (this.#isDone(key, pin) ? [key] : []))
  }

  #isDone(key: string, pin: Pin): boolean {
    if (pin.done === true) return true
    const isOld = pin.atMs < this.#clock.now() - limits.gcPinMs
    const head = this.#reader.head(pin.into)
    if (pin.epoch !== undefined) return head === undefined ? isOld : this.#isTakenUp(pin, head.value)
    if (head === undefined) return isOld
    if (key === pinKey(pin.into)) return head.value.pending !== true || isOld
    return isOld && !FileLock.isHeld(join(this.#dir(pin.into), 'lock'))
  }

  /** What was overtaken together with its writer is offered by `recover` on the writer's host, for as long as deleted volumes are. */
  #isTakenUp({ epoch = 0, upTo, atMs }: Pin, head: HeadFile['value']): boolean {
    if (strideOf(epoch) !== strideOf(head.epoch)) return atMs < this.#clock.now() - limits.undeleteMs
    return upTo !== undefined && head.watermark >= upTo
  }

  /** Runs `work` while nobody has the volume open; false when somebody does. */
  #locked(id: string, work: () => boolean): boolean {
    const lock = this.#lock(id)
    if (lock === undefined) return false
    try {
      return work()
    } finally {
      lock.release()
    }
  }

  #lock(id: string): FileLock | undefined {
    for (let attempt = 0; attempt < limits.casAttempts; attempt++) {
      try {
        makeFolders(this.#dir(id))
        const lock = FileLock.tryAcquire(join(this.#dir(id), 'lock'))
        return lock instanceof FileLock ? lock : undefined
      } catch (error) {
        // The volume is being deleted at this moment, and its folder with it.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    return undefined
  }

  #dir(id: string): string {
    return join(this.#home, 'volumes', id)
  }
}

/** False when somebody else changed the head at this moment. */
function attempt(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_FENCED') return false
    throw error
  }
}

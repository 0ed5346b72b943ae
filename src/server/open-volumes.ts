import { CairnError } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import { KnownReport } from '../history/gc/known-report.js'
import type { GcReport } from '../history/gc/report.js'
import { heldByCommits } from '../history/gc/stats.js'
import { lastReport } from '../history/gc/worth.js'
import type { RemoteStore } from '../store/remote/index.js'
import { limits, systemClock } from '../sys/index.js'
import type { Engine } from '../volume/engine.js'
import { type OpenOptions, refuseReader } from '../volume/pool.js'
import type { Session } from '../volume/session.js'
import type { Volume } from '../volume/volume.js'
import { tellAudit } from './audit-mount.js'

/** An open volume with its one live FileSystem: whoever uses it, mount or client, sees the same holds on open files. */
export interface OpenVolume {
  readonly volume: Volume
  readonly id: string
  readonly fs: FileSystemApi
  /** Mounts, clients' targets and calls that use it. */
  users: number
  idleSinceMs: number
}

/** Makes a FileSystem over a session of the volume with this id. */
export type MakeFs = (session: Session, volumeId: string) => FileSystemApi

/** The volumes that this process has open. One that nobody uses stays open for a while, since the next call is likely soon. */
export class OpenVolumes {
  readonly engine: Engine
  readonly #makeFs: MakeFs
  readonly #idleMs: number
  readonly #onOpen: (open: OpenVolume) => void
  readonly #byId = new Map<string, OpenVolume>()
  readonly #reports = new WeakMap<RemoteStore, KnownReport>()

  /** @param idleMs how long a volume stays open when nobody uses it; 0 closes it at once */
  constructor(engine: Engine, makeFs: MakeFs, idleMs: number, onOpen: (open: OpenVolume) => void = () => {}) {
    this.#onOpen = onOpen
    this.#idleMs = idleMs
    this.engine = engine
    this.#makeFs = makeFs
  }

  /**
   * Opens it, or counts one more user.
   * @param resumed a mount holds files of it still, also unlinked ones; else nobody does, and what was unlinked is removed
   * @throws CairnError ERR_VOLUME_UNKNOWN, ERR_VOLUME_BUSY, ERR_LEASE_HELD, ERR_VOLUME_READ_ONLY
   */
  acquire(name: string, resumed = false, options: OpenOptions = {}): OpenVolume {
    const id = this.engine.info(name).id
    const known = this.#byId.get(id)
    const open = known ?? this.#open(name, id, { ...options, resumed })
    if (known !== undefined && options.readOnly !== true && options.durability === 'remote') this.#makeRemote(name, options)
    return this.share(open, options)
  }

  /** One more user of a volume that its caller uses already. */
  share(open: OpenVolume, options: OpenOptions = {}): OpenVolume {
    if (options.readOnly !== true) refuseReader(open.volume)
    open.users++
    return open
  }

  /** One that is open already. */
  #makeRemote(name: string, options: OpenOptions): void {
    this.engine.openVolume(name, options).close()
  }

  #open(name: string, id: string, options: OpenOptions): OpenVolume {
    const volume = this.engine.openVolume(name, { ...options, id })
    const open: OpenVolume = { volume, id, fs: this.#makeFs(volume.session, id), users: 0, idleSinceMs: 0 }
    this.#byId.set(id, open)
    volume.versions.heldByCommits = isAsked => heldByCommits(this.#collectionOf(volume, isAsked), id)
    this.#onOpen(open)
    if (options.resumed !== true && !volume.isReader) {
      volume.forgetHandles()
      open.fs.collectOrphans()
      if (volume.tookFrom !== undefined) tellAudit(volume, { kind: 'take-over', detail: { from: volume.tookFrom } })
    }
    return open
  }

  /** Elsewhere every look would be a request, for which everybody waits: only who was asked to prune does that. */
  #collectionOf(volume: Volume, isAsked: boolean): GcReport | undefined {
    const store = this.engine.remoteOf(volume)
    if (store === undefined) return lastReport(volume.context.store)
    let known = this.#reports.get(store)
    if (known === undefined) {
      known = new KnownReport(store, systemClock, () => this.#limitSoon(store))
      this.#reports.set(store, known)
    }
    return isAsked ? known.now() : known.get()
  }

  /** Volumes of a store that was collected, on this host or another: what they hold too much is known now. */
  #limitSoon(store: RemoteStore): void {
    for (const { volume } of this.list()) if (this.engine.remoteOf(volume) === store) volume.versions.limitSoon()
  }

  release(open: OpenVolume): void {
    open.users--
    if (open.users > 0) return
    open.idleSinceMs = systemClock.monotonic()
    // One that another host has taken over shows what is no more.
    if (this.#idleMs === 0 || open.volume.session.readOnly) this.#close(open)
  }

  /** Runs `work` on a volume and lets go of it. */
  use<T>(name: string, work: (open: OpenVolume) => T, options: OpenOptions = {}): T {
    const open = this.acquire(name, false, options)
    try {
      return work(open)
    } finally {
      this.release(open)
    }
  }

  /** Runs `work`, and lets go of these when it is done. */
  during<T>(opened: readonly OpenVolume[], work: () => T | Promise<T>): T | Promise<T> {
    const end = (): void => {
      for (const open of opened) this.release(open)
    }
    let result: T | Promise<T>
    try {
      result = work()
    } catch (error) {
      end()
      throw error
    }
    if (result instanceof Promise) return result.finally(end)
    end()
    return result
  }

  /** As `use`, for work that changes nothing: the volume may be one that another host writes. */
  read<T>(name: string, work: (open: OpenVolume) => T): T {
    return this.use(name, work, { readOnly: true })
  }

  /** The volume with this id when it is open. */
  get(id: string): OpenVolume | undefined {
    return this.#byId.get(id)
  }

  /** The volume that has this name now, when it is open. */
  named(name: string): OpenVolume | undefined {
    return this.list().find(({ volume }) => volume.info.name === name)
  }

  list(): OpenVolume[] {
    return [...this.#byId.values()]
  }

  /** Its name now, whatever it was when it was opened. */
  nameOf(id: string): string {
    const info = this.engine.volumeById(id)
    if (info === undefined) throw new CairnError('ERR_VOLUME_UNKNOWN', `There is no volume with the id ${id}.`, 'See `cairn volumes`.')
    return info.name
  }

  /**
   * Closes a volume, for an operation that needs it closed. @throws CairnError ERR_VOLUME_IN_USE, ERR_VOLUME_MOUNTED
   * @param isGoing the operation deletes it for good: nothing of it is sealed
   */
  closeUnused(name: string, isMounted: (id: string) => boolean, isGoing = false): void {
    const { id } = this.engine.info(name)
    if (isMounted(id)) throw new CairnError('ERR_VOLUME_MOUNTED', `The volume ${name} is mounted.`, `Unmount it first with \`cairn unmount ${name}\`.`)
    const open = this.#byId.get(id)
    if (open === undefined) return
    if (open.users > 0) {
      throw new CairnError('ERR_VOLUME_IN_USE', `The volume ${name} is in use.`, 'Close the programs that have it open, and try again.')
    }
    this.#close(open, isGoing)
  }

  /** Closes a volume of a store that hosts share if nobody uses it and this host writes it: others may take it then. */
  closeIdleWriter(name: string): void {
    if (this.engine.storeOf(name) === undefined) return
    const open = this.#byId.get(this.engine.info(name).id)
    if (open !== undefined && open.users === 0 && !open.volume.isReader) this.#close(open)
  }

  #close(open: OpenVolume, isGoing = false): void {
    this.#byId.delete(open.id)
    if (isGoing) open.volume.drop()
    else open.volume.close()
  }

  /** Unless somebody came meanwhile, or it waits to be published. */
  closeIfUnused(open: OpenVolume): void {
    if (this.#byId.get(open.id) === open && open.users === 0 && this.engine.isPublished(open.volume)) this.#close(open)
  }

  /** Closes what nobody used for a while. Returns when to call again, in milliseconds. */
  closeIdle(): number {
    const now = systemClock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const open of this.#byId.values()) {
      if (open.users > 0) continue
      const left = open.idleSinceMs + this.#idleMs - now
      // Closed it would be published while everybody waits.
      if (left <= 0 && this.engine.isPublished(open.volume)) this.#close(open)
      else if (left <= 0) next = Math.min(next, limits.publishMs)
      else next = Math.min(next, left)
    }
    return next
  }
}

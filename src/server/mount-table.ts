import { CairnError, EIO, errnoName, type PageMiss, posixError } from '../errors.js'
import { isDirectory } from '../fs/index.js'
import { type Connection, FuseHandler, type FuseLoop, type HandlerHooks, listFuseMounts, resend, type SyncThread, syncPolicy } from '../fuse/index.js'
import { write } from '../sys/libc.js'
import type { Past } from '../views/index.js'
import type { DurabilityLevel } from '../volume/lease.js'
import { auditMount } from './audit-mount.js'
import type { KernelChange } from './changes.js'
import type { EngineMessage, VolumeChanges } from './engine-port.js'
import { describe } from './log.js'
import { makePast } from './mount-past.js'
import type { Prepared } from './mounts.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { MountRecord } from './protocol.js'

interface Served {
  record: MountRecord
  open: OpenVolume
  connection: Connection
  past: Past
}

export interface MountTableOptions {
  loop: FuseLoop
  sync: SyncThread
  volumes: OpenVolumes
  space: () => { totalBytes: number; freeBytes: number }
  say: (message: EngineMessage) => void
  /** Runs a method as for a client. */
  call: (method: string, ...args: unknown[]) => unknown
  /** What calls changed in mounted volumes since the last time. */
  takeChanges: () => VolumeChanges[]
}

/** The mounts that the engine's thread answers; the main thread makes and removes them. */
export class MountTable {
  readonly #options: MountTableOptions
  readonly #served = new Map<number, Served>()
  readonly #handlers = new Map<string, FuseHandler>()
  readonly #announced = new Map<number, () => void>()
  /** The kernel is being told. */
  #telling: Promise<unknown> = Promise.resolve()
  #nextToken = 1

  constructor(options: MountTableOptions) {
    this.#options = options
  }

  isMounted(volumeId: string): boolean {
    return this.#handlers.has(volumeId)
  }

  /** Whether what loses its last link now must live until the kernel forgets it, opened or not. */
  keepsUnlinked(volumeId: string): boolean {
    return this.#handlers.get(volumeId)?.keepsUnlinked === true
  }

  call(method: string, args: unknown[]): unknown {
    switch (method) {
      case 'mount.prepare':
        return this.#prepare(...(args as [string, string, boolean, DurabilityLevel | undefined]))
      case 'mount.attach':
        return this.#attach(...(args as [MountRecord, number, boolean]))
      case 'mount.leave':
        return this.#leave(args[0] as string)
      case 'mount.flush':
        return this.#flushInSlices(args[0] as string)
      case 'mount.told':
        return this.#options.volumes.get(args[0] as string)?.volume.told(args[1] as number)
      case 'mount.end':
        return this.#end(args[0] as number)
      case 'mount.announced':
        return this.#announcedOf(args[0] as number)
      default:
        throw new CairnError('ERR_METHOD_UNKNOWN', `The server knows no ${method}.`, 'Use the same version of cairn on both sides.')
    }
  }

  #prepare(name: string, sub: string, readOnly: boolean, durability: DurabilityLevel | undefined): Prepared {
    const look = ({ id, fs }: OpenVolume): Prepared => {
      const ino = fs.resolve(Buffer.from(sub).toString('latin1'), true)
      if (ino < 0) throw posixError(-ino, 'mount', `${name}:${sub}`)
      if (!isDirectory(fs.attr.mode))
        throw new CairnError('ERR_MOUNT_PATH', `${name}:${sub} is not a directory.`, 'Mount a directory of the volume, or the whole.')
      return { volumeId: id, name, rootIno: ino }
    }
    // A lease that nobody uses would be kept for as long as it is mounted.
    if (readOnly) this.#options.volumes.closeIdleWriter(name)
    return this.#options.volumes.use(name, look, { readOnly, ...(durability === undefined ? {} : { durability }) })
  }

  #attach(record: MountRecord, fd: number, resumed: boolean): void {
    const { volumes, loop, sync, space, say } = this.#options
    const { durability } = record
    const open = volumes.acquire(volumes.nameOf(record.volumeId), resumed, { readOnly: record.readOnly, ...(durability === undefined ? {} : { durability }) })
    if (record.actor !== undefined) open.volume.session.actor = record.actor
    const { readOnly, rootIno, id } = record
    const past = makePast({ record, open, fd, resumed, loop, call: this.#options.call, tell: changes => this.tell(record.volumeId, changes) })
    const handler = new FuseHandler(
      loop.frame,
      open.fs,
      { readOnly, rootIno, mountId: id, space, past, device: () => listFuseMounts().find(mount => mount.path === record.mountpoint)?.device },
      {
        sync: syncPolicy(fd, sync, () => this.#served.has(id)),
        isStale: (error, isPast) => this.#isStale(open, error, isPast),
        log: line => say({ log: `${record.mountpoint}: ${line}` }),
        ...this.#far(open, () => connection),
      },
    )
    // Nobody tells what is open on a read-only mount, or was when the last server died.
    if (readOnly || resumed) handler.keepAllUnlinked()
    const connection: { -readonly [K in keyof Connection]: Connection[K] } = { fd, handler, ended: errno => this.#ended(id, errno) }
    if (record.negotiated === undefined) {
      connection.handler = {
        handle: (length, patient) => {
          const reply = handler.handle(length, patient)
          if (handler.negotiated !== undefined) {
            connection.handler = handler
            say({ negotiated: id, value: handler.negotiated })
          }
          return reply
        },
      }
    } else handler.exchange.negotiated = record.negotiated as typeof handler.exchange.negotiated
    this.#served.set(id, { record, open, connection, past })
    this.#handlers.set(record.volumeId, handler)
    if (!resumed) open.volume.showing?.begins()
    loop.add(connection)
    if (!resumed) auditMount('mount', record, open)
    if (!resumed) return
    this.#askAgain(fd)
    open.volume.tellAgain()
  }

  #isStale(open: OpenVolume, error: unknown, isPast: boolean): boolean {
    const isStale = this.#options.volumes.engine.isStale(open.volume, error, isPast)
    if (isStale) void this.tell('', [])
    return isStale
  }

  #far(open: OpenVolume, connection: () => Connection): Pick<HandlerHooks, 'far'> {
    const { store } = open.volume.context
    const { loop } = this.#options
    if (store.mayMiss === undefined) return {}
    const park = (length: number, miss: PageMiss): void => loop.park(connection(), length, miss)
    return { far: { store, park, interrupt: (high, low) => loop.interrupt(connection(), high, low) } }
  }

  /** Resolves when the kernel was told of changes of a mounted volume, and of all that calls changed since the last time. */
  tell(volumeId: string, changes: KernelChange[]): Promise<void> {
    const all = this.#options.takeChanges()
    if (changes.length > 0) all.push({ volumeId, changes })
    if (all.length === 0) return Promise.resolve()
    const token = this.#nextToken++
    this.#options.say({ tell: all, token })
    const told = new Promise<void>(resolve => this.#announced.set(token, resolve))
    this.#telling = Promise.all([this.#telling, told])
    return told
  }

  /** Resolves when the kernel has heard all that it is being told. */
  async allTold(): Promise<void> {
    await this.#telling
  }

  #announcedOf(token: number): void {
    this.#announced.get(token)?.()
    this.#announced.delete(token)
  }

  /** What the server before this one read and never answered comes once more. */
  #askAgain(fd: number): void {
    const message = resend()
    const result = write(fd, message, message.length)
    if (result < 0) this.#options.say({ log: `unanswered requests could not be asked for again: ${errnoName(-result)}` })
  }

  #ended(id: number, errno: number): void {
    if (errno === -EIO) this.#options.say({ log: `mount ${id} ended by an error` })
    this.#end(id)
    this.#options.say({ gone: id })
  }

  /** Stops answering; unlinked files that only the kernel held are removed, and all is flushed. */
  #end(id: number): void {
    const served = this.#served.get(id)
    if (served === undefined) return
    const { connection, open, record, past } = served
    this.#options.loop.remove(connection)
    this.#served.delete(id)
    this.#handlers.delete(record.volumeId)
    try {
      open.volume.showing?.ends()
      past.views.end()
      open.fs.collectOrphans()
      auditMount('unmount', record, open)
      this.#flush(record.volumeId)
    } finally {
      this.#options.volumes.release(open)
    }
  }

  /** Nobody uses it any more: other hosts may write it as soon as all is published. While its store is out of reach that comes later. */
  async #leave(volumeId: string): Promise<void> {
    const { volumes } = this.#options
    const open = volumes.get(volumeId)
    if (open === undefined || open.users > 0 || !volumes.engine.isReached(open.volume)) return
    await volumes.engine.publish(open.volume).catch(() => undefined)
    volumes.closeIfUnused(open)
  }

  /** What cannot be sealed, on a full disk or over a damaged page, stays in the journal: no reason to keep a mount. */
  #flush(volumeId: string): void {
    const open = this.#options.volumes.get(volumeId)
    if (open === undefined) return
    try {
      open.volume.commitAtEnd()
      open.volume.flush()
    } catch (error) {
      open.volume.session.syncNow()
      this.#options.say({ log: `volume ${open.volume.info.name} could not be sealed, and stays in its journal: ${describe(error)}` })
    }
  }

  /** The same while the mount goes on being served. */
  async #flushInSlices(volumeId: string): Promise<void> {
    const open = this.#options.volumes.get(volumeId)
    if (open === undefined) return
    try {
      await open.volume.flushSoon()
    } catch {
      // The end of the mount tries again, and says so.
    }
  }

  endAll(): void {
    for (const id of [...this.#served.keys()]) this.#end(id)
  }
}

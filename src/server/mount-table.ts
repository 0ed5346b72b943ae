import { CairnError, EIO, errnoName, NotYourTurn, type PageMiss, posixError } from '../errors.js'
import { isDirectory } from '../fs/index.js'
import {
  type Connection,
  FuseHandler,
  type FuseLoop,
  type MountOptions as FuseOptions,
  Guard,
  type HandlerHooks,
  listFuseMounts,
  makesInode,
  resend,
  type SyncThread,
  syncPolicy,
} from '../fuse/index.js'
import { type ChangesBy, changesBy } from '../history/diff/changes-by.js'
import { write } from '../sys/libc.js'
import { type Past, PathRules } from '../views/index.js'
import type { AuditEvent } from '../volume/audit/index.js'
import type { DurabilityLevel } from '../volume/lease.js'
import { nextNear, type Slices } from '../volume/near-reads.js'
import { policyRevision, type StoredPolicy } from '../volume/policy-record.js'
import { auditMount } from './audit-mount.js'
import type { KernelChange } from './changes.js'
import type { EngineMessage, VolumeChanges } from './engine-port.js'
import { describe } from './log.js'
import { Member, MountGroup } from './mount-group.js'
import { makePast } from './mount-past.js'
import type { Prepared } from './mounts.js'
import type { OpenVolume, OpenVolumes } from './open-volumes.js'
import type { BeginRunOptions, EndedRun, MountRecord } from './protocol.js'
import { changesOfRun, recordEnd } from './runs.js'
import { Waits } from './waits.js'
import { whenNear } from './when-near.js'

function told(before: string | undefined, since: string | undefined): { before?: string; since?: string } {
  return { ...(before === undefined ? {} : { before }), ...(since === undefined ? {} : { since }) }
}

interface Served {
  record: MountRecord
  open: OpenVolume
  group: MountGroup
  member: Member
  connection: Connection
  past: Past
}

/** What the main thread hears of a run that begins. */
export type Begun =
  | { policy: StoredPolicy | null }
  | { volumeId: string; rootIno: number; negotiated?: unknown; since?: string; before?: string; settle?: string[] }

export interface EndRunOptions {
  /** Whoever ran it has synced its mount. */
  synced: boolean
  /** It may have been recorded already. */
  again: boolean
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
  readonly #groups = new Map<string, MountGroup>()
  readonly #waits = new Waits()
  readonly #announced = new Map<number, () => void>()
  /** The kernel is being told. */
  #telling: Promise<unknown> = Promise.resolve()
  #nextToken = 1
  #isBeginning = false

  constructor(options: MountTableOptions) {
    this.#options = options
  }

  isMounted(volumeId: string): boolean {
    return this.#groups.has(volumeId)
  }

  /** Whether what loses its last link now must live until the kernel forgets it, opened or not. */
  keepsUnlinked(volumeId: string, ino: number): boolean {
    return this.#groups.get(volumeId)?.keepsUnlinked(ino) === true
  }

  /** Requests that waited long enough are made again. @returns in how many milliseconds there are more */
  pump(): number {
    return this.#waits.pump()
  }

  call(method: string, args: unknown[]): unknown {
    switch (method) {
      case 'mount.prepare':
        return this.#prepare(...(args as [string, string, boolean, DurabilityLevel | undefined]))
      case 'mount.attach':
        return this.#attach(...(args as [MountRecord, number, boolean, number[]]))
      case 'mount.beginRun':
        return this.#beginRun(...(args as [MountRecord, string, number, number[], BeginRunOptions]))
      case 'mount.startRun':
        return this.#startRun(args[0] as number, args[1] as boolean)
      case 'mount.endRun':
        return this.#endRun(...(args as [number, AuditEvent, EndRunOptions]))
      case 'mount.leaving':
        return this.#leaving(args[0] as number, args[1] as boolean)
      case 'mount.leave':
        return this.#leave(args[0] as string)
      case 'mount.flush':
        return this.#flushInSlices(args[0] as string)
      case 'mount.told':
        return this.#options.volumes.get(args[0] as string)?.volume.told(args[1] as number)
      case 'mount.end':
        return this.#end(args[0] as number)
      case 'mount.changes':
        return this.#changesOf(args[0] as number)
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

  /**
   * @param all ids of the mounts that there are
   * @param opened the volume, where the caller uses it
   * @returns of a new view: the last commit before it
   */
  #attach(record: MountRecord, fd: number, resumed: boolean, all: number[], opened?: OpenVolume): string | undefined {
    const { volumes, loop, say } = this.#options
    const { durability, id } = record
    const rules = new PathRules(record.view?.rules ?? {})
    const options = { readOnly: record.readOnly, ...(durability === undefined ? {} : { durability }) }
    const open = opened === undefined ? volumes.acquire(volumes.nameOf(record.volumeId), resumed, options) : volumes.share(opened, options)
    const group = this.#groups.get(record.volumeId) ?? new MountGroup(open, (changes, mounts) => this.#say([{ volumeId: open.id, changes, mounts }]))
    const member = new Member(record, fd, open, resumed)
    const guard = rules.isEmpty ? undefined : new Guard(rules, open.fs)
    const past = makePast({
      ...{ record, open, fd, resumed, loop, rules: guard === undefined ? undefined : rules },
      isMount: mount => all.includes(mount) || this.#served.has(mount),
      call: this.#options.call,
      tell: changes => this.tell(record.volumeId, changes),
    })
    const handler = new FuseHandler(
      loop.frame,
      open.fs,
      this.#optionsOf(group, member, past, guard),
      this.#hooksOf(group, member, () => connection),
    )
    // Nobody tells what is open on a read-only mount, or was when the last server died.
    if (record.readOnly || resumed) handler.keepAllUnlinked()
    if (record.negotiated !== undefined) handler.exchange.negotiated = record.negotiated as typeof handler.exchange.negotiated
    let isKnown = record.negotiated !== undefined
    const connection: Connection = {
      fd,
      handler: {
        handle: (length, patient) => {
          const makes = makesInode(loop.frame)
          const reply = group.answered(member, handler.handle(length, patient), loop.frame.out, makes)
          if (!isKnown && handler.negotiated !== undefined) {
            isKnown = true
            if (!this.#isBeginning) say({ negotiated: id, value: handler.negotiated })
          }
          return reply
        },
        workAhead: () => handler.workAhead(),
      },
      ended: errno => this.#ended(id, errno),
    }
    member.handler = handler
    if (record.view?.exec !== undefined) open.volume.runMessages.set(record.view.exec, record.view.message)
    this.#served.set(id, { record, open, group, member, connection, past })
    this.#groups.set(record.volumeId, group)
    group.add(member)
    if (!resumed && group.size === 1) open.volume.showing?.begins()
    loop.add(connection)
    // The kernel has asked for INIT by now: whoever waits for this hears of both at once.
    if (!resumed) loop.serve(connection)
    if (!resumed && record.view?.exec === undefined) auditMount('mount', record, open)
    if (!resumed) return this.#began(record, open)
    this.#askAgain(fd)
    open.volume.tellAgain()
    return undefined
  }

  /** What was changed until now is in the last commit before a view. */
  #began({ view }: MountRecord, open: OpenVolume): string | undefined {
    if (view === undefined) return undefined
    this.#commit(open)
    const before = open.volume.history.newest()?.id
    if (before !== undefined) view.before = before
    return before
  }

  /** Serves the mount of a run, unless another policy is in force than the one that it was judged by. */
  #beginRun(record: MountRecord, name: string, fd: number, all: number[], options: BeginRunOptions): Begun {
    const { volumes } = this.#options
    // For one that may change nothing too: that it ran is recorded in the volume.
    return volumes.use(name, open => {
      const { id, volume, fs } = open
      if ((policyRevision(volume.state.history) ?? '') !== options.policy) return { policy: volume.policy ?? null }
      const others = this.#groups.get(id)
      const settle = others?.heldBack() ?? []
      if (others !== undefined) this.#options.loop.catchUp()
      const before = options.checkpoint && settle.length === 0 ? volume.presentCommit() : volume.history.newest()
      const mine = { ...record, volumeId: id, rootIno: fs.resolve('/', true) }
      const since = this.#attachRun(mine, fd, all, open)
      const negotiated = this.#served.get(record.id)?.member.handler?.negotiated
      const begun = { volumeId: id, rootIno: mine.rootIno, ...told(before?.id, since), ...(settle.length === 0 ? {} : { settle }) }
      return negotiated === undefined ? begun : { ...begun, negotiated }
    })
  }

  /** What INIT settled is told with the answer, where that was asked by then. */
  #attachRun(record: MountRecord, fd: number, all: number[], open: OpenVolume): string | undefined {
    this.#isBeginning = true
    try {
      return this.#attach(record, fd, false, all, open)
    } finally {
      this.#isBeginning = false
    }
  }

  /** What others wrote through their mounts is in by now. @returns the commit before the run */
  #startRun(id: number, checkpoint: boolean): { before?: string; since?: string } {
    const { record, open } = this.#of(id)
    this.#options.loop.catchUp()
    const before = checkpoint ? open.volume.presentCommit() : open.volume.history.newest()
    const since = this.#began(record, open)
    return told(before?.id, since)
  }

  /** Records what a run changed, and serves its mount no longer; nobody uses it any more. */
  async #endRun(id: number, event: AuditEvent, { synced, again }: EndRunOptions): Promise<EndedRun> {
    const { member, record, open } = this.#of(id)
    const { volume } = open
    this.#options.loop.catchUp()
    if (member.mayHoldBack && !synced) return { sync: true }
    const { changes, after } = record.readOnly
      ? { changes: [], after: undefined }
      : await this.#inSlices(open, changesOfRun(volume, record.view?.before, event.exec))
    const found = { changes, ...(after === undefined ? {} : { after }) }
    recordEnd(volume, event, found, again)
    this.#end(id)
    return { ...found, ...(member.isOverQuota && { quotaReached: true as const }) }
  }

  #of(id: number): Served {
    const served = this.#served.get(id)
    if (served === undefined) throw new CairnError('ERR_VIEW_UNKNOWN', 'The view is not there any more.', 'Open it again.', { retry: 'reopen' })
    return served
  }

  /** What was changed through a view. */
  async #changesOf(id: number): Promise<ChangesBy> {
    const served = this.#of(id)
    const { open } = served
    const { volume } = open
    const { actor, view } = served.record
    volume.commitChanges()
    const isTheirs = ({ exec, actor: by }: { exec?: string; actor?: string }) => (view?.exec === undefined ? by === actor : exec === view.exec)
    return this.#inSlices(open, changesBy(volume, view?.before, isTheirs))
  }

  /** The mounts are served between slices, and while what one needs is far away. */
  async #inSlices<T>({ volume }: OpenVolume, found: Slices<undefined, T>): Promise<T> {
    for (;;) {
      const step = await whenNear(volume.context.store, () => nextNear(found))
      if (step.done === true) return step.value
      this.#options.loop.pause()
      await new Promise<void>(resolve => void setImmediate(resolve))
    }
  }

  #optionsOf(group: MountGroup, member: Member, past: Past, guard: Guard | undefined): FuseOptions {
    const { record, opens } = member
    const { readOnly, rootIno, mountpoint } = record
    return {
      ...{ readOnly, rootIno, mountId: record.id, space: this.#options.space, past, guard, opens },
      device: () => listFuseMounts().find(mount => mount.path === mountpoint)?.device,
      othersHold: ino => group.othersKeep(member, ino),
      looksInto: dir => member.seen.add(dir),
      misses: (dir, name) => member.missed.add(`${dir}/${name}`),
      tellsOf: ino => member.told.delete(ino),
      overQuota: () => {
        member.isOverQuota = true
      },
    }
  }

  #hooksOf(group: MountGroup, member: Member, connection: () => Connection): HandlerHooks {
    const { loop, sync, say } = this.#options
    const { record, fd } = member
    const { store } = group.open.volume.context
    return {
      sync: syncPolicy(fd, sync, () => this.#served.has(record.id)),
      isStale: (error, isPast) => this.#isStale(group.open, error, isPast),
      log: line => say({ log: `${record.mountpoint}: ${line}` }),
      answering: (busy, ino) => {
        member.told.delete(ino)
        group.answering(member, busy)
      },
      park: (length, until) => loop.park(connection(), length, until instanceof NotYourTurn ? this.#turn(until) : until),
      interrupt: (high, low) => loop.interrupt(connection(), high, low),
      ...(store.mayMiss === undefined ? {} : { far: { store } }),
    }
  }

  /** A request whose turn comes later. */
  #turn({ waitMs }: NotYourTurn): Pick<PageMiss, 'whenHere'> {
    const { waker } = this.#options.loop
    return {
      whenHere: done => {
        this.#waits.add(waitMs, () => {
          done(true)
          waker.wake()
        })
        // The loop asks what is due before it sleeps.
        waker.wake()
      },
    }
  }

  /** While it is being unmounted, which takes the thread that tells others, its answers wait for nobody. */
  #leaving(id: number, isLeaving: boolean): void {
    const served = this.#served.get(id)
    if (served !== undefined) served.member.isLeaving = isLeaving
  }

  #isStale(open: OpenVolume, error: unknown, isPast: boolean): boolean {
    const isStale = this.#options.volumes.engine.isStale(open.volume, error, isPast)
    if (isStale) void this.tell('', [])
    return isStale
  }

  /** Resolves when the kernel was told of changes of a mounted volume, and of all that calls changed since the last time. */
  tell(volumeId: string, changes: KernelChange[]): Promise<void> {
    const all = this.#options.takeChanges()
    if (changes.length > 0) all.push({ volumeId, changes })
    return all.length === 0 ? Promise.resolve() : this.#say(all)
  }

  #say(all: VolumeChanges[]): Promise<void> {
    let token = 0
    const told = new Promise<void>(resolve => {
      token = this.#announce(all, resolve)
    })
    this.#options.say({ tell: all, token })
    this.#telling = Promise.all([this.#telling, told])
    return told
  }

  /** Mounts are told from now on until `mount.announced` comes with this number. */
  #announce(all: readonly VolumeChanges[], done: () => void): number {
    const token = this.#nextToken++
    const ends = all.map(({ volumeId, mounts }) => this.#groups.get(volumeId)?.telling(mounts))
    this.#announced.set(token, () => {
      for (const end of ends) end?.()
      done()
    })
    return token
  }

  /** The same for what is told before a call is answered; undefined where no answer of a mount can wait for another mount. */
  announcing(all: readonly VolumeChanges[]): number | undefined {
    const isShared = all.some(({ volumeId }) => this.#groups.get(volumeId)?.isShared === true)
    return isShared ? this.#announce(all, () => undefined) : undefined
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
    const { connection, open, group, member, record, past } = served
    this.#options.loop.remove(connection)
    this.#served.delete(id)
    group.as(member, () => member.opens.end(open.fs))
    group.remove(member)
    if (group.size === 0) this.#groups.delete(record.volumeId)
    try {
      if (group.size === 0) open.volume.showing?.ends()
      past.views.end()
      open.fs.collectOrphans()
      if (record.view?.exec === undefined) auditMount('unmount', record, open)
      // One for a moment leaves that to the volume's idle time.
      if (group.size === 0 && record.view === undefined) this.#flush(record.volumeId)
      else this.#commit(open)
    } finally {
      if (record.view?.exec !== undefined) open.volume.runMessages.delete(record.view.exec)
      this.#options.volumes.release(open)
    }
  }

  /** What came through the mount is told apart from what comes later; where that fails now it is in a later commit. */
  #commit(open: OpenVolume): void {
    try {
      open.volume.commitChanges()
    } catch (error) {
      this.#options.say({ log: `volume ${open.volume.info.name} could not record a commit: ${describe(error)}` })
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

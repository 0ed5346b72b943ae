import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CairnError } from '../errors.js'
import { limits, systemClock } from '../sys/index.js'
import type { AuditEvent } from '../volume/audit/index.js'
import { describeHolders, holdersOf } from './busy.js'
import type { KernelChange } from './changes.js'
import type { VolumeChanges } from './engine-port.js'
import { type HomePaths, readOptional, writeNote } from './home.js'
import type { Keeper } from './keeper.js'
import { canonical, checkPlace, prepareDirectory } from './mount-check.js'
import type { Begun, EndRunOptions } from './mount-table.js'
import type { BeginRunOptions, BegunRun, EndedRun, MountInfo, MountOptions, MountRecord, ViewInfo, ViewOptions, ViewStatus } from './protocol.js'
import { ViewFolders } from './view-folders.js'

/** The kernel's side of mounting; a test passes a fake. */
export interface Kernel {
  /** Which processes see mounts that are made here, as `mountNamespace` of `sys/`. */
  readonly namespace?: string | undefined
  /** Mounts of cairn, by whatever server, from the kernel's table. */
  list(): Array<{ path: string }>
  mount(request: { path: string; name: string; readOnly: boolean; allowOther: boolean }): number
  /** Settings of a mount that answers. */
  tune(mountpoint: string): void
  /** 0, or a negated errno: -EBUSY unless `detach`. */
  unmount(mountpoint: string, detach: boolean): number
  /** Removes a mount that is served no longer, whoever is in it, without blocking this thread. False when it could not be removed. */
  clear(mountpoint: string): Promise<boolean>
  /** True when nobody serves the mount any more. */
  isDead(mountpoint: string): Promise<boolean>
  close(fd: number): void
  /** Makes it forget what changed. */
  notify(fd: number, rootIno: number, changes: KernelChange[]): Promise<void>
}

/** The engine's side. */
export interface MountEngine {
  call(session: string, method: string, args: unknown[]): Promise<unknown>
}

/** What the engine knows of a volume to be mounted. */
export interface Prepared {
  volumeId: string
  name: string
  /** Inode of the directory that is shown as the root. */
  rootIno: number
}

interface Mounted {
  record: MountRecord
  fd: number
  /** The supervisor has it, or is being given it. */
  isHeld: boolean
  negotiated: Promise<void>
  onNegotiated: () => void
  onGone: (error: Error) => void
  gone: Promise<void>
  resolveGone: () => void
}

/** A volume that another program has open is asked for again after this. */
const BUSY_RETRY_MS = 20
const EBUSY = 16
const EINVAL = 22

/** The mounts of one server. Calls run one after the other: two of them could not be told apart by the kernel's table. */
export class Mounts {
  readonly #paths: HomePaths
  readonly #engine: MountEngine
  readonly #keeper: Keeper
  readonly #kernel: Kernel
  readonly #place: { namespace?: string }
  readonly #mounted = new Map<number, Mounted>()
  readonly #log: (line: string) => void
  readonly #views: ViewFolders
  /** Sessions by view. */
  readonly #owners = new Map<number, string>()
  #queue: Promise<unknown> = Promise.resolve()
  /** What begins or ends outside of the queue. */
  readonly #underWay = new Set<Promise<unknown>>()
  #next: number

  constructor(options: { paths: HomePaths; engine: MountEngine; keeper: Keeper; kernel: Kernel; firstId: number; log: (line: string) => void }) {
    this.#paths = options.paths
    this.#views = new ViewFolders(options.paths.views)
    this.#engine = options.engine
    this.#keeper = options.keeper
    this.#kernel = options.kernel
    const { namespace } = options.kernel
    this.#place = namespace === undefined ? {} : { namespace }
    this.#next = options.firstId
    this.#log = options.log
  }

  get size(): number {
    return this.#mounted.size
  }

  isMounted(volumeId: string): boolean {
    return this.#ofVolume(volumeId).length > 0
  }

  /** Ids of the volumes that are mounted. */
  volumeIds(): string[] {
    return [...new Set(Array.from(this.#mounted.values(), ({ record }) => record.volumeId))]
  }

  /** Mounts as lists show them. `nameOf` gives a volume's present name. */
  list(nameOf: (volumeId: string) => string): MountInfo[] {
    return this.#records(false).map(record => infoOf(record, nameOf(record.volumeId)))
  }

  /** The same of views. */
  listViews(nameOf: (volumeId: string) => string): ViewStatus[] {
    return this.#records(true).map(record => ({
      ...infoOf(record, nameOf(record.volumeId)),
      id: record.id,
      ...(record.actor === undefined ? {} : { actor: record.actor }),
    }))
  }

  #records(views: boolean): MountRecord[] {
    return Array.from(this.#mounted.values(), ({ record }) => record).filter(({ view }) => (view !== undefined) === views)
  }

  /** Serves the mounts of a server that died. */
  async resume(records: readonly MountRecord[], firstFd: number): Promise<void> {
    const all = records.map((record, i) => this.#add(record, firstFd + i))
    for (const mounted of all) mounted.isHeld = true
    for (const [i, mounted] of all.entries()) {
      const { record } = mounted
      if (record.negotiated !== undefined) mounted.onNegotiated()
      this.#next = Math.max(this.#next, record.id + 1)
      await this.#attachAgain(record, firstFd + i).catch(error => this.#giveUp(mounted, error))
    }
    if (records.length === 0) await this.#clearLeftovers()
    const kept = this.#records(true).map(({ mountpoint }) => mountpoint)
    for (const path of this.#views.leftMounts(kept)) this.#kernel.unmount(path, true)
    this.#views.clear(kept)
    if (this.#records(true).length > 0)
      setTimeout(() => void this.#endUnclaimed().catch(error => this.#log(`a view could not be removed: ${error}`)), limits.viewClaimMs).unref()
    this.#write()
  }

  /** Its requests wait meanwhile: another program may have opened the volume while nobody served it. */
  async #attachAgain(record: MountRecord, fd: number): Promise<void> {
    const until = systemClock.monotonic() + limits.mountAnswerMs
    for (;;) {
      try {
        await this.#engine.call('', 'mount.attach', [record, fd, true, this.#ids()])
        return
      } catch (error) {
        if ((error as CairnError).code !== 'ERR_VOLUME_BUSY' || systemClock.monotonic() > until) throw error
        await sleep(BUSY_RETRY_MS)
      }
    }
  }

  /** A volume that cannot be opened any more must not take the other mounts with it. */
  #giveUp(mounted: Mounted, error: unknown): void {
    this.#log(`the mount at ${mounted.record.mountpoint} is removed, because its volume cannot be opened: ${error}`)
    this.#kernel.unmount(mounted.record.mountpoint, true)
    this.#forget(mounted)
  }

  /** Mounts that outlived the last server of this home, which nobody serves. */
  async #clearLeftovers(): Promise<void> {
    const written = recordsIn(readOptional(this.#paths.mounts))
    const present = new Set(this.#kernel.list().map(mount => mount.path))
    for (const { mountpoint } of written) if (present.has(mountpoint)) await this.#clearDead(mountpoint)
  }

  async #clearDead(mountpoint: string): Promise<boolean> {
    if (!(await this.#kernel.isDead(mountpoint))) return false
    this.#kernel.unmount(mountpoint, true)
    return true
  }

  /**
   * Mounts a volume; the same mount again is no error.
   * @throws CairnError ERR_MOUNT_PATH, ERR_MOUNT_NOT_EMPTY, ERR_ALREADY_MOUNTED and those of the volume
   */
  mount(options: MountOptions): Promise<MountInfo> {
    return this.#exclusive(() => this.#mount(options))
  }

  async #mount(options: MountOptions): Promise<MountInfo> {
    const path = await canonical(resolve(options.path))
    const prepared = (await this.#engine.call('', 'mount.prepare', [
      options.name,
      options.sub ?? '/',
      options.readOnly === true,
      options.durability,
    ])) as Prepared
    const existing = this.#byVolume(prepared.volumeId)
    if (existing !== undefined) return this.#again(existing, path, options, prepared)
    checkPlace(path, await canonical(this.#paths.home), this.#kernel.list())
    await this.#clearAt(path)
    await prepareDirectory(path)
    const record: MountRecord = {
      id: this.#next++,
      volumeId: prepared.volumeId,
      rootIno: prepared.rootIno,
      mountpoint: path,
      readOnly: options.readOnly === true,
      allowOther: options.allowOther === true,
      ...(options.actor === undefined ? {} : { actor: options.actor }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
      ...(options.durability === 'remote' ? { durability: 'remote' as const } : {}),
      ...(options.sub === undefined || options.sub === '/' ? {} : { sub: options.sub }),
    }
    await this.#start(record, prepared)
    return infoOf(record, prepared.name)
  }

  #again(existing: Mounted, path: string, options: MountOptions, prepared: Prepared): MountInfo {
    const { record } = existing
    const same = record.mountpoint === path && record.readOnly === (options.readOnly === true) && (record.sub ?? '/') === (options.sub ?? '/')
    const isAsDurable = (options.durability ?? record.durability ?? 'local') === (record.durability ?? 'local')
    if (same && isAsDurable) return infoOf(record, prepared.name)
    const how =
      record.mountpoint === path
        ? `with other options (${record.readOnly ? 'read-only' : 'read-write'}${record.sub === undefined ? '' : `, ${record.sub}`}, durability ${record.durability ?? 'local'})`
        : `at ${record.mountpoint}`
    throw new CairnError(
      'ERR_ALREADY_MOUNTED',
      `The volume ${prepared.name} is mounted ${how} already.`,
      `Unmount it first with \`cairn unmount ${prepared.name}\`, or fork it.`,
    )
  }

  /** A mount of ours that nobody serves makes room; one that somebody serves does not. */
  async #clearAt(path: string): Promise<void> {
    const there = this.#kernel.list().filter(mount => mount.path === path)
    if (there.length === 0) return
    if (await this.#clearDead(path)) return
    throw new CairnError('ERR_MOUNT_PATH', `Another volume is mounted at ${path}.`, 'Unmount it first, or choose another directory.')
  }

  async #start(record: MountRecord, prepared: Prepared): Promise<void> {
    const { mountpoint, readOnly, allowOther } = record
    const fd = this.#kernel.mount({ path: mountpoint, name: prepared.name, readOnly, allowOther })
    const mounted = this.#add(record, fd)
    try {
      mounted.isHeld = true
      const held = this.#keeper.hold(record, fd)
      held.catch(() => undefined)
      if (record.view === undefined) this.#write()
      const before = await this.#engine.call('', 'mount.attach', [record, fd, false, this.#ids()])
      await held
      if (record.view !== undefined && typeof before === 'string') record.view.before = before
      await mounted.negotiated
      if (record.view === undefined) this.#kernel.tune(mountpoint)
      else void this.#keeper.update(record)
    } catch (error) {
      this.#kernel.unmount(mountpoint, true)
      this.#forget(mounted)
      throw error
    }
  }

  #ids(): number[] {
    return [...this.#mounted.keys()]
  }

  #add(record: MountRecord, fd: number): Mounted {
    let onNegotiated = (): void => undefined
    let onGone = (_: Error): void => undefined
    let resolveGone = (): void => undefined
    const negotiated = new Promise<void>((done, failed) => {
      onNegotiated = done
      onGone = failed
    })
    negotiated.catch(() => undefined)
    const gone = new Promise<void>(done => {
      resolveGone = done
    })
    const mounted: Mounted = { record, fd, isHeld: false, negotiated, onNegotiated, onGone, gone, resolveGone }
    this.#mounted.set(record.id, mounted)
    return mounted
  }

  /** INIT was answered: another server must know with what. */
  onNegotiated(id: number, value: unknown): void {
    const mounted = this.#mounted.get(id)
    if (mounted === undefined) return
    mounted.record.negotiated = value
    if (mounted.isHeld) void this.#keeper.update(mounted.record)
    mounted.onNegotiated()
  }

  /** The kernel let go of it, whoever asked it to. */
  onGone(id: number): void {
    const mounted = this.#mounted.get(id)
    if (mounted === undefined) return
    mounted.onGone(new CairnError('ERR_MOUNT_GONE', `The mount at ${mounted.record.mountpoint} went away.`, 'Mount it again.'))
    this.#forget(mounted)
  }

  /** @param leave what becomes of the folder of a view */
  #forget(mounted: Mounted, leave = (path: string) => this.#views.remove(path)): void {
    const { id, view, mountpoint } = mounted.record
    if (!this.#mounted.delete(id)) return
    if (mounted.isHeld) void this.#keeper.drop(id)
    this.#kernel.close(mounted.fd)
    this.#owners.delete(id)
    if (view !== undefined) leave(mountpoint)
    mounted.onGone(new CairnError('ERR_MOUNT_GONE', `The mount at ${mountpoint} went away.`, 'Mount it again.'))
    mounted.resolveGone()
    if (view === undefined) this.#write()
  }

  /**
   * Unmounts by volume name or mount path. All is flushed when it resolves. False when it is not mounted.
   * @throws CairnError ERR_MOUNT_BUSY that names the processes, unless `force`: then what they have open there fails from now on
   */
  unmount(target: string, options: { force?: boolean } = {}): Promise<boolean> {
    return this.#exclusive(() => this.#unmount(target, options.force === true))
  }

  async #unmount(target: string, force: boolean): Promise<boolean> {
    const mounted = await this.#find(target)
    if (mounted === undefined) return target.startsWith('/') && this.#clearDeadAt(await canonical(target))
    const { id, volumeId, mountpoint } = mounted.record
    await this.#engine.call('', 'mount.flush', [volumeId])
    await this.#engine.call('', 'mount.leaving', [id, true])
    const result = this.#kernel.unmount(mountpoint, force)
    if (result < 0) await this.#engine.call('', 'mount.leaving', [id, false])
    if (result === -EBUSY) throw busy(mountpoint)
    if (result < 0 && result !== -EINVAL) {
      throw new CairnError('ERR_UNMOUNT', `${mountpoint} could not be unmounted: errno ${-result}.`, 'Try again with --force.')
    }
    if (!force) await this.#letGo(mounted)
    // What was written back while it was unmounted.
    await this.#engine.call('', 'mount.end', [id, volumeId])
    this.#forget(mounted)
    await this.#engine.call('', 'mount.leave', [volumeId])
    return true
  }

  /**
   * The kernel ends the connection with the last copy of a mount. A sandbox or a container that began meanwhile has copies of all mounts of its host, for as long as it
   * lives: nobody waits for that.
   */
  async #letGo({ gone, record }: Mounted): Promise<void> {
    const lives = await Promise.race([gone, sleep(limits.mountGoneMs, true, { ref: false })])
    if (lives === true) this.#log(`${record.mountpoint} is unmounted, and ended for other mount namespaces that had a copy of it`)
  }

  async #clearDeadAt(path: string): Promise<boolean> {
    const known = this.#kernel.list().some(mount => mount.path === path)
    return known && (await this.#clearDead(path))
  }

  async #find(target: string): Promise<Mounted | undefined> {
    if (target.startsWith('/')) {
      const path = await canonical(target)
      return [...this.#mounted.values()].find(mounted => mounted.record.mountpoint === path)
    }
    const id = ((await this.#engine.call('', 'info', [target])) as { id: string }).id
    return this.#byVolume(id)
  }

  /** The mount of a volume that is no view. */
  #byVolume(volumeId: string): Mounted | undefined {
    return this.#ofVolume(volumeId).find(({ record }) => record.view === undefined)
  }

  #ofVolume(volumeId: string): Mounted[] {
    return [...this.#mounted.values()].filter(({ record }) => record.volumeId === volumeId)
  }

  /**
   * A mount for the program with this session, which ends with it.
   * @throws CairnError ERR_VIEW_RULES, ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_MOUNT; those of the volume
   */
  openView(owner: string, name: string, { rules, actor, exec, readOnly = false, control }: ViewOptions): Promise<ViewInfo> {
    return this.#exclusive(async () => {
      const prepared = (await this.#engine.call('', 'mount.prepare', [name, '/', readOnly])) as Prepared
      const id = this.#next++
      const secret = randomUUID()
      const view = { secret, ...(rules && { rules }), ...(exec !== undefined && { exec }), ...(control === true && { control }) }
      const { volumeId, rootIno } = prepared
      const mountpoint = this.#views.make(id)
      const record: MountRecord = { ...{ id, volumeId, rootIno, mountpoint, readOnly, allowOther: false, view }, ...(actor !== undefined && { actor }) }
      try {
        await this.#start(record, prepared)
      } catch (error) {
        this.#views.remove(mountpoint)
        throw error
      }
      this.#owners.set(id, owner)
      return { id, mountpoint, readOnly, secret }
    })
  }

  /**
   * A view for a run, with the commit before it, if it was judged by the policy that is in force. Not in the queue: its folder is its own.
   * @throws as `openView`
   */
  beginRun(owner: string, name: string, options: BeginRunOptions): Promise<BegunRun> {
    return this.#meanwhile(this.#beginRun(owner, name, options))
  }

  async #beginRun(owner: string, name: string, options: BeginRunOptions): Promise<BegunRun> {
    const { rules, actor, exec, message, readOnly = false, control } = options
    const id = this.#next++
    const secret = randomUUID()
    const view = { secret, exec, message, ...(rules && { rules }), ...(control === true && { control }) }
    const mountpoint = this.#views.take(id)
    const record: MountRecord = { ...{ id, volumeId: '', rootIno: 0, mountpoint, readOnly, allowOther: false, view }, ...(actor !== undefined && { actor }) }
    const fd = this.#mountView(mountpoint, name, readOnly)
    const mounted = this.#add(record, fd)
    this.#owners.set(id, owner)
    try {
      const begun = (await this.#engine.call('', 'mount.beginRun', [record, name, fd, this.#ids(), options])) as Begun
      if ('policy' in begun) {
        void this.#leave(mounted)
        return begun
      }
      const { volumeId, rootIno, since, negotiated, ...rest } = begun
      Object.assign(record, { volumeId, rootIno })
      if (since !== undefined) record.view = { ...view, before: since }
      if (negotiated !== undefined) this.onNegotiated(id, negotiated)
      await mounted.negotiated
      mounted.isHeld = true
      await this.#keeper.hold(record, fd)
      return { id, mountpoint, readOnly, secret, ...this.#place, ...rest }
    } catch (error) {
      await this.#engine.call('', 'mount.end', [id]).catch(() => undefined)
      await this.#leave(mounted)
      throw error
    }
  }

  #mountView(mountpoint: string, name: string, readOnly: boolean): number {
    try {
      return this.#kernel.mount({ path: mountpoint, name, readOnly, allowOther: false })
    } catch (error) {
      this.#views.give(mountpoint)
      throw error
    }
  }

  /** As `beginRun`, where mounts had to be synced first. @returns the commit before the run */
  async startRun(owner: string, id: number, checkpoint: boolean): Promise<string | undefined> {
    this.ownView(owner, id)
    const { before, since } = (await this.#engine.call('', 'mount.startRun', [id, checkpoint])) as { before?: string; since?: string }
    const record = this.#mounted.get(id)?.record
    if (record?.view !== undefined && since !== undefined) {
      record.view = { ...record.view, before: since }
      await this.#keeper.update(record)
    }
    return before
  }

  /** Records what a run changed. Its mount answers nobody from then on, and is gone soon after. */
  async endRun(owner: string, id: number, event: AuditEvent, options: EndRunOptions): Promise<EndedRun> {
    this.ownView(owner, id)
    const ended = (await this.#engine.call('', 'mount.endRun', [id, event, options])) as EndedRun
    const mounted = this.#mounted.get(id)
    // What it takes to remove it comes after the answer, and before any other call.
    if (mounted !== undefined && !('sync' in ended)) void this.#meanwhile(new Promise(resolve => setImmediate(() => resolve(this.#leave(mounted)))))
    return ended
  }

  /** Removes the mount of a run, which is served no longer, after whoever asked was answered. */
  async #leave(mounted: Mounted): Promise<void> {
    let over: Promise<void> | undefined
    this.#forget(mounted, path => {
      over = this.#meanwhile(this.#kernel.clear(path).then(isGone => (isGone ? this.#views.give(path) : this.#views.remove(path))))
    })
    await over
  }

  #meanwhile<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    const over = (): void => void this.#underWay.delete(work)
    work.then(over, over)
    return work
  }

  /** The program that has a view of a server before this one is another session now. @throws CairnError ERR_VIEW_UNKNOWN */
  claimView(owner: string, id: number, secret: string): void {
    if (this.#mounted.get(id)?.record.view?.secret !== secret) throw unknownView()
    this.#owners.set(id, owner)
  }

  /** Ends a view of this session; what is open in it fails from now on. False when there is none. */
  closeView(owner: string, id: number): Promise<boolean> {
    return this.#exclusive(async () => {
      const mounted = this.#mounted.get(id)
      if (mounted === undefined || this.#owners.get(id) !== owner) return false
      await this.#endView(mounted)
      return true
    })
  }

  /** A client is gone, and its views with it. */
  async endViewsOf(owner: string): Promise<void> {
    for (const [id, one] of this.#owners) if (one === owner) await this.closeView(owner, id)
  }

  /** Whose a view is: only that client may ask about it. @throws CairnError ERR_VIEW_UNKNOWN */
  ownView(owner: string, id: number): void {
    if (this.#owners.get(id) !== owner) throw unknownView()
  }

  /** Of a program that has not come back since the server was started again. */
  async #endUnclaimed(): Promise<void> {
    const unclaimed = [...this.#mounted.values()].filter(({ record }) => record.view !== undefined && !this.#owners.has(record.id))
    for (const mounted of unclaimed) await this.#exclusive(() => this.#endView(mounted))
  }

  async #endView(mounted: Mounted): Promise<void> {
    const { id, mountpoint } = mounted.record
    if (!this.#mounted.has(id)) return
    await this.#engine.call('', 'mount.leaving', [id, true])
    // Where something is open in it still, its connection ends with the descriptors.
    if (this.#kernel.unmount(mountpoint, false) === -EBUSY) this.#kernel.unmount(mountpoint, true)
    await this.#engine.call('', 'mount.end', [id])
    this.#forget(mounted)
  }

  /** Unmounts all, with force: the server ends. */
  async endAll(): Promise<void> {
    await Promise.allSettled(this.#underWay)
    for (const mounted of [...this.#mounted.values()]) if (mounted.record.view !== undefined) await this.#exclusive(() => this.#endView(mounted))
    for (const { record } of [...this.#mounted.values()]) await this.unmount(record.mountpoint, { force: true })
    await Promise.allSettled(this.#underWay)
    this.#views.end()
    await rm(this.#paths.mounts, { force: true })
  }

  /** The kernel forgets what clients changed through the socket. */
  async tell(changes: readonly VolumeChanges[]): Promise<void> {
    await Promise.all(
      changes.map(async one => {
        const told = this.#ofVolume(one.volumeId).filter(({ record }) => one.mounts?.includes(record.id) !== false)
        if (told.length === 0) return
        await Promise.all(told.map(({ fd, record }) => this.#kernel.notify(fd, record.rootIno, one.changes)))
        if (one.became !== undefined) await this.#engine.call('', 'mount.told', [one.volumeId, one.became])
      }),
    )
  }

  /** Views need no note: their folders tell. */
  #write(): void {
    writeNote(this.#paths.mounts, `${JSON.stringify(this.#records(false))}\n`)
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

/** None when the file was cut or damaged: then `mount` finds out by itself what is stale. */
function recordsIn(text: string | undefined): MountRecord[] {
  try {
    const found = JSON.parse(text ?? '[]') as unknown
    return Array.isArray(found) ? found.filter(record => typeof record?.mountpoint === 'string') : []
  } catch {
    return []
  }
}

function unknownView(): CairnError {
  return new CairnError('ERR_VIEW_UNKNOWN', 'The view is not there any more, or is not of this program.', 'Open it again.', { retry: 'reopen' })
}

function busy(mountpoint: string): CairnError {
  const holders = holdersOf(mountpoint)
  const who = holders.length === 0 ? 'by a process that cannot be seen from here' : `by ${describeHolders(holders)}`
  return new CairnError('ERR_MOUNT_BUSY', `${mountpoint} is in use ${who}.`, 'End these processes or leave the directory and try again, or use --force.')
}

function infoOf(record: MountRecord, name: string): MountInfo {
  const durability = record.durability === undefined ? {} : { durability: record.durability }
  return { name, mountpoint: record.mountpoint, readOnly: record.readOnly, ...durability, ...(record.sub === undefined ? {} : { sub: record.sub }) }
}

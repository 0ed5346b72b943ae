import { CairnError, isGone, posixError } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import { aheadOfRestore } from '../history/ahead.js'
import { statsOf } from '../history/gc/stats.js'
import { holdersOf } from '../history/purge/holders.js'
import { purge } from '../history/purge/purge.js'
import { prepareRestore, type Restored, type RestoreOptions, restore, restoreInto } from '../history/restore/restore.js'
import { isOpName, LocalBackend, type OpArgs } from '../node/backend.js'
import { type BatchAnswer, type BatchOp, runBatchOps } from '../node/batch-ops.js'
import { LocalOps } from '../node/ops.js'
import type { CredentialVariables } from '../store/environment.js'
import type { StoreLocation } from '../store/url.js'
import type { KeySource } from '../store/user-key.js'
import { limits, systemClock } from '../sys/index.js'
import type { CommitInfo, VolumeInfo } from '../volume/api.js'
import { type AuditVerifyOptions, verifyAudit } from '../volume/audit/index.js'
import type { Engine, StoreOptions } from '../volume/engine.js'
import type { DurabilityLevel } from '../volume/lease.js'
import type { OpenOptions } from '../volume/pool.js'
import type { Session } from '../volume/session.js'
import type { Volume } from '../volume/volume.js'
import { as } from './as-actor.js'
import { auditMethods } from './audit-methods.js'
import { cacheMethods } from './cache-methods.js'
import { ChangeLog } from './changes.js'
import { directoryUseOf } from './directory-use.js'
import { execMethods } from './exec-methods.js'
import { findMethods } from './find-methods.js'
import { historyMethods } from './history-methods.js'
import { lifeMethods } from './life-methods.js'
import { mergeMethods } from './merge-methods.js'
import { isRepeated, knocked, laterOf, namesIn, onlyReads, storesOf } from './near-calls.js'
import { type MakeFs, type OpenVolume, OpenVolumes } from './open-volumes.js'
import { policyMethods } from './policy-methods.js'
import { quotaMethods } from './quota-methods.js'
import { searchMethods } from './search-methods.js'
import { Sessions, type Target } from './sessions.js'
import { tagMethods } from './tag-methods.js'
import type { Written } from './turns-elsewhere.js'
import { openVersion, type VersionPlace, versionMethods } from './version-methods.js'
import { changeNear, type FarChange, whenNear } from './when-near.js'

/** What another host writes can be read all the same. */
const READ = { readOnly: true }

type CommitOptions = { message?: string; actor?: string }
type Method = (session: string, ...args: never[]) => unknown

export interface HostOptions {
  makeFs: MakeFs
  /** Bytes in all and free where the volumes are, for statfs. */
  space?: () => { totalBytes: number; freeBytes: number }
  /** How long a volume that nobody uses stays open; default 0. */
  volumeIdleMs?: number
  /** Somebody pumps the engine all the time: flushes are done in slices, between requests. */
  flushesInSlices?: boolean
  /** In that case: resolves when others had their turn. */
  turn?: () => Promise<void>
  /** True while a mount does not tell what is open in it. */
  keepsUnlinked?: (id: string, ino: number) => boolean
  /** True for a volume whose changes the kernel must hear of. */
  isMounted?: (id: string) => boolean
}

/** What the engine's thread does for clients, by method name. Synchronous, but for what waits for the disk. */
export class EngineHost {
  readonly volumes: OpenVolumes
  readonly sessions: Sessions
  readonly #options: HostOptions
  readonly #methods: ReadonlyMap<string, Method>
  readonly #changes = new Map<string, ChangeLog>()
  #isHere = false

  constructor(engine: Engine, options: HostOptions) {
    this.#options = options
    this.volumes = new OpenVolumes(engine, options.makeFs, options.volumeIdleMs ?? 0, open => this.#watch(open))
    this.sessions = new Sessions(target => this.#ended(target))
    this.#methods = new Map<string, Method>(
      Object.entries({
        ...this.#volumeMethods(engine),
        ...this.#historyMethods(engine),
        ...this.#targetMethods(),
        ...mergeMethods(
          this.volumes,
          (name, then) => this.#flushed(name, then),
          (open, change) => this.#change(open, change),
        ),
        ...historyMethods(this.volumes, this.sessions, open => this.#backend(open.fs)),
        ...policyMethods(this.volumes),
        ...quotaMethods(this.volumes),
        ...auditMethods(this.volumes),
        ...execMethods(this.volumes),
        ...searchMethods(this.volumes, this.sessions, open => this.#backend(open.fs)),
        ...findMethods(this.sessions),
        ...tagMethods(this.sessions),
        ...cacheMethods(engine, this.sessions),
        ...versionMethods(this.volumes, options.flushesInSlices === true),
      }),
    )
  }

  /** Names of what clients can call, but for the operations of files (`fs.`…). */
  get methods(): string[] {
    return [...this.#methods.keys()]
  }

  /**
   * Runs a method. Returns its result or a promise of it; what it changed in volumes whose durability is `remote` is in their stores then, but for operations of
   * files, which are synced when they are told to.
   * @throws what it throws; CairnError ERR_METHOD_UNKNOWN, ERR_STORE_UNREACHABLE, ERR_LEASE_LOST: what was changed stays here then
   */
  call(session: string, method: string, args: unknown[]): unknown {
    return method.startsWith('fs.') ? this.#run(session, method, args) : this.stored(() => this.#run(session, method, args))
  }

  /** The result of `work` when what it changed in volumes whose durability is `remote` is in their stores. */
  stored(work: () => unknown): unknown {
    const before = this.#remoteSequences()
    const result = work()
    if (before.size === 0) return result
    return result instanceof Promise ? result.then(value => this.#whenStored(before, value)) : this.#whenStored(before, result)
  }

  /** Of the volumes whose changes are waited for, how many there were. */
  #remoteSequences(): Map<OpenVolume, number> {
    return new Map(this.volumes.list().flatMap(open => (open.volume.durability === 'remote' ? [[open, open.volume.session.sequence]] : [])))
  }

  #whenStored<T>(before: ReadonlyMap<OpenVolume, number>, result: T): T | Promise<T> {
    const changed = [...before].filter(([{ volume }, sequence]) => volume.session.sequence !== sequence && !volume.isAllStored)
    if (changed.length === 0) return result
    return Promise.all(changed.map(([{ volume }]) => volume.session.stored())).then(() => result)
  }

  #run(session: string, method: string, args: unknown[]): unknown {
    if (method.startsWith('fs.')) return this.#fileCall(session, method.slice(3), args)
    const run = this.#methods.get(method)
    if (run === undefined) throw new CairnError('ERR_METHOD_UNKNOWN', `The server knows no ${method}.`, 'Use the same version of cairn on both sides.')
    return this.whenReached(session, method, args, () => this.#perform(session, method, args, run))
  }

  /**
   * Runs a method at once; where it is going to wait for a store, and nobody has heard of that for a while, when it is known whether it answers: others go on
   * meanwhile.
   */
  whenReached<T>(session: string, method: string, args: readonly unknown[], run: () => T | Promise<T>): T | Promise<T> {
    const waits = this.#isServed ? knocked(this.volumes, method, args) : undefined
    if (waits === undefined) return run()
    const work = waits.then(() => {
      try {
        return run()
      } finally {
        this.volumes.engine.forgetKnock()
      }
    })
    return this.sessions.during(session, work)
  }

  #perform(session: string, method: string, args: unknown[], run: Method): unknown {
    const go = (): unknown => run(session, ...(args as never[]))
    try {
      const result = this.#isServed && isRepeated(method) ? this.#whenAllNear(session, method, args, go) : go()
      if (!(result instanceof Promise)) return result
      return this.sessions.during(session, result).catch(error => {
        throw this.#staleOr(error)
      })
    } catch (error) {
      throw this.#staleOr(error)
    }
  }

  /** As `call`, for who has no turn to give away: what is far away is waited for in this thread. */
  callHere(method: string, args: unknown[]): unknown {
    this.#isHere = true
    try {
      return this.call('', method, args)
    } finally {
      this.#isHere = false
    }
  }

  /** Others go on while a client waits for a store. */
  get #isServed(): boolean {
    return this.#options.flushesInSlices === true && !this.#isHere
  }

  /** Opening is no part of what may be given up. */
  #whenAllNear(session: string, method: string, args: readonly unknown[], run: () => unknown): unknown {
    const [first] = args
    if (typeof first === 'number') {
      const { open, second } = this.sessions.get(session, first)
      return whenNear(storesOf(second === undefined ? [open] : [open, second]), run, laterOf(method))
    }
    const names = namesIn(args)
    if (!onlyReads(method)) return whenNear(storesOf(names.flatMap(name => this.volumes.named(name) ?? [])), run)
    const opened: OpenVolume[] = []
    return this.volumes.during(opened, () => {
      for (const name of names) opened.push(this.volumes.acquire(name, false, READ))
      return whenNear(storesOf(opened), run)
    })
  }

  /** Makes a change that reads much, see `changeNear`. */
  #change<P, T>({ volume }: OpenVolume, change: FarChange<P, T>): T | Promise<T> {
    return changeNear(this.#isServed ? volume.context.store : {}, change, this.#options.turn ?? (() => Promise.resolve()))
  }

  /** Work on what a reader showed before ends where that is gone. */
  #staleOr(error: unknown): unknown {
    if (!isGone(error)) return error
    const { engine } = this.volumes
    const met = this.volumes.list().find(({ volume }) => engine.isStale(volume, error, true))
    return met === undefined ? error : stale(met.volume)
  }

  /** What calls changed in mounted volumes since the last time, by volume id. */
  takeChanges(): Array<{ volumeId: string; changes: ReturnType<ChangeLog['take']>; became?: number }> {
    const taken = []
    for (const [volumeId, log] of this.#changes) {
      if (log.isEmpty) continue
      const sequence = this.volumes.get(volumeId)?.volume.head.value.sequence ?? 0
      taken.push({ volumeId, changes: log.take(), ...(log.tookOther() ? { became: sequence } : {}) })
    }
    return taken
  }

  #volumeMethods(engine: Engine) {
    return {
      create: (_: string, name: string, options?: { store?: StoreLocation } & StoreOptions) => engine.create(name, options),
      attach: (_: string, name: string, store: StoreLocation, options?: StoreOptions) => engine.attach(name, store, options),
      giveKeys: (_: string, keys: readonly KeySource[]) => engine.giveKeys(keys),
      giveCredentials: (_: string, variables: CredentialVariables) => engine.useCredentials(variables),
      // Of `engine.`, which no client can call.
      'engine.keys': () => engine.keys,
      volumes: (_: string, options?: { deleted?: boolean }) => engine.volumes(options),
      info: (_: string, name: string) => engine.info(name),
      storeOf: (_: string, name: string) => engine.storeOf(name),
      writtenElsewhere: () => writtenElsewhere(engine),
      volumesById: (_: string, ids: readonly string[]) => ids.map(id => engine.volumeById(id)),
      ...lifeMethods(this.volumes, (name, isGoing) => this.volumes.closeUnused(name, id => this.#options.isMounted?.(id) === true, isGoing)),
      releaseLease: (_: string, name: string) => this.volumes.closeUnused(name, id => this.#options.isMounted?.(id) === true),
      flush: (_: string, name: string, options?: { timeoutMs?: number }) => this.#published(name, options?.timeoutMs),
      status: (_: string, name: string) => this.volumes.read(name, ({ volume }) => volume.status()),
      statusOf: (_: string, name: string) => engine.statusOf(name),
      refresh: (_: string, name: string) => this.#refreshed(engine, name),
      collected: () => engine.collected(),
      checkStore: (_: string, name: string, options?: { probe?: boolean }) => engine.checkStore(name, options),
      unpublished: () => engine.unpublished(),
      stats: (_: string, name?: string) => statsOf(name === undefined ? engine.dev : engine.poolOf(name), name),
      openVolumes: () => this.volumes.list().map(open => open.volume.info.name),
    }
  }

  #historyMethods(engine: Engine) {
    return {
      forkAll: (_: string, source: string, ref: string | undefined, names: string[]) => this.#forkAll(engine, source, ref, names),
      fork: async (_: string, source: string, ref: string | undefined, name: string) => (await this.#forkAll(engine, source, ref, [name]))[0],
      beginPurge: (session: string, name: string, path: string, options?: { recursive?: boolean; actor?: string }) =>
        this.#flushed(name, () => this.#beginSteps(session, name, volume => purge(volume, path, options))),
      step: (session: string, target: number) => this.#step(session, target),
      beginDirectoryUse: (session: string, name: string, path: string, options?: { ref?: string }) =>
        this.#beginSteps(session, name, volume => directoryUseOf(engine, volume, path, options), READ),
      beginHistoryUse: (session: string, name: string) => this.#beginSteps(session, name, volume => countedUse(volume), READ),
      beginAuditVerify: (session: string, name: string, options?: AuditVerifyOptions) =>
        this.#beginSteps(session, name, volume => verifyAudit(() => volume.state.history, options), READ),
      holders: (_: string, name: string, id: string, inodes: number[], path: string) => holdersOf(engine.poolOf(name), id, inodes, path),
      pin: (_: string, name: string, options?: { ref?: string; since?: string }) => this.#flushed(name, () => engine.pin(name, options), true),
      unpin: (_: string, name: string, id: string) => engine.unpin(name, id),
      checkpoint: (_: string, name: string, checkpoint?: string, options?: { message?: string; actor?: string }) =>
        this.volumes.use(name, ({ volume }) => volume.checkpoint(checkpoint, options)),
      restore: (_: string, name: string, options?: RestoreOptions) => this.#restore(name, options),
      checkpoints: (_: string, name: string) => this.volumes.read(name, ({ volume }) => volume.commits({ checkpointsOnly: true })),
      commits: (_: string, name: string, options?: { limit?: number }) => this.volumes.read(name, ({ volume }) => volume.commits(options)),
      deleteCheckpoint: (_: string, name: string, checkpoint: string, options?: { actor?: string }) =>
        this.volumes.use(name, ({ volume }) => as(options?.actor, volume, () => volume.deleteCheckpoint(checkpoint))),
    }
  }

  #restore(name: string, options?: RestoreOptions): Restored | Promise<Restored> {
    const open = this.volumes.acquire(name)
    const { volume } = open
    return this.volumes.during([open], () =>
      this.#change(open, {
        prepare: () => prepareRestore(volume, options),
        ahead: prepared => aheadOfRestore(volume, prepared),
        change: prepared => restore(volume, prepared),
      }),
    )
  }

  /** Runs `then` when all that was acknowledged is sealed: what it seals itself is only what came meanwhile. */
  #flushed<T>(name: string, then: (flushed: { bytes: number }, open: OpenVolume) => T, readOnly = false): T | Promise<T> {
    const options: OpenOptions = { readOnly }
    if (this.#options.flushesInSlices !== true) return this.volumes.use(name, open => then(open.volume.flush(), open), options)
    const open = this.volumes.acquire(name, false, options)
    return open.volume
      .flushSoon()
      .then(flushed => then(flushed, open))
      .finally(() => this.volumes.release(open))
  }

  /** Forks when all that was acknowledged is sealed, and with it the commit that the forks begin with, which else were a seal of its own. */
  #forkAll(engine: Engine, source: string, ref: string | undefined, names: readonly string[]): VolumeInfo[] | Promise<VolumeInfo[]> {
    const fork = (): VolumeInfo[] => engine.forkAll(source, ref, names)
    if (this.#options.flushesInSlices !== true) return fork()
    for (const name of names) engine.checkFree(name)
    const isMuch = this.volumes.read(source, ({ volume }) => volume.hasMuchToSeal)
    const begin = (): VolumeInfo[] | Promise<VolumeInfo[]> => {
      if (ref === undefined) this.volumes.read(source, ({ volume }) => volume.isReader || volume.presentCommit())
      return this.#flushed(source, fork, true)
    }
    // Much is folded in slices first.
    return isMuch ? Promise.resolve(this.#flushed(source, () => {}, true)).then(begin) : begin()
  }

  /** Everything acknowledged is sealed, and stored where other hosts see it. */
  #published(name: string, timeoutMs?: number): { bytes: number } | Promise<{ bytes: number }> {
    const beganMs = systemClock.monotonic()
    // What this host does not write has nothing to be published.
    const open = this.volumes.acquire(name, false, { readOnly: true })
    const { engine } = this.volumes
    const work = async (): Promise<{ bytes: number }> => {
      try {
        const { bytes } = this.#options.flushesInSlices === true ? await open.volume.flushSoon() : open.volume.flush()
        // Who says how long means the sealing, too.
        await engine.publish(open.volume, timeoutMs === undefined ? undefined : Math.max(0, beganMs + timeoutMs - systemClock.monotonic()))
        return { bytes }
      } finally {
        this.volumes.release(open)
      }
    }
    return work()
  }

  /** Of a volume that this host writes there is nothing newer than what it has. */
  #refreshed(engine: Engine, name: string): Refreshed | Promise<Refreshed> {
    const told = ({ volume }: OpenVolume, changed: boolean): Refreshed => ({ changed, isWriter: !volume.isReader, sequence: volume.head.value.sequence })
    if (this.#options.flushesInSlices !== true) return this.volumes.read(name, open => told(open, engine.refresh(open.volume)))
    const open = this.volumes.acquire(name, false, { readOnly: true })
    return engine
      .refreshSoon(open.volume)
      .then(changed => told(open, changed))
      .finally(() => this.volumes.release(open))
  }

  #targetMethods() {
    return {
      open: (
        session: string,
        name: string,
        ref?: string,
        actor?: string,
        version?: VersionPlace,
        readOnly?: boolean,
        durability?: DurabilityLevel,
        why?: Why,
      ) => this.#open(session, name, { ref, actor, version, readOnly, durability, why }),
      begin: (session: string, target: number) => this.#begin(session, target),
      commit: (session: string, target: number, record?: CommitOptions) => this.#commit(session, target, record),
      batch: (session: string, target: number, ops: BatchOp[]) => this.#batch(this.sessions.get(session, target), ops),
      close: (session: string, target: number) => this.sessions.remove(session, target),
    }
  }

  /** Begins work that its client has done step by step, and that ends with its client. */
  #beginSteps(session: string, name: string, begin: (volume: OpenVolume['volume']) => Iterator<unknown, unknown>, options: OpenOptions = {}): number {
    const open = this.volumes.acquire(name, false, options)
    const add = (): number => this.sessions.add(session, { open, fs: open.fs, backend: this.#backend(open.fs), steps: begin(open.volume) })
    return this.#releasing(open, add) as number
  }

  /** Works for a few milliseconds. */
  #step(session: string, id: number): { done: boolean; result?: unknown } {
    const { steps } = this.sessions.get(session, id)
    if (steps === undefined) throw new CairnError('ERR_NO_STEPS', 'This is no work that is done step by step.', 'Begin it first.')
    const until = systemClock.monotonic() + limits.sealSliceMs
    do {
      const { done, value } = steps.next()
      if (done === true) return { done, result: value }
    } while (systemClock.monotonic() < until)
    return { done: false }
  }

  #open(session: string, name: string, target: OpenTarget): number | Promise<number> {
    const { ref, version, readOnly, durability } = target
    const isPast = ref !== undefined || version !== undefined
    const open = this.volumes.acquire(name, false, { readOnly: isPast || readOnly === true, ...(durability === undefined ? {} : { durability }) })
    return this.#releasing(open, () => {
      if (!isPast) return this.#addOpened(session, open, target)
      return this.#whenNear(open, () => {
        const past = version !== undefined ? openVersion(open.volume, version) : open.volume.at(ref as string) // one of the two is there
        return this.#addOpened(session, open, target, past)
      })
    })
  }

  /** @param past a state of the past, which nobody changes; else the volume as it is */
  #addOpened(session: string, open: OpenVolume, { actor, readOnly, why }: OpenTarget, past?: Session): number {
    this.sessions.check(session)
    const fs = past === undefined ? open.fs : this.#options.makeFs(past, open.id)
    const by = actor === undefined ? {} : { actor }
    const { volume } = open
    const auditSession =
      past !== undefined || readOnly === true || volume.isReader
        ? {}
        : { auditSession: volume.auditSessions.begin({ actor: volume.session.actor, ...by, ...why }) }
    return this.sessions.add(session, { open, fs, backend: this.#backend(fs, open, actor), ...by, ...auditSession, ...(past === undefined ? {} : { past }) })
  }

  /** Lets go of a volume when `run` fails. */
  #releasing<T>(open: OpenVolume, run: () => T | Promise<T>): T | Promise<T> {
    const failed = (error: unknown): never => {
      this.volumes.release(open)
      throw error
    }
    try {
      const result = run()
      return result instanceof Promise ? result.catch(failed) : result
    } catch (error) {
      return failed(error)
    }
  }

  #begin(session: string, id: number): number {
    const { open, actor } = this.sessions.get(session, id)
    const by = actor === undefined ? {} : { actor }
    this.sessions.check(session)
    const transaction = open.volume.begin()
    open.users++
    const fs = this.#options.makeFs(transaction, open.id)
    // Where nothing is ever mounted nobody asks what changed; else the volume may be mounted before the transaction ends.
    if (this.#options.isMounted === undefined) return this.sessions.add(session, { open, fs, backend: this.#backend(fs), transaction, ...by })
    const changes = new ChangeLog()
    fs.listener = changes
    return this.sessions.add(session, { open, fs, backend: this.#backend(fs), transaction, changes, ...by })
  }

  /** @param record given: with a commit of it in the history */
  #commit(session: string, id: number, record?: CommitOptions): CommitInfo | undefined {
    const target = this.sessions.get(session, id)
    if (target.transaction === undefined) throw new CairnError('ERR_NO_TRANSACTION', 'This is no transaction.', 'Begin one first.')
    const { transaction, actor } = target
    const { volume } = target.open
    const by = actor === undefined ? {} : { actor }
    const result = as(record?.actor ?? actor, volume, () =>
      record === undefined ? transaction.commitTransaction() : volume.commitTransaction(transaction, { ...by, ...record }),
    )
    if (typeof result === 'number' && result < 0) throw posixError(-result, 'commit')
    if (target.changes !== undefined) this.#logOf(target.open)?.addAll(target.changes)
    return typeof result === 'number' ? undefined : result
  }

  #batch(target: Target, ops: BatchOp[]): BatchAnswer[] {
    return runBatchOps(target.backend.ops, ops, (path, ref) => {
      if (target.transaction === undefined) throw new CairnError('ERR_NO_TRANSACTION', 'This is no transaction.', 'Begin one first.')
      const changes = restoreInto(target.transaction, target.open.volume, path, ref)
      // Handles stay what they are: the file is changed, as by a write.
      for (const { parent, name, ino } of changes.entries) target.changes?.entry(parent, name, ino)
      for (const ino of [...changes.inodes, ...changes.stale]) target.changes?.inode(ino)
    })
  }

  /** @param actor of whose changes versions say that they are; only where it is not the volume's own, because that costs a little each time */
  #backend(fs: FileSystemApi, open?: OpenVolume, actor?: string): LocalBackend {
    const ops = new LocalOps(fs, { space: this.#options.space })
    if (open?.volume.isReader === true) {
      const { volume } = open
      return new LocalBackend(ops, undefined, error => (this.volumes.engine.isStale(volume, error, fs !== open.fs) ? stale(volume) : undefined))
    }
    if (open === undefined || actor === undefined) return new LocalBackend(ops)
    // A mount may give the volume another actor at any time.
    if (this.#options.isMounted === undefined && open.volume.session.actor === actor) return new LocalBackend(ops)
    return new LocalBackend(ops, work => as(actor, open.volume, work))
  }

  #fileCall(session: string, name: string, args: unknown[]): unknown {
    const { open } = this.sessions.get(session, args[0] as number)
    return this.#whenNear(open, () => this.#fileCallNow(session, name, args))
  }

  /** Others go on where somebody else is there to serve them; see `whenNear`. */
  #whenNear<T>({ volume }: OpenVolume, run: () => T | Promise<T>): T | Promise<T> {
    return this.#isServed ? whenNear(volume.context.store, run) : run()
  }

  #fileCallNow(session: string, name: string, args: unknown[]): unknown {
    const [id, ...rest] = args
    const target = this.sessions.get(session, id as number)
    if (!isOpName(name)) throw new CairnError('ERR_METHOD_UNKNOWN', `The server knows no fs.${name}.`, 'Use the same version of cairn on both sides.')
    const live = target.fs === target.open.fs
    const log = live ? this.#logOf(target.open) : undefined
    if (log !== undefined) target.fs.listener = log
    try {
      if (name === 'write' && live && target.open.volume.durability === 'remote') return this.#write(target, rest as OpArgs<'write'>)
      return target.backend.call(name, rest as OpArgs<typeof name>)
    } finally {
      // Changes that come through the mount are the kernel's own: it needs no telling.
      if (log !== undefined) target.fs.listener = undefined
    }
  }

  /** What must be in the store is waited for, without keeping others waiting. */
  #write({ backend }: Target, args: OpArgs<'write'>): unknown {
    const [handle] = args
    if (!backend.ops.isSynced(handle)) return backend.call('write', args)
    const written = backend.call('writeUnsynced' as 'write', args)
    return backend.ops.fsync(handle).then(() => written)
  }

  /** Of a volume that was opened: who holds handles and caches, and what they must hear. */
  #watch(open: OpenVolume): void {
    open.volume.onlookers = {
      mayHold: ino => (open.fs.holds?.(ino) ?? 0) > 0 || this.#options.keepsUnlinked?.(open.id, ino) === true,
      isMounted: () => this.#options.isMounted?.(open.id) === true,
    }
    this.#changes.delete(open.id)
    open.volume.onBecame = changes => this.#logOf(open)?.became(changes)
  }

  #logOf(open: OpenVolume): ChangeLog | undefined {
    if (this.#options.isMounted?.(open.id) !== true) return undefined
    const log = this.#changes.get(open.id) ?? new ChangeLog(ino => open.volume.session.incarnation(ino))
    this.#changes.set(open.id, log)
    return log
  }

  #ended(target: Target): void {
    target.backend.ops.closeAll()
    target.transaction?.abort()
    if (target.auditSession !== undefined) target.open.volume.auditSessions.end(target.auditSession)
    if (target.second !== undefined) this.volumes.release(target.second)
    this.volumes.release(target.open)
  }
}

/** Bytes that versions hold. */
function* countedUse({ versions }: Volume): Generator<void, number> {
  return (yield* versions.use()).bytes
}

interface OpenTarget {
  ref: string | undefined
  actor: string | undefined
  version: VersionPlace | undefined
  readOnly: boolean | undefined
  durability: DurabilityLevel | undefined
  why: Why | undefined
}

/** What a client says of a session for the audit chain. */
interface Why {
  reason?: string
  argv?: string[]
}

function stale({ info }: Volume): CairnError {
  return new CairnError(
    'ERR_STALE',
    `What the volume ${info.name} showed here was collected since another host published the next state.`,
    'Read it again: the newest state is shown now.',
    { retry: 'same-call' },
  )
}

interface Refreshed {
  changed: boolean
  isWriter: boolean
  sequence: number
}

/** Of stores that other hosts reach: the volumes that this engine has open and writes. */
function writtenElsewhere(engine: Engine): Written[] {
  return engine.open().flatMap(volume => {
    const { name, store } = volume.info
    return volume.isReader || engine.poolOf(name).context.store.isStillOurs === undefined ? [] : [{ store, volume: name }]
  })
}

import { resolve } from 'node:path'
import { type CairnError, EROFS, posixError } from '../errors.js'
import type { Searcher } from '../search/searcher.js'
import { homeOf, prepareHome } from '../server/home.js'
import type { BegunRun } from '../server/protocol.js'
import type { StoreLocation } from '../store/url.js'
import type { KeySource } from '../store/user-key.js'
import { ownActor } from '../sys/actor.js'
import { limits } from '../sys/index.js'
import type { CommitInfo, FsckReport, StoreCheck, Unpublished, VersionInfo, VolumeInfo } from '../volume/api.js'
import type { AuditState } from '../volume/audit/index.js'
import type { Pinned } from '../volume/engine.js'
import type { StoredPolicy } from '../volume/policy-record.js'
import { type Approvals, approvalsOf } from './approvals/approvals.js'
import type { BackupOptions } from './backup.js'
import type { Bundle, UnbundleOptions } from './bundle.js'
import { bytesOf, type Caches, cachesOf } from './caches.js'
import { checkActor, checkOptions, checkTimeout } from './check-options.js'
import type { DiffReader } from './diff.js'
import type { ExecHost, PresumedPolicies } from './exec/index.js'
import type { Host, Why } from './host.js'
import { Hosts } from './hosts.js'
import { runJobOn } from './jobs.js'
import { keySettings, keysOf } from './keys.js'
import { type LeaseWait, whileHeld } from './lease-wait.js'
import { Mounting } from './mounting.js'
import { codingOf, storeOf } from './new-volume.js'
import { VolumeHandle } from './open-volume.js'
import { type CheckedCommand, type CheckOptions, checkText, decideFor, infoOf, requestOf } from './policy.js'
import type { PurgeOptions, PurgeResult } from './purge.js'
import { auditOptions, grepOptions, logOptions, searchOptions } from './query-options.js'
import { isReadOnlyByEnvironment, readOnly } from './read-only.js'
import type { RotateKeyOptions } from './rotate-key.js'
import { answered, statusOf } from './status.js'
import type {
  AuditEvent,
  AuditHead,
  AuditOptions,
  AuditRecord,
  AuditTip,
  AuditVerification,
  BlameLine,
  CairnApi,
  CairnOptions,
  Copied,
  CopyOptions,
  Decision,
  DiffChange,
  DiffOptions,
  DiffSide,
  DirectoryUse,
  DurabilityLevel,
  ExecArguments,
  ExecCommand,
  ExecEvent,
  ExecResult,
  FsckOptions,
  GcOptions,
  GcReport,
  GrepFile,
  GrepOptions,
  GrepSkipped,
  LogEntry,
  LogOptions,
  MergeCall,
  MergeResult,
  MountInfo,
  MountOptions,
  NewVolume,
  OpenVolume,
  PolicyInfo,
  PruneOptions,
  PruneReport,
  Quota,
  QuotaReport,
  RaceOptions,
  RaceResult,
  Restored,
  RestoreOptions,
  Retention,
  SearchOptions,
  SearchResult,
  SetPolicyOptions,
  StatsReport,
  StatusReport,
  UndoOptions,
  UndoResult,
  ViewOptions,
  VolumeView,
} from './types.js'
import { checkGiven, checkGivenText } from './wanted.js'

/**
 * The volumes of one CAIRN_HOME. Calls go to its server where one runs, else the volumes are opened in this process; mounts are
 * always the server's, which is started when needed and lives on when this process ends. Close it when done.
 */
export class Cairn implements CairnApi {
  readonly home: string
  /** Who changes, as commits and versions say. */
  readonly actor: string
  readonly cache: Caches
  readonly approvals: Approvals
  readonly #hosts: Hosts
  readonly #mounting: Mounting
  readonly #readOnly: boolean
  readonly #durability: CairnOptions['durability']
  readonly #keys: KeySource[]
  readonly #auditKeyFile: string | undefined
  readonly #reason: string | undefined
  readonly #commandLine: readonly string[] | undefined
  #searcher: Promise<Searcher> | undefined
  readonly #open = new Set<VolumeHandle>()
  #policies: PresumedPolicies | undefined
  /** Kept: to import what is loaded looks at files all the same. */
  #executing: Promise<typeof import('./exec/index.js')> | undefined

  private constructor(options: CairnOptions) {
    const { home, actor = ownActor(), reason = process.env['CAIRN_REASON'] || undefined, readOnly = isReadOnlyByEnvironment() } = options
    this.home = homeOf(home)
    this.actor = actor
    this.approvals = approvalsOf(this)
    this.cache = cachesOf((method, ...args) => this.#hosts.call(method, ...args))
    this.#readOnly = readOnly
    this.#durability = options.durability
    this.#keys = keysOf(options)
    this.#reason = reason
    this.#commandLine = options.commandLine
    this.#auditKeyFile = options.auditKeyFile === undefined ? undefined : resolve(options.auditKeyFile)
    const given = { home: this.home, actor, reason, readOnly }
    this.#hosts = new Hosts({
      ...given,
      via: options.via ?? 'auto',
      keys: this.#keys,
      bounds: this.#bounds(options),
      logLevel: options.logLevel,
      gc: options.gc,
    })
    this.#mounting = new Mounting(this.#hosts, { ...given, durabilityOf: name => this.#durabilityOf(name) })
  }

  /** For whoever opens the volumes: this process, or a server that it starts. */
  #bounds({ cacheSize, backlogBytes, refreshMs }: CairnOptions) {
    return { cacheBytes: cacheSize === undefined ? undefined : bytesOf(cacheSize), backlogBytes, refreshMs, auditKeyFile: this.#auditKeyFile }
  }

  /**
   * Makes the home's folders and nothing else: no volume is opened and no server started.
   * @throws CairnError ERR_HOME when the folder cannot be used
   */
  static async open(options: CairnOptions = {}): Promise<Cairn> {
    checkOptions(options)
    const cairn = new Cairn(options)
    checkActor(cairn.actor)
    prepareHome(cairn.home)
    return cairn
  }

  /**
   * As `open`, with the settings of the environment and of the configuration file: the home, whether anything may be changed, the level of the server's log.
   * @throws CairnError ERR_CONFIG naming the variable, or the file and line; ERR_HOME
   */
  static async fromEnv(): Promise<Cairn> {
    const { loadSettings } = await import('./config.js')
    const { settings, origins } = await loadSettings()
    const { home, logLevel, actor, readOnly, gc, backlogSize, metadataTtl, auditKeyFile } = settings
    return Cairn.open({
      ...keySettings(settings),
      home,
      logLevel,
      readOnly,
      gc,
      ...(origins.cacheSize.from !== 'default' && { cacheSize: settings.cacheSize }),
      refreshMs: metadataTtl,
      ...(backlogSize === undefined ? {} : { backlogBytes: backlogSize }),
      ...(actor === undefined ? {} : { actor }),
      ...(auditKeyFile === undefined ? {} : { auditKeyFile }),
    })
  }

  async createVolume(options: NewVolume): Promise<VolumeInfo> {
    const store = storeOf(options)
    return (await this.#hosts.call('create', options.name, ...(store === undefined ? [] : [{ store, ...codingOf(options) }]))) as VolumeInfo
  }

  async ensureVolume(options: NewVolume): Promise<VolumeInfo & { created: boolean }> {
    const host = await this.#hosts.of()
    const store = storeOf(options)
    if (store !== undefined) return (await host.call('attach', options.name, store, codingOf(options))) as VolumeInfo & { created: boolean }
    const existing = (await found(host, options.name)) as VolumeInfo | undefined
    if (existing !== undefined) return { ...existing, created: false }
    try {
      return { ...((await host.call('create', options.name)) as VolumeInfo), created: true }
    } catch (error) {
      // Somebody else made it at this moment.
      if ((error as CairnError).code !== 'ERR_VOLUME_EXISTS') throw error
      return { ...((await host.call('info', options.name)) as VolumeInfo), created: false }
    }
  }

  async volumes(options: { deleted?: boolean } = {}): Promise<VolumeInfo[]> {
    return (await this.#hosts.call('volumes', options)) as VolumeInfo[]
  }

  async renameVolume(from: string, to: string): Promise<VolumeInfo> {
    return (await this.#hosts.call('rename', from, to, this.#by)) as VolumeInfo
  }

  /** Its data is kept for 7 days, unless `now`. @throws CairnError ERR_VOLUME_MOUNTED, ERR_VOLUME_IN_USE */
  async deleteVolume(name: string, options: { now?: boolean } = {}): Promise<void> {
    await this.#hosts.call('remove', name, { ...this.#by, ...options })
  }

  async takeLease(name: string, { steal, force, ...wait }: { steal?: boolean; force?: boolean } & LeaseWait = {}): Promise<void> {
    await whileHeld(() => this.#hosts.call('takeLease', name, { steal, force }), wait)
  }

  async releaseLease(name: string): Promise<void> {
    await this.#hosts.call('releaseLease', name)
  }

  async checkStore(name: string, options: { probe?: boolean } = {}): Promise<StoreCheck> {
    return (await this.#hosts.call('checkStore', name, options)) as StoreCheck
  }

  async recover(name: string): Promise<VolumeInfo[]> {
    return (await this.#hosts.call('recover', name, this.#by)) as VolumeInfo[]
  }

  async rotateKey(name: string, options: RotateKeyOptions = {}): Promise<{ store: string }> {
    if (this.#readOnly) throw posixError(EROFS, 'rotateKey')
    const store = (await this.#hosts.call('storeOf', name)) as { location: StoreLocation; id: string } | undefined
    const { rotateKey } = await import('./rotate-key.js')
    return rotateKey({ home: this.home, store, keys: this.#keys }, options)
  }

  async undeleteVolume(name: string): Promise<VolumeInfo> {
    return (await this.#hosts.call('undelete', name, this.#by)) as VolumeInfo
  }

  /**
   * Shows a volume as a directory, which answers when this resolves. The same mount again is no error. Served by the server, never from this process.
   * @throws CairnError ERR_MOUNT_PATH, ERR_MOUNT_NOT_EMPTY, ERR_ALREADY_MOUNTED, ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_VOLUME_UNKNOWN, ERR_VOLUME_BUSY
   */
  async mount(options: MountOptions & LeaseWait): Promise<MountInfo> {
    return this.#mounting.mount(options)
  }

  /**
   * Mounts a volume for this program alone, beside whatever else has it mounted.
   * @throws CairnError ERR_VIEW_RULES, ERR_VOLUME_BUSY, ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_MOUNT; those of the volume
   * Cost: about that of two calls to the server, whatever the volume holds
   */
  async openView(name: string, options: ViewOptions = {}): Promise<VolumeView> {
    return this.#mounting.openView(name, options)
  }

  async unmount(target: string, options: { force?: boolean } = {}): Promise<boolean> {
    return this.#mounting.unmount(target, options)
  }

  /** Everything acknowledged is sealed and published when it resolves; through a mount also what programs have mapped. */
  async flush(name: string, options: { timeoutMs?: number } = {}): Promise<{ bytes: number }> {
    checkTimeout(options)
    await this.#hosts.settle(name)
    return (await this.#hosts.call('flush', name, options)) as { bytes: number }
  }

  async refresh(name: string): Promise<{ changed: boolean; isWriter: boolean; sequence: number }> {
    return (await this.#hosts.call('refresh', name)) as { changed: boolean; isWriter: boolean; sequence: number }
  }

  /** @throws CairnError ERR_SERVER_SILENT when a server is there that does not answer */
  async status(name?: string): Promise<StatusReport> {
    return answered(this.home, heard => this.#status(name, heard))
  }

  async #status(name: string | undefined, heard: () => void): Promise<StatusReport> {
    return statusOf(this.home, await this.#hosts.present(limits.statusWaitMs), name, heard)
  }

  async fork(source: string, ref: string | undefined, name: string): Promise<VolumeInfo> {
    if (ref === undefined) await this.#hosts.settle(source)
    return (await this.#hosts.call('fork', source, ref, name)) as VolumeInfo
  }

  /**
   * All that a volume holds as one stream of bytes: its tree, its history, every block; checksummed. Taken of one moment, beside whoever writes. Read it to its
   * end, or `close()` it.
   * @param options ref: as it was then, with the history up to it; since: only what came after that commit, for a receiver that has it
   * @throws CairnError ERR_VOLUME_UNKNOWN, ERR_REF_UNKNOWN; while it is read CorruptError when the volume is damaged
   */
  async bundle(name: string, options: { ref?: string; since?: string } = {}): Promise<Bundle> {
    if (options.ref === undefined) await this.#hosts.settle(name)
    const pinned = (await this.#hosts.call('pin', name, options)) as Pinned
    const { engine } = await this.#hosts.local()
    const { Bundle } = await import('./bundle.js')
    return new Bundle(engine.poolOf(name), pinned)
  }

  /**
   * Makes a volume of a bundle, with all its commits, checkpoints and versions under the ids that they had. Everything is checked; on failure nothing is made.
   * @param source pieces of any size
   * @throws CorruptError for a bundle that is damaged or cut short; CairnError ERR_VOLUME_EXISTS, ERR_BUNDLE_BASE, ERR_FORMAT
   */
  async unbundle(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, name: string, options: UnbundleOptions = {}): Promise<VolumeInfo> {
    if (this.#readOnly) throw posixError(EROFS, 'unbundle')
    const { engine } = await this.#hosts.local()
    const { unbundle } = await import('./bundle.js')
    engine.checkFree(name)
    return unbundle(engine.dev, source, name, { ...options, flushAll: () => this.#hosts.flushOpen() })
  }

  /**
   * Writes a bundle to a file of the host, which is there, whole and on the disk, when this resolves; before, and on failure, it is as it was.
   * @throws CairnError ERR_FILE_EXISTS unless `force`; as `bundle`
   */
  async backup(name: string, file: string, options: BackupOptions = {}): Promise<{ file: string; bytes: number; files: number }> {
    const { backup } = await import('./backup.js')
    const { ref, since } = options
    return backup(() => this.bundle(name, { ref, since }), file, options)
  }

  async copy(name: string, options: CopyOptions): Promise<Copied> {
    const { name: newName = name, ref, attach = false, onProgress, ...place } = options
    const location = storeOf({ ...place, name: newName })
    if (this.#readOnly && (attach || location === undefined)) throw posixError(EROFS, 'copy')
    const { engine } = await this.#hosts.local()
    if (attach && location !== undefined) engine.checkFree(newName)
    const source = (await this.#hosts.call('storeOf', name)) as { id: string } | null | undefined
    const { copyVolume } = await import('./copy.js')
    const copied = await copyVolume(
      engine,
      source?.id,
      { location, name: newName, ...codingOf({ ...place, name: newName }) },
      { bundle: () => this.bundle(name, { ref }), flushAll: () => this.#hosts.flushOpen(), onProgress },
    )
    if (attach && location !== undefined) await this.#hosts.call('attach', newName, location, codingOf({ ...place, name: newName }))
    return copied
  }

  async forkAll(source: string, ref: string | undefined, names: readonly string[]): Promise<VolumeInfo[]> {
    if (ref === undefined) await this.#hosts.settle(source)
    return (await this.#hosts.call('forkAll', source, ref, names)) as VolumeInfo[]
  }

  async checkpoint(name: string, checkpoint?: string, options: { message?: string; actor?: string } = {}): Promise<CommitInfo> {
    await this.#hosts.settle(name)
    return (await this.#hosts.call('checkpoint', name, checkpoint, { actor: this.actor, ...options })) as CommitInfo
  }

  async checkpoints(name: string): Promise<CommitInfo[]> {
    return (await this.#hosts.call('checkpoints', name)) as CommitInfo[]
  }

  async deleteCheckpoint(name: string, checkpoint: string): Promise<void> {
    await this.#hosts.call('deleteCheckpoint', name, checkpoint, { actor: this.actor })
  }

  async restore(name: string, options: RestoreOptions = {}): Promise<Restored> {
    await this.#hosts.settle(name)
    return (await this.#hosts.call('restore', name, { actor: this.actor, ...options })) as Restored
  }

  /**
   * Removes what a path ever held from a volume, for good: from its present, every commit and version; commit ids stay. Killed on the way, the same call finishes it.
   * @param path from the root; with `recursive` a directory and all that was ever in it
   * @returns what is gone, who else holds it, and where bytes of it may remain
   * @throws CairnError ERR_PATH_UNKNOWN, EISDIR
   */
  async purge(name: string, path: string, options: PurgeOptions = {}): Promise<PurgeResult> {
    await this.#hosts.settle(name)
    const { purgeVolume } = await import('./purge.js')
    return purgeVolume(await this.#hosts.of(name), this.home, name, path, { actor: this.actor, ...options })
  }

  async merge(fork: string, options: MergeCall = {}): Promise<MergeResult> {
    const names = [fork, ...(options.into === undefined ? await this.#parentOf(fork) : [options.into])]
    await this.#hosts.settle(...names)
    return (await (await this.#hosts.of(...names)).call('merge', fork, { actor: this.actor, ...options })) as MergeResult
  }

  async rebase(fork: string, options: Omit<MergeCall, 'into'> = {}): Promise<MergeResult> {
    const names = [fork, ...(await this.#parentOf(fork))]
    await this.#hosts.settle(...names)
    return (await (await this.#hosts.of(...names)).call('rebase', fork, { actor: this.actor, ...options })) as MergeResult
  }

  /** The name now of the volume that a fork comes from, if it is there. */
  async #parentOf(fork: string): Promise<string[]> {
    const { parent } = (await this.#hosts.call('info', fork)) as VolumeInfo
    if (parent === undefined) return []
    const found = (await this.#hosts.call('volumesById', [parent.id])) as Array<VolumeInfo | null | undefined>
    return found.flatMap(volume => volume?.name ?? [])
  }

  async undo(name: string, options: UndoOptions = {}): Promise<UndoResult> {
    await this.#hosts.settle(name)
    return (await this.#hosts.call('undo', name, { actor: this.actor, ...options })) as UndoResult
  }

  async versions(name: string, path: string): Promise<VersionInfo[]> {
    await this.#hosts.settle(name)
    return (await this.#hosts.call('versions', name, path)) as VersionInfo[]
  }

  async openVersion(name: string, path: string, number?: number): Promise<OpenVolume> {
    await this.#hosts.settle(name)
    const host = await this.#hosts.of(name)
    const opened = await host.open(name, undefined, undefined, { path, ...(number === undefined ? {} : { number }) })
    const handle: VolumeHandle = new VolumeHandle(name, undefined, opened, this, () => this.#open.delete(handle))
    this.#open.add(handle)
    return handle
  }

  async prune(name: string, options: PruneOptions = {}): Promise<PruneReport> {
    return (await this.#hosts.call('prune', name, { actor: this.actor, ...options })) as PruneReport
  }

  async quota(name: string): Promise<QuotaReport> {
    return this.#withHistory(name, await this.#hosts.call('quota', name))
  }

  async setQuota(name: string, quota: Quota): Promise<QuotaReport> {
    return this.#withHistory(name, await this.#hosts.call('setQuota', name, quota, { actor: this.actor }))
  }

  async #withHistory(name: string, report: unknown): Promise<QuotaReport> {
    const { withHistory } = await import('./quota.js')
    return withHistory(await this.#hosts.of(name), name, report as Parameters<typeof withHistory>[2])
  }

  async policy(name: string): Promise<PolicyInfo> {
    const stored = (await this.#hosts.call('policy', name)) as StoredPolicy | undefined
    return infoOf(stored ?? undefined)
  }

  async setPolicy(name: string, text: string | null, options: SetPolicyOptions = {}): Promise<PolicyInfo> {
    if (text !== null) await checkText(text)
    const stored = (await this.#hosts.call('setPolicy', name, text, { actor: this.actor, ...options })) as StoredPolicy | undefined
    return infoOf(stored ?? undefined)
  }

  checkPolicy(name: string, command: CheckedCommand, options: CheckOptions = {}): Promise<Decision> {
    return decideFor(this, name, requestOf(command, options, this.actor))
  }

  async retention(name: string): Promise<Retention> {
    return (await this.#hosts.call('retention', name)) as Retention
  }

  async setRetention(name: string, retention: Retention): Promise<void> {
    await this.#hosts.call('setRetention', name, retention, { actor: this.actor })
  }

  async diff(a: DiffSide, b: DiffSide, options: DiffOptions = {}): Promise<DiffChange[]> {
    const found: DiffChange[] = []
    for await (const change of this.changes(a, b, options)) found.push(change)
    return found
  }

  async *changes(a: DiffSide | undefined, b: DiffSide, options: DiffOptions = {}): AsyncGenerator<DiffChange> {
    const { publicChanges } = await import('./diff.js')
    yield* publicChanges(await this.openDiff(a, b, options), options)
  }

  async openDiff(a: DiffSide | undefined, b: DiffSide, options: DiffOptions = {}): Promise<DiffReader> {
    const now = [a, b].flatMap(side => (side !== undefined && side.ref === undefined ? [side.volume] : []))
    await this.#hosts.settle(...now)
    const { DiffReader } = await import('./diff.js')
    return DiffReader.open(await this.#hosts.of(...(a === undefined ? [] : [a.volume]), b.volume), a, b, options)
  }

  async *log(name: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    checkGiven(options, logOptions)
    const host = await this.#hosts.of(name)
    const id = await host.call('logOpen', name, options)
    try {
      for (;;) {
        const page = (await host.call('logNext', id)) as LogEntry[] | undefined
        if (page === undefined) return
        yield* page
      }
    } finally {
      await host.call('close', id)
    }
  }

  async blame(name: string, path: string, options: { ref?: string } = {}): Promise<BlameLine[]> {
    if (options.ref === undefined) await this.#hosts.settle(name)
    const { blame } = await import('./blame.js')
    return blame(await this.#hosts.of(name), name, path, options.ref)
  }

  async *audit(name: string, options: AuditOptions = {}): AsyncGenerator<AuditRecord> {
    checkGiven(options, auditOptions)
    const { auditEntries } = await import('./audit.js')
    yield* auditEntries(() => this.#hosts.of(name), name, options)
  }

  async auditHead(name: string): Promise<AuditHead | undefined> {
    const state = (await this.#hosts.call('auditState', name)) as AuditState | null | undefined
    if (state === undefined || state === null) return undefined
    const { sequence, hash, volume, timeMs, signed } = state
    return { sequence, hash, volume, timeMs, ...(signed === undefined ? {} : { signed }) }
  }

  async verifyAudit(name: string, options: { against?: AuditTip; keyFile?: string } = {}): Promise<AuditVerification> {
    const { verifyAudit } = await import('./audit.js')
    const { keyFile = this.#auditKeyFile, against } = options
    const key = keyFile === undefined ? {} : { key: (await import('../volume/audit/index.js')).readPublicKey(keyFile) }
    return verifyAudit(await this.#hosts.of(name), name, { ...key, ...(against === undefined ? {} : { against }) })
  }

  async recordAudit(name: string, event: AuditEvent): Promise<AuditTip> {
    return (await this.#hosts.call('auditAppend', name, { actor: this.actor, ...event })) as AuditTip
  }

  exec(name: string, command: string | ExecCommand, ...rest: ExecArguments): Promise<ExecResult>
  exec(name: string, command: string | ExecCommand, ...rest: ExecArguments<'buffer'>): Promise<ExecResult<Buffer>>
  async exec(name: string, command: string | ExecCommand, ...rest: ExecArguments<'utf8' | 'buffer'>): Promise<ExecResult<string | Buffer>> {
    const { exec, parsedCall } = await this.#execution()
    return exec(await this.#execHost(name), name, ...parsedCall(command, rest))
  }

  async race(name: string, attempts: ReadonlyArray<string | ExecCommand>, options: RaceOptions = {}): Promise<RaceResult> {
    const { checkRace, race } = await this.#execution()
    checkRace(attempts, options)
    return race(await this.#execHost(name), name, attempts, options)
  }

  #execution(): Promise<typeof import('./exec/index.js')> {
    this.#executing ??= import('./exec/index.js')
    return this.#executing
  }

  /** Commands run in mounts, which are the server's. */
  async #execHost(name: string): Promise<ExecHost> {
    if (await this.#hosts.isOpenHere(name)) throw (await this.#execution()).openHere(name)
    const remote = await this.#hosts.server()
    const server = this.#hosts.guarded(remote)
    const { PresumedPolicies, View } = await this.#execution()
    this.#policies ??= new PresumedPolicies()
    return {
      ...{ cairn: this, actor: this.actor, policies: this.#policies },
      call: (method, ...args) => server.call(method, ...args),
      settle: volume => this.#hosts.settle(volume),
      begin: async (volume, options) => (await server.call('beginRun', volume, options)) as BegunRun,
      view: info => this.#mounting.keep(gone => new View(remote, info, gone)),
    }
  }

  async *execStream(name: string, command: string | ExecCommand, ...rest: ExecArguments): AsyncGenerator<ExecEvent> {
    const { parsedCall, streamed } = await this.#execution()
    const [words, options] = parsedCall(command, rest)
    yield* streamed(more => this.exec(name, words, { ...options, ...more }), options)
  }

  async search(name: string, query: string, options: SearchOptions = {}): Promise<SearchResult> {
    checkGivenText('query', query)
    checkGiven(options, searchOptions)
    if (options.ref === undefined) await this.#hosts.settle(name)
    return (await this.#searching()).search(name, query, options)
  }

  async *grep(name: string, pattern: string, options: GrepOptions = {}, skipped?: GrepSkipped): AsyncGenerator<GrepFile> {
    checkGivenText('pattern', pattern)
    checkGiven(options, grepOptions)
    if (options.ref === undefined) await this.#hosts.settle(name)
    yield* (await this.#searching()).grep(name, pattern, options, skipped)
  }

  #searching(): Promise<Searcher> {
    this.#searcher ??= import('./search.js').then(({ searcherOf }) => searcherOf(this.home, volume => this.#hosts.of(volume)))
    return this.#searcher
  }

  async fsck(name: string, options: FsckOptions = {}): Promise<FsckReport> {
    if (this.#readOnly && options.repair === true) throw posixError(EROFS, 'fsck')
    await this.#hosts.settle(name)
    return (await runJobOn(await this.#hosts.of(name), this.home, 'fsck', { name, ...options })) as FsckReport
  }

  async gc(options: GcOptions = {}): Promise<GcReport> {
    if (this.#readOnly && options.dryRun !== true) throw posixError(EROFS, 'gc')
    const { volume, ...rest } = options
    return (await runJobOn(await this.#hosts.of(), this.home, 'gc', { ...rest, ...(volume === undefined ? {} : { name: volume }) })) as GcReport
  }

  async stats(name?: string): Promise<StatsReport> {
    return (await this.#hosts.call('stats', ...(name === undefined ? [] : [name]))) as StatsReport
  }

  async directoryUse(name: string, path: string, options: { ref?: string } = {}): Promise<DirectoryUse[]> {
    if (options.ref === undefined) await this.#hosts.settle(name)
    const { stepped } = await import('./steps.js')
    return stepped(await this.#hosts.of(name), 'beginDirectoryUse', name, path, options)
  }

  async open(
    name: string,
    options: { ref?: string; actor?: string; reason?: string; mode?: 'readonly' | 'readwrite'; durability?: DurabilityLevel } & LeaseWait = {},
  ): Promise<OpenVolume> {
    checkOptions(options)
    const host = await this.#hosts.of(name)
    const isRead = options.mode === 'readonly'
    const { durability } = { ...(await this.#durabilityOf(name)), ...options }
    const found = await whileHeld(
      () => host.open(name, options.ref, options.actor ?? this.actor, undefined, isRead, durability, this.#why(options.reason)),
      options,
    )
    const opened = isRead ? readOnly(found) : found
    const handle: VolumeHandle = new VolumeHandle(name, options.ref, opened, this, () => this.#open.delete(handle), options.actor)
    this.#open.add(handle)
    return handle
  }

  /** Who does something to a volume as a whole. */
  get #by(): { actor: string; reason?: string } {
    return { actor: this.actor, ...(this.#reason === undefined ? {} : { reason: this.#reason }) }
  }

  #why(reason = this.#reason): Why {
    return { ...(reason === undefined ? {} : { reason }), ...(this.#commandLine === undefined ? {} : { argv: [...this.#commandLine] }) }
  }

  /** What this `Cairn` was opened with means volumes of stores elsewhere; the home's own has none but `local`. */
  async #durabilityOf(name: string): Promise<{ durability?: DurabilityLevel }> {
    if (this.#durability === undefined) return {}
    return ((await this.#hosts.call('storeOf', name)) ?? undefined) === undefined ? {} : { durability: this.#durability }
  }

  /** Closes what was opened through it. Mounts stay. @returns volumes of which something could not be published: it is kept, and published the next time */
  async close(): Promise<{ unpublished: Unpublished[] }> {
    for (const handle of this.#open) await handle.close().catch(() => undefined)
    await this.#mounting.close()
    await (await this.#searcher)?.close()
    this.#searcher = undefined
    return { unpublished: await this.#hosts.close() }
  }
}

async function found(host: Host, name: string): Promise<unknown> {
  try {
    return await host.call('info', name)
  } catch (error) {
    if ((error as CairnError).code === 'ERR_VOLUME_UNKNOWN') return undefined
    throw error
  }
}

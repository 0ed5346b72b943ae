import { resolve } from 'node:path'
import { CairnError, EROFS, posixError } from '../errors.js'
import type { RpcClient } from '../http/rpc-client.js'
import type { Searcher } from '../search/searcher.js'
import { ensureServer, reconnect } from '../server/connect.js'
import { homeOf, prepareHome } from '../server/home.js'
import type { BegunRun } from '../server/protocol.js'
import { type CompressionChoice, checkCompression, homeNotCompressed, isPacked } from '../store/compression-for.js'
import { homeNotEncrypted } from '../store/unlock.js'
import { parseStoreUrl, type StoreLocation } from '../store/url.js'
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
import { runJobOn } from './jobs.js'
import { keySettings, keysOf } from './keys.js'
import { type LeaseWait, whileHeld } from './lease-wait.js'
import type { LocalHost } from './local-host.js'
import { awaitMount, clearStaleMount, syncMount } from './mounted.js'
import { VolumeHandle } from './open-volume.js'
import { type CheckedCommand, type CheckOptions, checkText, decideFor, infoOf, requestOf } from './policy.js'
import type { PurgeOptions, PurgeResult } from './purge.js'
import { isReadOnlyByEnvironment, ReadOnlyHost, readOnly } from './read-only.js'
import { RemoteHost } from './remote-host.js'
import type { RotateKeyOptions } from './rotate-key.js'
import { answered, statusOf } from './status.js'
import { orSuccessor } from './successor.js'
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
  ServerStatus,
  SetPolicyOptions,
  StatsReport,
  StatusReport,
  UndoOptions,
  UndoResult,
  ViewInfo,
  ViewOptions,
  VolumeView,
} from './types.js'

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
  readonly #via: 'auto' | 'server' | 'process'
  readonly #logLevel: CairnOptions['logLevel']
  readonly #readOnly: boolean
  readonly #gc: boolean | undefined
  readonly #cacheBytes: number | undefined
  readonly #refreshMs: number | undefined
  readonly #durability: CairnOptions['durability']
  readonly #keys: KeySource[]
  readonly #backlogBytes: number | undefined
  readonly #auditKeyFile: string | undefined
  readonly #reason: string | undefined
  readonly #commandLine: readonly string[] | undefined
  #local: Promise<LocalHost> | undefined
  #remote: RemoteHost | undefined
  #searcher: Promise<Searcher> | undefined
  readonly #open = new Set<VolumeHandle>()
  readonly #views = new Set<VolumeView>()
  #policies: PresumedPolicies | undefined
  /** Kept: to import what is loaded looks at files all the same. */
  #executing: Promise<typeof import('./exec/index.js')> | undefined

  private constructor(options: CairnOptions) {
    this.home = homeOf(options.home)
    this.actor = options.actor ?? ownActor()
    this.approvals = approvalsOf(this)
    this.#via = options.via ?? 'auto'
    this.#logLevel = options.logLevel
    this.#readOnly = options.readOnly ?? isReadOnlyByEnvironment()
    this.#gc = options.gc
    this.#cacheBytes = options.cacheSize === undefined ? undefined : bytesOf(options.cacheSize)
    this.cache = cachesOf((method, ...args) => this.#call(method, ...args))
    this.#refreshMs = options.refreshMs
    this.#durability = options.durability
    this.#keys = keysOf(options)
    this.#backlogBytes = options.backlogBytes
    this.#reason = options.reason ?? (process.env['CAIRN_REASON'] || undefined)
    this.#commandLine = options.commandLine
    this.#auditKeyFile = options.auditKeyFile === undefined ? undefined : resolve(options.auditKeyFile)
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
    return (await this.#call('create', options.name, ...(store === undefined ? [] : [{ store, ...codingOf(options) }]))) as VolumeInfo
  }

  async ensureVolume(options: NewVolume): Promise<VolumeInfo & { created: boolean }> {
    const host = await this.#host()
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
    return (await this.#call('volumes', options)) as VolumeInfo[]
  }

  async renameVolume(from: string, to: string): Promise<VolumeInfo> {
    return (await this.#call('rename', from, to, this.#by)) as VolumeInfo
  }

  /** Its data is kept for 7 days, unless `now`. @throws CairnError ERR_VOLUME_MOUNTED, ERR_VOLUME_IN_USE */
  async deleteVolume(name: string, options: { now?: boolean } = {}): Promise<void> {
    await this.#call('remove', name, { ...this.#by, ...options })
  }

  async takeLease(name: string, { steal, force, ...wait }: { steal?: boolean; force?: boolean } & LeaseWait = {}): Promise<void> {
    await whileHeld(() => this.#call('takeLease', name, { steal, force }), wait)
  }

  async releaseLease(name: string): Promise<void> {
    await this.#call('releaseLease', name)
  }

  async checkStore(name: string, options: { probe?: boolean } = {}): Promise<StoreCheck> {
    return (await this.#call('checkStore', name, options)) as StoreCheck
  }

  async recover(name: string): Promise<VolumeInfo[]> {
    return (await this.#call('recover', name, this.#by)) as VolumeInfo[]
  }

  async rotateKey(name: string, options: RotateKeyOptions = {}): Promise<{ store: string }> {
    if (this.#readOnly) throw posixError(EROFS, 'rotateKey')
    const store = (await this.#call('storeOf', name)) as { location: StoreLocation; id: string } | undefined
    const { rotateKey } = await import('./rotate-key.js')
    return rotateKey({ home: this.home, store, keys: this.#keys }, options)
  }

  async undeleteVolume(name: string): Promise<VolumeInfo> {
    return (await this.#call('undelete', name, this.#by)) as VolumeInfo
  }

  /**
   * Shows a volume as a directory, which answers when this resolves. The same mount again is no error. Served by the server, never from this process.
   * @throws CairnError ERR_MOUNT_PATH, ERR_MOUNT_NOT_EMPTY, ERR_ALREADY_MOUNTED, ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_VOLUME_UNKNOWN, ERR_VOLUME_BUSY
   */
  async mount({ waitMs, onWait, ...options }: MountOptions & LeaseWait): Promise<MountInfo> {
    checkOptions(options)
    await this.#refuseOpenHere(options.name)
    const info = await whileHeld(() => this.#mountAgain({ ...options, path: resolve(options.path) }), { waitMs, onWait })
    await awaitMount(info.mountpoint)
    return info
  }

  async #refuseOpenHere(name: string): Promise<void> {
    if ((await this.#local)?.openNames().includes(name) !== true) return
    throw new CairnError(
      'ERR_VOLUME_BUSY',
      `The volume ${name} is open in this program.`,
      'Close it before it is mounted; opened again, it is reached through the server.',
    )
  }

  /** Mounting twice is mounting once: a server that was killed a moment ago may still have taken the call. */
  async #mountAgain(options: MountOptions): Promise<MountInfo> {
    try {
      return await this.#mount(options)
    } catch (error) {
      if ((error as CairnError).code !== 'ERR_SERVER_LOST') throw error
      this.#remote?.close()
      this.#remote = undefined
      return this.#mount(options)
    }
  }

  async #mount(options: MountOptions): Promise<MountInfo> {
    const server = this.#guarded(await this.#server())
    const { steal, force, cacheSize, ...mount } = options
    if (cacheSize !== undefined) await server.call('cacheLimit', options.name, bytesOf(cacheSize))
    if (steal === true || force === true) await server.call('takeLease', options.name, { steal, force })
    return (await server.call('mount', {
      actor: this.actor,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(await this.#durabilityOf(options.name)),
      ...mount,
    })) as MountInfo
  }

  /**
   * Mounts a volume for this program alone, beside whatever else has it mounted.
   * @throws CairnError ERR_VIEW_RULES, ERR_VOLUME_BUSY, ERR_FUSE_MISSING, ERR_FUSE_PERMISSION, ERR_MOUNT; those of the volume
   * Cost: about that of two calls to the server, whatever the volume holds
   */
  async openView(name: string, options: ViewOptions = {}): Promise<VolumeView> {
    await this.#refuseOpenHere(name)
    const host = await this.#server()
    const info = (await host.call('openView', name, { actor: this.actor, ...options, ...(this.#readOnly && { readOnly: true }) })) as ViewInfo
    const { View } = await import('./view.js')
    const view = new View(host, info, one => this.#views.delete(one))
    this.#views.add(view)
    await awaitMount(info.mountpoint)
    return view
  }

  async unmount(target: string, options: { force?: boolean } = {}): Promise<boolean> {
    const place = /^(\/|\.)/.test(target) ? resolve(target) : target
    const server = await this.#runningServer()
    if (server === undefined) return clearStaleMount(this.home, place, async name => ((await this.#call('info', name)) as VolumeInfo).id)
    if (options.force !== true) await this.#syncTarget(server, place)
    return (await server.call('unmount', place, options)) as boolean
  }

  async #syncTarget(server: Host, target: string): Promise<void> {
    const { mounts } = (await server.call('server.status')) as ServerStatus
    for (const mount of mounts) if (mount.name === target || mount.mountpoint === target) syncMount(mount.mountpoint)
  }

  /** Everything acknowledged is sealed and published when it resolves; through a mount also what programs have mapped. */
  async flush(name: string, options: { timeoutMs?: number } = {}): Promise<{ bytes: number }> {
    checkTimeout(options)
    await this.#settle(name)
    return (await this.#call('flush', name, options)) as { bytes: number }
  }

  async refresh(name: string): Promise<{ changed: boolean; isWriter: boolean; sequence: number }> {
    return (await this.#call('refresh', name)) as { changed: boolean; isWriter: boolean; sequence: number }
  }

  /** @throws CairnError ERR_SERVER_SILENT when a server is there that does not answer */
  async status(name?: string): Promise<StatusReport> {
    return answered(this.home, heard => this.#status(name, heard))
  }

  async #status(name: string | undefined, heard: () => void): Promise<StatusReport> {
    const running = this.#via === 'process' ? undefined : await this.#runningServer(limits.statusWaitMs)
    return statusOf(this.home, running ?? (await this.#localHost()), name, heard)
  }

  async fork(source: string, ref: string | undefined, name: string): Promise<VolumeInfo> {
    if (ref === undefined) await this.#settle(source)
    return (await this.#call('fork', source, ref, name)) as VolumeInfo
  }

  /**
   * All that a volume holds as one stream of bytes: its tree, its history, every block; checksummed. Taken of one moment, beside whoever writes. Read it to its
   * end, or `close()` it.
   * @param options ref: as it was then, with the history up to it; since: only what came after that commit, for a receiver that has it
   * @throws CairnError ERR_VOLUME_UNKNOWN, ERR_REF_UNKNOWN; while it is read CorruptError when the volume is damaged
   */
  async bundle(name: string, options: { ref?: string; since?: string } = {}): Promise<Bundle> {
    if (options.ref === undefined) await this.#settle(name)
    const pinned = (await this.#call('pin', name, options)) as Pinned
    const { engine } = await this.#localHost()
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
    const { engine } = await this.#localHost()
    const { unbundle } = await import('./bundle.js')
    engine.checkFree(name)
    return unbundle(engine.dev, source, name, { ...options, flushAll: () => this.#flushOpen() })
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
    const { engine } = await this.#localHost()
    if (attach && location !== undefined) engine.checkFree(newName)
    const source = (await this.#call('storeOf', name)) as { id: string } | null | undefined
    const { copyVolume } = await import('./copy.js')
    const copied = await copyVolume(
      engine,
      source?.id,
      { location, name: newName, ...codingOf({ ...place, name: newName }) },
      { bundle: () => this.bundle(name, { ref }), flushAll: () => this.#flushOpen(), onProgress },
    )
    if (attach && location !== undefined) await this.#call('attach', newName, location, codingOf({ ...place, name: newName }))
    return copied
  }

  /** What a server has acknowledged and not sealed, in all volumes that it has open. */
  async #flushOpen(): Promise<void> {
    const host = await this.#host()
    for (const name of (await host.call('openVolumes')) as string[]) await host.call('flush', name)
  }

  async forkAll(source: string, ref: string | undefined, names: readonly string[]): Promise<VolumeInfo[]> {
    if (ref === undefined) await this.#settle(source)
    return (await this.#call('forkAll', source, ref, names)) as VolumeInfo[]
  }

  async checkpoint(name: string, checkpoint?: string, options: { message?: string; actor?: string } = {}): Promise<CommitInfo> {
    await this.#settle(name)
    return (await this.#call('checkpoint', name, checkpoint, { actor: this.actor, ...options })) as CommitInfo
  }

  async checkpoints(name: string): Promise<CommitInfo[]> {
    return (await this.#call('checkpoints', name)) as CommitInfo[]
  }

  async deleteCheckpoint(name: string, checkpoint: string): Promise<void> {
    await this.#call('deleteCheckpoint', name, checkpoint, { actor: this.actor })
  }

  async restore(name: string, options: RestoreOptions = {}): Promise<Restored> {
    await this.#settle(name)
    return (await this.#call('restore', name, { actor: this.actor, ...options })) as Restored
  }

  /**
   * Removes what a path ever held from a volume, for good: from its present, every commit and version; commit ids stay. Killed on the way, the same call finishes it.
   * @param path from the root; with `recursive` a directory and all that was ever in it
   * @returns what is gone, who else holds it, and where bytes of it may remain
   * @throws CairnError ERR_PATH_UNKNOWN, EISDIR
   */
  async purge(name: string, path: string, options: PurgeOptions = {}): Promise<PurgeResult> {
    await this.#settle(name)
    const { purgeVolume } = await import('./purge.js')
    return purgeVolume(await this.#host(name), this.home, name, path, { actor: this.actor, ...options })
  }

  async merge(fork: string, options: MergeCall = {}): Promise<MergeResult> {
    const names = [fork, ...(options.into === undefined ? await this.#parentOf(fork) : [options.into])]
    await this.#settle(...names)
    return (await (await this.#host(...names)).call('merge', fork, { actor: this.actor, ...options })) as MergeResult
  }

  async rebase(fork: string, options: Omit<MergeCall, 'into'> = {}): Promise<MergeResult> {
    const names = [fork, ...(await this.#parentOf(fork))]
    await this.#settle(...names)
    return (await (await this.#host(...names)).call('rebase', fork, { actor: this.actor, ...options })) as MergeResult
  }

  /** The name now of the volume that a fork comes from, if it is there. */
  async #parentOf(fork: string): Promise<string[]> {
    const { parent } = (await this.#call('info', fork)) as VolumeInfo
    if (parent === undefined) return []
    const found = (await this.#call('volumesById', [parent.id])) as Array<VolumeInfo | null | undefined>
    return found.flatMap(volume => volume?.name ?? [])
  }

  async undo(name: string, options: UndoOptions = {}): Promise<UndoResult> {
    await this.#settle(name)
    return (await this.#call('undo', name, { actor: this.actor, ...options })) as UndoResult
  }

  async versions(name: string, path: string): Promise<VersionInfo[]> {
    await this.#settle(name)
    return (await this.#call('versions', name, path)) as VersionInfo[]
  }

  async openVersion(name: string, path: string, number?: number): Promise<OpenVolume> {
    await this.#settle(name)
    const host = await this.#host(name)
    const opened = await host.open(name, undefined, undefined, { path, ...(number === undefined ? {} : { number }) })
    const handle: VolumeHandle = new VolumeHandle(name, undefined, opened, this, () => this.#open.delete(handle))
    this.#open.add(handle)
    return handle
  }

  async prune(name: string, options: PruneOptions = {}): Promise<PruneReport> {
    return (await this.#call('prune', name, { actor: this.actor, ...options })) as PruneReport
  }

  async quota(name: string): Promise<QuotaReport> {
    return this.#withHistory(name, await this.#call('quota', name))
  }

  async setQuota(name: string, quota: Quota): Promise<QuotaReport> {
    return this.#withHistory(name, await this.#call('setQuota', name, quota, { actor: this.actor }))
  }

  async #withHistory(name: string, report: unknown): Promise<QuotaReport> {
    const { withHistory } = await import('./quota.js')
    return withHistory(await this.#host(name), name, report as Parameters<typeof withHistory>[2])
  }

  async policy(name: string): Promise<PolicyInfo> {
    const stored = (await this.#call('policy', name)) as StoredPolicy | undefined
    return infoOf(stored ?? undefined)
  }

  async setPolicy(name: string, text: string | null, options: SetPolicyOptions = {}): Promise<PolicyInfo> {
    if (text !== null) await checkText(text)
    const stored = (await this.#call('setPolicy', name, text, { actor: this.actor, ...options })) as StoredPolicy | undefined
    return infoOf(stored ?? undefined)
  }

  checkPolicy(name: string, command: CheckedCommand, options: CheckOptions = {}): Promise<Decision> {
    return decideFor(this, name, requestOf(command, options, this.actor))
  }

  async retention(name: string): Promise<Retention> {
    return (await this.#call('retention', name)) as Retention
  }

  async setRetention(name: string, retention: Retention): Promise<void> {
    await this.#call('setRetention', name, retention, { actor: this.actor })
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
    await this.#settle(...now)
    const { DiffReader } = await import('./diff.js')
    return DiffReader.open(await this.#host(...(a === undefined ? [] : [a.volume]), b.volume), a, b, options)
  }

  async *log(name: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    const host = await this.#host(name)
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
    if (options.ref === undefined) await this.#settle(name)
    const { blame } = await import('./blame.js')
    return blame(await this.#host(name), name, path, options.ref)
  }

  async *audit(name: string, options: AuditOptions = {}): AsyncGenerator<AuditRecord> {
    const { auditEntries } = await import('./audit.js')
    yield* auditEntries(() => this.#host(name), name, options)
  }

  async auditHead(name: string): Promise<AuditHead | undefined> {
    const state = (await this.#call('auditState', name)) as AuditState | null | undefined
    if (state === undefined || state === null) return undefined
    const { sequence, hash, volume, timeMs, signed } = state
    return { sequence, hash, volume, timeMs, ...(signed === undefined ? {} : { signed }) }
  }

  async verifyAudit(name: string, options: { against?: AuditTip; keyFile?: string } = {}): Promise<AuditVerification> {
    const { verifyAudit } = await import('./audit.js')
    const { keyFile = this.#auditKeyFile, against } = options
    const key = keyFile === undefined ? {} : { key: (await import('../volume/audit/index.js')).readPublicKey(keyFile) }
    return verifyAudit(await this.#host(name), name, { ...key, ...(against === undefined ? {} : { against }) })
  }

  async recordAudit(name: string, event: AuditEvent): Promise<AuditTip> {
    return (await this.#call('auditAppend', name, { actor: this.actor, ...event })) as AuditTip
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
    if ((await this.#local)?.openNames().includes(name)) throw (await this.#execution()).openHere(name)
    const remote = await this.#server()
    const server = this.#guarded(remote)
    const { PresumedPolicies, View } = await this.#execution()
    this.#policies ??= new PresumedPolicies()
    return {
      ...{ cairn: this, actor: this.actor, policies: this.#policies },
      call: (method, ...args) => server.call(method, ...args),
      settle: volume => this.#settle(volume),
      begin: async (volume, options) => (await server.call('beginRun', volume, options)) as BegunRun,
      view: info => {
        const view = new View(remote, info, one => this.#views.delete(one))
        this.#views.add(view)
        return view
      },
    }
  }

  async *execStream(name: string, command: string | ExecCommand, ...rest: ExecArguments): AsyncGenerator<ExecEvent> {
    const { parsedCall, streamed } = await this.#execution()
    const [words, options] = parsedCall(command, rest)
    yield* streamed(more => this.exec(name, words, { ...options, ...more }), options)
  }

  async search(name: string, query: string, options: SearchOptions = {}): Promise<SearchResult> {
    if (options.ref === undefined) await this.#settle(name)
    return (await this.#searching()).search(name, query, options)
  }

  async *grep(name: string, pattern: string, options: GrepOptions = {}, skipped?: GrepSkipped): AsyncGenerator<GrepFile> {
    if (options.ref === undefined) await this.#settle(name)
    yield* (await this.#searching()).grep(name, pattern, options, skipped)
  }

  #searching(): Promise<Searcher> {
    this.#searcher ??= import('./search.js').then(({ searcherOf }) => searcherOf(this.home, volume => this.#host(volume)))
    return this.#searcher
  }

  async fsck(name: string, options: FsckOptions = {}): Promise<FsckReport> {
    if (this.#readOnly && options.repair === true) throw posixError(EROFS, 'fsck')
    await this.#settle(name)
    return (await runJobOn(await this.#host(name), this.home, 'fsck', { name, ...options })) as FsckReport
  }

  async gc(options: GcOptions = {}): Promise<GcReport> {
    if (this.#readOnly && options.dryRun !== true) throw posixError(EROFS, 'gc')
    const { volume, ...rest } = options
    return (await runJobOn(await this.#host(), this.home, 'gc', { ...rest, ...(volume === undefined ? {} : { name: volume }) })) as GcReport
  }

  async stats(name?: string): Promise<StatsReport> {
    return (await this.#call('stats', ...(name === undefined ? [] : [name]))) as StatsReport
  }

  async directoryUse(name: string, path: string, options: { ref?: string } = {}): Promise<DirectoryUse[]> {
    if (options.ref === undefined) await this.#settle(name)
    const { stepped } = await import('./steps.js')
    return stepped(await this.#host(name), 'beginDirectoryUse', name, path, options)
  }

  async open(
    name: string,
    options: { ref?: string; actor?: string; reason?: string; mode?: 'readonly' | 'readwrite'; durability?: DurabilityLevel } & LeaseWait = {},
  ): Promise<OpenVolume> {
    checkOptions(options)
    const host = await this.#host(name)
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
    return ((await this.#call('storeOf', name)) ?? undefined) === undefined ? {} : { durability: this.#durability }
  }

  /** Closes what was opened through it. Mounts stay. @returns volumes of which something could not be published: it is kept, and published the next time */
  async close(): Promise<{ unpublished: Unpublished[] }> {
    for (const handle of [...this.#open, ...this.#views]) await handle.close().catch(() => undefined)
    await (await this.#searcher)?.close()
    this.#searcher = undefined
    await this.#remote?.close()
    this.#remote = undefined
    const local = await this.#local
    this.#local = undefined
    return { unpublished: (await local?.close()) ?? [] }
  }

  /** Programs that write through a mount may have bytes in the kernel that the server has not seen. */
  async #settle(...names: string[]): Promise<void> {
    if (names.length === 0) return
    const host = await this.#host(...names)
    if (!host.isServer) return
    const { mounts, views = [] } = (await host.call('server.status')) as ServerStatus
    const writable = [...mounts, ...views].filter(mount => names.includes(mount.name) && !mount.readOnly)
    if (writable.length === 0) return
    for (const mount of writable) syncMount(mount.mountpoint)
    await host.call('caughtUp')
  }

  async #call(method: string, ...args: unknown[]): Promise<unknown> {
    const name = typeof args[0] === 'string' ? [args[0]] : []
    return (await this.#host(...name)).call(method, ...args)
  }

  /** Where calls about these volumes go now: what this program has open itself stays here. */
  async #host(...names: string[]): Promise<Host> {
    const place = (): Promise<Host> => this.#place(...names)
    return this.#guarded(orSuccessor(await place(), place))
  }

  #guarded(host: Host): Host {
    return this.#readOnly ? new ReadOnlyHost(host) : host
  }

  async #place(...names: string[]): Promise<Host> {
    if (this.#via === 'process') return this.#localHost()
    const local = await this.#local
    if (local?.openNames().some(name => names.includes(name))) return local
    if (this.#via === 'server') return this.#server()
    return (await this.#runningServer()) ?? this.#localHost()
  }

  /** For whoever opens the volumes: this process, or a server that it starts. */
  get #bounds() {
    return { cacheBytes: this.#cacheBytes, backlogBytes: this.#backlogBytes, refreshMs: this.#refreshMs, auditKeyFile: this.#auditKeyFile }
  }

  #localHost(): Promise<LocalHost> {
    // The engine is loaded where it is used: most commands only talk to the server.
    this.#local ??= import('./local-host.js').then(({ LocalHost }) => new LocalHost(this.home, { actor: this.actor, keys: this.#keys, ...this.#bounds }))
    this.#local.catch(() => {
      this.#local = undefined
    })
    return this.#local
  }

  /**
   * The server, when one runs. One that died is waited for while its supervisor lives: whoever opened a mounted volume beside it
   * would remove unlinked files that are open there, and forget which requests were done.
   */
  async #runningServer(waitMs?: number): Promise<RemoteHost | undefined> {
    if (this.#remote !== undefined && (await this.#remote.isAlive())) return this.#remote
    this.#remote = undefined
    const client = await reconnect(this.home, waitMs)
    return client && this.#use(client)
  }

  async #server(): Promise<RemoteHost> {
    return (await this.#runningServer()) ?? this.#use(await ensureServer(this.home, { logLevel: this.#logLevel, gc: this.#gc, ...this.#bounds }))
  }

  #use(client: RpcClient): RemoteHost {
    this.#remote = new RemoteHost(client, () => reconnect(this.home), this.#keys)
    return this.#remote
  }
}

/** Where else than in the home a volume is to be kept. @throws CairnError ERR_STORE_URL, ERR_STORE_OPTIONS, ERR_STORE_PLAIN, ERR_STORE_COMPRESSION */
function storeOf(options: NewVolume): StoreLocation | undefined {
  const found = placeOf(options)
  if (found === undefined && options.encrypt === true) throw homeNotEncrypted()
  if (found === undefined && options.compression !== undefined && isPacked(checkCompression(options.compression))) throw homeNotCompressed()
  return found
}

function codingOf({ encrypt, keyFile, compression }: NewVolume): { encrypt?: boolean; key?: KeySource; compression?: CompressionChoice } {
  return {
    ...(encrypt === true && { encrypt }),
    ...(keyFile !== undefined && { key: { file: resolve(keyFile) } }),
    ...(compression !== undefined && { compression: checkCompression(compression) }),
  }
}

function placeOf({ dev, store, storage, bucket, region, endpoint, pathStyle }: NewVolume): StoreLocation | undefined {
  const given = { ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }), ...(pathStyle !== undefined && { pathStyle }) }
  const wrong = (message: string, remedy: string): CairnError => new CairnError('ERR_STORE_OPTIONS', message, remedy, { exitCode: 2 })
  if ((storage === undefined) !== (bucket === undefined)) throw wrong('--storage and --bucket belong together.', 'Give both, or --store alone.')
  if (storage !== undefined && bucket !== undefined) return parseStoreUrl(bucket, { ...given, storage })
  if (dev === true && store !== undefined && store !== 'dev') throw wrong('--dev and --store contradict each other.', 'Give one of them.')
  if (store !== undefined && store !== 'dev') return parseStoreUrl(store, given)
  if (Object.keys(given).length > 0) throw wrong('Region, endpoint and path style are those of a store, and none was given.', 'Give one with --store.')
  return undefined
}

async function found(host: Host, name: string): Promise<unknown> {
  try {
    return await host.call('info', name)
  } catch (error) {
    if ((error as CairnError).code === 'ERR_VOLUME_UNKNOWN') return undefined
    throw error
  }
}

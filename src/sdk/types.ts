import type { GcProgress, GcReport, StatsReport } from '../history/gc/report.js'
import type { LogEntry, LogOptions } from '../history/log/log-read.js'
import type { MergeResult } from '../history/merge/merge.js'
import type { UndoOptions, UndoResult } from '../history/merge/undo.js'
import type { Restored, RestoreOptions } from '../history/restore/restore.js'
import type { BatchOp, StagedWrite, TransactionFs, VolumeFs } from '../node/index.js'
import type { Decision } from '../policy/types.js'
import type { GrepFile, GrepOptions, GrepSkipped } from '../search/grep.js'
import type { SearchOptions, SearchResult } from '../search/searcher.js'
import type { LogLevel } from '../server/log.js'
import type { MergeCall } from '../server/merge-methods.js'
import type { SetPolicyOptions } from '../server/policy-methods.js'
import type { MountInfo, MountOptions, ServerStatus, ViewOptions } from '../server/protocol.js'
import type { Change, CommitInfo, FsckReport, StoreCheck, Unpublished, VersionInfo, VolumeInfo, VolumeStatus } from '../volume/api.js'
import type { AuditEvent, AuditRecord, AuditTip, AuditVerification } from '../volume/audit/index.js'
import type { DirectoryUse } from '../volume/directory-use.js'
import type { FsckProgress } from '../volume/fsck.js'
import type { DurabilityLevel } from '../volume/lease.js'
import type { Quota } from '../volume/quota.js'
import type { Retention } from '../volume/versions/settings.js'
import type { PruneOptions, PruneReport } from '../volume/versions/versions.js'
import type { Approvals } from './approvals/index.js'
import type { BackupOptions } from './backup.js'
import type { Batch, BatchOptions, BatchResult } from './batch.js'
import type { Bundle, UnbundleOptions } from './bundle.js'
import type { Caches } from './caches.js'
import type { Copied } from './copy.js'
import type { DiffReader } from './diff.js'
import type { ExecArguments } from './exec/call.js'
import type { RaceOptions, RaceResult } from './exec/race.js'
import type { ExecCommand, ExecEvent, ExecResult } from './exec/types.js'
import type { FindOptions, Found } from './find.js'
import type { LeaseWait } from './lease-wait.js'
import type { LocalCopy } from './local-copies.js'
import type { CheckedCommand, CheckOptions } from './policy.js'
import type { CachedResult, PrefetchOptions, PrefetchResult, UncachedResult } from './prefetch.js'
import type { PurgeOptions, PurgeResult } from './purge.js'
import type { QuotaReport } from './quota.js'
import type { RotateKeyOptions } from './rotate-key.js'

export type { LogEntry, LogOptions } from '../history/log/log-read.js'
export type { Approval, ApprovalAnswer, AskedHow, Decision, Effect, Judged, PolicyLimits } from '../policy/types.js'
export type { GrepFile, GrepOptions, GrepSkipped } from '../search/grep.js'
export type { Indexed } from '../search/indexes.js'
export type { GrepLine } from '../search/line-scan.js'
export type { SearchMatch } from '../search/one-search.js'
export type { SearchOptions, SearchResult } from '../search/searcher.js'
export type { SetPolicyOptions } from '../server/policy-methods.js'
export type { Quota } from '../volume/quota.js'
export type { Approvals } from './approvals/index.js'
export type { Caches, StoreCache } from './caches.js'
export type { Copied } from './copy.js'
export type { ExecArguments } from './exec/call.js'
export type { Attempt, RaceOptions, RaceResult } from './exec/race.js'
export type { ExecChange, ExecCommand, ExecDecision, ExecEvent, ExecOptions, ExecResult } from './exec/types.js'
export type { FindOptions, Found, FoundType } from './find.js'
export type { LocalCopy } from './local-copies.js'
export type { CheckedCommand, CheckOptions } from './policy.js'
export type { CachedResult, PrefetchOptions, PrefetchResult, UncachedResult } from './prefetch.js'
export type { HistoryReport, QuotaReport } from './quota.js'

export interface CairnOptions {
  /** Default: CAIRN_HOME, else `~/.cairn`. */
  home?: string
  /** `auto` (default): the server where one runs or the volume is mounted, else in process. */
  via?: 'auto' | 'server' | 'process'
  /** Who changes, as commits and versions say; default CAIRN_ACTOR, else the name of the user. */
  actor?: string
  /** Why, as audit chains say; default CAIRN_REASON. */
  reason?: string
  /** The command line of this program, where audit chains are to tell it. */
  commandLine?: readonly string[]
  /** Everything that would change a volume fails with EROFS, and mounts are read-only. Default CAIRN_READ_ONLY, else false. */
  readOnly?: boolean
  /**
   * Of volumes in stores elsewhere that are opened or mounted: `local` (default), what is synced or committed is on this host's disk; `remote`, it is in the
   * store. A volume stays `remote` until all who opened it have closed it.
   */
  durability?: DurabilityLevel
  /** How much a server that is started writes to its log; default CAIRN_LOG_LEVEL, else `info`. */
  logLevel?: LogLevel
  /** What the cache of each store elsewhere takes on the disk, in bytes or as `10G`; without it what was said last, at first 1 GiB. For a server when this starts it. */
  cacheSize?: number | string
  /** A volume that is read while another host writes it is looked at for what is new after so many milliseconds; default 1,000. */
  refreshMs?: number
  /** The file that holds the key of encrypted stores; default CAIRN_KEY, CAIRN_KEY_FILE, CAIRN_KEY_COMMAND, and where the home remembers that a key came from. */
  keyFile?: string
  /** A shell command that prints it. */
  keyCommand?: string
  /** The file of an Ed25519 key that the audit chain is signed with; default CAIRN_AUDIT_KEY_FILE. For a server when this starts it. */
  auditKeyFile?: string
  /** The key itself: 32 bytes, or a passphrase. It is kept in memory only. */
  key?: Uint8Array | string
  /**
   * What a volume of a store elsewhere may have acknowledged and not published, in bytes: beyond it changes fail with ENOSPC. Default CAIRN_BACKLOG_SIZE, else
   * half of what its disk has free. For a server when this starts it.
   */
  backlogBytes?: number
  /** False: a server that is started collects only when it is asked to; default CAIRN_GC, else true. */
  gc?: boolean
}

export type { GcProgress, GcReport, StatsReport, VolumeUsage } from '../history/gc/report.js'
export type { MergeResult } from '../history/merge/merge.js'
export type { ConflictKind, MergeConflict, Resolution } from '../history/merge/types.js'
export type { UndoOptions, UndoResult } from '../history/merge/undo.js'
export type { Restored, RestoreOptions } from '../history/restore/restore.js'
export type { MergeCall } from '../server/merge-methods.js'
export type { MountInfo, MountOptions, ServerStatus, ViewInfo, ViewOptions, ViewRules } from '../server/protocol.js'
export type { DirectoryUse } from '../volume/directory-use.js'
export type { FsckProgress } from '../volume/fsck.js'
export type { DurabilityLevel } from '../volume/lease.js'

export interface StatusReport {
  home: string
  server: ServerStatus
  /** `locked`: why the key of the store, which is encrypted, is not there; nothing else is known of the volume then. */
  volumes: Array<VolumeStatus & { mounts: MountInfo[]; servedBy: 'server' | 'process' | 'nobody'; locked?: string }>
}

export interface Check {
  name: string
  ok: boolean
  /** `warning` does not make doctor fail. */
  severity: 'error' | 'warning'
  detail: string
  fix?: string
}

export interface DoctorReport {
  ok: boolean
  storageBackend: { found: boolean; detail: string; fix?: string }
  mountSupport: { found: boolean; detail: string; fix?: string }
  checks: Check[]
  /** Commands that `--install` ran. */
  ran?: string[]
}

export interface GcOptions {
  /** Change nothing; say what would go. */
  dryRun?: boolean
  /** A volume whose store is collected; default the home's own store. */
  volume?: string
  onProgress?: (done: GcProgress) => void
}

/** What a volume is made with. */
export interface NewVolume {
  name: string
  /** Kept in the directory store of this CAIRN_HOME: so it is where nothing else is said. */
  dev?: boolean
  /** Where else: `s3://bucket/prefix`, `gs://bucket/prefix`, `file:///folder`, `sqlite:///file`, `lmdb:///file`. Credentials come from the environment, never from here. */
  store?: string
  /** A kind of store (`s3` …), and in `bucket` its address as the provider shows it. */
  storage?: string
  bucket?: string
  region?: string
  endpoint?: string
  /** The bucket in the path of requests, not in the host's name. */
  pathStyle?: boolean
  /** Encrypts all that the store holds. Of a store that is there already it only says that it must be so. */
  encrypt?: boolean
  /** The file that holds the store's key; the home remembers where it is. */
  keyFile?: string
  /** Of a new store: `auto` (the default) packs where it pays, `none` never, `zstd` and `brotli` always. Of a store that is there already it only says that it must be so. */
  compression?: 'auto' | 'none' | 'brotli' | 'zstd'
}

/** Where a copy goes. */
export interface CopyOptions extends Omit<NewVolume, 'name'> {
  /** Default: that of the volume. */
  name?: string
  /** As it was then, with the history up to it. */
  ref?: string
  /** The copy is a volume of this home too, which needs a name that is free here. */
  attach?: boolean
  onProgress?: (done: { files: number; bytes: number }) => void
}

/** What the CLI drives. The class `Cairn` in `sdk/cairn.ts` implements it. */
export interface CairnApi {
  readonly home: string
  readonly cache: Caches
  createVolume(options: NewVolume): Promise<VolumeInfo>
  /** Creates it or finds it, also in a store where another host made it. */
  ensureVolume(options: NewVolume): Promise<VolumeInfo & { created: boolean }>
  volumes(options?: { deleted?: boolean }): Promise<VolumeInfo[]>
  renameVolume(from: string, to: string): Promise<VolumeInfo>
  deleteVolume(name: string, options?: { now?: boolean }): Promise<void>
  undeleteVolume(name: string): Promise<VolumeInfo>
  /**
   * Makes this host the writer of a volume in a store that hosts share. Whoever was can publish nothing more.
   * @throws CairnError ERR_LEASE_HELD naming who has it and since when
   */
  takeLease(name: string, options?: { steal?: boolean; force?: boolean } & LeaseWait): Promise<void>
  /** Publishes, and lets other hosts write. @throws CairnError ERR_VOLUME_MOUNTED, ERR_VOLUME_IN_USE, ERR_STORE_UNREACHABLE */
  releaseLease(name: string): Promise<void>
  /**
   * Whether the store of a volume can be used: it is reached, is the one that this home knows, and the credentials may read and list; with `probe` also whether
   * it does what Cairn relies on, which writes and deletes some small objects below `probe/`.
   * @throws CairnError ERR_STORE_UNREACHABLE, ERR_STORE_CREDENTIALS, ERR_STORE_ACCESS, ERR_STORE_UNFIT …
   */
  checkStore(name: string, options?: { probe?: boolean }): Promise<StoreCheck>
  /** Makes a fork of each state that this host had acknowledged and not published when another host took the volume over. */
  recover(name: string): Promise<VolumeInfo[]>
  /**
   * Gives the encrypted store of a volume another key. Only the store's data key is encrypted anew: one small write.
   * @throws CairnError ERR_STORE_PLAIN, ERR_KEY_MISSING, ERR_KEY_WRONG, ERR_KEY_SOURCE, ERR_KEY_INVALID
   */
  rotateKey(name: string, options?: RotateKeyOptions): Promise<{ store: string }>
  /** @param options waitMs: how long to wait for a host that writes the volume, instead of failing with ERR_LEASE_HELD */
  mount(options: MountOptions & LeaseWait): Promise<MountInfo>
  /** A mount of a volume for this program alone, with rules and an actor of its own, beside whatever else has it mounted. */
  openView(name: string, options?: ViewOptions): Promise<VolumeView>
  /** By volume name or mount path. Flushes first. Not mounted is no error: returns false. */
  unmount(target: string, options?: { force?: boolean }): Promise<boolean>
  /** @param options timeoutMs: how long it is tried while the store cannot be reached, default 30,000 */
  flush(name: string, options?: { timeoutMs?: number }): Promise<{ bytes: number }>
  /**
   * A volume that another host writes shows what it has published by now; mounts are told before this resolves.
   * @throws CairnError ERR_STORE_UNREACHABLE …: it stays as it was
   */
  refresh(name: string): Promise<{ changed: boolean; isWriter: boolean; sequence: number }>
  status(name?: string): Promise<StatusReport>
  fork(source: string, ref: string | undefined, name: string): Promise<VolumeInfo>
  /** Several forks of one and the same state, or none. */
  forkAll(source: string, ref: string | undefined, names: readonly string[]): Promise<VolumeInfo[]>
  purge(name: string, path: string, options?: PurgeOptions): Promise<PurgeResult>
  bundle(name: string, options?: { ref?: string; since?: string }): Promise<Bundle>
  unbundle(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, name: string, options?: UnbundleOptions): Promise<VolumeInfo>
  backup(name: string, file: string, options?: BackupOptions): Promise<{ file: string; bytes: number; files: number }>
  /**
   * Copies a volume with its whole history, all commits, checkpoints and versions under the ids that they have, into another store, as a volume of that name there. It
   * comes of one moment, beside whoever writes. Nothing is seen of it before it is whole: a copy that breaks off leaves nothing that is listed.
   * @param options where to, and under which name (default: the same); `store: 'dev'`, or none: the home's own
   * @throws CairnError ERR_COPY_SAME_STORE, ERR_VOLUME_EXISTS, ERR_REF_UNKNOWN; what the store says; CorruptError
   */
  copy(name: string, options: CopyOptions): Promise<Copied>
  checkpoint(name: string, checkpoint?: string, options?: { message?: string; actor?: string }): Promise<CommitInfo>
  checkpoints(name: string): Promise<CommitInfo[]>
  deleteCheckpoint(name: string, checkpoint: string): Promise<void>
  /** Goes back to a state, all of a volume or one path. @throws CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_PATH_UNKNOWN, ERR_PATH_BLOCKED */
  restore(name: string, options?: RestoreOptions): Promise<Restored>
  /**
   * Brings the changes of a fork into the volume that it comes from, or another one of its lineage (`into`): three-way, as one commit. Conflicts wait in the
   * files, for `step: 'continue'` or `'abort'`, unless `resolution` decides them; `dryRun` only tells.
   * @throws CairnError ERR_MERGE_SELF, ERR_MERGE_UNRELATED, ERR_MERGE_WAITING, ERR_MERGE_NONE, ERR_MERGE_UNRESOLVED, ERR_NO_PARENT
   */
  merge(fork: string, options?: MergeCall): Promise<MergeResult>
  /** Puts the changes of a fork on top of what its parent is now; conflicts as in `merge`, with the parent as ours. */
  rebase(fork: string, options?: Omit<MergeCall, 'into'>): Promise<MergeResult>
  /**
   * Takes changes back and keeps later ones: by default the newest one, what is in no commit yet first. Recorded, so it can be undone. Where a later
   * change touched the same, nothing is changed and the conflicts are told, unless `resolution` decides them.
   * @throws CairnError ERR_UNDO_NOTHING, ERR_UNDO_SELECTION, ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_COMMIT_PRUNED, ERR_MERGE_WAITING
   */
  undo(name: string, options?: UndoOptions): Promise<UndoResult>
  /** The versions of a path, the oldest first; the current state is the last one. Of deleted files too; empty when nothing is known of it. */
  versions(name: string, path: string): Promise<VersionInfo[]>
  /** A read-only volume that holds one version of a file under the file's name, in its root. @throws CairnError ERR_VERSION_UNKNOWN */
  openVersion(name: string, path: string, number?: number): Promise<OpenVolume>
  /**
   * Drops versions of files: those that retention does not keep, or by `keep` and `olderThanMs` what both allow. The numbers of the others stay.
   * @throws CairnError ERR_RETENTION
   */
  prune(name: string, options?: PruneOptions): Promise<PruneReport>
  /** What the volume holds now, and may hold. Exact at any moment; with a limit of the history what versions hold is counted, which takes a look at each. */
  quota(name: string): Promise<QuotaReport>
  /**
   * Replaces what the volume may hold. Whatever would take more then fails with EDQUOT, a longer file with EFBIG; deleting always works. A fork begins with its parent's.
   * @throws CairnError ERR_QUOTA, ERR_VOLUME_READ_ONLY, ERR_LEASE_HELD
   */
  setQuota(name: string, quota: Quota): Promise<QuotaReport>
  /** Questions of policies that wait for a person. */
  readonly approvals: Approvals
  /** The policy that judges commands in the volume. A fork begins with its parent's. */
  policy(name: string): Promise<PolicyInfo>
  /**
   * Replaces the policy of a volume; null: it has none of its own any more. What is broken, or says otherwise than its own examples, is refused and changes nothing.
   * @throws PolicyError ERR_POLICY with line and column; CairnError ERR_POLICY_EXAMPLE, ERR_POLICY_LARGE, ERR_POLICY_CHANGED (it is not of `ifRevision` any more)
   */
  setPolicy(name: string, text: string | null, options?: SetPolicyOptions): Promise<PolicyInfo>
  /** What the policy says to a command; nothing is run. */
  checkPolicy(name: string, command: CheckedCommand, options?: CheckOptions): Promise<Decision>
  retention(name: string): Promise<Retention>
  /** @throws CairnError ERR_RETENTION */
  setRetention(name: string, retention: Retention): Promise<void>
  /** What changed from `a` to `b`, all at once; `changes` gives them one by one. */
  diff(a: DiffSide, b: DiffSide, options?: DiffOptions): Promise<DiffChange[]>
  /** @param a undefined: since the newest checkpoint of `b`'s volume, or since it was forked, whichever was later */
  changes(a: DiffSide | undefined, b: DiffSide, options?: DiffOptions): AsyncIterable<DiffChange>
  /** The same with what is compared, and patches as bytes. Close it. */
  openDiff(a: DiffSide | undefined, b: DiffSide, options?: DiffOptions): Promise<DiffReader>
  /**
   * Commits, newest first; with `path` those that changed it, followed through renames.
   * @throws CairnError ERR_VOLUME_UNKNOWN; ERR_REF_UNKNOWN of `since` and `until`
   */
  log(name: string, options?: LogOptions): AsyncIterable<LogEntry>
  /**
   * Which commit or version brought each line of a file, as it is now or was at `ref`.
   * @throws CairnError ERR_BINARY of what is no text or over 8 MiB, ENOENT, EISDIR, ERR_REF_UNKNOWN
   */
  blame(name: string, path: string, options?: { ref?: string }): Promise<BlameLine[]>
  /** Who did what, when and why: entries of the audit chain, newest first. */
  audit(name: string, options?: AuditOptions): AsyncIterable<AuditRecord>
  /** The last entry, to be kept elsewhere; undefined when nothing was recorded yet. */
  auditHead(name: string): Promise<AuditHead | undefined>
  /**
   * Checks every entry of the chain. By itself that finds accidents and what was changed here and there, not an owner who wrote all of it anew: `against`, a tip
   * that was kept elsewhere, proves that all up to it is as it was; so does a signature for `keyFile`, to whoever has not that key.
   * @throws CairnError ERR_AUDIT_KEY
   */
  verifyAudit(name: string, options?: { against?: AuditTip; keyFile?: string }): Promise<AuditVerification>
  /** Records an event in the audit chain. @returns its place and hash */
  recordAudit(name: string, event: AuditEvent): Promise<AuditTip>
  /**
   * Runs a command in a volume that is shown to it as a directory, in a sandbox where this machine has one, and tells what it changed, exactly. A commit is made
   * before and after; nothing that it started lives when this resolves. The server is started where none runs.
   * @param command a program with its arguments behind it, `{ program, args }`, or `{ shell }` with text for `sh`
   * @throws CairnError ERR_EXEC_DENIED (the policy says so), ERR_EXEC_OPTION, ERR_EXEC_CWD, ERR_EXEC_PROGRAM, ERR_EXEC_START, ERR_SANDBOX_MISSING,
   * ERR_SANDBOX_NETWORK, ERR_VOLUME_UNKNOWN, ERR_VOLUME_BUSY: nothing ran. A command that fails is no error: see `exitCode`
   * Cost: some milliseconds beside the command, and its changes, whatever the size of the volume
   */
  exec(name: string, command: string | ExecCommand, ...rest: ExecArguments): Promise<ExecResult>
  exec(name: string, command: string | ExecCommand, ...rest: ExecArguments<'buffer'>): Promise<ExecResult<Buffer>>
  /** The same, told as it goes: pieces of output, then the result. Who stops reading ends the command. */
  execStream(name: string, command: string | ExecCommand, ...rest: ExecArguments): AsyncIterable<ExecEvent>
  /**
   * Full text of a volume as it is now or was at a ref: all words of the query and its `"phrases"`, `begin*`, `-not`, `OR`; or with `mode: 'substring'` any text of three
   * characters or more. By an index of this home, one for all volumes and states of a store, which takes up what is new first. Binary files and those over 4 MiB are not in it.
   * @throws CairnError ERR_SEARCH_QUERY, ERR_SEARCH_LIMIT, ERR_SEARCH_INDEX, ERR_REF_UNKNOWN; ERR_DRIVER_MISSING: it needs SQLite, which Node 20 does not have
   */
  search(name: string, query: string, options?: SearchOptions): Promise<SearchResult>
  /**
   * Files with lines that match a regular expression of JavaScript, with Unicode; each is given when it was matched, in no promised order. Read and matched in this
   * process, in threads: a pattern that takes over 10 s on a few files is cut off. Files with NUL bytes and those over 256 MiB are left out, and counted in `skipped`.
   * @throws CairnError ERR_GREP_PATTERN, ERR_GREP_TIMEOUT, ERR_REF_UNKNOWN
   */
  grep(name: string, pattern: string, options?: GrepOptions, skipped?: GrepSkipped): AsyncIterable<GrepFile>
  /**
   * Runs commands at once, each in a fork of its own, finds the best of those that succeeded, and merges that one. Attempts that fail, or cannot be run, are told, and
   * keep nobody from winning.
   * @param attempts text for `sh`, or a program with its arguments
   * @throws as `exec`, of what holds for all of them
   */
  race(name: string, attempts: ReadonlyArray<string | ExecCommand>, options?: RaceOptions): Promise<RaceResult>
  /** Reads and verifies all of a volume, beside whoever uses it. `onProgress` is told a few times a second. */
  fsck(name: string, options?: FsckOptions): Promise<FsckReport>
  /**
   * Gives back the space of what no volume needs, beside whoever uses them: deletes dead packs, rewrites those that are mostly dead.
   * @throws CairnError ERR_GC_RUNNING, ERR_GC_DAMAGED (nothing is deleted then)
   */
  gc(options?: GcOptions): Promise<GcReport>
  /** What each volume held when the store was collected last. @throws CairnError ERR_VOLUME_UNKNOWN, ERR_STATS_UNKNOWN */
  stats(name?: string): Promise<StatsReport>
  /**
   * What each name of a directory holds now, or held at `ref`, the largest first, and how much of it other volumes hold too: as of the last collection, and of
   * forks made since (in a store elsewhere only as of the collection).
   * @throws POSIX errors of the path; CairnError ERR_VOLUME_UNKNOWN, ERR_REF_UNKNOWN. Cost: a look at each file below, and at its blocks
   */
  directoryUse(name: string, path: string, options?: { ref?: string }): Promise<DirectoryUse[]>
  /**
   * A volume with the whole of node:fs/promises. `ref`: read-only, at that state. `actor`: who changes through it, and `reason` why. `mode` `readonly`: every change fails with
   * EROFS, and a volume in a store that hosts share is read as its writer published it, without a lease; what is new is seen after `refreshMs`, or after `refresh`.
   * @param options waitMs: how long to wait for another host that writes it; durability: `remote` makes `fsync`, `sync` of a handle, transactions, batches and
   * whatever records a commit resolve when it is in the store
   * @throws CairnError ERR_LEASE_HELD when another host writes it, and it is not `readonly`; ERR_DURABILITY: the volume is in the home's own store;
   * ERR_INVALID_ARG_VALUE for a mode or a durability that there is not
   */
  open(
    name: string,
    options?: { ref?: string; actor?: string; reason?: string; mode?: 'readonly' | 'readwrite'; durability?: DurabilityLevel } & LeaseWait,
  ): Promise<OpenVolume>
  /** @returns volumes of which something could not be published when this program let go of them: it is kept, and published the next time they are used */
  close(): Promise<{ unpublished: Unpublished[] } | undefined>
}

/**
 * A mount of a volume of its own (`openView`), served by the server. It goes away with `close`, and when the program that opened it ends. A server that was killed is
 * followed by another, which serves it on; the program then takes it over again by itself, or it goes after half a minute.
 */
export interface VolumeView {
  readonly id: number
  /** In a folder that only this user may enter. */
  readonly mountpoint: string
  readonly readOnly: boolean
  /**
   * What was changed through it since it was opened, of what is in a commit then; what the kernel still held is written back first. Exact also while others change the
   * same volume, when it was opened with an `exec` id.
   */
  changes(): Promise<ViewChanges>
  /** Nothing may be running in it: what has files open there fails from now on. Twice is once. */
  close(): Promise<void>
}

export interface ViewChanges {
  /** The last commit before the view was opened, and the last one of its changes; absent when there was none. */
  before?: string
  after?: string
  changes: Change[]
}

/** The policy of a volume. */
export interface PolicyInfo {
  text: string
  /** It has none of its own. */
  isDefault: boolean
  /** Another text has another one; empty for the default. */
  revision: string
  setMs?: number
  /** Who set it. */
  by?: string
}

/** The policy of one volume: `volume.policy`. */
export interface VolumePolicy {
  get(): Promise<PolicyInfo>
  /** As `Cairn.setPolicy`. */
  set(text: string | null, options?: SetPolicyOptions): Promise<PolicyInfo>
  /** As `Cairn.checkPolicy`. */
  check(command: CheckedCommand, options?: CheckOptions): Promise<Decision>
}

export interface FsckOptions {
  /** Check what is stored elsewhere, as another host would find it, past what this one has of it. @throws CairnError ERR_STORE_LOCAL */
  remote?: boolean
  /** … and store again what is missing or damaged there, where this host has a whole copy of it. */
  repair?: boolean
  onProgress?: (done: FsckProgress) => void
}

/** A volume as it is now, or at a ref; all of it, or one path. */
export interface DiffSide {
  volume: string
  ref?: string
  path?: string
}

export interface DiffOptions {
  /** Only paths that match one of these globs; one without a slash matches at any depth, a directory means all that is in it. */
  globs?: readonly string[]
  /** Every file of a renamed directory as a rename of its own, as git lists them. */
  files?: boolean
  /** With the text of the patch for each file, which `git apply` takes; implies `files`. */
  patch?: boolean
}

export interface DiffChange extends Change {
  /** With `patch`, of files and symbolic links; empty where git sees no difference. Bytes that are no UTF-8 are lost: `binary` files are text all the same. */
  patch?: string
  /** Lines, of a patch of text. */
  added?: number
  removed?: number
  /** The patch holds the content encoded, or, over 64 MiB, says only that it differs. */
  binary?: true
}

export type { AuditDecision, AuditEvent, AuditProblem, AuditRecord, AuditTip, AuditVerification } from '../volume/audit/index.js'

/** Which entries of an audit chain. */
export interface AuditOptions {
  limit?: number
  sinceMs?: number
  actor?: string
  exec?: string
  kinds?: readonly string[]
  /** The newest `limit` (default none), oldest first, then those to come as they come, until `signal`. */
  follow?: boolean
  signal?: AbortSignal
}

/** The last entry, and the newest tip that was signed. */
export interface AuditHead extends AuditTip {
  /** Id of the volume whose chain it is. */
  volume: string
  timeMs: number
  signed?: AuditTip & { key: string; signature: string }
}

/** A line of a file, and what brought it. */
export interface BlameLine {
  /** From 1 on. */
  line: number
  /** Without its line break. */
  text: string
  timeMs: number
  actor?: string
  /** Number of the version, where it is kept as one. */
  version?: number
  /** The commit that recorded it first, and its checkpoint name; absent: none yet. */
  commit?: string
  name?: string
}

export type { Retention } from '../volume/versions/settings.js'
export type { PruneOptions, PruneReport } from '../volume/versions/versions.js'

/** The history of one volume; implemented in `sdk/volume-history.ts`. */
export interface VolumeHistory {
  /** Keeps the state of now, under a name or not. O(1). @throws CairnError ERR_CHECKPOINT_NAME, ERR_CHECKPOINT_EXISTS */
  checkpoint(name?: string, options?: { message?: string }): Promise<CommitInfo>
  /** Newest first. */
  checkpoints(): Promise<CommitInfo[]>
  deleteCheckpoint(name: string): Promise<void>
  /**
   * Goes back to a state, all of the volume or one path: default the last commit. Recorded, and what changed since the last commit before it, so nothing
   * is lost. Handles open on files that changed or vanished are ESTALE from then on. @throws CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_PATH_UNKNOWN
   */
  restore(options?: RestoreOptions): Promise<Restored>
  /** Brings the changes of a fork into this volume; see `Cairn.merge`. */
  merge(fork: string, options?: Omit<MergeCall, 'into'>): Promise<MergeResult>
  /** Puts the changes of this fork on top of what its parent is now; see `Cairn.rebase`. */
  rebase(options?: Omit<MergeCall, 'into'>): Promise<MergeResult>
  /** Takes changes of this volume back and keeps later ones; see `Cairn.undo`. */
  undo(options?: UndoOptions): Promise<UndoResult>
  /** A new volume that shares every byte with this one as it is, or as it was at `ref`. @throws CairnError ERR_VOLUME_EXISTS, ERR_REF_UNKNOWN */
  fork(name: string, options?: { ref?: string }): Promise<VolumeInfo>
  /**
   * The states that a file had, the oldest first; the current one is last. A version is what a file was when it was closed by who changed it, or a call that
   * changed it returned. They follow the path through save-by-rename, renames, and deletion of the file and of its directories.
   */
  versions(path: string): Promise<VersionInfo[]>
  /** The content of a version; default the newest one that is not current. @throws CairnError ERR_VERSION_UNKNOWN */
  readVersion(path: string, number?: number): Promise<Buffer>
  /** The same as a read-only volume that holds that file alone, under its name in the root. Close it when done. */
  openVersion(path: string, number?: number): Promise<OpenVolume>
  /** Drops versions that retention, or these options, do not keep. @throws CairnError ERR_RETENTION */
  prune(options?: PruneOptions): Promise<PruneReport>
  /** What may be run in it. */
  readonly policy: VolumePolicy
  /** What is kept of the versions of each file, and which files have none. */
  retention(): Promise<Retention>
  /** @throws CairnError ERR_RETENTION */
  setRetention(retention: Retention): Promise<void>
  /**
   * What changed from a ref of this volume, or from another volume, to this one, a directory before what is in it. Without `from`:
   * since the newest checkpoint, or since this volume was forked, whichever was later. O(changes) within a lineage; volumes without a
   * common past are compared by path and content.
   * @throws CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_VOLUME_UNKNOWN; ENOENT when neither side has the path
   */
  diff(from?: string | DiffSide, options?: DiffOptions): AsyncIterable<DiffChange>
  /** Commits, newest first; with `path` those that changed it, followed through renames. */
  log(options?: LogOptions): AsyncIterable<LogEntry>
  /** Which commit or version brought each line of a file. @throws CairnError ERR_BINARY, ENOENT, EISDIR */
  blame(path: string): Promise<BlameLine[]>
  /** Who did what, when and why, newest first. */
  audit(options?: AuditOptions): AsyncIterable<AuditRecord>
  /** The last entry of that, to be kept elsewhere. */
  auditHead(): Promise<AuditHead | undefined>
  /** See `Cairn.verifyAudit`. */
  verifyAudit(options?: { against?: AuditTip; keyFile?: string }): Promise<AuditVerification>
  /** Runs a command in this volume; see `Cairn.exec`. */
  exec(command: string | ExecCommand, ...rest: ExecArguments): Promise<ExecResult>
  exec(command: string | ExecCommand, ...rest: ExecArguments<'buffer'>): Promise<ExecResult<Buffer>>
  execStream(command: string | ExecCommand, ...rest: ExecArguments): AsyncIterable<ExecEvent>
  /** Full text of this volume, or of this state. @throws CairnError ERR_SEARCH_QUERY, ERR_SEARCH_LIMIT, ERR_SEARCH_INDEX, ERR_DRIVER_MISSING */
  search(query: string, options?: SearchOptions): Promise<SearchResult>
  /** Lines of this volume, or of this state, that match a regular expression. @throws CairnError ERR_GREP_PATTERN, ERR_GREP_TIMEOUT */
  grep(pattern: string, options?: GrepOptions, skipped?: GrepSkipped): AsyncIterable<GrepFile>
  /** Runs commands at once in forks of this volume, and merges the best; see `Cairn.race`. */
  race(attempts: ReadonlyArray<string | ExecCommand>, options?: RaceOptions): Promise<RaceResult>
  /** This volume at a checkpoint, `~n`, commit id or time: read-only, with the whole of node:fs. Close it when done. */
  at(ref: string): Promise<OpenVolume>
}

/** A volume that this program uses, in process or through the server. */
export interface OpenVolume extends VolumeHistory {
  readonly name: string
  /** The shape of `node:fs`. The synchronous forms work where the volume is open in this process. */
  readonly fs: VolumeFs
  /** What is below a path and passes every test, a directory before what is in it, names in order. @throws CairnError ENOENT, ERR_FIND, ERR_TAG */
  find(options?: FindOptions): AsyncIterable<Found>
  /**
   * A writable stream whose file appears at once and whole when it is closed; `discard()` leaves no trace.
   * @param options mode of a new file; default 0o666, less the umask
   */
  openWrite(path: string, options?: { mode?: number }): StagedWrite
  /** As `Cairn.flush`: everything acknowledged is sealed, and in the store where that is elsewhere. */
  flush(options?: { timeoutMs?: number }): Promise<{ bytes: number }>
  /** As `Cairn.refresh`: of a volume that another host writes, what it has published by now is shown. */
  refresh(): Promise<{ changed: boolean; isWriter: boolean; sequence: number }>
  /**
   * Bytes of a file from `offset` on, fewer at its end. From a store elsewhere only what they lie in is read: chunks of 256 KiB.
   * @throws a RangeError ERR_OUT_OF_RANGE; POSIX errors as `fs.promises.open`
   */
  readRange(path: string, offset: number, length: number): Promise<Buffer>
  /**
   * A file of this host (0600) with the content of a file as of this call, for programs that want a path. Plain bytes, also where the store is encrypted. It counts
   * in the cache of the store, which does not delete it before `release`; without that it is gone when this program ends, however. Also by `using`.
   * @throws CairnError ERR_CACHE_FULL; POSIX errors
   */
  materialize(path: string): Promise<LocalCopy>
  /**
   * Brings the content of files into the cache of the store, many requests at once; where the volume lies on this host there is nothing to do.
   * @param patterns files, directories (all that is in them) and globs
   * @returns how many files that were, and what was read from the store
   * @throws CairnError ERR_PATH_UNKNOWN when nothing matches, ERR_CACHE_FULL when it is more than the cache takes
   */
  prefetch(patterns: string | readonly string[], options?: PrefetchOptions): Promise<PrefetchResult>
  /**
   * How much of the content of files need not be read from the store; all of it where the volume lies on this host. The store is not asked, but for the names.
   * @param patterns as of `prefetch`
   * @throws CairnError ERR_PATH_UNKNOWN when nothing matches
   */
  cached(patterns: string | readonly string[]): Promise<CachedResult>
  /**
   * Deletes what is cached of the content of files, and what lies in the same chunks: it is read again when it is needed. What is not published stays, and so do small files,
   * which stand in pages of the tree; where the volume lies on this host there is nothing to delete.
   * @param patterns as of `prefetch`
   * @throws CairnError ERR_PATH_UNKNOWN when nothing matches
   */
  uncache(patterns: string | readonly string[]): Promise<UncachedResult>
  /**
   * Runs `body` over a private copy of the volume, then applies all that it did at once, or nothing. Reads its own writes.
   * @param options retries: how often to run the body again after a conflict; default 0
   * @throws CairnError ERR_CONFLICT; what `body` throws
   */
  transaction<T>(body: (tx: TransactionFs) => Promise<T> | T, options?: { retries?: number }): Promise<T>
  /**
   * Runs operations in order and applies them at once, or none of them: one commit, which one `undo` takes back. Later operations see earlier ones.
   * @param ops checked as they come; the whole is held in memory (blocks of 64 KiB are stored at once) until it is applied
   * @throws BatchError naming the operation that failed (ERR_BATCH_LINE, ERR_PRECONDITION or a POSIX code); CairnError ERR_CONFLICT
   */
  batch(ops: Iterable<BatchOp> | AsyncIterable<BatchOp>, options?: BatchOptions): Promise<BatchResult>
  /** The same step by step; `close` it in any case. */
  beginBatch(): Promise<Batch>
  /** Adds tags to a file or directory: extended attributes, versioned and forked with it. @throws CairnError ERR_TAG; POSIX errors of the path */
  tag(path: string, ...tags: string[]): Promise<void>
  /** Takes tags away; those that it has not are no error. */
  untag(path: string, ...tags: string[]): Promise<void>
  tags(path: string): Promise<string[]>
  /** All that has a tag, or any. O(attributes in the volume), whatever its size; what has several names is told by one of them. */
  tagged(tag?: string): AsyncIterable<{ path: string; tags: string[] }>
  /** Values under keys, kept in the same way. */
  meta(path: string): Promise<Record<string, string>>
  getMeta(path: string, key: string): Promise<string | undefined>
  /** @param value undefined takes it away; at most 64 KiB. @throws CairnError ERR_META; E2BIG, ENOSPC */
  setMeta(path: string, key: string, value: string | undefined): Promise<void>
  /** Lets go of it, and of what is open in it. */
  close(): Promise<void>
}

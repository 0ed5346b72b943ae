import { CairnError } from '../errors.js'
import type { CommitInfo, VersionInfo, VolumeInfo } from '../volume/api.js'
import type {
  AuditHead,
  AuditOptions,
  AuditRecord,
  AuditTip,
  AuditVerification,
  BlameLine,
  CairnApi,
  DiffChange,
  DiffOptions,
  DiffSide,
  ExecArguments,
  ExecCommand,
  ExecEvent,
  ExecOptions,
  ExecResult,
  GrepFile,
  GrepOptions,
  GrepSkipped,
  LogEntry,
  LogOptions,
  MergeCall,
  MergeResult,
  OpenVolume,
  PruneOptions,
  PruneReport,
  RaceOptions,
  RaceResult,
  Restored,
  RestoreOptions,
  Retention,
  SearchOptions,
  SearchResult,
  UndoOptions,
  UndoResult,
  VolumeHistory,
  VolumePolicy,
} from './types.js'

/** What the history of a volume is asked through. */
export type HistoryCalls = Pick<
  CairnApi,
  | 'home'
  | 'flush'
  | 'refresh'
  | 'checkpoint'
  | 'checkpoints'
  | 'deleteCheckpoint'
  | 'fork'
  | 'changes'
  | 'log'
  | 'blame'
  | 'audit'
  | 'auditHead'
  | 'verifyAudit'
  | 'exec'
  | 'execStream'
  | 'race'
  | 'open'
  | 'restore'
  | 'merge'
  | 'rebase'
  | 'undo'
  | 'versions'
  | 'openVersion'
  | 'prune'
  | 'policy'
  | 'setPolicy'
  | 'checkPolicy'
  | 'retention'
  | 'setRetention'
  | 'search'
  | 'grep'
>

/**
 * The history of one open volume; every method is that of `Cairn` with the volume's name filled in. An address of the past
 * (`at`, or opened with `ref`) is a volume too: its `fork` and `diff` are of that state.
 */
export class HistoryOfVolume implements VolumeHistory {
  readonly name: string
  readonly ref: string | undefined
  protected readonly calls: HistoryCalls

  /** Who does it, where that is not who `calls` are of. */
  readonly #by: { actor?: string }

  constructor(name: string, ref: string | undefined, calls: HistoryCalls, actor?: string) {
    this.name = name
    this.ref = ref
    this.calls = calls
    this.#by = actor === undefined ? {} : { actor }
  }

  get policy(): VolumePolicy {
    return {
      get: () => this.calls.policy(this.name),
      set: (text, options) => this.calls.setPolicy(this.name, text, { ...this.#by, ...options }),
      check: (command, options) => this.calls.checkPolicy(this.name, command, { ...this.#by, ...options }),
    }
  }

  checkpoint(name?: string, options: { message?: string } = {}): Promise<CommitInfo> {
    return this.calls.checkpoint(this.name, name, { ...this.#by, ...options })
  }

  checkpoints(): Promise<CommitInfo[]> {
    return this.calls.checkpoints(this.name)
  }

  deleteCheckpoint(name: string): Promise<void> {
    return this.calls.deleteCheckpoint(this.name, name)
  }

  restore(options: RestoreOptions = {}): Promise<Restored> {
    return this.calls.restore(this.name, { ...this.#by, ...(this.ref === undefined ? {} : { ref: this.ref }), ...options })
  }

  merge(fork: string, options: Omit<MergeCall, 'into'> = {}): Promise<MergeResult> {
    return this.calls.merge(fork, { ...this.#by, ...options, into: this.name })
  }

  rebase(options: Omit<MergeCall, 'into'> = {}): Promise<MergeResult> {
    return this.calls.rebase(this.name, { ...this.#by, ...options })
  }

  undo(options: UndoOptions = {}): Promise<UndoResult> {
    return this.calls.undo(this.name, { ...this.#by, ...options })
  }

  fork(name: string, options: { ref?: string } = {}): Promise<VolumeInfo> {
    return this.calls.fork(this.name, options.ref ?? this.ref, name)
  }

  diff(from?: string | DiffSide, options: DiffOptions = {}): AsyncGenerator<DiffChange> {
    const side = typeof from === 'string' ? { volume: this.name, ref: from } : from
    const here = { volume: this.name, ...(this.ref === undefined ? {} : { ref: this.ref }), ...(side?.path === undefined ? {} : { path: side.path }) }
    return this.calls.changes(side, here, options) as AsyncGenerator<DiffChange>
  }

  log(options: LogOptions = {}): AsyncIterable<LogEntry> {
    return this.calls.log(this.name, this.ref === undefined ? options : { until: this.ref, ...options })
  }

  exec(command: string | ExecCommand, ...rest: ExecArguments): Promise<ExecResult>
  exec(command: string | ExecCommand, ...rest: ExecArguments<'buffer'>): Promise<ExecResult<Buffer>>
  async exec(command: string | ExecCommand, ...rest: ExecArguments<'utf8' | 'buffer'>): Promise<ExecResult<string | Buffer>> {
    const [words, options] = await this.#run(command, rest)
    return this.calls.exec(this.name, words, options as ExecOptions & { encoding?: 'utf8' })
  }

  async *execStream(command: string | ExecCommand, ...rest: ExecArguments): AsyncGenerator<ExecEvent> {
    const [words, options] = await this.#run(command, rest)
    yield* this.calls.execStream(this.name, words, options as ExecOptions & { encoding?: 'utf8' })
  }

  async race(attempts: ReadonlyArray<string | ExecCommand>, options: RaceOptions = {}): Promise<RaceResult> {
    this.#checkPresent()
    return this.calls.race(this.name, attempts, { ...this.#by, ...options })
  }

  #checkPresent(): void {
    if (this.ref === undefined) return
    const how = `Fork it: \`volume.fork(name)\` makes a volume of ${this.name}@${this.ref}.`
    throw new CairnError('ERR_EXEC_PAST', 'A command cannot run in a state of the past.', how, { exitCode: 125 })
  }

  async #run(command: string | ExecCommand, rest: ExecArguments<'utf8' | 'buffer'>): Promise<[ExecCommand, ExecOptions]> {
    this.#checkPresent()
    const { parsedCall } = await import('./exec/call.js')
    const [words, options] = parsedCall(command, rest)
    return [words, { ...this.#by, ...options }]
  }

  blame(path: string): Promise<BlameLine[]> {
    return this.calls.blame(this.name, path, this.ref === undefined ? {} : { ref: this.ref })
  }

  audit(options: AuditOptions = {}): AsyncIterable<AuditRecord> {
    return this.calls.audit(this.name, options)
  }

  auditHead(): Promise<AuditHead | undefined> {
    return this.calls.auditHead(this.name)
  }

  verifyAudit(options: { against?: AuditTip; keyFile?: string } = {}): Promise<AuditVerification> {
    return this.calls.verifyAudit(this.name, options)
  }

  versions(path: string): Promise<VersionInfo[]> {
    return this.calls.versions(this.name, path)
  }

  async readVersion(path: string, number?: number): Promise<Buffer> {
    const version = await this.openVersion(path, number)
    try {
      return await version.fs.promises.readFile(nameInVersion(path))
    } finally {
      await version.close()
    }
  }

  openVersion(path: string, number?: number): Promise<OpenVolume> {
    return this.calls.openVersion(this.name, path, number)
  }

  prune(options: PruneOptions = {}): Promise<PruneReport> {
    return this.calls.prune(this.name, options)
  }

  retention(): Promise<Retention> {
    return this.calls.retention(this.name)
  }

  setRetention(retention: Retention): Promise<void> {
    return this.calls.setRetention(this.name, retention)
  }

  search(query: string, options: SearchOptions = {}): Promise<SearchResult> {
    return this.calls.search(this.name, query, this.ref === undefined ? options : { ref: this.ref, ...options })
  }

  grep(pattern: string, options: GrepOptions = {}, skipped?: GrepSkipped): AsyncIterable<GrepFile> {
    return this.calls.grep(this.name, pattern, this.ref === undefined ? options : { ref: this.ref, ...options }, skipped)
  }

  at(ref: string): Promise<OpenVolume> {
    return this.calls.open(this.name, { ref, ...this.#by })
  }
}

/** Where the volume of a version has the file. */
export function nameInVersion(path: string): string {
  return `/${
    path
      .split('/')
      .filter(part => part !== '')
      .at(-1) ?? ''
  }`
}

import type { Change, CommitInfo, VolumeInfo } from '../volume/api.js'
import type { CairnApi, DiffOptions, DiffSide, LogOptions, OpenVolume, Restored, RestoreOptions, VolumeHistory } from './types.js'

/** What the history of a volume is asked through. */
export type HistoryCalls = Pick<CairnApi, 'checkpoint' | 'checkpoints' | 'deleteCheckpoint' | 'fork' | 'diff' | 'log' | 'open' | 'restore'>

/**
 * The history of one open volume; every method is that of `Cairn` with the volume's name filled in. An address of the past
 * (`at`, or opened with `ref`) is a volume too: its `fork` and `diff` are of that state.
 */
export class HistoryOfVolume implements VolumeHistory {
  readonly name: string
  readonly ref: string | undefined
  protected readonly calls: HistoryCalls

  constructor(name: string, ref: string | undefined, calls: HistoryCalls) {
    this.name = name
    this.ref = ref
    this.calls = calls
  }

  checkpoint(name?: string, options: { message?: string } = {}): Promise<CommitInfo> {
    return this.calls.checkpoint(this.name, name, options)
  }

  checkpoints(): Promise<CommitInfo[]> {
    return this.calls.checkpoints(this.name)
  }

  deleteCheckpoint(name: string): Promise<void> {
    return this.calls.deleteCheckpoint(this.name, name)
  }

  restore(options: RestoreOptions = {}): Promise<Restored> {
    return this.calls.restore(this.name, { ...(this.ref === undefined ? {} : { ref: this.ref }), ...options })
  }

  fork(name: string, options: { ref?: string } = {}): Promise<VolumeInfo> {
    return this.calls.fork(this.name, options.ref ?? this.ref, name)
  }

  async *diff(from?: string | DiffSide, options: DiffOptions = {}): AsyncGenerator<Change> {
    const side = typeof from === 'string' ? { volume: this.name, ref: from } : from
    if (side === undefined) throw new TypeError('diff needs a ref or a volume to compare with')
    yield* await this.calls.diff(side, { volume: this.name, ...(this.ref === undefined ? {} : { ref: this.ref }) }, options)
  }

  async *log(options: LogOptions = {}): AsyncGenerator<CommitInfo> {
    yield* await this.calls.log(this.name, options)
  }

  at(ref: string): Promise<OpenVolume> {
    return this.calls.open(this.name, { ref })
  }
}

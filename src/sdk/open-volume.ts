import { CairnError } from '../errors.js'
import { type BatchOp, createFs, openWrite, type StagedWrite, type TransactionFs, type VolumeFs } from '../node/index.js'
import type { Batch, BatchOptions, BatchResult } from './batch.js'
import type { FindOptions, Found } from './find.js'
import type { Opened } from './host.js'
import type { LocalCopy } from './local-copies.js'
import type { CachedResult, PrefetchOptions, PrefetchResult, UncachedResult } from './prefetch.js'
import { findOptions } from './query-options.js'
import type { Tags } from './tags.js'
import type { OpenVolume } from './types.js'
import { type HistoryCalls, HistoryOfVolume } from './volume-history.js'
import { checkGiven } from './wanted.js'

/** Most attempts that `retries` may ask for. */
const MAX_RETRIES = 1000

export class VolumeHandle extends HistoryOfVolume implements OpenVolume {
  readonly fs: VolumeFs
  readonly #opened: Opened
  readonly #onClose: () => void
  #closed = false

  constructor(name: string, ref: string | undefined, opened: Opened, calls: HistoryCalls, onClose: () => void, actor?: string) {
    super(name, ref, calls, actor)
    this.#opened = opened
    this.#onClose = onClose
    this.fs = createFs(opened.backend)
  }

  openWrite(path: string, options: { mode?: number } = {}): StagedWrite {
    return openWrite(this.fs, path, options)
  }

  async transaction<T>(body: (tx: TransactionFs) => Promise<T> | T, options: { retries?: number } = {}): Promise<T> {
    const retries = Math.min(options.retries ?? 0, MAX_RETRIES)
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(body)
      } catch (error) {
        const conflict = error instanceof CairnError && error.code === 'ERR_CONFLICT'
        if (!conflict || attempt >= retries) throw error
      }
    }
  }

  async #attempt<T>(body: (tx: TransactionFs) => Promise<T> | T): Promise<T> {
    const transaction = await this.#opened.begin()
    try {
      const fs = createFs(transaction.backend)
      const result = await body(Object.assign(fs.promises, { fs }))
      await transaction.commit()
      return result
    } finally {
      await transaction.close()
    }
  }

  flush(options: { timeoutMs?: number } = {}): Promise<{ bytes: number }> {
    return this.calls.flush(this.name, options)
  }

  refresh(): Promise<{ changed: boolean; isWriter: boolean; sequence: number }> {
    return this.calls.refresh(this.name)
  }

  async *find(options: FindOptions = {}): AsyncGenerator<Found> {
    checkGiven(options, findOptions)
    const { find } = await import('./find.js')
    yield* find(this.#opened, this.fs, options, tag => this.tagged(tag))
  }

  async readRange(path: string, offset: number, length: number): Promise<Buffer> {
    const { readRange } = await import('./read-range.js')
    return readRange(this.fs, path, offset, length)
  }

  async materialize(path: string): Promise<LocalCopy> {
    const { materialize } = await import('./local-copies.js')
    return materialize(this.calls.home, this.#opened, this.fs, path)
  }

  async prefetch(patterns: string | readonly string[], options: PrefetchOptions = {}): Promise<PrefetchResult> {
    const { prefetch } = await import('./prefetch.js')
    return prefetch(this.name, this.#opened, this.fs, patterns, options)
  }

  async cached(patterns: string | readonly string[]): Promise<CachedResult> {
    const { cached } = await import('./prefetch.js')
    return cached(this.name, this.#opened, this.fs, patterns)
  }

  async uncache(patterns: string | readonly string[]): Promise<UncachedResult> {
    const { uncache } = await import('./prefetch.js')
    return uncache(this.name, this.#opened, this.fs, patterns)
  }

  async batch(ops: Iterable<BatchOp> | AsyncIterable<BatchOp>, options: BatchOptions = {}): Promise<BatchResult> {
    const { runBatch } = await import('./batch.js')
    return runBatch(this.#opened, ops, options)
  }

  async beginBatch(): Promise<Batch> {
    const { Batch } = await import('./batch.js')
    return Batch.begin(this.#opened)
  }

  async #tags(): Promise<Tags> {
    const { Tags } = await import('./tags.js')
    return new Tags(this.#opened)
  }

  async tag(path: string, ...tags: string[]): Promise<void> {
    await (await this.#tags()).add(path, tags)
  }

  async untag(path: string, ...tags: string[]): Promise<void> {
    await (await this.#tags()).remove(path, tags)
  }

  async tags(path: string): Promise<string[]> {
    return (await this.#tags()).of(path)
  }

  async *tagged(tag?: string): AsyncGenerator<{ path: string; tags: string[] }> {
    yield* (await this.#tags()).with(tag)
  }

  async meta(path: string): Promise<Record<string, string>> {
    return (await this.#tags()).meta(path)
  }

  async getMeta(path: string, key: string): Promise<string | undefined> {
    return (await this.#tags()).get(path, key)
  }

  async setMeta(path: string, key: string, value: string | undefined): Promise<void> {
    await (await this.#tags()).set(path, key, value)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#onClose()
    await this.#opened.close()
  }
}

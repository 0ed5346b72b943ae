import { setImmediate } from 'node:timers/promises'
import { CairnError } from '../errors.js'
import { type BundleBase, findBase } from '../history/bundle/bundle-base.js'
import { BundleReader } from '../history/bundle/bundle-reader.js'
import { BundleSource } from '../history/bundle/bundle-source.js'
import { BundleWriter } from '../history/bundle/bundle-writer.js'
import { systemClock } from '../sys/index.js'
import type { VolumeInfo } from '../volume/api.js'
import type { Pinned, Pool } from '../volume/pool.js'
import type { BegunCopy } from './copy-begin.js'

/** The bytes of a bundle, in pieces of about a megabyte, once. What it reads is kept until it was read to its end or was given up. */
export class Bundle implements AsyncIterable<Buffer> {
  readonly #pool: Pool
  readonly #pinned: Pinned
  readonly #source: BundleSource
  readonly #writer: BundleWriter

  constructor(pool: Pool, pinned: Pinned) {
    this.#pool = pool
    this.#pinned = pinned
    const { id, arenas, ref, since } = pinned
    try {
      const source = { context: pool.context, head: pinned.head ?? pool.pinned(id), arenas, madeMs: Math.floor(systemClock.now()), ref, since }
      this.#source = new BundleSource(source)
      this.#writer = new BundleWriter(this.#source)
    } catch (error) {
      this.close()
      throw error
    }
  }

  get header(): BundleSource['header'] {
    return this.#source.header
  }

  /** Records of files written so far, a file once for each state that differs. */
  get files(): number {
    return this.#writer.files
  }

  get bytes(): number {
    return this.#writer.bytes
  }

  /** Blocks that the receiver has are not read. Before the first piece. */
  omit(isKnown: (hash: Uint8Array) => boolean): void {
    this.#writer.isKnown = isKnown
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (const frame of this.#writer.frames()) {
        yield frame
        // Reading it is synchronous: others have their turn.
        await setImmediate()
      }
    } finally {
      this.close()
    }
  }

  /** Lets go of what it reads; for one that is not read to its end. Again is no error. */
  close(): void {
    this.#pool.unpin(this.#pinned.id)
  }
}

export interface UnbundleOptions {
  /** Called now and then with what was read so far. */
  onProgress?: (done: { files: number; bytes: number }) => void
}

/** See `Cairn.unbundle`. @param options drain: called after each piece, for a store that takes its time; flushAll: seals what a server has not sealed yet, where the base of a bundle may be; into: a copy that was begun */
export async function unbundle(
  pool: Pool,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
  options: UnbundleOptions & { flushAll: () => Promise<void>; drain?: () => Promise<void>; into?: BegunCopy },
): Promise<VolumeInfo> {
  pool.checkFree(name)
  const reader = new BundleReader()
  const { into } = options
  let hasBegun = false
  try {
    for await (const chunk of source) {
      reader.push(chunk)
      if (!hasBegun && reader.header !== undefined) {
        hasBegun = true
        if (into === undefined) await begin(pool, reader, options.flushAll)
        else reader.begin(into.staged, undefined, into)
      }
      options.onProgress?.(reader)
      await setImmediate()
      await options.drain?.()
    }
    reader.finish()
    reader.publish(name)
    return pool.info(name)
  } finally {
    if (into !== undefined && !hasBegun && !into.isResumed) into.staged.discard()
    if (into !== undefined && (into.isResumed || reader.hasStored)) reader.leave()
    else reader.discard()
  }
}

async function begin(pool: Pool, reader: BundleReader, flushAll: () => Promise<void>): Promise<void> {
  const { header } = reader
  if (header === undefined) return
  const base = header.since && (await baseOf(pool, header.since, { name: header.volume.name, dirHashKey: header.dirHashKey }, flushAll))
  reader.begin(pool.stage({ dirHashKey: header.dirHashKey, arenaFloor: header.arenas, ...base?.pinned }, base?.head), base)
}

async function baseOf(
  pool: Pool,
  since: { commit: string; timeMs: number },
  of: { name: string; dirHashKey: string },
  flushAll: () => Promise<void>,
): Promise<BundleBase> {
  try {
    return findBase(pool, since, of)
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'ERR_BUNDLE_BASE') throw error
    await flushAll()
    return findBase(pool, since, of)
  }
}

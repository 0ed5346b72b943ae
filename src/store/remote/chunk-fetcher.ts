import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { limits } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { CHUNK_BYTES, chunkFile } from './chunks.js'

/** Length of a chunk; its bytes where the disk does not take them; 0 behind the end, -1 when there is no such object. */
export type Fetched = number | Uint8Array

/**
 * Reads objects by chunks and keeps each in a file of the cache. What is asked for is read at once; what is only expected waits its turn, and neighbours
 * among it come with one request. Who asks for a chunk that is on its way waits for that one.
 */
export class ChunkFetcher {
  readonly #store: Promise<ObjectStore>
  readonly #folder: string
  readonly #underWay = new Map<string, Promise<Fetched>>()
  /** Chunks that are expected to be asked for, by object, in the order in which they were named. */
  readonly #expected = new Map<string, Set<number>>()
  #expecting = 0
  /** Requests for those. */
  #running = 0
  #isPumpDue = false
  /** Number of chunks of objects whose end was seen. */
  readonly #ends = new Map<string, number>()
  #made = 0

  constructor(store: Promise<ObjectStore>, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  /** @throws what the store says */
  fetch(key: string, chunk: number): Promise<Fetched> {
    this.#unexpect(key, chunk)
    const known = this.#underWay.get(chunkFile(key, chunk))
    return known ?? this.#fetch(key, chunk)
  }

  /** What came since whoever asks has looked is there. */
  async #fetch(key: string, chunk: number): Promise<Fetched> {
    const found = statSync(join(this.#folder, chunkFile(key, chunk)), { throwIfNoEntry: false })
    return found === undefined ? this.#read(key, chunk, 1)[0] : found.size
  }

  /** Reads chunks when there is room. Beyond `limits.storeExpected` of them, those that were named first are forgotten. */
  prefetch(key: string, first: number, count: number): void {
    const end = Math.min(first + count, this.#ends.get(key) ?? Number.POSITIVE_INFINITY)
    for (let chunk = first; chunk < end; chunk++) if (!this.#underWay.has(chunkFile(key, chunk))) this.#expect(key, chunk)
    // What is named together comes together.
    if (!this.#isPumpDue) setImmediate(() => this.#pump())
    this.#isPumpDue = true
  }

  #expect(key: string, chunk: number): void {
    let chunks = this.#expected.get(key)
    if (chunks === undefined) {
      chunks = new Set()
      this.#expected.set(key, chunks)
    }
    if (chunks.has(chunk)) return
    chunks.add(chunk)
    if (++this.#expecting <= limits.storeExpected) return
    const [oldest, of] = this.#expected.entries().next().value as [string, Set<number>]
    this.#unexpect(oldest, of.values().next().value as number)
  }

  #unexpect(key: string, chunk: number): void {
    const chunks = this.#expected.get(key)
    if (chunks?.delete(chunk) !== true) return
    this.#expecting--
    if (chunks.size === 0) this.#expected.delete(key)
  }

  #pump(): void {
    this.#isPumpDue = false
    while (this.#running < limits.storeReadsAhead) {
      const next = this.#expected.entries().next()
      if (next.done === true) return
      const [key, chunks] = next.value
      const first = chunks.values().next().value as number
      let count = 0
      for (; count < limits.storeRunChunks && chunks.has(first + count); count++) this.#unexpect(key, first + count)
      this.#running++
      // What nobody asked for yet may fail.
      void Promise.allSettled(this.#read(key, first, count)).then(() => {
        this.#running--
        this.#pump()
      })
    }
  }

  /** Reads chunks that lie together, by one request. */
  #read(key: string, first: number, count: number): Array<Promise<Fetched>> {
    const reading = this.#get(key, first, count)
    return Array.from({ length: count }, (_, i) => {
      const file = chunkFile(key, first + i)
      const one = reading.then(bytes => this.#part(file, bytes, i)).finally(() => this.#underWay.delete(file))
      this.#underWay.set(file, one)
      // It may be that nobody waits for it.
      one.catch(() => undefined)
      return one
    })
  }

  async #get(key: string, first: number, count: number): Promise<Uint8Array | undefined> {
    const store = await this.#store
    const length = count * CHUNK_BYTES
    const found = await store.get(key, { range: { offset: first * CHUNK_BYTES, length } })
    if (found !== undefined && found.bytes.length < length) this.#endsAt(key, first + Math.ceil(found.bytes.length / CHUNK_BYTES))
    return found?.bytes
  }

  #endsAt(key: string, chunks: number): void {
    this.#ends.set(key, chunks)
    const oldest = this.#ends.keys().next().value
    if (this.#ends.size > limits.storeExpected && oldest !== undefined) this.#ends.delete(oldest)
  }

  #part(file: string, bytes: Uint8Array | undefined, i: number): Fetched {
    if (bytes === undefined) return -1
    const part = bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)
    // Behind the end of the object.
    if (part.length === 0) return 0
    return this.#keep(join(this.#folder, file), part) ? part.length : part
  }

  /**
   * Not synced: what a power loss leaves of it does not verify, and is read again. Synchronous, because four calls of libuv's pool for each small file cost
   * several times as much.
   */
  #keep(path: string, bytes: Uint8Array): boolean {
    const temporary = `${path}~${process.pid}-${++this.#made}`
    try {
      writeNew(temporary, bytes)
      renameSync(temporary, path)
      return true
    } catch {
      rmSync(temporary, { force: true })
      return false
    }
  }
}

function writeNew(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes, { mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, bytes, { mode: 0o600 })
  }
}

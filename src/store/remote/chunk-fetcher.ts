import { limits, systemClock } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import type { CacheSpace } from './cache-space.js'
import { CHUNK_BYTES, type ChunkPlace, chunkFile } from './chunks.js'
import type { Brought } from './protocol.js'

/** Length of a chunk; its bytes where the disk does not take them; 0 behind the end, -1 when there is no such object. */
export type Fetched = number | Uint8Array

/**
 * Reads objects by chunks and keeps each in a file of the cache. What is asked for is read at once; what is only expected waits its turn, and neighbours
 * among it come with one request. Who asks for a chunk that is on its way waits for that one.
 */
export class ChunkFetcher {
  readonly #store: Promise<ObjectStore>
  readonly #space: CacheSpace
  readonly #underWay = new Map<string, { reading: Promise<Fetched>; sinceMs: number }>()
  /** Chunks that are expected to be asked for, by object, in the order in which they were named. */
  readonly #expected = new Map<string, Set<number>>()
  #expecting = 0
  /** Requests for those. */
  #running = 0
  #isPumpDue = false
  /** Number of chunks of objects whose end was seen. */
  readonly #ends = new Map<string, number>()

  constructor(store: Promise<ObjectStore>, space: CacheSpace) {
    this.#store = store
    this.#space = space
  }

  /** @param asBytes whether it is kept or not @throws what the store says */
  fetch(key: string, chunk: number, asBytes = false): Promise<Fetched> {
    this.#unexpect(key, chunk)
    if (asBytes) return this.#bytes(key, chunk)
    const known = this.#underWay.get(chunkFile(key, chunk))
    // One that takes longer may hang on a connection that is dead.
    return known !== undefined && systemClock.monotonic() - known.sinceMs < limits.storeCallMs ? known.reading : this.#fetch(key, chunk)
  }

  /** What came since whoever asks has looked is there. */
  async #fetch(key: string, chunk: number): Promise<Fetched> {
    const size = this.#space.sizeOf(chunkFile(key, chunk))
    return size < 0 ? this.#read(key, chunk, 1)[0] : size
  }

  async #bytes(key: string, chunk: number): Promise<Fetched> {
    const bytes = await this.#get(key, chunk, 1)
    return bytes === undefined ? -1 : bytes.length === 0 ? 0 : bytes
  }

  /** Brings chunks that are not here: neighbours with one request, many requests at once. */
  async bring(places: readonly ChunkPlace[]): Promise<Brought> {
    const brought: Brought = { bytes: 0, missing: [], unkept: 0 }
    const runs = runsOf(places.map((place, index) => ({ place, index })).filter(({ place }) => !this.#isHere(...place)))
    const work = async (): Promise<void> => {
      for (let run = runs.shift(); run !== undefined && brought.unkept === 0; run = runs.shift()) await this.#bringRun(run, brought)
    }
    await Promise.all(Array.from({ length: limits.storeReadsAhead }, work))
    return brought
  }

  /** What is here is used now: it is not what goes first when the others come. */
  #isHere(key: string, chunk: number): boolean {
    return this.#space.touch(chunkFile(key, chunk)) || this.#space.touch(key)
  }

  async #bringRun(run: Run, brought: Brought): Promise<void> {
    const [key, first] = run[0].place
    for (const { place } of run) this.#unexpect(...place)
    const found = await Promise.all(this.#read(key, first, run.length))
    found.forEach((one, i) => {
      if (typeof one !== 'number') brought.unkept++
      else if (one < 0) brought.missing.push(run[i].index)
      else brought.bytes += one
    })
  }

  /** Reads chunks when there is room. Beyond `limits.storeExpected` of them, those that were named first are forgotten. */
  prefetch(key: string, first: number, count: number): void {
    const end = Math.min(first + count, this.#ends.get(key) ?? Number.POSITIVE_INFINITY)
    for (let chunk = first; chunk < end; chunk++) if (!this.#isOnItsWay(key, chunk)) this.#expect(key, chunk)
    // What is named together comes together.
    if (!this.#isPumpDue) setImmediate(() => this.#pump())
    this.#isPumpDue = true
  }

  #isOnItsWay(key: string, chunk: number): boolean {
    const file = chunkFile(key, chunk)
    return this.#underWay.has(file) || this.#space.sizeOf(file) >= 0 || this.#space.sizeOf(key) >= 0
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
      const forget = (): void => {
        if (this.#underWay.get(file)?.reading === one) this.#underWay.delete(file)
      }
      const one: Promise<Fetched> = reading.then(bytes => this.#part(file, bytes, i)).finally(forget)
      this.#underWay.set(file, { reading: one, sinceMs: systemClock.monotonic() })
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
    return this.#space.keep(file, part) ? part.length : part
  }
}

/** Chunks that lie together in an object, at most as many as come with one request. */
type Run = Array<{ place: ChunkPlace; index: number }>

function runsOf(wanted: Run): Run[] {
  const runs: Run[] = []
  for (const one of wanted) {
    const run = runs.at(-1)
    const last = run?.at(-1)?.place
    const isNext = last !== undefined && one.place[0] === last[0] && one.place[1] === last[1] + 1
    if (run !== undefined && isNext && run.length < limits.storeRunChunks) run.push(one)
    else runs.push([one])
  }
  return runs
}

import { limits, systemClock } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import type { CacheSpace } from './cache-space.js'
import { CHUNK_BYTES, type ChunkPlace, chunkFile, GROUP_CHUNKS, groupFile, inGroup, runLength } from './chunks.js'
import { type Rooms, SpareRooms } from './hand-over.js'
import type { Brought } from './protocol.js'

/** Length of a chunk; its bytes where the disk does not take them; 0 behind the end, -1 when there is no such object. */
export type Fetched = number | Uint8Array

/** In a small cache large files push out too much at once. */
const MOST_OF_CACHE = 1 / 32

/** So many requests at once use most of what a connection gives. */
const RUNNING_WELL = 2

/**
 * Reads objects by chunks and keeps them in files of the cache. What is asked for is read at once; what is only expected waits its turn, and neighbours
 * among it come with one request, and are handed over in memory as well. Who asks for a chunk that is on its way waits for that one.
 */
export class ChunkFetcher {
  readonly #store: Promise<ObjectStore>
  readonly #space: CacheSpace
  /** Where what is expected is received, best first. */
  readonly #rooms: readonly Rooms[]
  readonly #underWay = new Map<string, { reading: Promise<Fetched>; sinceMs: number }>()
  /** The disk took nothing the last time: what is handed over can be read only once, and what is not read soon came in vain. */
  #isFull = false
  /** How much the cache may take was looked at. */
  #isMeasured = false
  /** Chunks that are expected to be asked for, by object, in the order in which they were named. */
  readonly #expected = new Map<string, Set<number>>()
  #expecting = 0
  /** Of which several chunks were named last. */
  #namedLast = ''
  /** Requests for those. */
  #running = 0
  #isPumpDue = false
  /** Number of chunks of objects whose end was seen. */
  readonly #ends = new Map<string, number>()

  constructor(store: Promise<ObjectStore>, space: CacheSpace, handOver?: Rooms) {
    this.#store = store
    this.#space = space
    this.#rooms = handOver === undefined ? [] : [handOver, new SpareRooms()]
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
    const size = this.#sizeHere(key, chunk)
    return size < 0 ? this.#read(key, chunk, 1)[0] : size
  }

  /** Bytes of a chunk that is in the folder; -1 when it is not. */
  #sizeHere(key: string, chunk: number): number {
    const size = this.#space.sizeOf(chunkFile(key, chunk))
    if (size >= 0) return size
    const group = this.#space.sizeOf(groupFile(key, chunk)) - inGroup(chunk)
    return group > 0 ? Math.min(CHUNK_BYTES, group) : -1
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
    const group = groupFile(key, chunk)
    if (this.#space.touch(chunkFile(key, chunk)) || this.#space.touch(key)) return true
    return this.#space.sizeOf(group) > inGroup(chunk) && this.#space.touch(group)
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
    if (count > 1) this.#namedLast = key
    if (this.#space.sizeOf(key) >= 0) return
    for (let chunk = first; chunk < end; chunk++) if (!this.#underWay.has(chunkFile(key, chunk)) && this.#sizeHere(key, chunk) < 0) this.#expect(key, chunk)
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
      const next = this.#nextRun()
      if (next === undefined) return
      const [key, first, count] = next
      const place = this.#placeFor(count)
      // One comes back when one of those under way is done.
      if (place === 'none') return
      for (let i = 0; i < count; i++) this.#unexpect(key, first + i)
      this.#running++
      // What nobody asked for yet may fail.
      void Promise.allSettled(this.#read(key, first, count, place)).then(() => {
        this.#running--
        this.#pump()
      })
    }
  }

  /** Undefined where it needs none, which a short one never waits for; 'none' while there is none. */
  #placeFor(count: number): Place | undefined | 'none' {
    if (count === 1 || this.#isFull || this.#rooms.length === 0) return undefined
    for (const rooms of this.#rooms) {
      const room = rooms.take()
      if (room !== undefined) return { rooms, room }
    }
    return count < GROUP_CHUNKS / 2 ? undefined : 'none'
  }

  /** The run that is to come next, of those of one object the one that was named first. */
  #nextRun(): [key: string, first: number, count: number] | undefined {
    for (const [key, chunks] of this.#expected) {
      const first = chunks.values().next().value as number
      const count = runLength(first, chunk => chunks.has(chunk))
      if (!this.#isToGrow(key, first, count)) return [key, first, count]
    }
    return undefined
  }

  /**
   * The begin of a group behind one that is on its way is left until the rest of it is expected too, which one who reads on sees to; but not when little else is on
   * its way, nor when he reads on in another object already.
   */
  #isToGrow(key: string, first: number, count: number): boolean {
    return (
      key === this.#namedLast &&
      this.#running >= RUNNING_WELL &&
      first % GROUP_CHUNKS === 0 &&
      count < GROUP_CHUNKS &&
      this.#underWay.has(chunkFile(key, first - 1))
    )
  }

  /**
   * Reads chunks that lie together, by one request.
   * @param place where they are received
   */
  #read(key: string, first: number, count: number, place?: Place): Array<Promise<Fetched>> {
    const reading = place === undefined ? this.#kept(key, first, count) : this.#handedOver(key, first, count, place)
    return Array.from({ length: count }, (_, i) => {
      const file = chunkFile(key, first + i)
      const forget = (): void => {
        if (this.#underWay.get(file)?.reading === one) this.#underWay.delete(file)
      }
      const one: Promise<Fetched> = reading.then(come => partOf(come, i)).finally(forget)
      this.#underWay.set(file, { reading: one, sinceMs: systemClock.monotonic() })
      // It may be that nobody waits for it.
      one.catch(() => undefined)
      return one
    })
  }

  async #kept(key: string, first: number, count: number, room?: Uint8Array): Promise<Come> {
    const bytes = await this.#get(key, first, count, room)
    if (bytes === undefined || (await this.#keep(key, first, bytes))) return bytes?.length
    return bytes
  }

  async #handedOver(key: string, first: number, count: number, { rooms, room }: Place): Promise<Come> {
    let come: Come
    try {
      come = await this.#kept(key, first, count, room)
    } finally {
      if (come instanceof Uint8Array) rooms.forfeit()
      else if (come === undefined || come === 0) rooms.release(room)
      else rooms.give(room, key, first, come)
    }
    return come
  }

  /** @param into where the bytes are to be */
  async #get(key: string, first: number, count: number, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const store = await this.#store
    const length = count * CHUNK_BYTES
    const found = await store.get(key, { range: { offset: first * CHUNK_BYTES, length }, ...(into !== undefined && { into }) })
    if (found === undefined) return undefined
    const { bytes } = found
    if (bytes.length < length) this.#endsAt(key, first + Math.ceil(bytes.length / CHUNK_BYTES))
    if (into === undefined || bytes.buffer === into.buffer) return bytes
    into.set(bytes)
    return into.subarray(0, bytes.length)
  }

  #endsAt(key: string, chunks: number): void {
    this.#ends.set(key, chunks)
    const oldest = this.#ends.keys().next().value
    if (this.#ends.size > limits.storeExpected && oldest !== undefined) this.#ends.delete(oldest)
  }

  /** As it was the last time that something came or went. */
  #maxBytes(): number {
    if (!this.#isMeasured) this.#space.use()
    this.#isMeasured = true
    return this.#space.maxBytes
  }

  /** Puts chunks into the folder: the first ones of a group in one file, others each in its own. @returns false where the disk did not take all of them */
  async #keep(key: string, first: number, bytes: Uint8Array): Promise<boolean> {
    let isKept = true
    if (first % GROUP_CHUNKS === 0 && bytes.length > CHUNK_BYTES && bytes.length <= this.#maxBytes() * MOST_OF_CACHE)
      isKept = await this.#space.keepSoon(groupFile(key, first), bytes)
    else
      for (let at = 0; at < bytes.length && isKept; at += CHUNK_BYTES)
        isKept = this.#space.keep(chunkFile(key, first + at / CHUNK_BYTES), bytes.subarray(at, at + CHUNK_BYTES))
    this.#isFull = !isKept
    return isKept
  }
}

/** Memory of those that it goes back to. */
interface Place {
  rooms: Rooms
  room: Uint8Array
}

/** Chunks that came together: their length where they are kept, else their bytes; undefined when there is no such object. */
type Come = number | Uint8Array | undefined

function partOf(come: Come, i: number): Fetched {
  if (come === undefined) return -1
  if (typeof come === 'number') return Math.max(0, Math.min(CHUNK_BYTES, come - i * CHUNK_BYTES))
  const part = come.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)
  // Behind the end of the object.
  return part.length === 0 ? 0 : part
}

/** Chunks that lie together in an object, at most as many as come with one request. */
type Run = Array<{ place: ChunkPlace; index: number }>

function runsOf(wanted: Run): Run[] {
  const runs: Run[] = []
  for (let at = 0; at < wanted.length; ) {
    const from = at
    const [key, first] = wanted[from].place
    at += runLength(first, chunk => {
      const place = wanted[from + chunk - first]?.place
      return place !== undefined && place[0] === key && place[1] === chunk
    })
    runs.push(wanted.slice(from, at))
  }
  return runs
}

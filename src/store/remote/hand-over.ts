import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { alignedMemory, alignedPart } from '../../sys/aligned.js'
import { limits } from '../../sys/index.js'
import { CHUNK_BYTES, chunkFile } from './chunks.js'

const RUN_BYTES = limits.storeRunChunks * CHUNK_BYTES
/** Buffers that there are in all, and those of them that stay with the thread of the store, whatever its engine has not read yet. */
const BUFFERS = limits.storeHandOverBytes / RUN_BYTES
const BUFFERS_OF_GIVER = 4
const SPARE_BUFFERS = limits.storeSpareBytes / RUN_BYTES
/** Chunks remembered that were read: more than one read covers. */
const CHUNKS_READ = 64

/** Chunks of an object, from the first on, at an offset of a buffer. */
interface Handed {
  buffer: SharedArrayBuffer
  offset: number
  key: string
  first: number
  length: number
}

/** Where runs of chunks are received. */
export interface Rooms {
  /** Room for a run, which a disk can be written from, until `give`, `release` or `forfeit`; undefined when there is none. */
  take(): Uint8Array | undefined
  /** In the first `length` bytes stand chunks of an object that are in the folder now, from `first` on. */
  give(room: Uint8Array, key: string, first: number, length: number): void
  /** There is nothing in it. */
  release(room: Uint8Array): void
  /** Somebody keeps it. */
  forfeit(): void
}

/** Rooms of what is read from the folder only: used again and again, since what is thrown away by so much is collected at once. */
export class SpareRooms implements Rooms {
  readonly #free: Uint8Array[] = []
  #made = 0

  take(): Uint8Array | undefined {
    const free = this.#free.pop()
    if (free !== undefined || this.#made >= SPARE_BUFFERS) return free
    this.#made++
    return alignedMemory(RUN_BYTES)
  }

  give(room: Uint8Array): void {
    this.release(room)
  }

  release(room: Uint8Array): void {
    this.#free.push(room)
  }

  forfeit(): void {
    this.#made--
  }
}

/**
 * The thread of a store hands what it has just put into the folder of the cache to its engine in memory as well: who reads on needs no file. Buffers go to and
 * fro, each is used by one thread at a time. It is only a shorter way: what finds no buffer, or is not read soon, is read from the folder.
 */
export class Giver implements Rooms {
  readonly #port: MessagePort
  readonly #free: Uint8Array[] = []
  /** Those that are anywhere. */
  #made = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (buffer: SharedArrayBuffer) => this.#free.push(alignedPart(buffer, RUN_BYTES)))
  }

  take(): Uint8Array | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#made >= BUFFERS) return undefined
    this.#made++
    return alignedMemory(RUN_BYTES)
  }

  /** What stands in the first `length` bytes is the other thread's now. */
  give({ buffer, byteOffset: offset }: Uint8Array, key: string, first: number, length: number): void {
    this.#port.postMessage({ buffer: buffer as SharedArrayBuffer, offset, key, first, length } satisfies Handed)
  }

  release(room: Uint8Array): void {
    this.#free.push(room)
  }

  forfeit(): void {
    this.#made--
  }
}

/** What a buffer holds, as the engine knows it. */
interface Run extends Handed {
  bytes: Uint8Array
  /** Bytes of each chunk that nobody has read. */
  unread: number[]
  /** Chunks that are not let go of. */
  left: number
}

/** The engine's end. What was read, or waits while so much that is newer came, is let go of. */
export class Taker {
  readonly #port: MessagePort
  /** By path of the chunk. */
  readonly #runs = new Map<string, Run>()
  /** The one used longest ago first. */
  readonly #byUse = new Set<Run>()
  /** Paths of chunks that were read lately and are let go of. */
  readonly #read = new Set<string>()

  constructor(port: MessagePort) {
    this.#port = port
    port.unref()
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined
  }

  /** Reads from a chunk as `PackCache` does; -1 when it is not here. */
  read(path: string, chunk: number, from: number, into: Uint8Array, at: number, length: number): number {
    const run = this.#find(path)
    if (run === undefined) return -1
    const start = (chunk - run.first) * CHUNK_BYTES + from
    const part = run.bytes.subarray(start, start + length)
    const count = part.length
    into.set(part, at)
    this.#byUse.delete(run)
    this.#byUse.add(run)
    run.unread[chunk - run.first] -= count
    // That may take the buffer away.
    if (run.unread[chunk - run.first] <= 0) this.#wasRead(run, chunk, path)
    return count
  }

  #wasRead(run: Run, chunk: number, path: string): void {
    this.#drop(run, chunk)
    this.#read.add(path)
    const oldest = this.#read.values().next().value
    if (this.#read.size > CHUNKS_READ && oldest !== undefined) this.#read.delete(oldest)
  }

  /** Takes what came since when it is not known. */
  #find(path: string): Run | undefined {
    for (;;) {
      const run = this.#runs.get(path)
      if (run !== undefined) return run
      const message = receiveMessageOnPort(this.#port)
      if (message === undefined) return undefined
      this.#take(message.message as Handed)
    }
  }

  #take(handed: Handed): void {
    const left = Math.ceil(handed.length / CHUNK_BYTES)
    const unread = Array.from({ length: left }, (_, i) => Math.min(CHUNK_BYTES, handed.length - i * CHUNK_BYTES))
    const run: Run = { ...handed, bytes: new Uint8Array(handed.buffer, handed.offset, handed.length), unread, left }
    this.#byUse.add(run)
    for (let i = 0; i < left; i++) {
      this.forget(handed.key, handed.first + i)
      this.#runs.set(chunkFile(handed.key, handed.first + i), run)
    }
    for (const oldest of this.#byUse) {
      if (this.#byUse.size <= BUFFERS - BUFFERS_OF_GIVER) return
      this.#dropAll(oldest)
    }
  }

  /** @returns whether what was read of the chunk lately came from here */
  forget(key: string, chunk: number): boolean {
    const path = chunkFile(key, chunk)
    const wasRead = this.#read.delete(path)
    const run = this.#runs.get(path)
    if (run !== undefined) this.#drop(run, chunk)
    return wasRead || run !== undefined
  }

  /** Forgets all that is here of objects. */
  forgetObjects(keys: ReadonlySet<string>): void {
    for (const run of [...this.#byUse]) if (keys.has(run.key)) this.#dropAll(run)
  }

  #dropAll(run: Run): void {
    for (let i = 0; i < run.unread.length; i++) this.#drop(run, run.first + i)
  }

  #drop(run: Run, chunk: number): void {
    const path = chunkFile(run.key, chunk)
    if (this.#runs.get(path) !== run) return
    this.#runs.delete(path)
    if (--run.left > 0) return
    this.#byUse.delete(run)
    this.#port.postMessage(run.buffer)
  }

  close(): void {
    this.#port.close()
    this.#runs.clear()
    this.#byUse.clear()
  }
}

import type { MessagePort } from 'node:worker_threads'
import type { WakerHandle } from '../../sys/waker.js'
import type { WireError } from '../../sys/wire-error.js'
import type { GetOptions, ListPage, ObjectInfo, StoredObject } from '../contract.js'
import type { CredentialVariables } from '../environment.js'
import type { ProbeReport } from '../probe.js'
import type { StoreInfo } from '../store-info.js'
import type { StoreLocation } from '../url.js'
import type { Fetched } from './chunk-fetcher.js'
import type { ChunkPlace } from './chunks.js'
import type { Taker } from './hand-over.js'

/** What the thread of a store is started with. */
export interface StoreThreadData {
  location: StoreLocation
  /** Id of the store that this home knows there: nothing is read or written unless it is that one; see `Genuine`. */
  expected?: string
  /** Requests of a thread that waits for them, one at a time, and their answers. */
  blocking: MessagePort
  /** Int32: see `Signal`. */
  signals: SharedArrayBuffer
  /** All other requests, and their answers. */
  port: MessagePort
  /** Woken after each of the latter. */
  waker?: WakerHandle
  /** See `Giver`. */
  handOver: MessagePort
}

/** What a thread of a store raises, each a counter. */
export const Signal = {
  /** Answers to requests of this host; who waits is notified. */
  answers: 0,
  /** Answers of the store to whomever: it is there, and slow at worst. */
  pulse: 1,
  /** Attempts that did not reach the store. */
  trouble: 2,
} as const
export const SIGNAL_BYTES = 12

/** A finished pack in a local file. */
export interface LocalPack {
  key: string
  path: string
}

/** What became of chunks that were to be brought. */
export interface Brought {
  /** Read from the store. */
  bytes: number
  /** Those of which there is no object, by their place in the list. */
  missing: number[]
  /** Chunks that the disk did not take. */
  unkept: number
}

export interface StoreLook {
  /** Of its `store.json`. */
  id: string
  /** Median time of one small request. */
  roundTripMs: number
}

/** What a store is asked for, by name: arguments and result. */
export interface StoreCalls {
  get: (key: string, options?: Pick<GetOptions, 'range' | 'unlessVersion'>) => StoredObject | undefined
  put: (key: string, bytes: Uint8Array, options: { ifAbsent?: boolean; ifMatch?: string }) => { version: string }
  head: (key: string) => ObjectInfo | undefined
  list: (prefix: string, cursor?: string) => ListPage
  delete: (keys: readonly string[]) => void
  /** What the store says of itself; where there is none it is tried out and made. @param info of the new one; `null`: none is made */
  identify: (info?: StoreInfo | null) => StoreInfo
  /** Asks for its id again. Throws ERR_STORE_REPLACED. */
  check: () => void
  /** Where chunks are kept, and the id of the store that they are of. */
  cacheIn: (folder: string, id: string) => void
  /** Brings a chunk of an object into the cache; with `asBytes` it is answered whole, kept or not. */
  fetch: (key: string, chunk: number, asBytes?: boolean) => Fetched
  /** Begins to bring chunks of an object into the cache, so many from the first on. */
  prefetch: (key: string, first: number, count: number) => void
  /** Brings chunks into the cache where they are not in it, many at once. */
  bring: (places: readonly ChunkPlace[]) => Brought
  /** Stores packs, several at once. */
  upload: (packs: readonly LocalPack[]) => void
  /** Tries the store out as when it was made. */
  probe: () => ProbeReport
  /** Reads its id and lists a little of it: that it is reached, and what the credentials allow. */
  look: () => StoreLook
  /** Credentials are looked for there from now on. */
  useCredentials: (variables: CredentialVariables) => void
  /** Returns when the store answers, whatever it says. */
  awaitStore: () => void
  /** As `get`, but gives up when the store gives no sign of life for `limits.storeCallMs`. */
  knock: (key: string) => StoredObject | undefined
}

export interface StoreRequest {
  id: number
  op: keyof StoreCalls
  args: unknown[]
}

/** Id of what is no answer: why an attempt failed that is made again. */
export const TROUBLE = 0

/** Id of a request that wants no answer. */
export const UNANSWERED = -1

export type StoreAnswer = { id: number; result: unknown } | { id: number; error: WireError }

/** What becomes of a request. */
export type Done<T> = (error: Error | undefined, result?: T) => void

/** How an engine reaches a store: by a thread of it; in a simulation, by what a seed makes of it. */
export interface StoreLine {
  /** Told why an attempt failed that is made again. */
  onTrouble: (error: Error) => void
  /** Chunks that came, in memory. */
  readonly arrived?: Taker
  /** Folder of what is read. @param id of the store */
  cacheIn(folder: string, id: string): void
  /** Waits for the answer. @throws what the store threw; CairnError ERR_STORE_UNREACHABLE when none came in time */
  callSync<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]>
  /** Asks, and goes on: `done` is called from the event loop of this thread, or from `waitUntil`. @param isIdle a program may end meanwhile */
  request<Op extends keyof StoreCalls>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>, isIdle?: boolean): void
  /** Takes the answers to requests that are there. */
  takeAnswers(): void
  /** Asks for what nobody waits for: there is no answer. */
  tell<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): void
  /** Waits, and takes answers to requests, until `isDone`. @throws CairnError ERR_STORE_UNREACHABLE when none comes in time */
  waitUntil(isDone: () => boolean): void
  close(): void
}

/** The thread of a store that is elsewhere: the only one that talks to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import { CairnError } from '../../errors.js'
import { limits, systemClock, systemRandom } from '../../sys/index.js'
import { workerData } from '../../sys/threads.js'
import { Waker } from '../../sys/waker.js'
import { toWire } from '../../sys/wire-error.js'
import type { ObjectStore, StoredObject } from '../contract.js'
import { useCredentialVariables } from '../environment.js'
import { identify } from '../identity.js'
import { Budget } from '../parts.js'
import { probeStore } from '../probe.js'
import { isAway, unreachable } from '../remote-errors.js'
import { STORE_INFO_KEY, type StoreInfo } from '../store-info.js'
import type { StoreLocation } from '../url.js'
import { RetryingStore } from '../wrap/retry.js'
import { CacheSpace } from './cache-space.js'
import { ChunkFetcher, type Fetched } from './chunk-fetcher.js'
import { openDriver } from './driver.js'
import { Genuine } from './genuine.js'
import { Giver } from './hand-over.js'
import {
  type Brought,
  type LocalPack,
  Signal,
  type StoreAnswer,
  type StoreCalls,
  type StoreLook,
  type StoreRequest,
  type StoreThreadData,
  TROUBLE,
  UNANSWERED,
} from './protocol.js'
import { PulsingStore } from './pulsing-store.js'
import { uploadPack } from './upload.js'

type Calls = { [Op in keyof StoreCalls]: (...args: Parameters<StoreCalls[Op]>) => Promise<ReturnType<StoreCalls[Op]>> }

class StoreThread {
  readonly #store: Promise<PulsingStore>
  #fetcher: Promise<ChunkFetcher>
  #cacheIn: (folder: string, id: string) => void = () => {}
  readonly #genuine: Genuine
  readonly #calls: Calls
  readonly #budget = new Budget(limits.storeUploadBytes)
  /** Answers of the store so far. */
  #pulse = 0

  /**
   * @param onTrouble told why an attempt failed that is made again
   * @param onPulse told that the store answered
   */
  constructor(data: StoreThreadData, onTrouble: (error: CairnError) => void, onPulse: () => void) {
    const beat = (): void => {
      this.#pulse++
      onPulse()
    }
    this.#store = openDriver(data.location, onTrouble).then(store => new PulsingStore(store, beat))
    // Whoever asks first hears why it failed.
    this.#store.catch(() => undefined)
    this.#genuine = new Genuine(this.#store, data.expected)
    this.#fetcher = new Promise(resolve => {
      this.#cacheIn = (folder, id) => resolve(new ChunkFetcher(this.#store, new CacheSpace(folder, id), new Giver(data.handOver)))
    })
    this.#calls = {
      get: (key, options) => this.#reading(async store => this.#found(await store.get(key, options ?? {}), key)),
      put: (key, bytes, options) => this.#writing(store => store.put(key, bytes, options)),
      head: key => this.#reading(store => store.head(key)),
      list: (prefix, cursor) => this.#reading(store => store.list(prefix, cursor)),
      delete: keys => this.#writing(store => store.delete(keys)),
      identify: info => this.#identify(data.location, info),
      check: () => this.#genuine.confirmedNow(),
      cacheIn: async (folder, id) => this.#cacheIn(folder, id),
      fetch: (key, chunk, asBytes) => this.#patiently(this.#reading(async () => this.#fetched(await (await this.#fetcher).fetch(key, chunk, asBytes)))),
      prefetch: async (key, first, count) => (await this.#fetcher).prefetch(key, first, count),
      bring: places => this.#reading(async () => this.#brought(await (await this.#fetcher).bring(places))),
      upload: packs => this.#writing(() => this.#upload(packs)),
      probe: () => this.#writing(store => probeStore(store, { keepsNonce: keepsNonce(data.location) })),
      look: async () => {
        await this.#genuine.confirmedNow()
        return lookAt(await this.#store)
      },
      useCredentials: async variables => useCredentialVariables(variables),
      awaitStore: () => this.#awaitStore(),
      knock: key => this.#patiently(this.#reading(async store => this.#found(await store.get(key, {}), key))),
    }
  }

  /** Who reads waits for the answer and for the store's name at once. */
  async #reading<T>(read: (store: ObjectStore) => Promise<T>): Promise<T> {
    const [result] = await Promise.all([read(await this.#store), this.#genuine.confirmed()])
    return result
  }

  async #writing<T>(write: (store: ObjectStore) => Promise<T>): Promise<T> {
    await this.#genuine.confirmed()
    return write(await this.#store)
  }

  /** A volume that is gone may have gone with its store. */
  async #found(found: StoredObject | undefined, key: string): Promise<StoredObject | undefined> {
    if (found === undefined && key.startsWith('volumes/')) await this.#genuine.confirmedNow()
    return found
  }

  async #brought(brought: Brought): Promise<Brought> {
    if (brought.missing.length > 0) await this.#genuine.confirmedNow()
    return brought
  }

  async #fetched(found: Fetched): Promise<Fetched> {
    if (found === -1) await this.#genuine.confirmedNow()
    return found
  }

  async run({ id, op, args }: StoreRequest): Promise<StoreAnswer> {
    try {
      const call = this.#calls[op] as (...args: unknown[]) => Promise<unknown>
      return { id, result: await call(...args) }
    } catch (error) {
      return { id, error: toWire(error) }
    }
  }

  async #identify(location: StoreLocation, info?: StoreInfo | null): Promise<StoreInfo> {
    const store = await this.#store
    try {
      return await identify(store, { random: systemRandom })
    } catch (error) {
      if (info === null || !(error instanceof CairnError) || error.code !== 'ERR_STORE_UNKNOWN') throw error
    }
    await probeStore(store, { keepsNonce: keepsNonce(location) })
    return identify(store, { create: true, random: systemRandom, ...(info === undefined || info === null ? {} : { info }) })
  }

  /** Gives up, for whoever waits, when the store gives no sign of life. */
  async #patiently<T>(work: Promise<T>): Promise<T> {
    const done = new AbortController()
    const silence = async (): Promise<never> => {
      for (;;) {
        const before = this.#pulse
        await sleep(limits.storeCallMs, undefined, { signal: done.signal })
        if (before === this.#pulse) throw unreachable((await this.#store).description, 'it did not answer in time')
      }
    }
    try {
      return await Promise.race([work, silence()])
    } finally {
      done.abort()
    }
  }

  async #awaitStore(): Promise<void> {
    const { inner } = await this.#store
    const driver = inner instanceof RetryingStore ? inner.inner : inner
    for (let waitMs: number = limits.publishRetryMs; ; waitMs = Math.min(limits.storeLongestWaitMs, waitMs * 2)) {
      const asked = driver.head(STORE_INFO_KEY).then(
        () => undefined,
        (error: unknown) => error,
      )
      // One that hangs on a connection that is dead does not keep the next one waiting.
      const late = sleep(limits.storeConnectMs).then(() => unreachable(driver.description, 'it did not answer in time'))
      const failure = await Promise.race([asked, late])
      if (!isAway(failure)) return
      await sleep(waitMs)
    }
  }

  async #upload(packs: readonly LocalPack[]): Promise<void> {
    const left = packs.slice()
    const work = async (): Promise<void> => {
      for (let pack = left.shift(); pack !== undefined; pack = left.shift()) await uploadPack(await this.#store, pack, this.#budget)
    }
    await Promise.all(Array.from({ length: limits.storeParallel }, work))
  }
}

function keepsNonce({ kind }: StoreLocation): boolean {
  return kind === 's3' || kind === 'gcs'
}

async function lookAt(store: ObjectStore): Promise<StoreLook> {
  const times: number[] = []
  const timed = async <T>(request: () => Promise<T>): Promise<T> => {
    const start = systemClock.monotonic()
    const result = await request()
    times.push(systemClock.monotonic() - start)
    return result
  }
  const { id } = await timed(() => identify(store, { random: systemRandom }))
  await timed(() => store.list('volumes/'))
  await timed(() => store.head(STORE_INFO_KEY))
  return { id, roundTripMs: times.sort((a, b) => a - b)[1] }
}

function serve(data: StoreThreadData): void {
  const signals = new Int32Array(data.signals)
  const waker = data.waker === undefined ? undefined : new Waker(data.waker)
  const onTrouble = (error: CairnError): void => {
    Atomics.add(signals, error.code === 'ERR_STORE_UNREACHABLE' ? Signal.trouble : Signal.pulse, 1)
    data.port.postMessage({ id: TROUBLE, error: toWire(error) } satisfies StoreAnswer)
    waker?.wake()
  }
  const thread = new StoreThread(data, onTrouble, () => Atomics.add(signals, Signal.pulse, 1))
  const listen = (port: MessagePort): void => {
    port.on('message', (request: StoreRequest) => {
      void thread.run(request).then(answer => {
        if (request.id === UNANSWERED) return
        port.postMessage(answer)
        Atomics.add(signals, Signal.answers, 1)
        Atomics.notify(signals, Signal.answers)
        if (port === data.port) waker?.wake()
      })
    })
  }
  listen(data.blocking)
  listen(data.port)
}

serve(workerData as StoreThreadData)

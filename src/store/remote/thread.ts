/** The thread of a store that is elsewhere: the only one that talks to it. */
import { type MessagePort, workerData } from 'node:worker_threads'
import { CairnError } from '../../errors.js'
import { limits, systemRandom } from '../../sys/index.js'
import { Waker } from '../../sys/waker.js'
import { toWire } from '../../sys/wire-error.js'
import type { ObjectStore } from '../contract.js'
import { identify } from '../identity.js'
import { Budget } from '../parts.js'
import { probeStore } from '../probe.js'
import type { StoreInfo } from '../store-info.js'
import type { StoreLocation } from '../url.js'
import { ChunkFetcher } from './chunk-fetcher.js'
import { openDriver } from './driver.js'
import { type LocalPack, type StoreAnswer, type StoreCalls, type StoreRequest, type StoreThreadData, TROUBLE, UNANSWERED } from './protocol.js'
import { uploadPack } from './upload.js'

type Calls = { [Op in keyof StoreCalls]: (...args: Parameters<StoreCalls[Op]>) => Promise<ReturnType<StoreCalls[Op]>> }

class StoreThread {
  readonly #store: Promise<ObjectStore>
  #fetcher: Promise<ChunkFetcher>
  #cacheIn: (folder: string) => void = () => {}
  readonly #calls: Calls
  readonly #budget = new Budget(limits.storeUploadBytes)

  /** @param onTrouble told why an attempt failed that is made again */
  constructor(data: StoreThreadData, onTrouble: (error: CairnError) => void) {
    this.#store = openDriver(data.location, onTrouble)
    // Whoever asks first hears why it failed.
    this.#store.catch(() => undefined)
    this.#fetcher = new Promise(resolve => {
      this.#cacheIn = folder => resolve(new ChunkFetcher(this.#store, folder))
    })
    this.#calls = {
      get: async (key, options) => (await this.#store).get(key, options ?? {}),
      put: async (key, bytes, options) => (await this.#store).put(key, bytes, options),
      head: async key => (await this.#store).head(key),
      list: async (prefix, cursor) => (await this.#store).list(prefix, cursor),
      delete: async keys => (await this.#store).delete(keys),
      identify: info => this.#identify(data.location.kind, info),
      cacheIn: async folder => this.#cacheIn(folder),
      fetch: async (key, chunk) => (await this.#fetcher).fetch(key, chunk),
      prefetch: async (key, first, count) => (await this.#fetcher).prefetch(key, first, count),
      upload: packs => this.#upload(packs),
    }
  }

  async run({ id, op, args }: StoreRequest): Promise<StoreAnswer> {
    try {
      const call = this.#calls[op] as (...args: unknown[]) => Promise<unknown>
      return { id, result: await call(...args) }
    } catch (error) {
      return { id, error: toWire(error) }
    }
  }

  async #identify(kind: StoreLocation['kind'], info?: StoreInfo | null): Promise<StoreInfo> {
    const store = await this.#store
    try {
      return await identify(store, { random: systemRandom })
    } catch (error) {
      if (info === null || !(error instanceof CairnError) || error.code !== 'ERR_STORE_UNKNOWN') throw error
    }
    await probeStore(store, { keepsNonce: kind === 's3' || kind === 'gcs' })
    return identify(store, { create: true, random: systemRandom, ...(info === undefined || info === null ? {} : { info }) })
  }

  async #upload(packs: readonly LocalPack[]): Promise<void> {
    const left = packs.slice()
    const work = async (): Promise<void> => {
      for (let pack = left.shift(); pack !== undefined; pack = left.shift()) await uploadPack(await this.#store, pack, this.#budget)
    }
    await Promise.all(Array.from({ length: limits.storeParallel }, work))
  }
}

function serve(data: StoreThreadData): void {
  const answers = new Int32Array(data.answers)
  const waker = data.waker === undefined ? undefined : new Waker(data.waker)
  const thread = new StoreThread(data, error => {
    data.port.postMessage({ id: TROUBLE, error: toWire(error) } satisfies StoreAnswer)
    waker?.wake()
  })
  const listen = (port: MessagePort): void => {
    port.on('message', (request: StoreRequest) => {
      void thread.run(request).then(answer => {
        if (request.id === UNANSWERED) return
        port.postMessage(answer)
        Atomics.add(answers, 0, 1)
        Atomics.notify(answers, 0)
        if (port === data.port) waker?.wake()
      })
    })
  }
  listen(data.blocking)
  listen(data.port)
}

serve(workerData as StoreThreadData)

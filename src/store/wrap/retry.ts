import { setTimeout as timeout } from 'node:timers/promises'
import { CairnError } from '../../errors.js'
import { limits, type Random, systemRandom } from '../../sys/index.js'
import type { GetOptions, ListPage, ObjectInfo, ObjectStore, PutOptions, StoredObject } from '../contract.js'
import { IS_CHANGED, IS_GONE, IS_THERE, preconditionFailed } from '../keys.js'
import { uncertain } from '../remote-errors.js'

export interface RetryOptions {
  attempts?: number
  /** Bound of the first wait, doubled for each further one up to the longest; each wait is half to all of its bound. */
  firstWaitMs?: number
  longestWaitMs?: number
  random?: Random
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>
  /** Told of each attempt that is made again. */
  onRetry?: (error: CairnError, attempt: number) => void
}

/**
 * Makes a request again while its failure may pass (`retry: 'same-call'`): exponential backoff with jitter. Half of each wait is certain, so that all of them
 * together outlast a limit of one write per second.
 */
export class Retry {
  readonly attempts: number
  readonly #firstWaitMs: number
  readonly #longestWaitMs: number
  readonly #random: Random
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  readonly #onRetry: RetryOptions['onRetry']

  constructor(options: RetryOptions = {}) {
    this.attempts = options.attempts ?? limits.storeAttempts
    this.#firstWaitMs = options.firstWaitMs ?? limits.storeFirstWaitMs
    this.#longestWaitMs = options.longestWaitMs ?? limits.storeLongestWaitMs
    this.#random = options.random ?? systemRandom
    this.#sleep = options.sleep ?? ((ms, signal) => timeout(ms, undefined, { signal, ref: true }))
    this.#onRetry = options.onRetry
  }

  /** For requests that may be applied twice. @throws what the last attempt threw; AbortError */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      try {
        return await work()
      } catch (error) {
        if (!this.worthAnother(error, attempt)) throw error
        await this.pause(attempt, signal)
      }
    }
  }

  worthAnother(error: unknown, attempt: number): error is CairnError {
    if (!isTransient(error) || attempt >= this.attempts) return false
    this.#onRetry?.(error, attempt)
    return true
  }

  pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const bound = Math.min(this.#firstWaitMs * 2 ** (attempt - 1), this.#longestWaitMs)
    return this.#sleep((bound / 2) * (1 + this.#random.bytes(4).readUInt32LE() / 2 ** 32), signal)
  }

  nonce(): string {
    return this.#random.bytes(12).toString('hex')
  }
}

export function isTransient(error: unknown): error is CairnError {
  return error instanceof CairnError && error.retry === 'same-call'
}

/** Such a failure says that nothing was applied. */
function isUnapplied(error: CairnError): boolean {
  return error.code === 'ERR_STORE_CONFLICT' || error.code === 'ERR_STORE_CLOCK'
}

/**
 * A remote store whose requests are made again when that may help. The only place that retries: drivers make each request once.
 *
 * A conditional write without a clear answer may have been applied. Each carries a nonce, which the store keeps beside the bytes; after a failure, and
 * after a refusal, the object is asked for its nonce: ours was applied, another's was not.
 * Cost: one more HEAD for a refused write; nothing when all goes well.
 */
export class RetryingStore implements ObjectStore {
  readonly description: string
  readonly #inner: ObjectStore
  readonly #retry: Retry

  constructor(inner: ObjectStore, retry: Retry = new Retry()) {
    this.#inner = inner
    this.#retry = retry
    this.description = inner.description
  }

  /** The driver itself. */
  get inner(): ObjectStore {
    return this.#inner
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#retry.run(() => this.#inner.get(key, options), options?.signal)
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#retry.run(() => this.#inner.head(key))
  }

  list(prefix: string, cursor?: string): Promise<ListPage> {
    return this.#retry.run(() => this.#inner.list(prefix, cursor))
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#retry.run(() => this.#inner.delete(keys))
  }

  put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ version: string }> {
    if (options.ifAbsent !== true && options.ifMatch === undefined) return this.#retry.run(() => this.#inner.put(key, bytes, options), options.signal)
    const named = { ...options, nonce: options.nonce ?? this.#retry.nonce() }
    return this.#putConditional(key, named, () => this.#inner.put(key, bytes, named))
  }

  /** Undefined where the driver writes no object in parts. */
  get putParts(): ObjectStore['putParts'] {
    if (this.#inner.putParts === undefined) return undefined
    return (key, parts, options) => {
      const named = { ...options, ifAbsent: true, nonce: options?.nonce ?? this.#retry.nonce() }
      return this.#putConditional(key, named, () => this.#inner.putParts?.(key, parts, named) as Promise<{ version: string }>)
    }
  }

  async #putConditional(key: string, options: PutOptions, put: () => Promise<{ version: string }>): Promise<{ version: string }> {
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted()
      let failure: unknown
      try {
        return await put()
      } catch (error) {
        failure = error
      }
      const goesOn = this.#retry.worthAnother(failure, attempt)
      if (goesOn) await this.#retry.pause(attempt, options.signal)
      const written = await this.#writtenAfterAll(key, options, failure)
      if (written !== undefined) return written
      if (!goesOn) throw failure
    }
  }

  /**
   * What became of a write that failed: its version when it was applied, undefined when it is to be made again.
   * @throws the refusal, when its condition does not hold any more
   */
  async #writtenAfterAll(key: string, options: PutOptions, failure: unknown): Promise<{ version: string } | undefined> {
    const isRefused = failure instanceof CairnError && failure.code === 'ERR_PRECONDITION'
    if (!isRefused && (!isTransient(failure) || isUnapplied(failure))) return undefined
    const found = await this.#ask(key, failure)
    if (found !== undefined && found.nonce === options.nonce) return { version: found.version }
    if (isRefused) throw failure
    if (options.ifAbsent === true && found !== undefined) throw preconditionFailed(key, IS_THERE)
    if (options.ifMatch !== undefined && found?.version !== options.ifMatch) throw preconditionFailed(key, found === undefined ? IS_GONE : IS_CHANGED)
    return undefined
  }

  async #ask(key: string, failure: CairnError): Promise<ObjectInfo | undefined> {
    try {
      return await this.head(key)
    } catch (error) {
      throw uncertain(this.description, key, isTransient(failure) ? failure : (error as CairnError))
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

import type { GetOptions, ListPage, ObjectInfo, ObjectStore, PutOptions, StoredObject } from '../contract.js'
import type { Parts } from '../parts.js'

/** Says of each request that was answered that it was: a store that is slow is told from one that is gone. */
export class PulsingStore implements ObjectStore {
  readonly description: string
  readonly inner: ObjectStore
  readonly #onPulse: () => void

  constructor(inner: ObjectStore, onPulse: () => void) {
    this.inner = inner
    this.description = inner.description
    this.#onPulse = onPulse
  }

  async #told<T>(request: Promise<T>): Promise<T> {
    const result = await request
    this.#onPulse()
    return result
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#told(this.inner.get(key, options))
  }

  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ version: string }> {
    return this.#told(this.inner.put(key, bytes, options))
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#told(this.inner.head(key))
  }

  list(prefix: string, cursor?: string): Promise<ListPage> {
    return this.#told(this.inner.list(prefix, cursor))
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#told(this.inner.delete(keys))
  }

  /** Undefined where the driver writes no object in parts. */
  get putParts(): ObjectStore['putParts'] {
    const { inner } = this
    if (inner.putParts === undefined) return undefined
    return (key, { size, use }, options) => {
      const told: Parts = { size, use: (from, to, send) => use(from, to, bytes => this.#told(send(bytes))) }
      return this.#told(inner.putParts?.(key, told, options) as Promise<{ version: string }>)
    }
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

import type { GetOptions, ListPage, LocalStore, ObjectInfo, Put, PutOptions, StoredObject } from './contract.js'

/** The asynchronous half of a local store, by its synchronous one. */
export abstract class AsyncLocal implements LocalStore {
  abstract readonly description: string
  abstract getSync(key: string, options?: GetOptions): StoredObject | undefined
  abstract readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number
  abstract putSync(key: string, bytes: Uint8Array, options?: PutOptions): { version: string }
  abstract putAllSync(puts: readonly Put[]): string[]
  abstract headSync(key: string): ObjectInfo | undefined
  abstract listSync(prefix: string, cursor?: string): ListPage
  abstract deleteSync(keys: readonly string[]): void
  abstract adoptSync(key: string, path: string): void
  abstract forgetRemoved(): void
  abstract close(): Promise<void>

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    options?.signal?.throwIfAborted()
    return this.getSync(key, options)
  }

  async put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ version: string }> {
    options?.signal?.throwIfAborted()
    return this.putSync(key, bytes, options)
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return this.headSync(key)
  }

  async list(prefix: string, cursor?: string): Promise<ListPage> {
    return this.listSync(prefix, cursor)
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.deleteSync(keys)
  }
}

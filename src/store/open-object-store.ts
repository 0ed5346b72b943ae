import type { ObjectStore } from './contract.js'
import { openDirectoryStore } from './directory/index.js'
import { GcsStore } from './gcs/index.js'
import { openLmdbStore } from './lmdb/index.js'
import { MemoryStore } from './memory/index.js'
import { type EtagQuotes, S3Store } from './s3/index.js'
import { openSqliteStore } from './sqlite/index.js'
import type { StoreLocation } from './url.js'
import { Retry, RetryingStore, type RetryOptions } from './wrap/retry.js'

export interface OpenObjectStoreOptions {
  /** Make the folder or file of a local store that is missing. A bucket is never made. */
  create?: boolean
  /** Make no `store.json` and ask for none: the caller sees to the identity of the store. */
  bare?: boolean
  retry?: RetryOptions
  etagQuotes?: EtagQuotes
}

/**
 * Opens the store at a place, with retries where it is remote. Drivers and their packages are loaded now; a bucket is not asked anything yet.
 * @throws CairnError ERR_DRIVER_MISSING; for local ones also ERR_STORE_UNKNOWN, ERR_STORE_PATH, ERR_STORE_ACCESS, ERR_FORMAT …
 */
export async function openObjectStore(location: StoreLocation, options: OpenObjectStoreOptions = {}): Promise<ObjectStore> {
  const { create, bare, etagQuotes } = options
  switch (location.kind) {
    case 's3': {
      const retry = new Retry(options.retry)
      return new RetryingStore(new S3Store({ ...location, etagQuotes, retry }), retry)
    }
    case 'gcs': {
      const retry = new Retry(options.retry)
      return new RetryingStore(new GcsStore({ ...location, retry }), retry)
    }
    case 'directory':
    case 'file':
      return openDirectoryStore(location.path, { create, bare, shared: location.kind === 'file' })
    case 'sqlite':
      return openSqliteStore(location.path, { create, bare }).store
    case 'lmdb':
      return (await openLmdbStore(location.path, { create, bare })).store
    case 'memory':
      return new MemoryStore()
  }
}

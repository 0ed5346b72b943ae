import type { CairnError } from '../../errors.js'
import type { ObjectStore } from '../contract.js'
import { openObjectStore } from '../open-object-store.js'
import type { StoreLocation } from '../url.js'

/** Opens the store at a place. Runs in the store's own thread, which loads the packages that it needs. @throws what `openObjectStore` throws */
export async function openDriver(location: StoreLocation, onRetry: (error: CairnError) => void): Promise<ObjectStore> {
  return openObjectStore(location, { create: true, bare: true, retry: { onRetry } })
}

import type { ObjectStore } from '../contract.js'
import { openObjectStore } from '../open-object-store.js'
import { parseStoreUrl } from '../url.js'

/** Opens the store that an address names. Runs in the store's own thread. @throws CairnError ERR_STORE_URL; what `openObjectStore` throws */
export async function openDriver(url: string): Promise<ObjectStore> {
  return openObjectStore(parseStoreUrl(url), { create: true, bare: true })
}

import { CairnError } from '../../errors.js'
import { type Random, systemRandom } from '../../sys/index.js'
import type { StoredObject } from '../contract.js'
import { decodeStoreInfo, encodeStoreInfo, STORE_INFO_KEY } from '../store-info.js'
import { formatStoreUrl, type StoreLocation } from '../url.js'
import { RemoteStore, type RemoteStoreOptions } from './remote-store.js'
import { StoreThread } from './thread-client.js'

export interface OpenRemoteOptions extends Omit<RemoteStoreOptions, 'location' | 'id' | 'folder' | 'thread'> {
  /** This host's folder for the store with an id. */
  folder: (id: string) => string
  /** Of the store as this home knows it; without one it is asked for, and made a store if it is empty. */
  id?: string
  random?: Random
}

/**
 * Opens a store. One that this home knows is not asked: it may be out of reach, and what is here of it is of use all the same.
 * @throws what the store says; CairnError ERR_FORMAT for one of a newer version; CorruptError
 */
export function openRemoteStore(location: StoreLocation, options: OpenRemoteOptions): RemoteStore {
  const { folder, id: known, random = systemRandom, ...others } = options
  const thread = new StoreThread(location, others)
  try {
    const id = known ?? idOf(thread, location, random)
    return new RemoteStore({ ...others, location, id, folder: folder(id), thread })
  } catch (error) {
    thread.close()
    throw error
  }
}

function idOf(thread: StoreThread, location: StoreLocation, random: Random): string {
  const found = thread.callSync('get', STORE_INFO_KEY) ?? created(thread, random)
  return decodeStoreInfo(found.bytes, `${STORE_INFO_KEY} of ${formatStoreUrl(location)}`).id
}

/** Of several that make the store at once, one decides its id. */
function created(thread: StoreThread, random: Random): Pick<StoredObject, 'bytes'> {
  const bytes = encodeStoreInfo({ id: random.bytes(8).toString('hex') })
  try {
    thread.callSync('put', STORE_INFO_KEY, bytes, { ifAbsent: true })
    return { bytes }
  } catch (error) {
    const found = error instanceof CairnError && error.code === 'ERR_PRECONDITION' ? thread.callSync('get', STORE_INFO_KEY) : undefined
    if (found === undefined) throw error
    return found
  }
}

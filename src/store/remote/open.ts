import type { StoreLocation } from '../url.js'
import { RemoteStore, type RemoteStoreOptions } from './remote-store.js'
import { StoreThread } from './thread-client.js'

export interface OpenRemoteOptions extends Omit<RemoteStoreOptions, 'location' | 'id' | 'folder' | 'thread'> {
  /** This host's folder for the store with an id. */
  folder: (id: string) => string
  /** Of the store as this home knows it; without one it is asked for, and made a store if there is nothing. */
  id?: string
}

/**
 * Opens a store. One that this home knows is not asked: it may be out of reach, and what is here of it is of use all the same.
 * @throws what the store says; CairnError ERR_STORE_UNFIT, ERR_STORE_PATH, ERR_FORMAT; CorruptError
 */
export function openRemoteStore(location: StoreLocation, options: OpenRemoteOptions): RemoteStore {
  const { folder, id: known, ...others } = options
  const thread = new StoreThread(location, others)
  try {
    const id = known ?? thread.callSync('identify')
    return new RemoteStore({ ...others, location, id, folder: folder(id), thread })
  } catch (error) {
    thread.close()
    throw error
  }
}

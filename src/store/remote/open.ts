import { type CodingOptions, openCoding } from '../open-coding.js'
import type { StoreLocation } from '../url.js'
import type { StoreLine } from './protocol.js'
import { RemoteStore, type RemoteStoreOptions } from './remote-store.js'
import { StoreThread } from './thread-client.js'

export interface OpenRemoteOptions extends Omit<RemoteStoreOptions, 'location' | 'id' | 'folder' | 'thread' | 'coding'>, CodingOptions {
  /** How the store is reached; default by a thread of its own. */
  line?: (location: StoreLocation) => StoreLine
}

/**
 * Opens a store. One that this home knows is not waited for: it may be out of reach, and what is here of it is of use all the same. Whether it is still that one
 * is asked beside the first request: all of them fail with ERR_STORE_REPLACED when it is not.
 * @throws what the store says, and what `openCoding` throws; CairnError ERR_STORE_UNFIT, ERR_STORE_PATH, ERR_FORMAT; CorruptError
 */
export function openRemoteStore(location: StoreLocation, options: OpenRemoteOptions): RemoteStore {
  const expected = options.id === undefined ? {} : { expected: options.id }
  const thread = options.line?.(location) ?? new StoreThread(location, { ...options, ...expected })
  try {
    const { id, coding } = openCoding(location, options, made => thread.callSync('identify', made))
    return new RemoteStore({ ...options, location, id, folder: options.folder(id), thread, coding })
  } catch (error) {
    thread.close()
    throw error
  }
}

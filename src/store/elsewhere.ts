import { existsSync } from 'node:fs'
import { CairnError } from '../errors.js'
import type { LocalStore } from './contract.js'
import { type AskStore, openCoding } from './open-coding.js'
import { type OpenRemoteOptions, openRemoteStore, type RemoteStore } from './remote/index.js'
import { openSqliteStore, type SqliteStore } from './sqlite/index.js'
import { formatStoreUrl, type StoreLocation } from './url.js'
import { SealedStore } from './wrap/sealed-store.js'

/** A store that is not the home's own. */
export interface Elsewhere {
  store: LocalStore
  id: string
  description: string
  /** Where it is reached through a thread of its own, with a cache and an outbox on this host. */
  remote?: RemoteStore
}

/** Whether such a store has a cache on this host; one that is a file of this host needs none. */
export function hasCache(location: StoreLocation): boolean {
  return location.kind !== 'sqlite'
}

/**
 * Opens a store by its location. One that is a single file of this host is used as it is: it answers at once, and all that is acknowledged is in it.
 * @param options id: of the store as this home knows it; without one it is made where there is none
 * @throws as `openRemoteStore`, `openSqliteStore`; CairnError ERR_STORE_PATH when the file is another store than the one of that id
 */
export function openElsewhere(location: StoreLocation, options: OpenRemoteOptions): Elsewhere {
  const description = formatStoreUrl(location)
  if (location.kind !== 'sqlite') {
    const remote = openRemoteStore(location, options)
    return { store: remote, id: remote.id, description, remote }
  }
  const { path } = location
  if (options.id !== undefined && !existsSync(path))
    throw new CairnError('ERR_STORE_UNKNOWN', `The file ${path} is gone.`, 'Put it back, from a copy for one, or detach its volumes with `cairn delete`.')
  let opened: SqliteStore | undefined
  const ask: AskStore = made => {
    opened?.closeSync()
    const { store, info } = openSqliteStore(path, { create: made !== null, made: made ?? undefined })
    opened = store
    if (options.id !== undefined && options.id !== info.id) throw notThatFile(path)
    return info
  }
  try {
    if (options.id !== undefined) ask(null)
    const { id, coding } = openCoding(location, options, ask)
    const store = opened as unknown as SqliteStore
    const isPlain = coding.cipher === undefined && coding.compression === 'none'
    return { store: isPlain ? store : new SealedStore(store, coding), id, description }
  } catch (error) {
    opened?.closeSync()
    throw error
  }
}

function notThatFile(path: string): CairnError {
  return new CairnError(
    'ERR_STORE_PATH',
    `${path} is another store than the one that was there.`,
    'Put the right file there; this one can be used from another CAIRN_HOME.',
  )
}

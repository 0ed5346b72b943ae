import { Cipher } from '../codec/cipher.js'
import type { Coding } from '../codec/coding.js'
import type { WrappedKey } from '../codec/wrapped-key.js'
import { CairnError } from '../errors.js'
import { systemRandom } from '../sys/index.js'
import { compressionFor } from './compression-for.js'
import { type KnownStore, keepKnown, readKnown } from './known-store.js'
import type { StoreInfo } from './store-info.js'
import { storeReplaced } from './store-replaced.js'
import { newEncryptedStore, notEncrypted, remembered, unlock } from './unlock.js'
import { formatStoreUrl, type StoreLocation } from './url.js'
import type { KeySource } from './user-key.js'

export interface CodingOptions {
  /** This host's folder for the store with an id. */
  folder: (id: string) => string
  /** Of the store as this home knows it; without one it is asked for, and made a store if there is nothing. */
  id?: string
  /** Where the key of an encrypted store may come from, besides where this home remembers that it did. */
  keys?: readonly KeySource[]
  /** The one place where it comes from now. */
  key?: KeySource
  /** A new store is encrypted; one that is there and is not, is refused. */
  encrypt?: boolean
}

/** Asks a store what it says of itself. @param made what a new one is to say; null: none is made */
export type AskStore = (made: StoreInfo | undefined | null) => StoreInfo

/**
 * How the bytes of a store are written, and its id. A store that this home knows is not asked, since it may be out of reach.
 * @throws what `ask` throws; CairnError ERR_STORE_REPLACED, ERR_STORE_PLAIN, ERR_KEY_MISSING, ERR_KEY_WRONG, ERR_KEY_SOURCE, ERR_KEY_INVALID; CorruptError
 */
export function openCoding(location: StoreLocation, options: CodingOptions, ask: AskStore): { id: string; coding: Coding } {
  const { folder, id, keys = [], key, encrypt = false } = options
  const description = formatStoreUrl(location)
  const sources = key === undefined ? keys : [key]
  const made = encrypt && id === undefined ? newEncryptedStore(sources, systemRandom) : undefined
  const known = id === undefined ? undefined : readKnown(folder(id))
  const asked = (): StoreInfo => ask(id === undefined ? made?.info : null)
  const info = known?.info ?? asked()
  if (id !== undefined && info.id !== id) throw storeReplaced(description, info.id)
  if (encrypt && info.encryption === undefined) throw notEncrypted(description)
  const before = known ?? readKnown(folder(info.id))
  const places = key === undefined && before?.key !== undefined ? [before.key, ...keys] : sources
  const isMade = made !== undefined && made.info.id === info.id
  const { now, dataKey } = isMade ? { now: withKey(info, made.source, before), dataKey: made.dataKey } : opened(info, before, places, asked, description)
  keepKnown(folder(info.id), now, before)
  return { id: info.id, coding: { compression: compressionFor(location), ...(dataKey === undefined ? {} : { cipher: new Cipher(dataKey) }) } }
}

/** What this home is to remember, and the data key of a store that is encrypted. */
function opened(
  info: StoreInfo,
  before: KnownStore | undefined,
  places: readonly KeySource[],
  asked: () => StoreInfo,
  description: string,
): { now: KnownStore; dataKey?: Buffer } {
  if (!isEncrypted(info)) return { now: { info } }
  try {
    const { dataKey, source } = unlock(info, places, description)
    return { now: withKey(info, source, before), dataKey }
  } catch (error) {
    // It may have another key by now than this home remembers.
    const isOld = before?.info === info && error instanceof CairnError && error.code === 'ERR_KEY_WRONG'
    const current = isOld ? asked() : info
    if (!isEncrypted(current) || current.encryption.key === info.encryption.key) throw error
    const { dataKey, source } = unlock(current, places, description)
    return { now: withKey(current, source, before), dataKey }
  }
}

function isEncrypted(info: StoreInfo): info is StoreInfo & { encryption: WrappedKey } {
  return info.encryption !== undefined
}

function withKey(info: StoreInfo, source: KeySource, before: KnownStore | undefined): KnownStore {
  const key = remembered(source) ?? before?.key
  return { info, ...(key === undefined ? {} : { key }) }
}

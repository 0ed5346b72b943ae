import { Cipher } from '../codec/cipher.js'
import type { Coding } from '../codec/coding.js'
import type { WrappedKey } from '../codec/wrapped-key.js'
import { CairnError } from '../errors.js'
import { systemRandom } from '../sys/index.js'
import { type CompressionChoice, compressionFor, otherCompression } from './compression-for.js'
import { type KnownStore, keepKnown, readKnown } from './known-store.js'
import type { StoreInfo } from './store-info.js'
import { storeReplaced } from './store-replaced.js'
import { keyOfNone, keyOfPlain, newEncryptedStore, notEncrypted, remembered, type Unlocked, unlock } from './unlock.js'
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
  /** Of a new store; one that is there and has another, is refused. */
  compression?: CompressionChoice
}

/** Asks a store what it says of itself. @param made what a new one is to say; null: none is made */
export type AskStore = (made: StoreInfo | undefined | null) => StoreInfo

/**
 * How the bytes of a store are written, and its id. A store that this home knows is not asked, since it may be out of reach.
 * @throws what `ask` throws; CairnError ERR_STORE_REPLACED, ERR_STORE_PLAIN, ERR_STORE_COMPRESSION, ERR_KEY_MISSING, ERR_KEY_WRONG, ERR_KEY_SOURCE, ERR_KEY_INVALID; CorruptError
 */
export function openCoding(location: StoreLocation, options: CodingOptions, ask: AskStore): { id: string; coding: Coding } {
  const { folder, id, keys = [], key, compression } = options
  const description = formatStoreUrl(location)
  const sources = key === undefined ? keys : [key]
  const made = id === undefined ? newStore(options, sources) : undefined
  const known = id === undefined ? undefined : readKnown(folder(id))
  // Who names a key means an encrypted store: without being told so none is made, and surely no plain one.
  const isForOther = key !== undefined && options.encrypt !== true
  const asked = (): StoreInfo => ask(id === undefined && !isForOther ? made?.info : null)
  const info = known?.info ?? (isForOther ? orNotMade(asked, description) : asked())
  if (id !== undefined && info.id !== id) throw storeReplaced(description, info.id)
  if (options.encrypt === true && info.encryption === undefined) throw notEncrypted(description)
  if (isForOther && info.encryption === undefined) throw keyOfPlain(description)
  if (compression !== undefined && compression !== (info.compression ?? 'auto')) throw otherCompression(description, info.compression ?? 'auto')
  const before = known ?? readKnown(folder(info.id))
  const places = key === undefined && before?.key !== undefined ? [before.key, ...keys] : sources
  const unlocked = made?.info.id === info.id ? made.unlocked : undefined
  const { now, dataKey } =
    unlocked === undefined ? opened(info, before, places, asked, description) : { now: withKey(info, unlocked.source, before), dataKey: unlocked.dataKey }
  keepKnown(folder(info.id), now, before)
  const cipher = dataKey === undefined ? {} : { cipher: new Cipher(dataKey) }
  return { id: info.id, coding: { compression: compressionFor(location, info.compression), ...cipher } }
}

function orNotMade(asked: () => StoreInfo, description: string): StoreInfo {
  try {
    return asked()
  } catch (error) {
    throw error instanceof CairnError && error.code === 'ERR_STORE_UNKNOWN' ? keyOfNone(description) : error
  }
}

/** What a store that is made is to say of itself; undefined: nothing but an id. */
function newStore({ encrypt, compression }: CodingOptions, sources: readonly KeySource[]): { info: StoreInfo; unlocked?: Unlocked } | undefined {
  const chosen = compression === undefined || compression === 'auto' ? {} : { compression }
  if (encrypt === true) {
    const { info, ...unlocked } = newEncryptedStore(sources, systemRandom)
    return { info: { ...info, ...chosen }, unlocked }
  }
  return compression === undefined ? undefined : { info: { id: systemRandom.bytes(8).toString('hex'), ...chosen } }
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

import { parseWrappedKey, type WrappedKey } from '../codec/wrapped-key.js'
import { CairnError, CorruptError } from '../errors.js'
import { COMPRESSION_CHOICES, type CompressionChoice } from './compression-for.js'

/** The object that says what kind of store this is. */
export const STORE_INFO_KEY = 'store.json'
/** Of a store that is not encrypted; versions that know nothing of encryption refuse the other one. */
export const STORE_FORMAT = 1
const ENCRYPTED_FORMAT = 2

export interface StoreInfo {
  /** 16 hex digits, random: what caches of the store are bound to. */
  id: string
  /** The data key of a store that is encrypted. */
  encryption?: WrappedKey
  /** What its writers compress with; missing: `auto`. */
  compression?: CompressionChoice
}

export function encodeStoreInfo(info: StoreInfo): Buffer {
  return Buffer.from(`${JSON.stringify({ format: info.encryption === undefined ? STORE_FORMAT : ENCRYPTED_FORMAT, ...info })}\n`)
}

/** @throws CairnError ERR_FORMAT for a newer format; CorruptError when it does not read */
export function decodeStoreInfo(bytes: Uint8Array, object: string): StoreInfo {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    throw new CorruptError(object, 'it is not JSON')
  }
  if (typeof value !== 'object' || value === null) throw new CorruptError(object, 'it is not a JSON object')
  const { format, id, encryption, compression } = value as Record<string, unknown>
  if (typeof format === 'number' && format > ENCRYPTED_FORMAT)
    throw new CairnError('ERR_FORMAT', `${object} says format ${format}; this version of cairn knows ${ENCRYPTED_FORMAT}.`, 'Install a newer version of cairn.')
  if (format !== STORE_FORMAT && format !== ENCRYPTED_FORMAT) throw new CorruptError(object, 'it has no format')
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) throw new CorruptError(object, 'it has no store id')
  // One that this version does not know is its writer's affair: whatever is read says itself what it is.
  const choice = COMPRESSION_CHOICES.find(one => one === compression)
  const members = { id, ...(choice === undefined ? {} : { compression: choice }) }
  if (format === STORE_FORMAT) return members
  const wrapped = parseWrappedKey(encryption)
  if (wrapped === undefined) throw new CorruptError(object, 'its key is not right')
  return { ...members, encryption: wrapped }
}

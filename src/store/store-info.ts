import { CairnError, CorruptError } from '../errors.js'

/** The object that says what kind of store this is. */
export const STORE_INFO_KEY = 'store.json'
export const STORE_FORMAT = 1

export interface StoreInfo {
  /** 16 hex digits, random: what caches of the store are bound to. */
  id: string
}

export function encodeStoreInfo(info: StoreInfo): Buffer {
  return Buffer.from(`${JSON.stringify({ format: STORE_FORMAT, ...info })}\n`)
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
  const { format, id } = value as Record<string, unknown>
  if (typeof format === 'number' && format > STORE_FORMAT)
    throw new CairnError('ERR_FORMAT', `${object} says format ${format}; this version of cairn knows ${STORE_FORMAT}.`, 'Install a newer version of cairn.')
  if (format !== STORE_FORMAT) throw new CorruptError(object, 'it has no format')
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) throw new CorruptError(object, 'it has no store id')
  return { id }
}

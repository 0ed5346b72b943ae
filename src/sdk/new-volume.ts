import { resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { type CompressionChoice, checkCompression, homeNotCompressed, isPacked } from '../store/compression-for.js'
import { homeNotEncrypted } from '../store/unlock.js'
import { parseStoreUrl, type StoreLocation } from '../store/url.js'
import type { KeySource } from '../store/user-key.js'
import type { NewVolume } from './types.js'

/** Where else than in the home a volume is to be kept. @throws CairnError ERR_STORE_URL, ERR_STORE_OPTIONS, ERR_STORE_PLAIN, ERR_STORE_COMPRESSION */
export function storeOf(options: NewVolume): StoreLocation | undefined {
  const found = placeOf(options)
  if (found === undefined && options.encrypt === true) throw homeNotEncrypted()
  if (found === undefined && options.compression !== undefined && isPacked(checkCompression(options.compression))) throw homeNotCompressed()
  return found
}

/** How what it writes there is coded. */
export function codingOf({ encrypt, keyFile, compression }: NewVolume): { encrypt?: boolean; key?: KeySource; compression?: CompressionChoice } {
  return {
    ...(encrypt === true && { encrypt }),
    ...(keyFile !== undefined && { key: { file: resolve(keyFile) } }),
    ...(compression !== undefined && { compression: checkCompression(compression) }),
  }
}

function placeOf({ dev, store, storage, bucket, region, endpoint, pathStyle }: NewVolume): StoreLocation | undefined {
  const given = { ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }), ...(pathStyle !== undefined && { pathStyle }) }
  const wrong = (message: string, remedy: string): CairnError => new CairnError('ERR_STORE_OPTIONS', message, remedy, { exitCode: 2 })
  if ((storage === undefined) !== (bucket === undefined)) throw wrong('--storage and --bucket belong together.', 'Give both, or --store alone.')
  if (storage !== undefined && bucket !== undefined) return parseStoreUrl(bucket, { ...given, storage })
  if (dev === true && store !== undefined && store !== 'dev') throw wrong('--dev and --store contradict each other.', 'Give one of them.')
  if (store !== undefined && store !== 'dev') return parseStoreUrl(store, given)
  if (Object.keys(given).length > 0) throw wrong('Region, endpoint and path style are those of a store, and none was given.', 'Give one with --store.')
  return undefined
}

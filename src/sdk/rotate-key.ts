import { join, resolve } from 'node:path'
import { wrapKey } from '../codec/wrapped-key.js'
import { CairnError } from '../errors.js'
import { keepKnown, readKnown } from '../store/known-store.js'
import { openObjectStore } from '../store/open-object-store.js'
import { decodeStoreInfo, encodeStoreInfo, STORE_INFO_KEY } from '../store/store-info.js'
import { homeNotEncrypted, newUserKey, notEncrypted, remembered, unlock } from '../store/unlock.js'
import { formatStoreUrl, type StoreLocation } from '../store/url.js'
import { type KeySource, keySourcesOf } from '../store/user-key.js'
import { systemRandom } from '../sys/index.js'

export interface RotateKeyOptions {
  /** The file that holds the new key; default CAIRN_NEW_KEY, CAIRN_NEW_KEY_FILE, CAIRN_NEW_KEY_COMMAND. */
  newKeyFile?: string
  /** The new key itself: 32 bytes, or a passphrase. */
  newKey?: Uint8Array | string
  /** The file that holds the key of now; default where else it comes from. */
  keyFile?: string
}

/** Where a volume lies, and where the key of its store may come from. */
export interface KeyPlace {
  home: string
  store: { location: StoreLocation; id: string } | undefined
  keys: readonly KeySource[]
}

/**
 * Encrypts the data key of a store with another key. What is stored stays as it is, so that it takes one small write; the former key opens
 * copies of `store.json` that were made before.
 * @throws CairnError ERR_STORE_PLAIN, ERR_KEY_MISSING, ERR_KEY_WRONG, ERR_KEY_SOURCE, ERR_KEY_INVALID; ERR_PRECONDITION when another host did the same at this moment
 */
export async function rotateKey(place: KeyPlace, options: RotateKeyOptions): Promise<{ store: string }> {
  if (place.store === undefined) throw homeNotEncrypted()
  const { location, id } = place.store
  const folder = join(place.home, 'stores', id)
  const next = newSource(options)
  const store = await openObjectStore(location, { bare: true })
  try {
    const description = formatStoreUrl(location)
    const found = await store.get(STORE_INFO_KEY)
    if (found === undefined) throw new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${description}.`, 'Check that it is reached where it was.')
    const info = decodeStoreInfo(found.bytes, `${STORE_INFO_KEY} of ${description}`)
    const { encryption } = info
    if (encryption === undefined) throw notEncrypted(description)
    const before = readKnown(folder)
    const sources = options.keyFile === undefined ? [...(before?.key === undefined ? [] : [before.key]), ...place.keys] : [{ file: resolve(options.keyFile) }]
    const { dataKey } = unlock({ ...info, encryption }, sources, description)
    const rotated = { ...info, encryption: wrapKey(dataKey, newUserKey(next), info.id, systemRandom) }
    await store.put(STORE_INFO_KEY, encodeStoreInfo(rotated), { ifMatch: found.version })
    const key = remembered(next)
    keepKnown(folder, { info: rotated, ...(key === undefined ? {} : { key }) })
    return { store: description }
  } finally {
    await store.close()
  }
}

function newSource({ newKeyFile, newKey }: RotateKeyOptions): KeySource {
  if (newKeyFile !== undefined) return { file: resolve(newKeyFile) }
  if (newKey !== undefined) return { key: typeof newKey === 'string' ? newKey : Buffer.from(newKey).toString('hex'), from: 'the option `newKey`' }
  const source = keySourcesOf(process.env, 'CAIRN_NEW_KEY')[0]
  if (source !== undefined) return source
  throw new CairnError(
    'ERR_KEY_MISSING',
    'No new key was given.',
    'Make one with `openssl rand -hex 32 > FILE` and give it with --new-key-file FILE; or set CAIRN_NEW_KEY, CAIRN_NEW_KEY_FILE or CAIRN_NEW_KEY_COMMAND.',
    { exitCode: 2 },
  )
}

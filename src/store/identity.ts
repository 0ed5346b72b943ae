import { CairnError } from '../errors.js'
import type { Random } from '../sys/index.js'
import type { LocalStore, ObjectStore } from './contract.js'
import { PROBE_PREFIX } from './keys.js'
import { decodeStoreInfo, encodeStoreInfo, STORE_INFO_KEY, type StoreInfo } from './store-info.js'

export interface IdentityOptions {
  /** Make it a store when it is empty. */
  create?: boolean
  random: Random
  /** Of the new one. */
  info?: StoreInfo | undefined
}

/**
 * What a store on this machine says of itself. Of several that make it at once, one decides.
 * @throws CairnError ERR_STORE_UNKNOWN (none there, and not `create`), ERR_STORE_PATH (it holds something else), ERR_FORMAT; CorruptError
 */
export function identifySync(store: LocalStore, { create, random, info }: IdentityOptions): StoreInfo {
  const found = store.getSync(STORE_INFO_KEY)
  if (found !== undefined) return decodeStoreInfo(found.bytes, `${STORE_INFO_KEY} of ${store.description}`)
  if (create !== true) throw noStore(store.description)
  if (hasOthers(store.listSync('').objects)) throw holdsOthers(store.description)
  const made = info ?? { id: random.bytes(8).toString('hex') }
  try {
    store.putSync(STORE_INFO_KEY, encodeStoreInfo(made), { ifAbsent: true })
    return made
  } catch (error) {
    if (!isRefused(error)) throw error
    return identifySync(store, { random })
  }
}

/** What a remote one says of itself, and whether it was made now. @param info of the new one. Cost: one GET; for a new one a LIST and a PUT besides. */
export async function identify(store: ObjectStore, { create, random, info }: IdentityOptions): Promise<StoreInfo & { created: boolean }> {
  const found = await store.get(STORE_INFO_KEY)
  // A web server that shows the same page for every name.
  if (found?.bytes[0] === '<'.charCodeAt(0)) throw holdsOthers(store.description)
  if (found !== undefined) return { ...decodeStoreInfo(found.bytes, `${STORE_INFO_KEY} of ${store.description}`), created: false }
  if (create !== true) throw noStore(store.description)
  if (hasOthers((await store.list('')).objects)) throw holdsOthers(store.description)
  const made = info ?? { id: random.bytes(8).toString('hex') }
  try {
    await store.put(STORE_INFO_KEY, encodeStoreInfo(made), { ifAbsent: true })
    return { ...made, created: true }
  } catch (error) {
    if (!isRefused(error)) throw error
    return identify(store, { random })
  }
}

/** What a probe leaves that was killed, or does at this moment, is nothing. */
function hasOthers(objects: ReadonlyArray<{ key: string }>): boolean {
  return objects.some(({ key }) => !key.startsWith(PROBE_PREFIX))
}

function isRefused(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'ERR_PRECONDITION'
}

function noStore(description: string): CairnError {
  return new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${description}.`, 'Check the name, or make one with `cairn init`.')
}

export function holdsOthers(description: string): CairnError {
  return new CairnError('ERR_STORE_PATH', `${description} holds other things, and is no store.`, 'Name a place that is empty, or one that holds a store.')
}

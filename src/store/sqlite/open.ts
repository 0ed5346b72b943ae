import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { CairnError } from '../../errors.js'
import { systemRandom } from '../../sys/index.js'
import { identifySync } from '../identity.js'
import type { StoreInfo } from '../store-info.js'
import { SqliteStore, type SqliteStoreOptions } from './sqlite-store.js'

/**
 * Opens the store in a SQLite file.
 * @param options `bare`: make no `store.json` and ask for none; the id is empty then. `made`: what a new store says of itself
 * @throws CairnError ERR_STORE_UNKNOWN (no store there, and not `create`), ERR_STORE_PATH (no database, or one of another program), ERR_STORE_ACCESS,
 * ERR_DRIVER_MISSING, ERR_FORMAT, ERR_STORE_BUSY, ERR_STORE_FULL
 */
export function openSqliteStore(
  path: string,
  options: SqliteStoreOptions & { bare?: boolean; made?: StoreInfo | undefined } = {},
): { store: SqliteStore; id: string; info: StoreInfo } {
  const file = resolve(path)
  if (options.create !== true && !existsSync(file))
    throw new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${file}.`, 'Check the path, or make one with `cairn init`.')
  const store = new SqliteStore(file, options)
  try {
    const { bare, create, random = systemRandom, made } = options
    const info = bare === true ? { id: '' } : identifySync(store, { create, random, info: made })
    return { store, id: info.id, info }
  } catch (error) {
    store.closeSync()
    throw error
  }
}

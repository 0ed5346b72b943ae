import { chmodSync, closeSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CairnError } from '../../errors.js'
import { systemRandom } from '../../sys/index.js'
import { holdsOthers, identifySync } from '../identity.js'
import { makeFolder } from '../sync-folder.js'
import { LmdbStore, type LmdbStoreOptions } from './lmdb-store.js'

/** MDB_MAGIC, behind the header of the first page. */
const MAGIC = 0xbeefc0de
const MAGIC_AT = 24

/**
 * Opens the store in an LMDB folder.
 * @param options `bare`: make no `store.json` and ask for none; the id is empty then
 * @throws CairnError ERR_STORE_UNKNOWN (no store there, and not `create`), ERR_STORE_PATH (something else is there), ERR_STORE_ACCESS, ERR_DRIVER_MISSING
 */
export async function openLmdbStore(
  path: string,
  options: LmdbStoreOptions & { create?: boolean; bare?: boolean } = {},
): Promise<{ store: LmdbStore; id: string }> {
  const folder = resolve(path)
  const found = lookAt(folder)
  if (found !== undefined && !found.isDirectory()) throw new CairnError('ERR_STORE_PATH', `${folder} is a file, not a folder.`, 'Name a folder for the store.')
  const isThere = statSync(join(folder, 'data.mdb'), { throwIfNoEntry: false }) !== undefined
  if (!isThere && options.create !== true)
    throw new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${folder}.`, 'Check the path, or make one with `cairn init`.')
  // LMDB would make its files among others, such as those of a home directory.
  if (!isThere && found !== undefined && hasOthers(folder)) throw holdsOthers(`lmdb ${folder}`)
  if (isThere && !isLmdb(join(folder, 'data.mdb')))
    throw new CairnError('ERR_STORE_PATH', `${folder} holds a data.mdb that is none of LMDB.`, 'Name another folder, or one that does not exist yet.')
  if (found === undefined) makeOwnFolder(folder)
  const store = new LmdbStore(folder, options)
  try {
    if (!isThere) for (const name of ['data.mdb', 'lock.mdb']) chmodSync(join(folder, name), 0o600)
    return { store, id: options.bare === true ? '' : identifySync(store, { create: options.create, random: options.random ?? systemRandom }).id }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Looked at before LMDB does, which trusts what it maps. */
function isLmdb(path: string): boolean {
  const start = Buffer.alloc(MAGIC_AT + 4)
  const fd = openSync(path, 'r')
  try {
    const n = readSync(fd, start, 0, start.length, 0)
    return n === 0 || (n === start.length && start.readUInt32LE(MAGIC_AT) === MAGIC)
  } finally {
    closeSync(fd)
  }
}

function lookAt(folder: string): Stats | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false })
  } catch (error) {
    throw notSeen(folder, error)
  }
}

function hasOthers(folder: string): boolean {
  try {
    return readdirSync(folder).some(name => name !== 'lock.mdb')
  } catch (error) {
    throw notSeen(folder, error)
  }
}

function notSeen(folder: string, cause: unknown): CairnError {
  return new CairnError(
    'ERR_STORE_ACCESS',
    `${folder} cannot be looked at (${(cause as NodeJS.ErrnoException).code}).`,
    'Check the path, and your rights to the folders in it.',
    { cause },
  )
}

function makeOwnFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CairnError('ERR_STORE_ACCESS', `${folder} cannot be made (${code}).`, 'Check that you may write where it should be.', { cause: error })
  }
}

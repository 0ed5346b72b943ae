import { accessSync, constants, readdirSync, statSync, unlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CairnError } from '../../errors.js'
import { limits, type Random, systemClock, systemRandom } from '../../sys/index.js'
import { decodeStoreInfo, encodeStoreInfo, STORE_INFO_KEY } from '../store-info.js'
import { makeFolder } from '../sync-folder.js'
import { DirectoryStore, TEMPORARY_FOLDER } from './directory-store.js'

export interface OpenDirectoryOptions {
  /** Make a store when the folder is missing or empty. */
  create?: boolean
  /** Make no `store.json` and ask for none: the store has no id then. */
  bare?: boolean
  /** On a disk that hosts share, where locks may not hold: `file://`. All who open it must say so. */
  shared?: boolean
  random?: Random
}

/**
 * Opens the store in a folder.
 * @throws CairnError ERR_STORE_PATH (not a folder), ERR_STORE_ACCESS (no right to read and write it), ERR_STORE_UNKNOWN (no store
 * there, and not `create`), ERR_FORMAT (made by a newer version), ERR_STORE_FULL; CorruptError when `store.json` does not read
 */
export function openDirectoryStore(path: string, options: OpenDirectoryOptions = {}): DirectoryStore {
  const root = resolve(path)
  const random = options.random ?? systemRandom
  try {
    prepareFolder(root, options.create === true)
    const id = options.bare === true ? '' : readId(root, random, options.create === true)
    removeLeftovers(join(root, TEMPORARY_FOLDER))
    const store = new DirectoryStore(root, id, random, options.shared === true)
    store.sweepClaims()
    return store
  } catch (error) {
    throw explained(root, error)
  }
}

function prepareFolder(root: string, create: boolean): void {
  const found = statSync(root, { throwIfNoEntry: false })
  if (found === undefined) {
    if (!create) throw unknownStore(root)
    makeFolder(root)
    return
  }
  if (!found.isDirectory()) throw new CairnError('ERR_STORE_PATH', `${root} is a file, not a folder.`, 'Name a folder for the store.')
  accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK)
}

function readId(root: string, random: Random, create: boolean): string {
  const store = new DirectoryStore(root, '', random)
  try {
    let found: { bytes: Uint8Array } | undefined = store.getSync(STORE_INFO_KEY)
    if (found === undefined && create) {
      const others = readdirSync(root).filter(name => !name.includes('~'))
      if (others.length > 0)
        throw new CairnError('ERR_STORE_PATH', `${root} holds other files, and is no store.`, 'Name an empty folder, or one that holds a store.')
      found = createInfo(store, random)
    }
    if (found === undefined) throw unknownStore(root)
    return decodeStoreInfo(found.bytes, join(root, STORE_INFO_KEY)).id
  } finally {
    store.closeSync()
  }
}

/** Of several that make the store at once, one decides its id. */
function createInfo(store: DirectoryStore, random: Random): { bytes: Uint8Array } | undefined {
  const bytes = encodeStoreInfo({ id: random.bytes(8).toString('hex') })
  try {
    store.putSync(STORE_INFO_KEY, bytes, { ifAbsent: true })
    return { bytes }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return store.getSync(STORE_INFO_KEY)
    throw error
  }
}

/** Temporary files of crashed processes; one that is younger may be in use. */
function removeLeftovers(folder: string): void {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return
  }
  const before = systemClock.now() - limits.storeTemporaryMs
  for (const name of names) {
    const found = statSync(join(folder, name), { throwIfNoEntry: false })
    if (found !== undefined && found.mtimeMs < before) unlinkSync(join(folder, name))
  }
}

function unknownStore(root: string): CairnError {
  return new CairnError('ERR_STORE_UNKNOWN', `There is no store in ${root}.`, 'Check the path, or make one with `cairn init`.')
}

function explained(root: string, error: unknown): unknown {
  if (error instanceof CairnError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new CairnError(
      'ERR_STORE_ACCESS',
      `The store in ${root} cannot be read and written (${code}).`,
      'Give yourself the right to it (chown, chmod), or choose another folder.',
      { cause: error },
    )
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new CairnError('ERR_STORE_FULL', `The disk that holds ${root} is full (${code}).`, 'Make room, and try again.', { retry: 'same-call', cause: error })
  if (code === 'ENOENT')
    return new CairnError('ERR_STORE_PATH', `The folder ${root} cannot be made (ENOENT).`, 'Name a folder where you may make one.', { cause: error })
  if (code === 'ENOTDIR')
    return new CairnError('ERR_STORE_PATH', `A part of ${root} is a file, not a folder.`, 'Name a folder for the store.', { cause: error })
  return error
}

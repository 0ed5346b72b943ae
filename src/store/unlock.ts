import { resolve } from 'node:path'
import { DATA_KEY_BYTES } from '../codec/cipher.js'
import { keyMissing } from '../codec/coding.js'
import { MIN_PASSPHRASE, type UserKey, unwrapKey, type WrappedKey, wrapKey } from '../codec/wrapped-key.js'
import { CairnError, CorruptError } from '../errors.js'
import type { Random } from '../sys/index.js'
import { STORE_INFO_KEY, type StoreInfo } from './store-info.js'
import { describeSource, type KeySource, readUserKey } from './user-key.js'

/** The data key of a store, and the source that it was opened with. */
export interface Unlocked {
  dataKey: Buffer
  source: KeySource
}

/**
 * Opens the data key of a store with the first of the sources that can.
 * @throws CairnError ERR_KEY_MISSING without any, ERR_KEY_WRONG, ERR_KEY_SOURCE, ERR_KEY_INVALID; CorruptError when the right key does not open it
 */
export function unlock(info: StoreInfo & { encryption: WrappedKey }, sources: readonly KeySource[], description: string): Unlocked {
  const wrong: KeySource[] = []
  let unread: CairnError | undefined
  for (const source of sources) {
    let user: UserKey
    try {
      user = readUserKey(source)
    } catch (error) {
      unread ??= error as CairnError
      continue
    }
    const dataKey = unwrapKey(info.encryption, user, info.id)
    if (dataKey === 'damaged') throw new CorruptError(`${STORE_INFO_KEY} of ${description}`, 'its data key does not decrypt', 'Put back a copy of that object.')
    if (dataKey !== 'wrong') return { dataKey, source }
    wrong.push(source)
  }
  if (wrong.length > 0) throw wrongKey(wrong, description)
  throw unread ?? keyMissing(`The store ${description}`)
}

function wrongKey(sources: readonly KeySource[], description: string): CairnError {
  const from = sources.map(describeSource).join(', or in ')
  return new CairnError(
    'ERR_KEY_WRONG',
    `The key in ${from} is not that of the store ${description}.`,
    'Nothing was read or written. Give the key that the store was made with, or that it was given last by `cairn key rotate`.',
  )
}

/** What `store.json` says of a new store that is encrypted, and its data key. @throws CairnError ERR_KEY_MISSING, ERR_KEY_SOURCE, ERR_KEY_INVALID */
export function newEncryptedStore(sources: readonly KeySource[], random: Random): Unlocked & { info: StoreInfo } {
  const source = sources[0]
  if (source === undefined) throw noKeyToEncrypt()
  const id = random.bytes(8).toString('hex')
  const dataKey = random.bytes(DATA_KEY_BYTES)
  return { info: { id, encryption: wrapKey(dataKey, newUserKey(source), id, random) }, dataKey, source }
}

/** A key that a store is to have from now on. @throws as `readUserKey`; CairnError ERR_KEY_INVALID for a passphrase that is too short */
export function newUserKey(source: KeySource): UserKey {
  const user = readUserKey(source)
  if (!('passphrase' in user) || user.passphrase.length >= MIN_PASSPHRASE) return user
  throw new CairnError(
    'ERR_KEY_INVALID',
    `The passphrase in ${describeSource(source)} has ${user.passphrase.length} characters; at least ${MIN_PASSPHRASE} are needed.`,
    'Take several words, or a key of 32 random bytes: `openssl rand -hex 32 > FILE`.',
  )
}

function noKeyToEncrypt(): CairnError {
  return new CairnError(
    'ERR_KEY_MISSING',
    'A store is to be encrypted, and no key was given.',
    'Make one with `openssl rand -hex 32 > FILE` and give it with --key-file FILE or CAIRN_KEY_FILE; or set CAIRN_KEY or CAIRN_KEY_COMMAND.',
  )
}

export function notEncrypted(description: string): CairnError {
  return new CairnError(
    'ERR_STORE_PLAIN',
    `The store ${description} is not encrypted, and its volumes share what is stored: none of them can be.`,
    'Give the volume a store of its own, such as another prefix or folder, with --encrypt; or leave --encrypt out.',
  )
}

export function keyOfPlain(description: string): CairnError {
  return new CairnError(
    'ERR_STORE_PLAIN',
    `A key was given, and the store ${description} is not encrypted.`,
    'Leave the key out, or give the volume a store of its own with --encrypt, such as another prefix or folder.',
  )
}

export function keyOfNone(description: string): CairnError {
  return new CairnError(
    'ERR_STORE_UNKNOWN',
    `A key was given, and there is no store in ${description} yet.`,
    'Add --encrypt, and one is made that is encrypted with it; or leave the key out.',
  )
}

export function homeNotEncrypted(): CairnError {
  return new CairnError(
    'ERR_STORE_PLAIN',
    "The home's own store is shared by all volumes that are in no other one, and cannot be encrypted.",
    'Give the volume a store of its own: `cairn init NAME --store file:///path --encrypt --key-file FILE`.',
    { exitCode: 2 },
  )
}

/** What a home may remember of a source: never a key itself. */
export function remembered(source: KeySource): { file: string } | { command: string } | undefined {
  if ('file' in source) return { file: resolve(source.file) }
  return 'command' in source ? { command: source.command } : undefined
}

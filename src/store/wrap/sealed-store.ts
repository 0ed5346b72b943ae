import type { Cipher } from '../../codec/cipher.js'
import { objectContext, SEAL_BYTES } from '../../codec/cipher.js'
import type { Coding } from '../../codec/coding.js'
import { CorruptError } from '../../errors.js'
import { AsyncLocal } from '../async-local.js'
import type { GetOptions, ListPage, LocalStore, ObjectInfo, Put, PutOptions, StoredObject } from '../contract.js'
import { STORE_INFO_KEY } from '../store-info.js'
import type { StoreLogs } from '../store-logs.js'

/** Packs see to themselves: their segments and indexes are sealed. */
function isPack(key: string): boolean {
  return key.startsWith('packs/')
}

/** An object as it is stored. */
export function sealedObject(cipher: Cipher | undefined, key: string, bytes: Uint8Array): Uint8Array {
  return cipher === undefined || isPack(key) ? bytes : cipher.seal([bytes], objectContext(key))
}

/** What is stored, as it was given. @throws CorruptError for what was not sealed under this key */
export function openedObject(cipher: Cipher | undefined, key: string, found: StoredObject | undefined): StoredObject | undefined {
  if (cipher === undefined || found === undefined || found.unchanged === true || isPack(key)) return found
  const bytes = cipher.open(found.bytes, objectContext(key))
  if (bytes === undefined) throw new CorruptError(key, 'it does not decrypt')
  return { ...found, bytes }
}

/** Sizes of objects as they were given. */
export function plainInfo(cipher: Cipher | undefined, key: string, info: ObjectInfo | undefined): ObjectInfo | undefined {
  return info && { ...info, sizeBytes: plainSize(cipher, key, info.sizeBytes) }
}

export function plainPage(cipher: Cipher | undefined, page: ListPage): ListPage {
  if (cipher === undefined) return page
  return { ...page, objects: page.objects.map(object => ({ ...object, sizeBytes: plainSize(cipher, object.key, object.sizeBytes) })) }
}

function plainSize(cipher: Cipher | undefined, key: string, sizeBytes: number): number {
  return cipher === undefined || isPack(key) || key === STORE_INFO_KEY ? sizeBytes : Math.max(0, sizeBytes - SEAL_BYTES)
}

/** A local store with a coding: its objects are encrypted if that says so, all but packs, which see to it themselves. What is read of an object is all of it, but of packs. */
export class SealedStore extends AsyncLocal {
  readonly description: string
  readonly coding: Coding
  readonly logs?: StoreLogs
  readonly isAlone?: () => boolean
  readonly settleSync?: () => void
  readonly #store: LocalStore

  constructor(store: LocalStore, coding: Coding) {
    super()
    this.#store = store
    this.coding = coding
    this.description = store.description
    if (store.logs !== undefined) this.logs = store.logs
    if (store.isAlone !== undefined) this.isAlone = () => store.isAlone?.() === true
    if (store.settleSync !== undefined) this.settleSync = () => store.settleSync?.()
  }

  getSync(key: string, options?: GetOptions): StoredObject | undefined {
    return openedObject(this.coding.cipher, key, this.#store.getSync(key, options))
  }

  readSync(key: string, offset: number, into: Uint8Array, at: number, length: number): number {
    return this.#store.readSync(key, offset, into, at, length)
  }

  putSync(key: string, bytes: Uint8Array, options?: PutOptions): { version: string } {
    return this.#store.putSync(key, sealedObject(this.coding.cipher, key, bytes), options)
  }

  putAllSync(puts: readonly Put[]): string[] {
    return this.#store.putAllSync(puts.map(put => ({ ...put, bytes: sealedObject(this.coding.cipher, put.key, put.bytes) })))
  }

  headSync(key: string): ObjectInfo | undefined {
    return plainInfo(this.coding.cipher, key, this.#store.headSync(key))
  }

  listSync(prefix: string, cursor?: string): ListPage {
    return plainPage(this.coding.cipher, this.#store.listSync(prefix, cursor))
  }

  deleteSync(keys: readonly string[]): void {
    this.#store.deleteSync(keys)
  }

  adoptSync(key: string, path: string): void {
    this.#store.adoptSync(key, path)
  }

  forgetRemoved(): void {
    this.#store.forgetRemoved()
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

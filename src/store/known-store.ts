import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeSmall, encodeSmall } from './small-object.js'
import { decodeStoreInfo, encodeStoreInfo, type StoreInfo } from './store-info.js'
import { makeFolder } from './sync-folder.js'
import type { KeySource } from './user-key.js'
import { writeFileDurably } from './write-durably.js'

const FORMAT = 1
const FILE = 'known'

/** What a home remembers of a store, so that it opens while that is out of reach. Of a key only where it comes from. */
export interface KnownStore {
  info: StoreInfo
  key?: Extract<KeySource, { file: string } | { command: string }>
}

/** @param folder this host's for the store @throws CorruptError; CairnError ERR_FORMAT */
export function readKnown(folder: string): KnownStore | undefined {
  const path = join(folder, FILE)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const { store, key } = decodeSmall(bytes, path, FORMAT)
  return { info: decodeStoreInfo(Buffer.from(String(store)), path), ...(key === undefined ? {} : { key: key as KnownStore['key'] }) }
}

/** Writes it where it is not what is remembered already. */
export function keepKnown(folder: string, { info, key }: KnownStore, before?: KnownStore): void {
  if (before !== undefined && JSON.stringify(before) === JSON.stringify({ info, ...(key === undefined ? {} : { key }) })) return
  makeFolder(folder)
  const store = encodeStoreInfo(info).toString('utf8')
  writeFileDurably(join(folder, FILE), encodeSmall(FORMAT, { store, ...(key === undefined ? {} : { key }) }))
}

import { RelocationIndex } from '../codec/relocation.js'
import { CairnError, CorruptError } from '../errors.js'
import type { LocalStore } from './contract.js'
import { decodeSmall, encodeSmall } from './small-object.js'

/** The store's gc record: who collects, and where repacked segments went (docs/format-packs.md, "Collection"). */
export const GC_RECORD_KEY = 'gc/record'
export const RELOCATIONS_PREFIX = 'gc/relocations/'
const FORMAT = 1

export interface GcRecord {
  /** Raised by each collection, so that one that stalled can change the record no more. */
  epoch: number
  /** Key of the relocation index; empty while nothing has moved. */
  relocations: string
  /** What the next change of it must match; undefined when there is no record yet. */
  version: string | undefined
}

/** @throws CorruptError; CairnError ERR_FORMAT */
export function readGcRecord(store: LocalStore): GcRecord {
  const found = store.getSync(GC_RECORD_KEY)
  if (found === undefined) return { epoch: 0, relocations: '', version: undefined }
  const { epoch, relocations } = decodeSmall(found.bytes, GC_RECORD_KEY, FORMAT)
  if (!Number.isSafeInteger(epoch) || typeof relocations !== 'string') throw new CorruptError(GC_RECORD_KEY, 'its members are not right')
  return { epoch: epoch as number, relocations, version: found.version }
}

/** Changes the record by compare-and-swap; undefined when another collector was faster. */
export function swapGcRecord(store: LocalStore, before: GcRecord, after: { epoch: number; relocations: string }): GcRecord | undefined {
  try {
    const condition = before.version === undefined ? { ifAbsent: true } : { ifMatch: before.version }
    return { ...after, version: store.putSync(GC_RECORD_KEY, encodeSmall(FORMAT, after), condition).version }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_PRECONDITION') return undefined
    throw error
  }
}

/** The index that a record names. @throws CorruptError when it is missing or does not verify */
export function readRelocations(store: LocalStore, key: string): RelocationIndex | undefined {
  if (key === '') return undefined
  const found = store.getSync(key)
  const index = found === undefined ? undefined : RelocationIndex.decode(found.bytes)
  if (index === undefined) throw new CorruptError(key, found === undefined ? 'the relocation index is missing' : 'the relocation index does not verify')
  return index
}

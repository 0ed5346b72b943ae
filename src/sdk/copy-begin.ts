import type { BundleHeader } from '../codec/bundle.js'
import { CairnError } from '../errors.js'
import { KnownBlocks } from '../history/bundle/known-blocks.js'
import type { Pool } from '../volume/pool.js'
import type { StagedVolume } from '../volume/staging.js'
import type { CopyRecord } from './copies.js'

/** What a killed process may have under way still is not met again. */
const PACKS_BETWEEN = 1024

/** A volume that a copy goes into, and what the store has of it. */
export interface BegunCopy {
  staged: StagedVolume
  blocks: KnownBlocks
  /** Number of the first pack. */
  firstPack: number
  /** What it leaves when it breaks off is worth something. */
  isResumed: boolean
}

/**
 * Goes on with the copy that broke off last, else begins one that shares what the last whole one has, where that is there still; else a new one.
 * @param folder on this host, for what goes with the copy
 * @throws what the store says
 */
export function beginCopy(pool: Pool, folder: string, header: Omit<BundleHeader, 'format'>, record: CopyRecord | undefined): BegunCopy {
  const blocks = new KnownBlocks(pool.context, folder)
  try {
    const { begun, made } = record?.last ?? {}
    const resumed = begun === undefined ? undefined : unlessOvertaken(() => pool.restage(begun, header.arenas))
    const staged = resumed ?? beside(pool, header, made) ?? pool.stage({ dirHashKey: header.dirHashKey, arenaFloor: header.arenas })
    // Only where packs are stored while others are made.
    if (pool.context.store.waitsHere !== undefined) record?.set({ begun: staged.id, ...(made === undefined ? {} : { made }) })
    const newest = resumed === undefined ? 0 : blocks.addPacks(staged.id)
    blocks.addNamed(staged.named)
    return { staged, blocks, firstPack: resumed === undefined ? 1 : newest + PACKS_BETWEEN, isResumed: resumed !== undefined }
  } catch (error) {
    blocks.close()
    throw error
  }
}

/** As a fork of the last copy: what that names stays there until the new one names it. */
function beside(pool: Pool, { dirHashKey, arenas }: Omit<BundleHeader, 'format'>, made: string | undefined): StagedVolume | undefined {
  const base = made === undefined ? undefined : pool.head(made)
  if (base === undefined) return undefined
  const { root, history, deletedMs, pending } = base.value
  if (base.value.dirHashKey !== dirHashKey || deletedMs !== undefined || pending === true) return undefined
  return unlessOvertaken(() => pool.stage({ dirHashKey, arenaFloor: arenas, root, history }, base))
}

/** Undefined when somebody else changes it at this moment. */
function unlessOvertaken<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof CairnError && (error.code === 'ERR_FENCED' || error.code === 'ERR_CONFLICT')) return undefined
    throw error
  }
}

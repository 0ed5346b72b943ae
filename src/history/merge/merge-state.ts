import type { BTree } from '../../tree/index.js'
import { type WaitingMerge as Stored, storedMerge } from '../../volume/waiting-merge.js'
import type { MergeConflict } from './types.js'

export { waitingItems } from '../../volume/waiting-merge.js'

export type WaitingMerge = Stored<MergeConflict>

/** The merge that waits in this volume. */
export function waitingMerge(history: BTree, volumeId: string): WaitingMerge | undefined {
  return storedMerge(history, volumeId) as WaitingMerge | undefined
}

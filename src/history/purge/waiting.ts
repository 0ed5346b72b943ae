import type { BTree } from '../../tree/index.js'
import type { HistoryItem } from '../../volume/incarnations.js'
import { readMerge, waitingItems } from '../../volume/waiting-merge.js'
import type { MergeConflict } from '../merge/types.js'

/** Paths beside which a merge that waits in the volume put the fork's state of what is purged; as users see them. */
export function besides(history: BTree, volumeId: string, isPurged: (path: string) => boolean): string[] {
  const waiting = readMerge<MergeConflict>(history)
  if (waiting?.volume !== volumeId) return []
  return waiting.conflicts.flatMap(({ path, beside }) => (beside !== undefined && isPurged(path) && !isPurged(beside) ? [beside] : []))
}

/**
 * What takes the names out of the record of a merge that waits: there is nothing left to decide. A record that a fork carries from where
 * it was made from is meant for nobody, and goes.
 */
export function redactedMerge(history: BTree, volumeId: string, isPurged: (path: string) => boolean): HistoryItem[] {
  const waiting = readMerge<MergeConflict>(history)
  if (waiting === undefined) return []
  if (waiting.volume !== volumeId) return waitingItems(history, undefined)
  const conflicts = waiting.conflicts.filter(({ path, beside }) => !isPurged(path) && !(beside !== undefined && isPurged(beside)))
  const redacted = conflicts.map(({ ours, theirs, ...conflict }) => ({ ...conflict, ours: side(ours, isPurged), theirs: side(theirs, isPurged) }))
  return waitingItems(history, { ...waiting, conflicts: redacted })
}

function side({ state, path }: MergeConflict['ours'], isPurged: (path: string) => boolean): MergeConflict['ours'] {
  return { state, ...(path === undefined || isPurged(path) ? {} : { path }) }
}

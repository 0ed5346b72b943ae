import type { Head } from '../codec/head.js'
import { type CommitRecord, commitIdBound, commitKey, encodeCommit, MAX_KEY_BYTES } from '../codec/index.js'
import type { HistoryItem } from './incarnations.js'
import type { Volume } from './volume.js'

/**
 * The commit that a fork of what a reader shows begins with: the newest one where that is what is shown, else one that nobody has, of what was published since.
 * Its time is by the clocks of those who wrote the volume: what they purge afterwards is later.
 */
export function firstCommit(volume: Volume): { id: string; first?: NonNullable<Head['first']> } {
  const { root, inodes, bytes, createdMs } = volume.head.value
  const first = volume.unsavedFirst
  const newest = volume.history.newest()
  if (newest !== undefined && newest.root === root) return { id: newest.id, ...(first === undefined ? {} : { first }) }
  const made = volume.history.unrecorded({ kind: 'auto', root, inodes, bytes, nextIno: volume.state.nextIno }, createdMs)
  return { id: made.id, first: made }
}

/** The record of a commit in a history tree. */
export function commitItem(id: string, commit: CommitRecord): Required<HistoryItem> {
  const bytes = commitIdBound(id, false)
  if (bytes === undefined) throw new Error(`invariant broken: ${id} is the id of a commit`)
  const K = Buffer.alloc(MAX_KEY_BYTES)
  return { key: Buffer.from(K.subarray(0, commitKey(K, bytes))), value: encodeCommit(commit) }
}

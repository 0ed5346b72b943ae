import { type CommitRecord, commitIdText, decodeCommit, getIno, PREFIX_BYTES, pastNameEnd, SEQUENCE_BYTES, Tag } from '../codec/index.js'

/** A commit as the history tree has it. */
export interface StoredCommit {
  id: string
  record: CommitRecord
}

export function commitOf(key: Uint8Array, value: Uint8Array): StoredCommit {
  return { id: commitIdText(key.subarray(1)), record: decodeCommit(value, 0, value.length) }
}

/** When a version, or what a name meant, stopped being current, in microseconds. 0 for other keys. */
export function endOf(key: Uint8Array): number {
  const at = key[0] === Tag.version || key[0] === Tag.prunedState ? PREFIX_BYTES : key[0] === Tag.pastName ? pastNameEnd(key, 0, key.length) + 1 : key.length
  return at + SEQUENCE_BYTES > key.length ? 0 : getIno(key, at)
}

import { type CommitRecord, commitIdText, decodeCommit, getIno, PREFIX_BYTES } from '../codec/index.js'

/** A commit as the history tree has it. */
export interface StoredCommit {
  id: string
  record: CommitRecord
}

export function commitOf(key: Uint8Array, value: Uint8Array): StoredCommit {
  return { id: commitIdText(key.subarray(1)), record: decodeCommit(value, 0, value.length) }
}

/** When the state of a version stopped being current, in microseconds: it stands behind the NUL that ends the name. 0 for other keys. */
export function versionSequence(key: Uint8Array): number {
  const end = key.indexOf(0, PREFIX_BYTES)
  return end < 0 || end + 8 > key.length ? 0 : getIno(key, end + 1)
}

import { MAX_KEY_BYTES } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import { type BTree, diff } from '../tree/index.js'
import type { TreeChanges } from './tree-changes.js'

/**
 * Notes how what is published now differs from what a reader saw before. Where pages of that are gone from the store, collected since, all that there is now
 * counts as changed: whoever caches must ask again.
 * @throws CorruptError when the new state cannot be read
 */
export function noteDifferences(before: BTree, now: BTree, changes: TreeChanges): void {
  try {
    diff(before, now, (key, was, is) => changes.note(key, was, is))
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    noteAll(now, changes)
  }
}

function noteAll(tree: BTree, changes: TreeChanges): void {
  const cursor = tree.cursor()
  const key = Buffer.alloc(MAX_KEY_BYTES)
  for (let more = cursor.seek(key, 0); more; more = cursor.next()) {
    changes.note(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl), undefined, cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
  }
}

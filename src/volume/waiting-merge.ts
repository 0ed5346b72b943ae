import { inodeKey, PREFIX_BYTES, Tag } from '../codec/index.js'
import { limits } from '../sys/index.js'
import type { BTree } from '../tree/index.js'
import type { VolumeStatus } from './api.js'
import type { HistoryItem } from './incarnations.js'

/**
 * A merge that waits for its conflicts to be resolved: JSON in the history tree, cut into values of `limits.valueBytes` under
 * `1a | number`. It is written in the batch that puts the conflicts into the files, and goes in the one that ends the merge.
 */
export interface WaitingMerge<Conflict = unknown> {
  operation: 'merge' | 'rebase'
  /** The volume it waits in; a fork of that volume carries the record and is not meant. */
  volume: string
  /** The other volume, by the name it had. */
  other: string
  /** What conflict markers call the two sides. */
  labels: { ours: string; theirs: string }
  /** Commit that both come from. */
  base: string
  /** Commit of the other volume. */
  theirs: string
  /** Commit to go back to. */
  before: string
  conflicts: Conflict[]
}

/** What `status` says of it. */
export function mergeStatus(history: BTree, volumeId: string): Pick<VolumeStatus, 'merge'> {
  const waiting = storedMerge(history, volumeId)
  if (waiting === undefined) return {}
  const { operation, other, conflicts } = waiting
  return { merge: { operation, other, conflicts: conflicts.length } }
}

function keyOf(chunk: number): Buffer {
  const key = Buffer.alloc(PREFIX_BYTES)
  inodeKey(key, Tag.merge, chunk)
  return key
}

/** The merge that waits in this volume. */
export function storedMerge(history: BTree, volumeId: string): WaitingMerge | undefined {
  const found = readMerge(history)
  return found?.volume === volumeId ? found : undefined
}

/** The record that the history has, also when it waits in the volume that this one was forked from. */
export function readMerge<Conflict>(history: BTree): WaitingMerge<Conflict> | undefined {
  const parts: Buffer[] = []
  for (let chunk = 0; ; chunk++) {
    const key = keyOf(chunk)
    if (!history.get(key, key.length)) break
    parts.push(Buffer.from(history.vb.subarray(history.vp, history.vp + history.vl)))
  }
  if (parts.length === 0) return undefined
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as WaitingMerge<Conflict>
}

/** What makes `merge` wait; without one, what ends the waiting. */
export function waitingItems(history: BTree, merge: WaitingMerge | undefined): HistoryItem[] {
  const items: HistoryItem[] = []
  const bytes = merge === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(merge), 'utf8')
  let chunk = 0
  for (let at = 0; at < bytes.length; at += limits.valueBytes) items.push({ key: keyOf(chunk++), value: bytes.subarray(at, at + limits.valueBytes) })
  for (let key = keyOf(chunk); history.get(key, key.length); key = keyOf(++chunk)) items.push({ key })
  return items
}

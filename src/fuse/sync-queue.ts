import { limits } from '../sys/index.js'

/**
 * The queue between a loop and its sync thread, in shared memory: counters, then slots of
 * `mount fd | id high | id low | result | count | descriptors`.
 */
export const Counter = { pushed: 0, done: 1, rounds: 2, closed: 3 } as const
export const Slot = { mountFd: 0, uniqueHigh: 1, uniqueLow: 2, result: 3, count: 4, fds: 5 } as const

const FIRST_SLOT = 16
const SLOT_WORDS = 16
/** More descriptors than this are synced inline. */
export const MAX_SYNC_FDS = SLOT_WORDS - Slot.fds

export const SYNC_QUEUE_BYTES = (FIRST_SLOT + limits.syncQueue * SLOT_WORDS) * 4

/** First word of the slot that belongs to a position. */
export function slotAt(position: number): number {
  return FIRST_SLOT + ((position >>> 0) % limits.syncQueue) * SLOT_WORDS
}

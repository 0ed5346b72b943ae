import type { FileSystemApi } from '../fs/filesystem.js'
import * as libc from '../sys/libc.js'
import { SYNC_LATER } from './handler.js'
import type { SyncThread } from './sync-thread.js'

/** What a session offers to be synced on another thread. */
export interface SyncSource {
  /** Descriptors to fdatasync, in this order, to make everything committed so far durable; empty when it is. */
  syncTargets(): readonly number[]
  /** Called on the loop's thread when that succeeded or failed; tells the session what is durable now. */
  synced?(sequence: number, errno: number): void
  /** Of the last commit. */
  readonly sequence?: number
}

/**
 * The `sync` hook of a mount's handler: inline for a process that is alone on the mount, because handing over to a thread
 * costs more than it saves; else on the sync thread, where those who wait share one sync, and nobody else waits.
 * Inline whenever nothing is queued is worse: each such sync makes a queue (bench/experiments/RESULTS.md).
 */
export function syncPolicy(mountFd: number, thread: SyncThread): (uniqueHigh: number, uniqueLow: number, fs: FileSystemApi, alone: boolean) => number {
  const poll = Buffer.alloc(libc.POLLFD_BYTES)
  poll.writeInt32LE(mountFd, 0)
  poll.writeInt16LE(libc.POLLIN, 4)
  return (uniqueHigh, uniqueLow, fs, alone) => {
    const { session } = fs
    if (!offersTargets(session) || (alone && libc.poll(poll, 1, 0) <= 0)) return session.syncNow()
    const targets = session.syncTargets()
    const sequence = session.sequence ?? 0
    if (!thread.defer(mountFd, uniqueHigh, uniqueLow, targets, errno => session.synced?.(sequence, errno))) return session.syncNow()
    return SYNC_LATER
  }
}

function offersTargets(session: object): session is FileSystemApi['session'] & SyncSource {
  return 'syncTargets' in session
}

import type { FileSystemApi } from '../fs/filesystem.js'
import * as libc from '../sys/libc.js'
import { SYNC_LATER } from './handler.js'
import { OUT_HEADER_BYTES } from './protocol.js'
import type { SyncThread } from './sync-thread.js'

/** What a session offers to be synced on another thread. */
export interface SyncSource {
  /** Descriptors to fdatasync, in this order, to make everything committed so far durable; empty when it is. */
  syncTargets(): readonly number[]
  /** Called on the loop's thread when that succeeded or failed; tells the session what is durable now. */
  synced?(sequence: number, errno: number): void
  /** Of the last commit. */
  readonly sequence?: number
  /** Of a volume whose commits are durable in a store that hosts share: `done` gets the outcome later. False for any other. */
  syncRemote?(done: (errno: number) => void): boolean
}

/**
 * The `sync` hook of a mount's handler: inline for a process that is alone on the mount, because handing over to a thread
 * costs more than it saves; else on the sync thread, where those who wait share one sync, and nobody else waits.
 * Inline whenever nothing is queued is worse: each such sync makes a queue (bench/experiments/RESULTS.md).
 * What waits for a store is answered when the store has answered.
 * @param isServed false when the mount has ended, and its descriptor may be another file's
 */
export function syncPolicy(
  mountFd: number,
  thread: SyncThread,
  isServed: () => boolean = () => true,
): (uniqueHigh: number, uniqueLow: number, fs: FileSystemApi, alone: boolean) => number {
  const poll = Buffer.alloc(libc.POLLFD_BYTES)
  poll.writeInt32LE(mountFd, 0)
  poll.writeInt16LE(libc.POLLIN, 4)
  return (uniqueHigh, uniqueLow, fs, alone) => {
    const { session } = fs
    if (offersTargets(session) && session.syncRemote?.(errno => isServed() && answer(mountFd, uniqueHigh, uniqueLow, errno)) === true) return SYNC_LATER
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

/** It fails only when nobody waits for it any more. */
function answer(mountFd: number, uniqueHigh: number, uniqueLow: number, errno: number): void {
  const reply = Buffer.alloc(OUT_HEADER_BYTES)
  reply.writeUInt32LE(OUT_HEADER_BYTES, 0)
  reply.writeInt32LE(errno, 4)
  reply.writeInt32LE(uniqueLow | 0, 8)
  reply.writeInt32LE(uniqueHigh | 0, 12)
  libc.write(mountFd, reply, OUT_HEADER_BYTES)
}

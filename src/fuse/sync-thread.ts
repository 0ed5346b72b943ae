import { fdatasyncSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { EIO } from '../errors.js'
import { limits } from '../sys/index.js'
import { startThread } from '../sys/threads.js'
import type { Waker } from '../sys/waker.js'
import { Counter, MAX_SYNC_FDS, Slot, SYNC_QUEUE_BYTES, slotAt } from './sync-queue.js'

type Done = (errno: number) => void

/**
 * Runs fdatasync on a thread of its own and answers FSYNC requests from there, so that a sync holds up nobody else.
 * Requests that arrive while one runs share the next. One for all mounts of a loop.
 *
 * Descriptors may be closed while they wait here, provided that whoever closes them syncs them first.
 */
export class SyncThread {
  readonly #words = new Int32Array(new SharedArrayBuffer(SYNC_QUEUE_BYTES))
  readonly #callbacks: (Done | undefined)[] = new Array(limits.syncQueue).fill(undefined)
  readonly #worker: Worker
  /** Position of the first request whose callback has not run. */
  #drained = 0

  /** @param waker of the loop, woken when callbacks are due: it then calls `drain` */
  constructor(waker: Waker) {
    this.#worker = startThread('fuse/sync-worker', { workerData: { queue: this.#words.buffer, waker: waker.handle } })
    this.#worker.unref()
  }

  /** How many times descriptors were synced. */
  get rounds(): number {
    return Atomics.load(this.#words, Counter.rounds)
  }

  /**
   * Syncs `fds` in this order, then answers the request with this id on the mount `mountFd`: 0 or the error.
   * @param done then runs on the loop's thread, in `drain`
   * @returns false when the queue is full or there are too many descriptors: sync inline
   */
  defer(mountFd: number, uniqueHigh: number, uniqueLow: number, fds: readonly number[], done?: Done): boolean {
    const words = this.#words
    const position = words[Counter.pushed]
    if (fds.length > MAX_SYNC_FDS) return false
    if (((position - this.#drained) | 0) >= limits.syncQueue) this.drain()
    if (((position - this.#drained) | 0) >= limits.syncQueue) return false
    const slot = slotAt(position)
    words[slot + Slot.mountFd] = mountFd
    words[slot + Slot.uniqueHigh] = uniqueHigh
    words[slot + Slot.uniqueLow] = uniqueLow
    words[slot + Slot.count] = fds.length
    for (let i = 0; i < fds.length; i++) words[slot + Slot.fds + i] = fds[i]
    this.#callbacks[(position >>> 0) % limits.syncQueue] = done
    Atomics.store(words, Counter.pushed, (position + 1) | 0)
    Atomics.notify(words, Counter.pushed)
    return true
  }

  /** Syncs without a request to answer; the shape that a volume's durability wants. Runs in place when the queue is full. */
  request(fds: readonly number[], done: Done): void {
    if (!this.defer(-1, 0, 0, fds, done)) this.#inline(fds, done)
  }

  #inline(fds: readonly number[], done: Done): void {
    let result = 0
    for (const fd of fds) {
      try {
        fdatasyncSync(fd)
      } catch (error) {
        result = (error as NodeJS.ErrnoException).errno ?? -EIO
      }
    }
    done(result)
  }

  /** Runs the callbacks of what is done. On the loop's thread, from `onWake`. */
  drain(): void {
    const words = this.#words
    const done = Atomics.load(words, Counter.done)
    while (this.#drained !== done) {
      const at = (this.#drained >>> 0) % limits.syncQueue
      const callback = this.#callbacks[at]
      this.#callbacks[at] = undefined
      const result = words[slotAt(this.#drained) + Slot.result]
      this.#drained = (this.#drained + 1) | 0
      callback?.(result)
    }
  }

  /** Ends the thread; what waits is not answered. */
  close(): void {
    Atomics.store(this.#words, Counter.closed, 1)
    Atomics.add(this.#words, Counter.pushed, 1)
    Atomics.notify(this.#words, Counter.pushed)
  }
}

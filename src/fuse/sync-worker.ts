/** The thread of `SyncThread`: takes all that waits, syncs each set of descriptors once, answers everybody who waited for it. */
import { fdatasyncSync } from 'node:fs'
import { EBADF, EIO } from '../errors.js'
import * as libc from '../sys/libc.js'
import { workerData } from '../sys/threads.js'
import { Waker, type WakerHandle } from '../sys/waker.js'
import { OUT_HEADER_BYTES } from './protocol.js'
import { Counter, Slot, slotAt } from './sync-queue.js'

const { queue, waker: wakerHandle } = workerData as { queue: SharedArrayBuffer; waker: WakerHandle }
const words = new Int32Array(queue)
const waker = new Waker(wakerHandle)
const reply = Buffer.alloc(OUT_HEADER_BYTES)

for (;;) {
  const done = Atomics.load(words, Counter.done)
  Atomics.wait(words, Counter.pushed, done)
  if (Atomics.load(words, Counter.closed) !== 0) break
  serve(done, Atomics.load(words, Counter.pushed))
}

function serve(from: number, to: number): void {
  const finished = new Map<string, number>()
  for (let position = from; position !== to; position = (position + 1) | 0) {
    const slot = slotAt(position)
    const fds = words.subarray(slot + Slot.fds, slot + Slot.fds + words[slot + Slot.count])
    const key = fds.join()
    const result = finished.get(key) ?? syncAll(fds)
    finished.set(key, result)
    words[slot + Slot.result] = result
    answer(slot, result)
  }
  Atomics.store(words, Counter.done, to)
  waker.wake()
}

/** Whoever closes one of the descriptors syncs it first, so that EBADF is no failure. */
function syncAll(fds: Int32Array): number {
  Atomics.add(words, Counter.rounds, 1)
  for (const fd of fds) {
    try {
      fdatasyncSync(fd)
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).errno ?? -EIO
      if (errno !== -EBADF) return errno
    }
  }
  return 0
}

function answer(slot: number, result: number): void {
  if (words[slot + Slot.mountFd] < 0) return
  reply.writeUInt32LE(OUT_HEADER_BYTES, 0)
  reply.writeInt32LE(result, 4)
  reply.writeInt32LE(words[slot + Slot.uniqueLow], 8)
  reply.writeInt32LE(words[slot + Slot.uniqueHigh], 12)
  // It fails only when nobody waits for it any more.
  libc.write(words[slot + Slot.mountFd], reply, OUT_HEADER_BYTES)
}

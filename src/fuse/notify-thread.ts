/** The thread of `Notifier`. */
import { writeSync } from 'node:fs'
import { parentPort, workerData } from '../sys/threads.js'

const WRITTEN = 1
const counts = new Int32Array((workerData as { counts: SharedArrayBuffer }).counts)

parentPort?.on('message', (message: { fd: number; bytes: Uint8Array }) => {
  try {
    writeSync(message.fd, message.bytes)
  } catch {
    // ENOENT: the kernel does not know the inode or name, so that there is nothing to forget. ENODEV, EBADF: the mount is gone.
  }
  Atomics.add(counts, WRITTEN, 1)
  Atomics.notify(counts, WRITTEN)
})

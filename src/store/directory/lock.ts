import { closeSync, openSync } from 'node:fs'
import { CairnError, EAGAIN, EINTR, posixError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { flock, LOCK_EX, LOCK_NB, LOCK_UN } from '../../sys/libc.js'

const FIRST_WAIT_MS = 0.1
const LONGEST_WAIT_MS = 5
const pause = new Int32Array(new SharedArrayBuffer(4))

/**
 * The lock under which objects of a directory are compared and swapped, replaced or removed. Held for a few system calls.
 *
 * It is flock(2) on a file that is never removed. The kernel grants it to one open file description at a time, whatever the
 * process, thread or container, and drops it when the holder dies: no age, process id or host name has to be guessed, and a crash
 * wedges nothing. NFS (Linux, v3 with lockd and v4) passes it to the server, so that it holds between hosts on a shared disk.
 */
export class StoreLock {
  readonly #path: string
  #fd = -1
  #held = false

  constructor(path: string) {
    this.#path = path
  }

  /** @throws CairnError ERR_STORE_BUSY when another process keeps it for longer than `limits.storeLockMs` */
  hold<T>(work: () => T): T {
    if (this.#held) return work()
    if (this.#fd < 0) this.#fd = openSync(this.#path, 'a+', 0o600)
    takeLock(this.#fd, this.#path)
    this.#held = true
    try {
      return work()
    } finally {
      this.#held = false
      flock(this.#fd, LOCK_UN)
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}

/** Waits for the lock of an open file. @throws CairnError ERR_STORE_BUSY when another process keeps it for longer than `limits.storeLockMs` */
export function takeLock(fd: number, path: string): void {
  const deadline = systemClock.monotonic() + limits.storeLockMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const result = flock(fd, LOCK_EX | LOCK_NB)
    if (result === 0) return
    if (result === -EINTR) continue
    if (result !== -EAGAIN) throw noLocks(path, result)
    if (systemClock.monotonic() > deadline)
      throw new CairnError(
        'ERR_STORE_BUSY',
        `Another process keeps ${path} locked.`,
        'Look for a stopped process that uses the store, and let it go on or end it.',
        { retry: 'same-call' },
      )
    // A holder has a few system calls to go; blocking in flock itself could not be given up.
    Atomics.wait(pause, 0, 0, waitMs)
  }
}

function noLocks(path: string, result: number): CairnError {
  return new CairnError('ERR_STORE_LOCK', `${path} cannot be locked.`, 'Put the store on a filesystem with working locks (flock).', {
    cause: posixError(-result, 'flock', path),
  })
}

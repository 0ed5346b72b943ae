import { closeSync, constants, ftruncateSync, openSync, write as writeWithCallback } from 'node:fs'
import { promisify } from 'node:util'
import { ALIGNED_BYTES, isAligned } from '../../sys/aligned.js'
import { limits, systemClock } from '../../sys/index.js'

const write = promisify(writeWithCallback)

/** Smaller files cost more by waiting for the disk than by their pages. */
const LEAST_BYTES = 1024 * 1024

/**
 * Writes large files past the page cache, while the thread goes on: a stream fills memory with pages that nobody reads, and where a virtual machine gets memory
 * that it has not used before, each of them costs five times what copying costs. A disk that refuses, is slow, or has enough to do is left to the page cache.
 */
export class DirectWrites {
  #isRefused = constants.O_DIRECT === undefined
  #slowUntilMs = 0
  #running = 0
  readonly #waiting: Array<() => void> = []

  /**
   * Writes `bytes` as all that a file has.
   * @param path of a file that is there
   * @param bytes they stay as they are until this is done
   * @returns false where the file is to be written another way: then some of it may be written
   * @throws a Node error
   */
  async write(path: string, bytes: Uint8Array): Promise<boolean> {
    if (!this.#takes(bytes) || this.#waiting.length >= limits.cacheDirectWaiting) return false
    await this.#turn()
    try {
      // Those before it may have found the disk slow.
      return this.#takes(bytes) && (await this.#timed(path, bytes))
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  #takes(bytes: Uint8Array): boolean {
    if (this.#isRefused || bytes.length < LEAST_BYTES || systemClock.monotonic() < this.#slowUntilMs) return false
    return bytes.byteOffset + roundedUp(bytes.length) <= bytes.buffer.byteLength && isAligned(bytes)
  }

  async #turn(): Promise<void> {
    if (this.#running >= limits.cacheDirectWrites) await new Promise<void>(go => this.#waiting.push(go))
    this.#running++
  }

  async #timed(path: string, bytes: Uint8Array): Promise<boolean> {
    const start = systemClock.monotonic()
    try {
      await writeDirect(path, bytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
      this.#isRefused = true
      return false
    }
    const end = systemClock.monotonic()
    if (end - start > limits.cacheDirectMs) this.#slowUntilMs = end + limits.cacheDirectPauseMs
    return true
  }
}

/** Whole blocks are written, then what is too much is cut off. */
async function writeDirect(path: string, bytes: Uint8Array): Promise<void> {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_DIRECT)
  try {
    const whole = new Uint8Array(bytes.buffer, bytes.byteOffset, roundedUp(bytes.length))
    for (let done = 0; done < whole.length; ) {
      const { bytesWritten } = await write(fd, whole, done, whole.length - done, done)
      // A disk that is full takes a part, and what is behind it is not aligned any more.
      if (bytesWritten === 0 || bytesWritten % ALIGNED_BYTES !== 0) throw Object.assign(new Error('the disk takes no more'), { code: 'ENOSPC' })
      done += bytesWritten
    }
    if (whole.length > bytes.length) ftruncateSync(fd, bytes.length)
  } finally {
    closeSync(fd)
  }
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNED_BYTES) * ALIGNED_BYTES
}

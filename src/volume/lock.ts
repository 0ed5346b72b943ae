import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { CairnError, errnoName } from '../errors.js'
import { flock, LOCK_EX, LOCK_NB, LOCK_SH } from '../sys/libc.js'

const PID_WIDTH = 10

/** A lock that dies with its process: flock(2) on a file that names the holder. */
export class FileLock {
  /** Paths of those that this thread has. */
  static readonly #held = new Set<string>()
  readonly #path: string
  readonly #fd: number

  private constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
    FileLock.#held.add(path)
  }

  /** @returns the lock, or the holder's pid (0 when it did not say, or not yet) */
  static tryAcquire(path: string): FileLock | number {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    const result = flock(fd, LOCK_EX | LOCK_NB)
    if (result === 0) {
      sign(fd)
      return new FileLock(path, fd)
    }
    closeSync(fd)
    if (errnoName(-result) !== 'EAGAIN')
      throw new CairnError('ERR_LOCK', `${path} could not be locked: ${errnoName(-result)}.`, 'Put CAIRN_HOME on a local file system that has locks.')
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10) || 0
    // Of who had it before, as long as the next one has not signed.
    return pid === process.pid && !FileLock.#held.has(path) ? 0 : pid
  }

  /** True while some process has the lock. Takes it together with nobody for a moment, so that it is free again before this returns. */
  static isHeld(path: string): boolean {
    let fd: number
    try {
      fd = openSync(path, constants.O_RDONLY)
    } catch {
      return false
    }
    const result = flock(fd, LOCK_SH | LOCK_NB)
    closeSync(fd)
    return result !== 0
  }

  release(): void {
    FileLock.#held.delete(this.#path)
    closeSync(this.#fd)
  }
}

/** Always as long, so that nothing of a longer pid stays behind. On a full disk the lock holds without. */
function sign(fd: number): void {
  try {
    writeSync(fd, `${String(process.pid).padEnd(PID_WIDTH)}\n`, 0)
  } catch {
    // Who asks for the holder hears of an unknown one.
  }
}

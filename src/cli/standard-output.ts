import { fstatSync, writeSync } from 'node:fs'
import type { Sink } from './output.js'

/** Device number of /dev/null. */
const NULL_DEVICE = 0x103

/**
 * Descriptor 1 or 2 of this process. To files, pipes and sockets it writes by itself: making Node's stream takes 4 ms, and on Linux that one writes
 * to these at once, too. For terminals, and where a pipe that does not block is full, it is Node's stream.
 */
export class StandardOutput implements Sink {
  readonly #fd: 1 | 2
  readonly #onError: (error: NodeJS.ErrnoException) => void
  #stream: NodeJS.WriteStream | undefined

  constructor(fd: 1 | 2, onError: (error: NodeJS.ErrnoException) => void) {
    this.#fd = fd
    this.#onError = onError
    if (isTerminal(fd)) this.#useStream()
  }

  get isTTY(): boolean {
    return this.#stream?.isTTY === true
  }

  get columns(): number | undefined {
    return this.#stream?.columns
  }

  /** False when `drain` comes before there is room for more. */
  write(chunk: string | Uint8Array): boolean {
    if (this.#stream !== undefined) return this.#stream.write(chunk)
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(this.#fd, bytes, at)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EINTR') continue
        if (code === 'EAGAIN') return this.#useStream().write(bytes.subarray(at))
        this.#onError(error as NodeJS.ErrnoException)
        return true
      }
    }
    return true
  }

  once(event: 'drain', listener: () => void): void {
    this.#useStream().once(event, listener)
  }

  /** Calls back when all is written. */
  finish(then: () => void): void {
    if (this.#stream === undefined) then()
    else this.#stream.write('', then)
  }

  #useStream(): NodeJS.WriteStream {
    if (this.#stream === undefined) {
      this.#stream = this.#fd === 1 ? process.stdout : process.stderr
      this.#stream.on('error', this.#onError)
    }
    return this.#stream
  }
}

function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isCharacterDevice() && stat.rdev !== NULL_DEVICE
  } catch {
    // Closed: Node's stream takes what nobody reads.
    return true
  }
}

import { closeSync, writeSync } from 'node:fs'
import * as libc from './libc.js'

/** What another thread needs to wake a loop; may be posted. */
export interface WakerHandle {
  fd: number
  shared: SharedArrayBuffer
}

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])

/** Wakes a thread that waits in poll(2), from any thread of the process. Many wakes before it looks are one. */
export class Waker {
  readonly handle: WakerHandle
  readonly #flag: Int32Array

  constructor(handle: WakerHandle = { fd: libc.eventfd(), shared: new SharedArrayBuffer(4) }) {
    this.handle = handle
    this.#flag = new Int32Array(handle.shared)
  }

  wake(): void {
    if (Atomics.exchange(this.#flag, 0, 1) === 0) writeSync(this.handle.fd, ONE)
  }

  /** True once after each wake. Costs no system call. */
  taken(): boolean {
    return Atomics.load(this.#flag, 0) !== 0 && Atomics.exchange(this.#flag, 0, 0) === 1
  }

  /** Whether `taken` would be true. */
  raised(): boolean {
    return Atomics.load(this.#flag, 0) !== 0
  }

  /** Takes the event that poll reported. */
  drain(): void {
    libc.read(this.handle.fd, scratch, 8)
  }

  close(): void {
    closeSync(this.handle.fd)
  }
}

const scratch = Buffer.alloc(8)

import { EAGAIN, EINTR, ENODEV, ENOENT, errnoName } from '../errors.js'
import { limits } from '../sys/index.js'
import * as libc from '../sys/libc.js'
import { Frame } from './frame.js'
import { HeaderWord, OUT_HEADER_BYTES } from './protocol.js'
import { Waker } from './waker.js'

/** One mount being served. */
export interface Connection {
  /** /dev/fuse, non-blocking. The loop does not close it. */
  readonly fd: number
  /** Answers the request of `length` bytes in the loop's frame: bytes of the reply, 0 for none, -1 for later. */
  readonly handler: { handle(length: number): number }
  /** The mount is gone: unmounted, or aborted. The connection was removed from the loop. */
  ended(errno: number): void
}

export interface LoopHooks {
  /** Another thread called `wake`: take its messages. */
  onWake?: () => void
  /** Background work for at most `budgetMs`; returns after how many milliseconds it wants to be called again. */
  pump?: (budgetMs: number) => number
  log?: (line: string) => void
}

/** Background work between two requests under load, and how often it is asked whether there is any. */
const BUSY_SLICE_MS = 1
const BUSY_PUMP_MS = 100

/**
 * Serves any number of mounts from one thread, without a promise: read, answer, write. `run` returns after `stop`.
 * The thread may never touch a mount that it serves.
 */
export class FuseLoop {
  readonly frame = new Frame()
  readonly waker = new Waker()
  /** Requests answered or taken so far. */
  requests = 0
  readonly #connections: Connection[] = []
  readonly #hooks: LoopHooks
  readonly #spinMs: number
  #pollSet = Buffer.alloc(libc.POLLFD_BYTES)
  #stopped = false
  #nextPump = 0

  constructor(hooks: LoopHooks = {}, options: { spinUs?: number } = {}) {
    this.#hooks = hooks
    this.#spinMs = (options.spinUs ?? limits.fuseSpinUs) / 1000
    this.#arrange()
  }

  add(connection: Connection): void {
    this.#connections.push(connection)
    this.#arrange()
  }

  remove(connection: Connection): void {
    const at = this.#connections.indexOf(connection)
    if (at < 0) return
    this.#connections.splice(at, 1)
    this.#arrange()
  }

  /** From any thread: `waker` of this loop; here: after the present request. */
  stop(): void {
    this.#stopped = true
    this.waker.wake()
  }

  /** `run` returns after the present request, so that the thread's promises have their turn; then it may be called again. On the loop's thread. */
  pause(): void {
    this.#stopped = true
  }

  run(): void {
    while (!this.#stopped) {
      if (this.waker.taken()) this.#hooks.onWake?.()
      if (this.#stopped) break
      if (this.#turn() > 0) {
        if (performance.now() >= this.#nextPump) this.#pump(BUSY_SLICE_MS)
      } else if (!this.#spin()) {
        this.#sleep()
      }
    }
    this.#stopped = false
  }

  /** Gives every connection its turn. Returns how many requests there were. */
  #turn(): number {
    let served = 0
    for (let i = 0; i < this.#connections.length; i++) served += this.#serve(this.#connections[i])
    this.requests += served
    return served
  }

  #serve(connection: Connection): number {
    const { in: into, out } = this.frame
    for (let served = 0; served < limits.fuseTurn; served++) {
      const length = libc.read(connection.fd, into, into.length)
      if (length < 0) {
        if (length !== -EAGAIN) this.#readFailed(connection, length)
        return served
      }
      const reply = connection.handler.handle(length)
      if (reply <= 0) continue
      const written = libc.write(connection.fd, out, reply)
      if (written !== reply) this.#writeFailed(connection, written, reply)
    }
    return limits.fuseTurn
  }

  /** ENOENT: the request was interrupted before it was read. */
  #readFailed(connection: Connection, errno: number): void {
    if (errno === -EINTR || errno === -ENOENT) return
    this.remove(connection)
    if (errno !== -ENODEV) this.#hooks.log?.(`a mount ended: reading its requests failed with ${errnoName(-errno)}`)
    connection.ended(errno)
  }

  /** ENOENT: the client did not wait for it. Anything else but the end of the mount is a malformed reply, and its client would wait for ever. */
  #writeFailed(connection: Connection, errno: number, length: number): void {
    if (errno === -ENOENT || errno === -EINTR || errno === -ENODEV) return
    this.#hooks.log?.(`the kernel refused a reply of ${length} bytes to request ${this.frame.in32[HeaderWord.opcode]}: ${errnoName(-errno)}`)
    const { out, out32 } = this.frame
    out32[0] = OUT_HEADER_BYTES
    out32[1] = -5
    libc.write(connection.fd, out, OUT_HEADER_BYTES)
  }

  /** Looks again for a while before it sleeps; lets a client on the same CPU run. False when nothing came. */
  #spin(): boolean {
    if (this.#spinMs === 0) return false
    const until = performance.now() + this.#spinMs
    do {
      libc.schedYield()
      if (this.#turn() > 0) return true
    } while (performance.now() < until)
    return false
  }

  /** Background work first, because requests may have made some; then waits for a request, a wake or the next background work. */
  #sleep(): void {
    const delay = this.#pump(limits.sealSliceMs)
    if (this.#stopped) return
    const timeout = delay === Infinity ? -1 : Math.ceil(delay)
    const ready = libc.poll(this.#pollSet, this.#connections.length + 1, timeout)
    if (ready > 0 && this.#pollSet.readInt16LE(6) !== 0) this.waker.drain()
  }

  /** After how many milliseconds it wants to be called again; asked only when something may have changed. */
  #pump(budgetMs: number): number {
    const pump = this.#hooks.pump
    if (pump === undefined) {
      this.#nextPump = Infinity
      return Infinity
    }
    const delay = pump(budgetMs)
    this.#nextPump = performance.now() + Math.min(delay, BUSY_PUMP_MS)
    return delay
  }

  /** struct pollfd for the waker, then for each connection. */
  #arrange(): void {
    const set = Buffer.alloc(libc.POLLFD_BYTES * (this.#connections.length + 1))
    const put = (at: number, fd: number): void => {
      set.writeInt32LE(fd, at * libc.POLLFD_BYTES)
      set.writeInt16LE(libc.POLLIN, at * libc.POLLFD_BYTES + 4)
    }
    put(0, this.waker.handle.fd)
    for (let i = 0; i < this.#connections.length; i++) put(i + 1, this.#connections[i].fd)
    this.#pollSet = set
  }
}

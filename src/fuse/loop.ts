import { EAGAIN, EINTR, ENODEV, ENOENT, errnoName, type PageMiss } from '../errors.js'
import { limits } from '../sys/index.js'
import * as libc from '../sys/libc.js'
import { Waker } from '../sys/waker.js'
import { Frame } from './frame.js'
import { Parking } from './parking.js'
import { HeaderWord, Op, OUT_HEADER_BYTES } from './protocol.js'

/** One mount being served. */
export interface Connection {
  /** /dev/fuse, non-blocking. The loop does not close it. */
  readonly fd: number
  /** Answers the request of `length` bytes in the loop's frame: bytes of the reply, 0 for none, -1 for later. */
  readonly handler: {
    handle(length: number, patient?: boolean): number
    /** Called when nobody asks for anything: does what will most likely be asked for next. False when there is nothing. */
    workAhead?(): boolean
  }
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

/** More mounts than this are asked by one poll which of them has requests: a read of one that has none costs as much. */
const ASKED_TOGETHER = 3
/** Background work between two requests under load, and how often it is asked whether there is any. */
const BUSY_SLICE_MS = 1
const BUSY_PUMP_MS = 100
/** After this many spins in a row that nobody answered only one sleep in `SPIN_RETRY` begins with one. */
const SPIN_MISSES = 3
const SPIN_RETRY = 64

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
  /** When background work wants to be called next, when it was last, and whether requests since then may have made some. */
  #nextPump = 0
  #lastPump = 0
  #served = false
  /** A connection may have more than its turn allowed. */
  #more = false
  /** Whose request was answered last. */
  #last: Connection | undefined
  #spinMisses = 0
  #spinsLeftOut = 0
  readonly #parking = new Parking()

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
    if (this.#last === connection) this.#last = undefined
    this.#parking.forget(connection)
    this.#arrange()
  }

  /** The request in the frame is made again when what it missed has come; the thread's promises and messages must have their turn for that. */
  park(connection: Connection, length: number, miss: Pick<PageMiss, 'whenHere'>): void {
    this.#parking.park(connection, this.frame.in, length, miss)
  }

  /** A client waits no longer for one that may be parked. */
  interrupt(connection: Connection, uniqueHigh: number, uniqueLow: number): void {
    const reply = this.#parking.interrupt(connection, uniqueHigh, uniqueLow)
    if (reply !== undefined) libc.write(connection.fd, reply, reply.length)
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
    // What ran between two runs may have made background work.
    this.#nextPump = 0
    while (!this.#stopped) {
      if (this.waker.taken()) {
        this.#nextPump = 0
        this.#hooks.onWake?.()
      }
      if (this.#stopped) break
      if (this.#parking.hasReady) this.#makeAgain()
      if (this.#turn() > 0 && performance.now() >= this.#pumpDue()) this.#pump(BUSY_SLICE_MS)
      if (!this.#more && !this.#parking.hasReady && !this.waker.raised() && !this.#workAhead() && !this.#spin()) this.#sleep()
    }
    this.#stopped = false
  }

  /**
   * Answers what the kernel has asked up to now. Whoever called syncfs(2) needs it: that writes dirty pages back, but waits for no answer
   * from a file system in user space.
   */
  catchUp(): void {
    for (let turns = 0; turns < limits.fuseCatchUpTurns && this.#turn() > 0; turns++);
    // What is written back is to be there, whatever it waits for.
    if (this.#parking.hurry(Op.write)) this.#makeAgain()
  }

  /** Answers what the kernel has asked through one mount up to now. Others have their turn when the loop comes to them. */
  serve(connection: Connection): void {
    this.#counted(this.#serve(connection))
  }

  /** Gives every connection its turn. Returns how many requests there were. */
  #turn(): number {
    let served = 0
    this.#more = false
    const connections = this.#connections
    const isAsked = connections.length > ASKED_TOGETHER && libc.poll(this.#pollSet, connections.length + 1, 0) >= 0 ? this.#asking() : undefined
    for (const connection of isAsked ?? connections) served += this.#serve(connection)
    return this.#counted(served)
  }

  /** Those that have something to say, as the last poll says. */
  #asking(): Connection[] {
    return this.#connections.filter((_, i) => this.#pollSet.readInt16LE((i + 1) * libc.POLLFD_BYTES + 6) !== 0)
  }

  #counted(served: number): number {
    this.requests += served
    if (served > 0) this.#served = true
    return served
  }

  #serve(connection: Connection): number {
    const { in: into } = this.frame
    for (let served = 0; served < limits.fuseTurn; served++) {
      const length = libc.read(connection.fd, into, into.length)
      if (length < 0) {
        if (length !== -EAGAIN) this.#readFailed(connection, length)
        return served
      }
      this.#last = connection
      this.#reply(connection, connection.handler.handle(length))
    }
    this.#more = true
    return limits.fuseTurn
  }

  /** For whoever asked last. */
  #workAhead(): boolean {
    return this.#last?.handler.workAhead?.() === true
  }

  #reply(connection: Connection, length: number): void {
    if (length <= 0) return
    const written = libc.write(connection.fd, this.frame.out, length)
    if (written !== length) this.#writeFailed(connection, written, length)
  }

  #makeAgain(): void {
    this.#served = true
    this.#parking.makeAgain(({ connection, request, patient }) => {
      this.frame.in32.set(request)
      this.#reply(connection, connection.handler.handle(request[HeaderWord.length], patient))
    })
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

  /**
   * Looks again for a while before it sleeps, which is sooner than being woken for a client on another CPU. One on this CPU cannot run
   * meanwhile: spins that nobody answers are left out. No sched_yield: where other programs wait for the CPU it gives them a whole slice.
   * False when nothing came.
   */
  #spin(): boolean {
    if (this.#spinMs === 0 || (this.#spinMisses >= SPIN_MISSES && ++this.#spinsLeftOut < SPIN_RETRY)) return false
    this.#spinsLeftOut = 0
    const until = performance.now() + this.#spinMs
    do {
      if (this.#turn() > 0 || this.waker.raised()) {
        this.#spinMisses = 0
        return true
      }
    } while (performance.now() < until)
    this.#spinMisses++
    return false
  }

  /** Background work that is due first; then waits for a request, a wake or the next background work. */
  #sleep(): void {
    const now = performance.now()
    if (now >= this.#pumpDue()) this.#pump(limits.sealSliceMs)
    if (this.#stopped) return
    const due = this.#pumpDue()
    const timeout = due === Infinity ? -1 : Math.max(0, Math.ceil(due - now))
    const ready = libc.poll(this.#pollSet, this.#connections.length + 1, timeout)
    if (ready > 0 && this.#pollSet.readInt16LE(6) !== 0) this.waker.drain()
  }

  /** Under load background work is not asked before each sleep. */
  #pumpDue(): number {
    return this.#served ? Math.min(this.#nextPump, this.#lastPump + BUSY_PUMP_MS) : this.#nextPump
  }

  #pump(budgetMs: number): void {
    this.#served = false
    const delay = this.#hooks.pump?.(budgetMs) ?? Infinity
    this.#lastPump = performance.now()
    this.#nextPump = this.#lastPump + delay
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

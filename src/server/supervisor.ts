/**
 * Keeps the mounts of a home alive: it holds a duplicate of every FUSE descriptor and starts the server again, with them, when it
 * dies. No code of volumes is in this process, so that there is little to die from.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, rmSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { entry } from '../sys/entry.js'
import { limits, systemClock } from '../sys/index.js'
import { close, MNT_DETACH, receiveFd, socketpair, umount2 } from '../sys/libc.js'
import { Control } from './control.js'
import { type HomePaths, writeNote } from './home.js'
import type { Log } from './log.js'
import type { MountRecord, ToServer, ToSupervisor } from './protocol.js'

interface Held {
  record: MountRecord
  fd: number
}

export class Supervisor {
  readonly #paths: HomePaths
  readonly #lockFd: number
  readonly #log: Log
  readonly #onEnd: (code: number) => void
  readonly #held = new Map<number, Held>()
  #starts: number[] = []
  #child: ChildProcess | undefined
  #control: Control<ToSupervisor, ToServer> | undefined
  #ready = false
  #bye = false
  #watch: NodeJS.Timeout | undefined

  /** @param onEnd the server ended by itself (0) or cannot be kept alive (1) */
  constructor(paths: HomePaths, lockFd: number, log: Log, onEnd: (code: number) => void) {
    this.#paths = paths
    this.#lockFd = lockFd
    this.#log = log
    this.#onEnd = onEnd
  }

  start(): void {
    this.#watch ??= setInterval(() => this.#checkHome(), limits.homeCheckMs).unref()
    const pair = socketpair()
    if (typeof pair === 'number') throw new Error(`socketpair failed with errno ${-pair}`)
    const [mine, theirs] = pair
    const held = [...this.#held.values()]
    const log = openSync(this.#paths.log, 'a', 0o600)
    const child = spawn(process.execPath, [entry('server/main'), this.#paths.home], {
      cwd: '/',
      stdio: ['ignore', log, log, 'pipe', theirs, this.#lockFd, ...held.map(mount => mount.fd)],
    })
    close(theirs)
    closeSync(log)
    this.#starts.push(systemClock.monotonic())
    this.#child = child
    this.#control = new Control<ToSupervisor, ToServer>(
      child.stdio[3] as Duplex,
      message => this.#take(message, mine),
      () => undefined,
    )
    void this.#control.send({ resume: held.map(mount => mount.record), supervisorPid: process.pid })
    // 'close' comes after the last line of the pipe was read, 'exit' may not.
    child.on('close', (code, signal) => {
      close(mine)
      this.#exited(code, signal)
    })
    child.on('error', error => this.#log.line(`could not start the server: ${error.message}`, 'error'))
    writeNote(this.#paths.supervisor, `${JSON.stringify({ pid: process.pid, serverPid: child.pid })}\n`)
  }

  /** Asks the server to unmount everything and end. */
  stop(): void {
    void this.#control?.send({ stop: true })
  }

  #take(message: ToSupervisor, passing: number): void {
    if ('hold' in message) this.#hold(message.hold, passing)
    else if ('update' in message) this.#update(message.update)
    else if ('drop' in message) this.#drop(message.drop)
    else if ('bye' in message) this.#bye = true
    else this.#ready = true
  }

  #hold(record: MountRecord, passing: number): void {
    const received = receiveFd(passing)
    if (typeof received === 'number' || received.fd < 0) this.#log.line(`the descriptor of ${record.mountpoint} did not arrive`, 'error')
    else this.#held.set(record.id, { record, fd: received.fd })
  }

  #update(record: MountRecord): void {
    const held = this.#held.get(record.id)
    if (held !== undefined) held.record = record
  }

  #drop(id: number): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    close(held.fd)
    this.#held.delete(id)
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#bye) {
      this.#end(0)
      return
    }
    this.#log.line(`the server (pid ${this.#child?.pid}) ended unexpectedly: ${signal ?? `exit code ${code}`}`, 'warn')
    const now = systemClock.monotonic()
    this.#starts = this.#starts.filter(at => now - at < limits.serverRestartWindowMs)
    if (!this.#ready && this.#held.size === 0) this.#end(1)
    else if (this.#starts.length > limits.serverRestarts) this.#giveUp()
    else this.start()
  }

  /** A home that was deleted has nothing left to serve, and one of the same name may have a server of its own: nothing in it is touched. */
  #checkHome(): void {
    if (fstatSync(this.#lockFd).nlink > 0) return
    this.#removeMounts()
    this.#child?.kill('SIGKILL')
    this.#onEnd(0)
  }

  #giveUp(): void {
    this.#log.line(
      `the server died ${this.#starts.length} times within ${limits.serverRestartWindowMs / 1000} s and is not started again; its mounts are removed`,
      'error',
    )
    this.#removeMounts()
    this.#end(1)
  }

  #removeMounts(): void {
    for (const { record, fd } of this.#held.values()) {
      umount2(record.mountpoint, MNT_DETACH)
      close(fd)
    }
  }

  #end(code: number): void {
    rmSync(this.#paths.supervisor, { force: true })
    this.#onEnd(code)
  }
}

/** Entry of the server process: `node main.js HOME`, started by the supervisor with the descriptors of `protocol.ts`. */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { Socket } from 'node:net'
import { Lines } from '../http/line-handler.js'
import { rpcListener } from '../http/rpc-handler.js'
import { systemClock } from '../sys/index.js'
import { toWire } from '../sys/wire-error.js'
import { EnginePort } from './engine-port.js'
import { claimSocketPath, type HomePaths, prepareHome, writeNote } from './home.js'
import { Keeper } from './keeper.js'
import { LinuxKernel } from './kernel.js'
import { describe, Log } from './log.js'
import { Mounts } from './mounts.js'
import { CONTROL_FD, FIRST_MOUNT_FD, type MountRecord, type ToServer } from './protocol.js'
import { Server } from './server.js'
import { version } from './version.js'

class ServerProcess {
  readonly #paths: HomePaths
  readonly #log: Log
  readonly #engine: EnginePort
  readonly #mounts: Mounts
  readonly #keeper: Keeper
  readonly #http: HttpServer
  readonly #lines: Lines
  readonly #socketPath: string
  readonly #server: Server
  #supervisorPid: number | undefined
  #ending = false
  #ready = false

  constructor(home: string) {
    this.#paths = prepareHome(home)
    this.#log = new Log(this.#paths.log, 'server')
    this.#socketPath = claimSocketPath(this.#paths)
    this.#keeper = new Keeper(
      new Socket({ fd: CONTROL_FD, readable: true, writable: true }),
      message => this.#onSupervisor(message),
      () => this.#onSupervisorLost(),
    )
    this.#engine = new EnginePort(home, {
      negotiated: (id, value) => this.#mounts.onNegotiated(id, value),
      gone: id => {
        this.#mounts.onGone(id)
        this.#server.mountsChanged()
      },
      changed: changes => this.#mounts.tell(changes),
      log: text => this.#log.line(text),
      died: error => this.#die(error),
    })
    this.#mounts = new Mounts({
      paths: this.#paths,
      engine: this.#engine,
      keeper: this.#keeper,
      kernel: new LinuxKernel(),
      // Ids of mounts are never used twice in a journal's life: seconds since the epoch only go on.
      log: line => this.#log.line(line),
      firstId: Math.floor(systemClock.now() / 1000) % 2 ** 32,
    })
    this.#server = new Server({
      home,
      engine: this.#engine,
      mounts: this.#mounts,
      supervisorPid: () => this.#supervisorPid,
      log: line => this.#log.line(line),
      onIdle: () => void this.#end(),
    })
    this.#lines = new Lines(this.#server)
    this.#http = createServer(rpcListener(this.#server)).on('upgrade', this.#lines.take)
    this.#http.requestTimeout = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#end())
    process.on('SIGHUP', () => undefined)
    process.on('uncaughtException', error => this.#die(error))
  }

  #onSupervisor(message: ToServer): void {
    if ('stop' in message) void this.#end()
    else {
      this.#supervisorPid = message.supervisorPid
      this.#start(message.resume).catch(error => this.#die(error))
    }
  }

  async #start(resume: readonly MountRecord[]): Promise<void> {
    await this.#engine.started
    await this.#mounts.resume(resume, FIRST_MOUNT_FD)
    // Whoever holds the home's lock owns the socket: one that stands there is a dead server's.
    rmSync(this.#socketPath, { force: true })
    const before = process.umask(0o177)
    await new Promise<void>((resolve, reject) => this.#http.once('error', reject).listen(this.#socketPath, resolve))
    process.umask(before)
    chmodSync(this.#socketPath, 0o600)
    writeNote(this.#paths.server, `${JSON.stringify({ pid: process.pid, version, sinceMs: Math.floor(systemClock.now()) })}\n`)
    rmSync(this.#paths.failure, { force: true })
    this.#ready = true
    this.#server.begin()
    await this.#keeper.ready()
    this.#log.line(`serves ${this.#paths.home} (cairn ${version}, ${resume.length} mounts taken over)`)
  }

  #onSupervisorLost(): void {
    if (this.#ending) return
    // It never said what is to be served, and nobody else can: the lock of the home is not to be held for nothing.
    if (this.#supervisorPid === undefined) this.#die(new Error('the supervisor ended before it said what to serve'))
    this.#supervisorPid = undefined
    this.#log.line('the supervisor is gone: mounts would not survive this process; it ends when it is idle as usual', 'warn')
  }

  /** The end that somebody wants: all is unmounted, flushed and closed. */
  async #end(): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    try {
      rmSync(this.#socketPath, { force: true })
      rmSync(this.#paths.server, { force: true })
      this.#http.close()
      this.#lines.endIdle()
      await this.#mounts.endAll()
      await this.#engine.stop()
      await this.#keeper.bye()
      this.#log.line('ended')
      process.exit(0)
    } catch (error) {
      this.#die(error)
    }
  }

  /** No way on: the supervisor starts another. Not `exit`, which would wait for the engine's thread. */
  #die(error: unknown): void {
    this.#log.line(describe(error), 'error')
    if (!this.#ready) writeNote(this.#paths.failure, `${JSON.stringify(toWire(error))}\n`)
    process.kill(process.pid, 'SIGKILL')
  }
}

new ServerProcess(process.argv[2])

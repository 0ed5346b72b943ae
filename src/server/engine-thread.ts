/** Entry of the engine's thread: the trees of all volumes and the requests of all mounts, in one synchronous loop. */
import { statfsSync } from 'node:fs'
import { isMainThread, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { FileSystem } from '../fs/index.js'
import { FuseLoop, SyncThread } from '../fuse/index.js'
import { limits } from '../sys/index.js'
import { parentPort, workerData } from '../sys/threads.js'
import { toWire } from '../sys/wire-error.js'
import { Engine } from '../volume/engine.js'
import { EngineHost } from './engine-host.js'
import type { EngineData, EngineMessage, EngineRequest, VolumeChanges } from './engine-port.js'
import { describe } from './log.js'
import { MountTable } from './mount-table.js'

/** Asked again after this when background work failed, on a full disk for instance. */
const PUMP_RETRY_MS = 1000

class EngineThread {
  readonly #port: MessagePort
  readonly #loop: FuseLoop
  readonly #sync: SyncThread
  readonly #engine: Engine
  readonly #host: EngineHost
  readonly #mounts: MountTable
  #stopping = false
  #pumpFailed = false

  constructor(port: MessagePort, home: string) {
    this.#port = port
    this.#loop = new FuseLoop({ onWake: () => this.#onWake(), pump: budgetMs => this.#pump(budgetMs), log: line => this.#say({ log: line }) })
    this.#sync = new SyncThread(this.#loop.waker)
    this.#engine = Engine.open({
      ...{ home, syncer: this.#sync, waker: this.#loop.waker.handle },
      onSettled: () => this.#loop.pause(),
      onRefreshed: () => void this.#mounts.tell('', []),
      ...ofStarter('cacheBytes', 'CAIRN_CACHE_BYTES', 0),
      ...ofStarter('refreshMs', 'CAIRN_REFRESH_MS', 1),
      ...ofStarter('backlogBytes', 'CAIRN_BACKLOG_BYTES', 1),
      log: line => this.#say({ log: line }),
    })
    const space = (): { totalBytes: number; freeBytes: number } => {
      const host = statfsSync(home)
      return { totalBytes: host.blocks * host.bsize, freeBytes: host.bavail * host.bsize }
    }
    this.#host = new EngineHost(this.#engine, {
      makeFs: (session, id) => new FileSystem(session, { keepUnlinked: ino => this.#mounts.keepsUnlinked(id, ino) }),
      space,
      volumeIdleMs: limits.volumeIdleMs,
      isMounted: id => this.#mounts.isMounted(id),
      keepsUnlinked: (id, ino) => this.#mounts.keepsUnlinked(id, ino),
      flushesInSlices: true,
      turn: () => this.#turn(),
    })
    this.#mounts = new MountTable({
      loop: this.#loop,
      sync: this.#sync,
      volumes: this.#host.volumes,
      space,
      say: message => this.#say(message),
      call: (method, ...args) => this.#host.callHere(method, args),
      takeChanges: () => this.#host.takeChanges(),
    })
    this.#say({ started: this.#loop.waker.handle })
  }

  /** Serves until `engine.stop`; between two runs of the loop promises and timers of this thread have their turn. */
  run(): void {
    this.#loop.run()
    if (this.#stopping) this.#sync.close()
    else setImmediate(() => this.run())
  }

  #onWake(): void {
    this.#sync.drain()
    // Whoever waits for a sync waits for a promise.
    this.#loop.pause()
    for (let i = 0; i < limits.rpcBurst; i++) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#take(received.message as EngineRequest)
    }
    this.#loop.waker.wake()
  }

  #take(request: EngineRequest): void {
    try {
      const result = this.#run(request)
      if (result instanceof Promise) {
        result.then(
          value => this.#answer(request.id, value),
          error => this.#fail(request.id, error),
        )
      } else this.#answer(request.id, result)
    } catch (error) {
      this.#fail(request.id, error)
    }
  }

  #run({ session, method, args }: EngineRequest): unknown {
    if (/^mount\.\w+Run$/.test(method)) return this.#host.stored(() => this.#mounts.call(method, args))
    if (method === 'mount.prepare') return this.#host.whenReached(session, method, args, () => this.#mounts.call(method, args))
    if (method.startsWith('mount.')) return this.#mounts.call(method, args)
    if (method === 'caughtUp') return this.#loop.catchUp()
    if (method === 'refresh') return this.#refresh(session, args)
    if (method === 'session.end') return this.#host.sessions.end(session)
    if (method === 'engine.stop') return this.#stop()
    return this.#host.call(session, method, args)
  }

  /** What a look in the background went on to a moment ago may not have reached the kernel. */
  async #refresh(session: string, args: unknown[]): Promise<unknown> {
    const result = await this.#host.call(session, 'refresh', args)
    await this.#mounts.allTold()
    return result
  }

  /** Requests of mounts and of clients are looked at before it resolves. */
  #turn(): Promise<void> {
    this.#loop.pause()
    return new Promise<void>(resolve => void setImmediate(resolve))
  }

  #stop(): void {
    this.#mounts.endAll()
    this.#engine.close()
    this.#stopping = true
    this.#loop.pause()
  }

  #answer(id: number, result: unknown): void {
    this.#say({ id, result, ...this.#told() })
  }

  #fail(id: number, error: unknown): void {
    this.#say({ id, error: toWire(error), ...this.#told() })
  }

  /** What the kernel hears before a call is answered. */
  #told(): { changes?: VolumeChanges[]; token?: number } {
    const changes = this.#host.takeChanges()
    if (changes.length === 0) return {}
    const token = this.#mounts.announcing(changes)
    return { changes, ...(token === undefined ? {} : { token }) }
  }

  #say(message: EngineMessage): void {
    this.#port.postMessage(message)
  }

  /** A failure of background work is no reason to stop serving: what was acknowledged is in the journal. */
  #pump(budgetMs: number): number {
    try {
      const next = Math.min(this.#mounts.pump(), this.#engine.pump(budgetMs), this.#host.volumes.closeIdle())
      this.#pumpFailed = false
      return next
    } catch (error) {
      if (!this.#pumpFailed) this.#say({ log: `background work failed: ${describe(error)}` })
      this.#pumpFailed = true
      return PUMP_RETRY_MS
    }
  }
}

/** As whoever started the server says. */
function ofStarter<Name extends string>(name: Name, variable: string, least: number): { [N in Name]?: number } {
  const given = Number(process.env[variable] ?? Number.NaN)
  return (Number.isSafeInteger(given) && given >= least ? { [name]: given } : {}) as { [N in Name]?: number }
}

function start(port: MessagePort, home: string): void {
  try {
    new EngineThread(port, home).run()
  } catch (error) {
    // Thrown on, it would lose its class on the way to the main thread.
    port.postMessage({ failed: toWire(error) } satisfies EngineMessage)
  }
}

if (!isMainThread && parentPort !== null) start(parentPort, (workerData as EngineData).home)

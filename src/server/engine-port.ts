import type { Worker } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { startThread } from '../sys/threads.js'
import { Waker, type WakerHandle } from '../sys/waker.js'
import { fromWire, type WireError } from '../sys/wire-error.js'
import type { KernelChange } from './changes.js'

export interface EngineRequest {
  id: number
  session: string
  method: string
  args: unknown[]
}

/** What the engine's thread says. */
export type EngineMessage =
  /** The volumes' home is open; how to wake the thread from now on. */
  | { started: WakerHandle }
  | ({ id: number; result: unknown } & Told)
  | ({ id: number; error: WireError } & Told)
  /** INIT was answered. */
  | { negotiated: number; value: unknown }
  /** The kernel is to be told of changes that no call answers with; `mount.announced` follows when it was. */
  | { tell: VolumeChanges[]; token: number }
  /** The mount is gone: unmounted by whomever, or its connection was aborted. */
  | { gone: number }
  | { log: string }
  /** It could not start. */
  | { failed: WireError }

/** What is told before a call is answered. */
interface Told {
  changes?: VolumeChanges[]
  /** `mount.announced` follows when it was. */
  token?: number
}

export interface VolumeChanges {
  volumeId: string
  changes: KernelChange[]
  /** Only these mounts of it are told; default all. */
  mounts?: number[]
  /** Some of them come from going to another state, and this was the head's sequence then: `mount.told` says that the kernel heard of them. */
  became?: number
}

export interface EngineEvents {
  negotiated(mountId: number, value: unknown): void
  gone(mountId: number): void
  log(text: string): void
  /** Tells the kernel before the call that changed something is answered. */
  changed(changes: VolumeChanges[]): Promise<void>
  /** The thread ended without having been asked to. */
  died(error: Error): void
}

export interface EngineData {
  home: string
}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** The main thread's end of the engine's thread. */
export class EnginePort {
  readonly #worker: Worker
  readonly #events: EngineEvents
  readonly #waiting = new Map<number, Waiting>()
  #waker: Waker | undefined
  #started: (() => void) | undefined
  /** Resolves when the home is open; when it cannot be, `died` is called. */
  readonly started: Promise<void>
  #next = 1
  #stopping = false

  constructor(home: string, events: EngineEvents) {
    this.#events = events
    this.started = new Promise(resolve => {
      this.#started = resolve
    })
    this.#worker = startThread('server/engine-thread', { workerData: { home } satisfies EngineData })
    this.#worker.on('message', (message: EngineMessage) => this.#take(message))
    this.#worker.on('error', error => events.died(error))
    this.#worker.on('exit', () => {
      if (!this.#stopping) events.died(new Error('the engine thread ended'))
      this.#failAll()
    })
  }

  /** Runs a method there. @throws what it threw */
  call(session: string, method: string, args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, session, method, args } satisfies EngineRequest)
      this.#waker?.wake()
    })
  }

  #take(message: EngineMessage): void {
    if ('started' in message) this.#onStarted(message.started)
    else if ('negotiated' in message) this.#events.negotiated(message.negotiated, message.value)
    else if ('gone' in message) this.#events.gone(message.gone)
    else if ('tell' in message) void this.#tell(message.tell, message.token)
    else if ('log' in message) this.#events.log(message.log)
    else if ('failed' in message) this.#events.died(fromWire(message.failed))
    else void this.#answer(message)
  }

  /** What was posted before it could be woken is looked at now. */
  #onStarted(handle: WakerHandle): void {
    this.#waker = new Waker(handle)
    this.#waker.wake()
    this.#started?.()
  }

  async #tell(changes: VolumeChanges[], token: number): Promise<void> {
    await this.#changed(changes)
    await this.call('', 'mount.announced', [token]).catch(() => undefined)
  }

  async #changed(changes: VolumeChanges[]): Promise<void> {
    await this.#events.changed(changes).catch(error => this.#events.log(`the kernel was not told of changes: ${error}`))
  }

  async #answer(message: Extract<EngineMessage, { id: number }>): Promise<void> {
    if (message.changes !== undefined) await this.#changed(message.changes)
    if (message.token !== undefined) this.call('', 'mount.announced', [message.token]).catch(() => undefined)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if ('error' in message) waiting?.reject(fromWire(message.error))
    else waiting?.resolve(message.result)
  }

  /** Seals and closes all volumes and ends the thread. */
  async stop(): Promise<void> {
    this.#stopping = true
    const ended = new Promise(resolve => this.#worker.once('exit', resolve))
    await this.call('', 'engine.stop', [])
    await ended
  }

  #failAll(): void {
    const error = new CairnError('ERR_SERVER_LOST', 'The engine of the server ended during this call.', 'Try again.', { retry: 'reopen' })
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

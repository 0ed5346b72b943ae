import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { CairnError } from '../../errors.js'
import { entry, limits, systemClock } from '../../sys/index.js'
import type { WakerHandle } from '../../sys/waker.js'
import { fromWire } from '../../sys/wire-error.js'
import { formatStoreUrl, type StoreLocation } from '../url.js'
import { type StoreAnswer, type StoreCalls, type StoreRequest, type StoreThreadData, TROUBLE, UNANSWERED } from './protocol.js'

/** What becomes of a request. */
export type Done<T> = (error: Error | undefined, result?: T) => void

/** The engine's end of a store's thread: calls that this thread waits for, and calls that it does not. */
export class StoreThread {
  readonly #url: string
  readonly #port: MessagePort
  readonly #blocking: MessagePort
  readonly #answers = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker: Worker
  readonly #waiting = new Map<number, Done<unknown>>()
  readonly #onSettled: () => void
  /** Told why an attempt failed that is made again. */
  onTrouble: (error: Error) => void = () => {}
  #next = 1
  #ended: Error | undefined

  constructor(location: StoreLocation, options: { waker?: WakerHandle; onSettled?: () => void; expected?: string } = {}) {
    this.#url = formatStoreUrl(location)
    this.#onSettled = options.onSettled ?? (() => {})
    const calls = new MessageChannel()
    const blocking = new MessageChannel()
    this.#port = calls.port1
    this.#blocking = blocking.port1
    const data: StoreThreadData = {
      location,
      blocking: blocking.port2,
      answers: this.#answers.buffer as SharedArrayBuffer,
      port: calls.port2,
      ...(options.waker === undefined ? {} : { waker: options.waker }),
      ...(options.expected === undefined ? {} : { expected: options.expected }),
    }
    this.#worker = new Worker(entry('store/remote/thread'), { workerData: data, transferList: [blocking.port2, calls.port2] })
    this.#worker.unref()
    this.#worker.on('error', error => this.#fail(error))
    this.#port.on('message', (answer: StoreAnswer) => this.#settle(answer))
    this.#port.unref()
    blocking.port1.unref()
  }

  /** Folder of what is read. @param id of the store */
  cacheIn(folder: string, id: string): void {
    this.tell('cacheIn', folder, id)
  }

  /** Waits for the answer. @throws what the store threw; CairnError ERR_STORE_UNREACHABLE when none came in time */
  callSync<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]> {
    const id = this.#next++
    this.#blocking.postMessage({ id, op, args } satisfies StoreRequest)
    const until = systemClock.monotonic() + limits.storeCallMs
    for (;;) {
      const before = Atomics.load(this.#answers, 0)
      const answer = receiveMessageOnPort(this.#blocking)?.message as StoreAnswer | undefined
      // An older one was given up waiting for.
      if (answer !== undefined && answer.id === id) return resultOf(answer) as ReturnType<StoreCalls[Op]>
      if (answer !== undefined) continue
      const left = until - systemClock.monotonic()
      if (left <= 0 || this.#ended !== undefined) throw this.#unreachable()
      Atomics.wait(this.#answers, 0, before, left)
    }
  }

  /** Asks, and goes on: `done` is called from the event loop of this thread, or from `waitUntil`. */
  request<Op extends keyof StoreCalls>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>): void {
    if (this.#ended !== undefined) {
      done(this.#unreachable())
      return
    }
    const id = this.#next++
    this.#waiting.set(id, done as Done<unknown>)
    // A program does not end while it waits.
    this.#port.ref()
    this.#port.postMessage({ id, op, args } satisfies StoreRequest)
  }

  /** Asks for what nobody waits for: there is no answer. */
  tell<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): void {
    this.#port.postMessage({ id: UNANSWERED, op, args } satisfies StoreRequest)
  }

  /** Waits, and takes answers to requests, until `isDone`. @throws CairnError ERR_STORE_UNREACHABLE when none comes in time */
  waitUntil(isDone: () => boolean): void {
    let until = systemClock.monotonic() + limits.storeCallMs
    while (!isDone()) {
      const before = Atomics.load(this.#answers, 0)
      const answer = receiveMessageOnPort(this.#port)?.message as StoreAnswer | undefined
      if (answer !== undefined) {
        this.#settle(answer)
        until = systemClock.monotonic() + limits.storeCallMs
        continue
      }
      const left = until - systemClock.monotonic()
      if (left <= 0 || this.#ended !== undefined) throw this.#unreachable()
      Atomics.wait(this.#answers, 0, before, left)
    }
  }

  #settle(answer: StoreAnswer): void {
    if (answer.id === TROUBLE && 'error' in answer) {
      this.onTrouble(fromWire(answer.error))
      return
    }
    const done = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#port.unref()
    if ('error' in answer) done?.(fromWire(answer.error))
    else done?.(undefined, answer.result)
    this.#onSettled()
  }

  #fail(error: Error): void {
    this.#ended = error
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const done of waiting) done(this.#unreachable())
  }

  #unreachable(): CairnError {
    return new CairnError('ERR_STORE_UNREACHABLE', `${this.#url} does not answer.`, 'Try again when it does; what was acknowledged is kept here.', {
      retry: 'same-call',
      ...(this.#ended === undefined ? {} : { cause: this.#ended }),
    })
  }

  close(): void {
    this.#fail(new Error('it was closed'))
    this.#port.close()
    this.#blocking.close()
    void this.#worker.terminate()
  }
}

function resultOf(answer: StoreAnswer): unknown {
  if ('error' in answer) throw fromWire(answer.error)
  return answer.result
}

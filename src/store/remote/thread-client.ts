import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { CairnError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { endThread, startThread } from '../../sys/threads.js'
import type { WakerHandle } from '../../sys/waker.js'
import { fromWire } from '../../sys/wire-error.js'
import { formatStoreUrl, type StoreLocation } from '../url.js'
import { Taker } from './hand-over.js'
import {
  type Done,
  SIGNAL_BYTES,
  Signal,
  type StoreAnswer,
  type StoreCalls,
  type StoreLine,
  type StoreRequest,
  type StoreThreadData,
  TROUBLE,
  UNANSWERED,
} from './protocol.js'

/** Who waits looks this often whether it is still worth it. */
const LOOK_MS = 250

/** The engine's end of a store's thread: calls that this thread waits for, and calls that it does not. */
export class StoreThread implements StoreLine {
  readonly #url: string
  readonly #port: MessagePort
  readonly #blocking: MessagePort
  readonly #signals = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES))
  readonly #worker: Worker
  readonly #waiting = new Map<number, Done<unknown>>()
  /** Those of them that keep no program from ending. */
  readonly #idle = new Set<number>()
  readonly #onSettled: () => void
  readonly arrived: Taker
  onTrouble: (error: Error) => void = () => {}
  /** Why the last attempt failed since somebody waits. */
  #trouble: Error | undefined
  #next = 1
  #ended: Error | undefined

  constructor(location: StoreLocation, options: { waker?: WakerHandle; onSettled?: () => void; expected?: string } = {}) {
    this.#url = formatStoreUrl(location)
    this.#onSettled = options.onSettled ?? (() => {})
    const calls = new MessageChannel()
    const blocking = new MessageChannel()
    const handOver = new MessageChannel()
    this.arrived = new Taker(handOver.port1)
    this.#port = calls.port1
    this.#blocking = blocking.port1
    const data: StoreThreadData = {
      location,
      blocking: blocking.port2,
      signals: this.#signals.buffer as SharedArrayBuffer,
      port: calls.port2,
      handOver: handOver.port2,
      ...(options.waker === undefined ? {} : { waker: options.waker }),
      ...(options.expected === undefined ? {} : { expected: options.expected }),
    }
    this.#worker = startThread('store/remote/thread', {
      workerData: data,
      transferList: [blocking.port2, calls.port2, handOver.port2],
    })
    this.#worker.unref()
    this.#worker.on('error', error => this.#fail(error))
    this.#port.on('message', (answer: StoreAnswer) => this.#settle(answer))
    this.#port.unref()
    blocking.port1.unref()
  }

  cacheIn(folder: string, id: string): void {
    this.tell('cacheIn', folder, id)
  }

  callSync<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]> {
    const id = this.#next++
    this.#blocking.postMessage({ id, op, args } satisfies StoreRequest)
    const left = this.#patience(op === 'upload')
    this.#trouble = undefined
    for (;;) {
      const before = Atomics.load(this.#signals, Signal.answers)
      const answer = receiveMessageOnPort(this.#blocking)?.message as StoreAnswer | undefined
      // An older one was given up waiting for.
      if (answer !== undefined && answer.id === id) return resultOf(answer) as ReturnType<StoreCalls[Op]>
      if (answer === undefined) this.#wait(before, left())
    }
  }

  /**
   * How much longer somebody waits: `storeCallMs` since the store last gave a sign of life. An upload of one large pack gives none for long; it is waited for
   * until an attempt has failed.
   */
  #patience(uploads: boolean): () => number {
    const now = (): number => systemClock.monotonic()
    let pulse = Atomics.load(this.#signals, Signal.pulse)
    const trouble = Atomics.load(this.#signals, Signal.trouble)
    let until = now() + (uploads ? limits.storeUploadMs : limits.storeCallMs)
    return () => {
      const beat = Atomics.load(this.#signals, Signal.pulse)
      if (beat !== pulse) until = Math.max(until, now() + limits.storeCallMs)
      else if (Atomics.load(this.#signals, Signal.trouble) !== trouble) until = Math.min(until, now() + limits.storeCallMs)
      pulse = beat
      return until - now()
    }
  }

  /** @throws CairnError ERR_STORE_UNREACHABLE when it is not worth it */
  #wait(before: number, left: number): void {
    if (left <= 0) this.takeAnswers()
    if (left <= 0 || this.#ended !== undefined) throw this.#trouble ?? this.#unreachable()
    Atomics.wait(this.#signals, Signal.answers, before, Math.min(left, LOOK_MS))
  }

  request<Op extends keyof StoreCalls>(op: Op, args: Parameters<StoreCalls[Op]>, done: Done<ReturnType<StoreCalls[Op]>>, isIdle = false): void {
    if (this.#ended !== undefined) {
      done(this.#unreachable())
      return
    }
    const id = this.#next++
    this.#waiting.set(id, done as Done<unknown>)
    // A program does not end while it waits.
    if (isIdle) this.#idle.add(id)
    else this.#port.ref()
    this.#port.postMessage({ id, op, args } satisfies StoreRequest)
  }

  tell<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): void {
    this.#port.postMessage({ id: UNANSWERED, op, args } satisfies StoreRequest)
  }

  waitUntil(isDone: () => boolean): void {
    const left = this.#patience(true)
    this.#trouble = undefined
    while (!isDone()) {
      const before = Atomics.load(this.#signals, Signal.answers)
      if (!this.#takeOne()) this.#wait(before, left())
    }
  }

  /** Takes the answers to requests that are there. */
  takeAnswers(): void {
    while (this.#takeOne());
  }

  #takeOne(): boolean {
    const answer = receiveMessageOnPort(this.#port)?.message as StoreAnswer | undefined
    if (answer !== undefined) this.#settle(answer)
    return answer !== undefined
  }

  #settle(answer: StoreAnswer): void {
    if (answer.id === TROUBLE && 'error' in answer) {
      this.#trouble = fromWire(answer.error)
      this.onTrouble(this.#trouble)
      return
    }
    const done = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    this.#idle.delete(answer.id)
    if (this.#waiting.size === this.#idle.size) this.#port.unref()
    if ('error' in answer) done?.(fromWire(answer.error))
    else done?.(undefined, answer.result)
    this.#onSettled()
  }

  #fail(error: Error): void {
    this.#ended = error
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#idle.clear()
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
    this.arrived.close()
    void endThread(this.#worker)
  }
}

function resultOf(answer: StoreAnswer): unknown {
  if ('error' in answer) throw fromWire(answer.error)
  return answer.result
}

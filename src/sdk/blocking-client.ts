import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { endThread, startThread } from '../sys/threads.js'
import { fromWire, type WireError } from '../sys/wire-error.js'

export interface BlockingData {
  socketPath: string
  session: string
  port: MessagePort
  /** Raised and notified after each answer. */
  answers: SharedArrayBuffer
}

export interface BlockingRequest {
  method: string
  args: unknown[]
}

export type BlockingAnswer = { result: unknown } | { error: WireError }

/** Calls to the server that block this thread: another thread makes them, and this one waits for its answer. */
export class BlockingClient {
  readonly session: string
  readonly #port: MessagePort
  readonly #answers = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker: Worker

  constructor(socketPath: string, session: string) {
    this.session = session
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#worker = startThread('sdk/blocking-thread', {
      workerData: { socketPath, session, port: port2, answers: this.#answers.buffer as SharedArrayBuffer } satisfies BlockingData,
      transferList: [port2],
    })
    this.#worker.unref()
    port1.unref()
  }

  /** @throws what the server threw; CairnError ERR_SERVER_LOST when no answer came within `limits.blockingCallMs` */
  call(method: string, args: unknown[]): unknown {
    const before = Atomics.load(this.#answers, 0)
    this.#port.postMessage({ method, args } satisfies BlockingRequest)
    const waited = Atomics.wait(this.#answers, 0, before, limits.blockingCallMs)
    const answer = receiveMessageOnPort(this.#port)?.message as BlockingAnswer | undefined
    if (answer === undefined || waited === 'timed-out') {
      throw new CairnError('ERR_SERVER_LOST', 'The cairn server did not answer.', 'Open the volume again and look.', { retry: 'reopen' })
    }
    if ('error' in answer) throw fromWire(answer.error)
    return answer.result
  }

  close(): void {
    this.#port.close()
    void endThread(this.#worker)
  }
}

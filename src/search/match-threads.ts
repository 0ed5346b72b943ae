import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import type { FilesBytes } from '../history/contents/file-bytes.js'
import { limits } from '../sys/index.js'
import { endThread, startThread } from '../sys/threads.js'
import type { GrepAnswer, GrepRequest } from './grep-messages.js'
import type { LinePattern } from './line-scan.js'

/** Threads that match patterns, kept for a while when they have nothing to do, since the next search is likely soon. */
export class MatchThreads {
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()
  #rest: NodeJS.Timeout | undefined

  /** How many calls of `match` run at once; those beyond it wait. */
  static get width(): number {
    return Math.min(availableParallelism(), limits.grepThreads)
  }

  readonly #waiting: Array<() => void> = []

  /** @param nameOf a file, for the error @throws CairnError ERR_GREP_TIMEOUT when the pattern takes too long on one of them */
  async match(pattern: LinePattern, files: FilesBytes, nameOf: (file: number) => string): Promise<GrepAnswer> {
    const worker = await this.#take()
    try {
      return await ask(worker, { pattern, files, progress: new SharedArrayBuffer(8) }, nameOf)
    } catch (error) {
      this.#all.delete(worker)
      void endThread(worker)
      throw error
    } finally {
      this.#give(worker)
    }
  }

  async #take(): Promise<Worker> {
    clearTimeout(this.#rest)
    while (this.#idle.length === 0 && this.#all.size >= MatchThreads.width) await new Promise<void>(resolve => this.#waiting.push(resolve))
    const worker = this.#idle.pop() ?? this.#start()
    worker.ref()
    return worker
  }

  #start(): Worker {
    const worker = startThread('search/grep-thread')
    this.#all.add(worker)
    return worker
  }

  #give(worker: Worker): void {
    // Who waits for nothing keeps no process alive.
    worker.unref()
    if (this.#all.has(worker)) this.#idle.push(worker)
    this.#waiting.shift()?.()
    if (this.#idle.length === this.#all.size) this.#rest = setTimeout(() => void this.close(), limits.grepIdleMs).unref()
  }

  /** Ends those that do nothing; the others with what they do. */
  async close(): Promise<void> {
    clearTimeout(this.#rest)
    const idle = this.#idle.splice(0)
    for (const worker of idle) this.#all.delete(worker)
    await Promise.all(idle.map(endThread))
  }
}

function ask(worker: Worker, request: GrepRequest, nameOf: (file: number) => string): Promise<GrepAnswer> {
  const at = new Int32Array(request.progress)
  return new Promise((resolve, reject) => {
    let seen = 0
    const look = setInterval(() => {
      const now = Atomics.load(at, 1)
      // A thread that has not begun is no fault of the pattern.
      if (now === seen && now > 0) failed(slow(request.pattern.source, nameOf(Atomics.load(at, 0))))
      seen = now
    }, limits.grepMatchMs)
    const done = (answer: GrepAnswer): void => {
      end()
      resolve(answer)
    }
    const failed = (error: unknown): void => {
      end()
      reject(error)
    }
    const exited = (): void => failed(new CairnError('ERR_GREP_THREAD', 'The thread that matched files ended.', 'Try again.', { retry: 'same-call' }))
    const end = (): void => {
      clearInterval(look)
      worker.off('message', done).off('error', failed).off('exit', exited)
    }
    worker.once('message', done).once('error', failed).once('exit', exited)
    worker.postMessage(request)
  })
}

function slow(source: string, name: string): CairnError {
  return new CairnError(
    'ERR_GREP_TIMEOUT',
    `The pattern ${JSON.stringify(source)} took over ${limits.grepMatchMs / 1000} s on ${name}, and was cut off.`,
    'Write it without repetitions within repetitions, or search for a plain text (`-F`).',
  )
}

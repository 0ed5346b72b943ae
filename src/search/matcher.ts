import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { entry, threadArguments } from '../sys/entry.js'
import { limits } from '../sys/index.js'
import type { LinePattern } from './grep-lines.js'
import type { GrepAnswer, GrepRequest } from './grep-thread.js'

/** Matches a pattern against files in threads of its own, a few at a time. */
export class Matcher {
  readonly #pattern: LinePattern
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()

  constructor(pattern: LinePattern) {
    this.#pattern = pattern
  }

  /** How many calls of `match` are worth making at once. */
  static get width(): number {
    return Math.min(availableParallelism(), limits.grepThreads)
  }

  /** @param names of the files, for the error @throws CairnError ERR_GREP_TIMEOUT when the pattern takes too long on them */
  async match(files: Uint8Array[], names: readonly string[]): Promise<GrepAnswer> {
    const worker = this.#idle.pop() ?? this.#start()
    const answer = await this.#ask(worker, { pattern: this.#pattern, files }, names)
    this.#idle.push(worker)
    return answer
  }

  #start(): Worker {
    const worker = new Worker(entry('search/grep-thread'), threadArguments())
    this.#all.add(worker)
    return worker
  }

  #ask(worker: Worker, request: GrepRequest, names: readonly string[]): Promise<GrepAnswer> {
    return new Promise((resolve, reject) => {
      const tooLong = setTimeout(() => {
        end()
        reject(slow(this.#pattern.source, names))
        void worker.terminate()
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
        clearTimeout(tooLong)
        worker.off('message', done).off('error', failed).off('exit', exited)
      }
      worker.once('message', done).once('error', failed).once('exit', exited)
      worker.postMessage(request)
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map(worker => worker.terminate()))
  }
}

function slow(source: string, names: readonly string[]): CairnError {
  const where = names.length === 1 ? names[0] : `one of ${names.length} files from ${names[0]} to ${names[names.length - 1]}`
  return new CairnError(
    'ERR_GREP_TIMEOUT',
    `The pattern ${JSON.stringify(source)} took over ${limits.grepMatchMs / 1000} s on ${where}, and was cut off.`,
    'Write it without repetitions within repetitions, or search for a plain text (`-F`).',
  )
}

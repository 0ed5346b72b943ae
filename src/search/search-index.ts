import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { startThread } from '../sys/threads.js'
import { fromWire } from '../sys/wire-error.js'
import type { Hit, IndexedFile, NewContent } from './index-file.js'
import type { IndexAnswer, IndexMethod, SearchThreadData } from './search-thread.js'

interface Waiting {
  resolve: (result: unknown) => void
  reject: (error: unknown) => void
}

/** The index of a store (`IndexFile`) in a thread of its own. */
export class SearchIndex {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #next = 1

  constructor(data: SearchThreadData) {
    this.#worker = startThread('search/search-thread', { workerData: data })
    this.#worker.unref()
    this.#worker.on('message', (answer: IndexAnswer) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      // What nobody waits for keeps no process alive.
      if (this.#waiting.size === 0) this.#worker.unref()
      if ('error' in answer) waiting?.reject(fromWire(answer.error))
      else waiting?.resolve(answer.result)
    })
    this.#worker.on('error', error => this.#fail(error))
    this.#worker.on('exit', () =>
      this.#fail(new CairnError('ERR_SEARCH_INDEX', 'The thread of the search index ended.', 'Search again.', { retry: 'same-call' })),
    )
  }

  nearestTree(volume: string, root: string | undefined, timeMs: number): Promise<string | undefined> {
    return this.#call('nearestTree', volume, root, timeMs)
  }

  addTree(volume: string, root: string, timeMs: number): Promise<void> {
    return this.#call('addTree', volume, root, timeMs)
  }

  place(files: readonly IndexedFile[]): Promise<number[]> {
    return this.#call('place', files)
  }

  add(contents: readonly NewContent[]): Promise<void> {
    return this.#call('add', contents)
  }

  find(match: string, offset: number, limit: number): Promise<Hit[]> {
    return this.#call('find', match, offset, limit)
  }

  inodes(match: string): Promise<Float64Array> {
    return this.#call('inodes', match)
  }

  async close(): Promise<void> {
    const ended = once(this.#worker, 'exit')
    await this.#call('close').catch(() => undefined)
    await ended
  }

  #call<T>(method: IndexMethod, ...args: unknown[]): Promise<T> {
    const id = this.#next++
    this.#worker.ref()
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: result => resolve(result as T), reject })
      this.#worker.postMessage({ id, method, args })
    })
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

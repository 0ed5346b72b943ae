/** Entry of the thread that holds an index: what SQLite does there blocks nobody else. */
import { parentPort, workerData } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { toWire, type WireError } from '../sys/wire-error.js'
import { INDEX_DAMAGED, IndexFile, isDamage, removeIndex } from './index-file.js'
import type { SearchMode } from './query.js'

export interface SearchThreadData {
  /** Undefined: in memory. */
  path?: string
  mode: SearchMode
}

export type IndexMethod = 'nearestTree' | 'addTree' | 'place' | 'add' | 'find' | 'inodes' | 'close'

export interface IndexRequest {
  id: number
  method: IndexMethod
  args: unknown[]
}

export type IndexAnswer = { id: number; result: unknown } | { id: number; error: WireError }

const { path, mode } = workerData as SearchThreadData
let opened: IndexFile | undefined

function run({ method, args }: IndexRequest): unknown {
  if (method === 'close') {
    opened?.close()
    parentPort?.close()
    return undefined
  }
  opened ??= IndexFile.open(path, mode)
  try {
    return (opened[method] as (...args: unknown[]) => unknown).apply(opened, args)
  } catch (error) {
    if (path === undefined || !isDamage(error)) throw error
    opened.close()
    opened = undefined
    removeIndex(path)
    throw new CairnError(INDEX_DAMAGED, `The search index ${path} is damaged.`, 'Search again: it is made anew.', { retry: 'same-call', cause: error })
  }
}

parentPort?.on('message', (request: IndexRequest) => {
  let answer: IndexAnswer
  try {
    answer = { id: request.id, result: run(request) }
  } catch (error) {
    answer = { id: request.id, error: toWire(error) }
  }
  parentPort?.postMessage(answer)
})

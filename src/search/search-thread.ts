/** Entry of the thread that holds an index: what SQLite does there blocks nobody else. */
import { dirname } from 'node:path'
import { CairnError } from '../errors.js'
import { translateSqlite } from '../store/sqlite/errors.js'
import { parentPort, workerData } from '../sys/threads.js'
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
  try {
    opened ??= IndexFile.open(path, mode)
    return (opened[method] as (...args: unknown[]) => unknown).apply(opened, args)
  } catch (error) {
    if (path === undefined || !isDamage(error)) throw explained(error)
    opened?.close()
    opened = undefined
    removeIndex(path)
    throw new CairnError(INDEX_DAMAGED, `The search index ${path} is damaged.`, 'Search again: it is made anew.', { retry: 'same-call', cause: error })
  }
}

/** A folder that is none, or that nobody may write in, is a mistake of this host, and no store is. */
function explained(error: unknown): unknown {
  if (path === undefined || error instanceof CairnError) return error
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined) return translateSqlite(error, path)
  const remedy = 'Make it a folder that you may write in, with room. `cairn grep --no-index` needs none.'
  return new CairnError('ERR_SEARCH_INDEX', `No search index can be kept in ${dirname(path)} (${code}).`, remedy, { cause: error })
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

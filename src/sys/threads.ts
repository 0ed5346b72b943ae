/** Threads of this program. Those that are started here, and begin with this module, may load native libraries and be ended at any moment. */
import { getEnvironmentData, isMainThread, setEnvironmentData, Worker, type WorkerOptions } from 'node:worker_threads'
import { entry } from './entry.js'
import { leaveNativeTurn, shareNativeTurn, takeNativeTurn } from './native-turn.js'

export { parentPort, workerData } from 'node:worker_threads'

const KEY = 'cairnfs.native-turn'

let isShared = false

/** Threads inherit it. */
function share(): void {
  if (isShared) return
  isShared = true
  const known = getEnvironmentData(KEY) as unknown as Int32Array | undefined
  const word = known ?? new Int32Array(new SharedArrayBuffer(4))
  if (known === undefined) setEnvironmentData(KEY, word as unknown as Parameters<typeof setEnvironmentData>[1])
  shareNativeTurn(word)
  // All threads end with the process.
  if (isMainThread) process.once('exit', takeNativeTurn)
}

if (!isMainThread) share()

/** @param name of a compiled file, such as `server/engine-thread`, which imports this module */
export function startThread(name: string, options: WorkerOptions = {}): Worker {
  share()
  // No file may be run with what a program was started with that runs text (`node --input-type=module -e …`).
  const runsText = process.execArgv.some(argument => argument.startsWith('--input-type'))
  return new Worker(entry(name), { ...(runsText ? { execArgv: [] } : {}), ...options })
}

/** Ends a thread, whatever it does, but not in the middle of loading a library. */
export async function endThread(worker: Worker): Promise<void> {
  takeNativeTurn()
  try {
    await worker.terminate()
  } finally {
    leaveNativeTurn()
  }
}

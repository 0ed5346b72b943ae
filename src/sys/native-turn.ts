/**
 * Loading a native library and binding its functions: one thread at a time, and never while a thread is being ended, since a library whose thread ends in the middle of
 * that aborts the whole process. Modules of Node that take long to load are kept out of here: most programs have one thread.
 */

/** Many times what loading takes. A thread that ended with the turn, which cannot be, holds up nobody for longer. */
const PATIENCE_MS = 2000

/** 1 while a thread has the turn. Undefined as long as there is only one thread. */
let word: Int32Array | undefined
/** How often this thread has taken it. */
let depth = 0

/** From now on other threads of this process use it, too. */
export function shareNativeTurn(shared: Int32Array): void {
  if (word === undefined && depth > 0) Atomics.store(shared, 0, 1)
  word = shared
}

export function takeNativeTurn(): void {
  if (depth++ > 0 || word === undefined) return
  while (Atomics.compareExchange(word, 0, 0, 1) !== 0 && Atomics.wait(word, 0, 1, PATIENCE_MS) !== 'timed-out');
}

export function leaveNativeTurn(): void {
  if (--depth > 0 || word === undefined) return
  Atomics.store(word, 0, 0)
  Atomics.notify(word, 0)
}

/** Loads or binds something native. */
export function inNativeTurn<T>(work: () => T): T {
  takeNativeTurn()
  try {
    return work()
  } finally {
    leaveNativeTurn()
  }
}

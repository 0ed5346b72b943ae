import { PageMiss } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { limits } from '../sys/index.js'

/**
 * Runs what either does all that it does or, by a PageMiss, nothing: where a store is elsewhere nobody waits for it in this thread, and what was given up
 * is run again, from its start, when what it needs has come.
 * @returns the result at once where all is here
 * @throws what `run` throws; what the store says where it does not answer
 */
export function whenNear<T>(store: Pick<LocalStore, 'mayMiss'>, run: () => T | Promise<T>, misses = 0): T | Promise<T> {
  // Nothing is ever far away, or whoever called this sees to it.
  if (store.mayMiss !== false) return run()
  store.mayMiss = misses < limits.fuseMisses
  try {
    return run()
  } catch (error) {
    if (!(error instanceof PageMiss)) throw error
    return again(store, run, error, misses)
  } finally {
    store.mayMiss = false
  }
}

/** What did not come is waited for in this thread: there it is heard why. */
async function again<T>(store: Pick<LocalStore, 'mayMiss'>, run: () => T | Promise<T>, miss: PageMiss, misses: number): Promise<T> {
  const isHere = await new Promise<boolean>(resolve => miss.whenHere(resolve))
  return whenNear(store, run, isHere ? misses + 1 : limits.fuseMisses)
}

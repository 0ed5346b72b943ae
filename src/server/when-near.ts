import { PageMiss } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { limits, systemClock } from '../sys/index.js'
import { nextNear, type Slices } from '../volume/near-reads.js'

/** What may miss something, when it is told that it may. */
export type Misses = Pick<LocalStore, 'mayMiss'>

/**
 * Runs what either does all that it does or, by a PageMiss, nothing: where a store is elsewhere nobody waits for it in this thread, and what was given up
 * is run again, from its start, when what it needs has come.
 * @param instead what is answered when it was given up `limits.fuseMisses` times; without it, it waits for itself then
 * @returns the result at once where all is here
 * @throws what `run` throws; what the store says where it does not answer
 */
export function whenNear<T>(store: Misses, run: () => T | Promise<T>, instead?: () => T, misses = 0): T | Promise<T> {
  // Nothing is ever far away, or whoever called this sees to it.
  if (store.mayMiss !== false) return run()
  if (instead !== undefined && misses >= limits.fuseMisses && misses !== Number.POSITIVE_INFINITY) return instead()
  store.mayMiss = misses < limits.fuseMisses
  try {
    return run()
  } catch (error) {
    if (!(error instanceof PageMiss)) throw error
    return again(store, run, error, instead, misses)
  } finally {
    store.mayMiss = false
  }
}

/** What did not come is waited for in this thread: there it is heard why. */
async function again<T>(store: Misses, run: () => T | Promise<T>, miss: PageMiss, instead: (() => T) | undefined, misses: number): Promise<T> {
  const isHere = await new Promise<boolean>(resolve => miss.whenHere(resolve))
  return whenNear(store, run, instead, isHere ? misses + 1 : Number.POSITIVE_INFINITY)
}

/** A change that reads much before it changes something. */
export interface FarChange<P, T> {
  /** Settles what is meant, and records what was changed before: what comes of `change` is its first change then. */
  prepare: () => P
  /** Reads what `change` will read. */
  ahead: (prepared: P) => Slices<undefined>
  change: (prepared: P) => T
}

/**
 * Makes a change without waiting in this thread for what it reads: at its first miss it is given up, all that it needs is brought here in slices, and it is made again.
 * @param turn resolves when others had their turn
 */
export function changeNear<P, T>(store: Misses, parts: FarChange<P, T>, turn: () => Promise<void>): T | Promise<T> {
  const prepared = whenNear(store, parts.prepare)
  return prepared instanceof Promise ? prepared.then(known => changed(store, parts, known, turn)) : changed(store, parts, prepared, turn)
}

function changed<P, T>(store: Misses, { ahead, change }: FarChange<P, T>, prepared: P, turn: () => Promise<void>): T | Promise<T> {
  if (store.mayMiss !== false) return change(prepared)
  store.mayMiss = true
  try {
    return change(prepared)
  } catch (error) {
    if (!(error instanceof PageMiss)) throw error
  } finally {
    store.mayMiss = false
  }
  return bring(store, ahead(prepared), turn).then(() => whenNear(store, () => change(prepared)))
}

/** What it cannot bring the change says, when it needs it. A turn comes first: what resolves at once is heard of only when this thread has nothing else to do. */
async function bring(store: Misses, steps: Slices<undefined>, turn: () => Promise<void>): Promise<void> {
  const slice = (): boolean => {
    const until = systemClock.monotonic() + limits.diffSliceMs
    do if (nextNear(steps).done === true) return true
    while (systemClock.monotonic() < until)
    return false
  }
  try {
    for (let isDone = false; !isDone; ) {
      await turn()
      isDone = await whenNear(store, slice, () => false)
    }
  } catch {
    // Nothing was changed by it.
  }
}

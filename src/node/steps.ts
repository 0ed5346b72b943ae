import { setImmediate } from 'node:timers/promises'
import type { MaybePromise } from './backend.js'
import { featureUnavailable } from './errors.js'

/**
 * Work of several operations, written once for the synchronous and the promise forms: a generator that yields each
 * operation's result, or a promise of it, and is resumed with the value.
 */
export type Steps<T> = Generator<unknown, T, unknown>

/** Local steps that run before others in this process get a turn. */
const STEPS_PER_TURN = 64

/** One step: `const value = yield* step(call(…))`. */
export function* step<T>(value: MaybePromise<T>): Steps<T> {
  return (yield value) as T
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** `map` of a value, now or when it is there. */
export function andThen<T, R>(value: MaybePromise<T>, map: (value: T) => R): MaybePromise<R> {
  return isPromise(value) ? (value as Promise<T>).then(map) : map(value)
}

export function runNow<T>(steps: Steps<T>): T {
  let result = steps.next()
  while (!result.done) {
    if (isPromise(result.value)) throw needsPromise()
    result = steps.next(result.value)
  }
  return result.value
}

export function needsPromise(): Error {
  return featureUnavailable('Synchronous calls need the volume to be open in this process', 'Use the promise form, or open the volume in process.')
}

export async function runSoon<T>(steps: Steps<T>): Promise<T> {
  let result = steps.next()
  let turn = 0
  while (!result.done) {
    const value = result.value
    if (isPromise(value)) {
      let got: unknown
      try {
        got = await value
      } catch (error) {
        result = steps.throw(error)
        continue
      }
      result = steps.next(got)
    } else {
      if (++turn % STEPS_PER_TURN === 0) await setImmediate()
      result = steps.next(value)
    }
  }
  return result.value
}

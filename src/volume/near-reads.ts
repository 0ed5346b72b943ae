import { PageMiss } from '../errors.js'

/**
 * Work in slices that may be told that something is not here: it yields the `PageMiss`, and when it goes on it makes that read again. Whoever runs it where nothing
 * may be missed never sees one.
 */
export type Slices<T, R = void> = Generator<T | PageMiss | undefined, R>

/** A read within such work. @param read changes nothing that a second time would see */
export function* near<T>(read: () => T): Generator<PageMiss, T> {
  for (;;) {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error
      yield error
    }
  }
}

/** The next of what such work yields. @throws PageMiss: when it is here, call again */
export function nextNear<T, R>(steps: Slices<T, R>): IteratorResult<T | undefined, R> {
  const { done, value } = steps.next()
  if (done === true) return { done, value }
  if (value instanceof PageMiss) throw value
  return { done: false, value }
}

/** What of a slice is passed on as it is: a pause, or what is not here. */
export function isPause<T>(value: T | PageMiss | undefined): value is PageMiss | undefined {
  return value === undefined || value instanceof PageMiss
}

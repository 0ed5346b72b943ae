import { PageMiss } from '../errors.js'
import { limits, systemClock } from '../sys/index.js'
import { nextNear, type Slices } from './near-reads.js'

/** Steps between two looks at the clock, which costs as much as one. */
const STEPS = 16

/** What work in slices finds, in pages of a few milliseconds each. */
export class PagesOf<T> {
  readonly #steps: Slices<T>
  readonly #most: number

  /** @param most in one page */
  constructor(steps: Slices<T>, most = Number.POSITIVE_INFINITY) {
    this.#steps = steps
    this.#most = most
  }

  /** Undefined at the end. A page may be empty. @throws PageMiss where it has nothing yet: when it is here, call again */
  next(): T[] | undefined {
    const until = systemClock.monotonic() + limits.diffSliceMs
    const found: T[] = []
    try {
      for (let steps = 1; found.length < this.#most; steps++) {
        const { value, done } = nextNear(this.#steps)
        if (done === true) return found.length === 0 ? undefined : found
        if (value !== undefined) found.push(value)
        if ((value === undefined || steps % STEPS === 0) && systemClock.monotonic() > until) break
      }
    } catch (error) {
      // What it stopped at comes with the next page.
      if (!(error instanceof PageMiss) || found.length === 0) throw error
    }
    return found
  }
}

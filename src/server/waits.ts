import { systemClock } from '../sys/index.js'

/** What is to go on after a while, on a thread whose timers have no turn. */
export class Waits {
  readonly #waiting: Array<{ dueMs: number; go: () => void }> = []

  add(ms: number, go: () => void): void {
    this.#waiting.push({ dueMs: systemClock.monotonic() + ms, go })
  }

  /** Lets go on what is due. @returns in how many milliseconds the next is */
  pump(): number {
    if (this.#waiting.length === 0) return Number.POSITIVE_INFINITY
    const now = systemClock.monotonic()
    const due = this.#waiting.filter(({ dueMs }) => dueMs <= now)
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter(({ dueMs }) => dueMs > now))
    for (const { go } of due) go()
    return Math.min(Number.POSITIVE_INFINITY, ...this.#waiting.map(({ dueMs }) => dueMs - now))
  }
}

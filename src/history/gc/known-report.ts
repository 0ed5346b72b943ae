import type { StoredObject } from '../../store/contract.js'
import { isAway } from '../../store/remote-errors.js'
import { type Clock, limits } from '../../sys/index.js'
import { GC_REPORT_KEY } from './collect.js'
import type { GcReport } from './report.js'
import { decodeReport } from './worth.js'

/** What asks a store elsewhere. */
export interface ReportSource {
  storedSync(key: string): StoredObject | undefined
  storedSoon(key: string, unlessVersion: string | undefined, done: (error: Error | undefined, found?: StoredObject) => void): void
}

/** What the last collection of a store elsewhere found, as far as this host has heard: any host may have collected. */
export class KnownReport {
  readonly #store: ReportSource
  readonly #clock: Clock
  readonly #onNew: () => void
  #report: GcReport | undefined
  #version: string | undefined
  #nextMs = Number.NEGATIVE_INFINITY

  /** @param onNew another collection has been since */
  constructor(store: ReportSource, clock: Clock, onNew: () => void) {
    this.#store = store
    this.#clock = clock
    this.#onNew = onNew
  }

  /** What is known; asks for what is newer, now and then, and does not wait for it: one request, of some hundred bytes where there is nothing new. */
  get(): GcReport | undefined {
    const now = this.#clock.monotonic()
    if (now >= this.#nextMs) {
      this.#nextMs = now + limits.gcReportMs
      this.#store.storedSoon(GC_REPORT_KEY, this.#version, (error, found) => {
        if (error === undefined && this.#learn(found)) this.#onNew()
      })
    }
    return this.#report
  }

  /** Waits for the store, and where it is out of reach says what is known. */
  now(): GcReport | undefined {
    try {
      this.#learn(this.#store.storedSync(GC_REPORT_KEY))
      this.#nextMs = this.#clock.monotonic() + limits.gcReportMs
    } catch (error) {
      if (!isAway(error)) throw error
    }
    return this.#report
  }

  /** Whether that is news. */
  #learn(found: StoredObject | undefined): boolean {
    if (found === undefined || found.unchanged === true) return false
    const report = decodeReport(found.bytes)
    if (report === undefined) return false
    const isNew = report.atMs !== this.#report?.atMs
    this.#report = report
    this.#version = found.version
    return isNew
  }
}

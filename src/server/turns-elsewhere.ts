import type { Clock, Random } from '../sys/index.js'
import { limits } from '../sys/index.js'

/** A volume of a store elsewhere that this host writes. */
export interface Written {
  store: string
  volume: string
}

/**
 * When this host looks whether a store elsewhere is worth a collection: seldom, since a listing costs money, and at random, so that of several hosts that write
 * volumes of the store hardly two come at a time. Only who writes there looks; readers pay nothing.
 */
export class TurnsElsewhere {
  readonly #clock: Clock
  readonly #random: Random
  readonly #everyMs: number
  /** By store, in milliseconds of the monotonic clock. */
  readonly #next = new Map<string, number>()

  /** @param everyMs about how long after a turn the next one comes: half of this, and up to all of it more */
  constructor(clock: Clock, random: Random, everyMs: number = limits.gcElsewhereMs) {
    this.#clock = clock
    this.#random = random
    this.#everyMs = everyMs
  }

  /** Of the stores whose turn has come, a volume of each. */
  due(written: readonly Written[]): string[] {
    const now = this.#clock.monotonic()
    const due: string[] = []
    for (const { store, volume } of new Map(written.map(one => [one.store, one])).values()) {
      const next = this.#next.get(store) ?? this.#later(store, now, 0)
      if (next > now) continue
      this.#later(store, now, this.#everyMs / 2)
      due.push(volume)
    }
    return due
  }

  #later(store: string, now: number, atLeastMs: number): number {
    const part = this.#random.bytes(4).readUInt32LE() / 2 ** 32
    const next = now + atLeastMs + part * this.#everyMs
    this.#next.set(store, next)
    return next
  }
}

import { CairnError } from '../errors.js'
import type { LocalStore } from '../store/contract.js'
import { decodeSmall, encodeSmall } from '../store/small-object.js'
import { type Clock, limits } from '../sys/index.js'
import type { LastCopy } from './copies.js'

const FORMAT = 1

/**
 * What a store that copies go to says of those of one volume (`copies/<volume id>`), for whoever goes on with one that broke off in another home: the volume that is being made
 * there, until when its maker is surely at it, and the last one that was made. Only a hint: two that go on with one and the same volume are told apart by its head, and what cannot be
 * said or read here costs a copy that begins anew. Cost: one GET, a PUT when it begins, when it ends, and each 20 s.
 */
export class StoredCopy {
  /** What is to be gone on with, or shared; nothing that somebody else is at. */
  readonly last: LastCopy
  readonly #store: LocalStore
  readonly #key: string
  readonly #clock: Clock
  #begun: string | undefined
  #made: string | undefined
  #sayAtMs = Number.POSITIVE_INFINITY

  constructor(store: LocalStore, volume: string, clock: Clock) {
    this.#store = store
    this.#key = `copies/${volume}`
    this.#clock = clock
    const { begun, made, untilMs } = this.#read()
    const isOver = begun !== undefined && untilMs + (untilMs === 0 ? 0 : limits.clockSkewMs) < clock.now()
    this.#made = made
    this.last = { ...(isOver ? { begun } : {}), ...(made === undefined ? {} : { made }) }
  }

  /** The copy goes into this volume. */
  begun(volume: string): void {
    this.#begun = volume
    this.#say(Math.floor(this.#clock.now()) + limits.copyAliveMs)
  }

  /** Its maker is still at it. */
  goesOn(): void {
    if (this.#clock.monotonic() >= this.#sayAtMs) this.#say(Math.floor(this.#clock.now()) + limits.copyAliveMs)
  }

  /** It is whole. */
  made(volume: string): void {
    this.#begun = undefined
    this.#made = volume
    this.#say(0)
  }

  /** One that broke off may be gone on with at once. */
  close(): void {
    if (this.#begun !== undefined) this.#say(0)
    this.#begun = undefined
  }

  #say(untilMs: number): void {
    this.#sayAtMs = this.#clock.monotonic() + limits.copyAliveMs / 3
    const [begun, made] = [this.#begun, this.#made]
    try {
      this.#store.putSync(this.#key, encodeSmall(FORMAT, { ...(begun === undefined ? {} : { begun, untilMs }), ...(made === undefined ? {} : { made }) }))
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
    }
  }

  #read(): LastCopy & { untilMs: number } {
    try {
      const found = this.#store.getSync(this.#key)
      const { begun, made, untilMs } = found === undefined ? {} : decodeSmall(found.bytes, this.#key, FORMAT)
      return { ...(typeof begun === 'string' && { begun }), ...(typeof made === 'string' && { made }), untilMs: Number(untilMs ?? 0) }
    } catch (error) {
      if (error instanceof CairnError) return { untilMs: 0 }
      throw error
    }
  }
}

import { EINTR, type PageMiss } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Connection } from './loop.js'
import { HeaderWord, OUT_HEADER_BYTES } from './protocol.js'

/** A request that is to be made again. */
export interface Parked {
  connection: Connection
  request: Uint32Array
  /** How often it was given up. */
  misses: number
  /** It waits for what it needs, the next time. */
  patient: boolean
}

/** Requests that need what a store elsewhere has, while that comes; others go on meanwhile. */
export class Parking {
  readonly #waiting = new Set<Parked>()
  readonly #ready: Parked[] = []
  /** The one that is made again at this moment. */
  #again: Parked | undefined

  get hasReady(): boolean {
    return this.#ready.length > 0
  }

  /** Keeps a copy of a request of so many bytes until what it missed has come. */
  park(connection: Connection, request: Uint8Array, length: number, miss: Pick<PageMiss, 'whenHere'>): void {
    const copy = new Uint32Array(Math.ceil(length / 4))
    new Uint8Array(copy.buffer).set(request.subarray(0, length))
    const misses = (this.#again?.misses ?? 0) + 1
    const parked = { connection, request: copy, misses, patient: misses >= limits.fuseMisses }
    this.#waiting.add(parked)
    miss.whenHere(isHere => {
      if (!this.#waiting.delete(parked)) return
      if (!isHere) parked.patient = true
      this.#ready.push(parked)
    })
  }

  /** Requests of this kind wait no longer here, but for themselves. @returns false when there are none */
  hurry(opcode: number): boolean {
    for (const parked of this.#waiting) {
      if (parked.request[HeaderWord.opcode] !== opcode) continue
      this.#waiting.delete(parked)
      parked.patient = true
      this.#ready.push(parked)
    }
    return this.hasReady
  }

  /** Makes again those whose bytes have come. @param run answers the request, which may park it once more */
  makeAgain(run: (parked: Parked) => void): void {
    for (let parked = this.#ready.shift(); parked !== undefined; parked = this.#ready.shift()) {
      this.#again = parked
      try {
        run(parked)
      } finally {
        this.#again = undefined
      }
    }
  }

  /** Gives up the request with this id. @returns the reply to it; undefined when none is parked */
  interrupt(connection: Connection, uniqueHigh: number, uniqueLow: number): Buffer | undefined {
    for (const parked of this.#waiting) {
      const { request } = parked
      if (parked.connection !== connection || request[HeaderWord.uniqueLow] !== uniqueLow || request[HeaderWord.uniqueHigh] !== uniqueHigh) continue
      this.#waiting.delete(parked)
      const reply = Buffer.alloc(OUT_HEADER_BYTES)
      reply.writeUInt32LE(OUT_HEADER_BYTES, 0)
      reply.writeInt32LE(-EINTR, 4)
      reply.writeUInt32LE(uniqueLow, 8)
      reply.writeUInt32LE(uniqueHigh, 12)
      return reply
    }
    return undefined
  }

  /** The mount is gone. */
  forget(connection: Connection): void {
    for (const parked of this.#waiting) if (parked.connection === connection) this.#waiting.delete(parked)
    this.#ready.splice(0, this.#ready.length, ...this.#ready.filter(parked => parked.connection !== connection))
  }
}

import type { Clock } from '../sys/index.js'
import { limits } from '../sys/index.js'

export interface BacklogParts {
  /** Bytes that are on this host only: journal, spool and outbox of the volume. */
  waiting: () => number
  /** Of the disk that they lie on. */
  freeBytes: () => number
  /** How many may wait; default a part of the disk. */
  maxBytes: number | undefined
  clock: Clock
  /** Told when changes begin to be refused, not more than once a minute. */
  onFull: (waitingBytes: number, maxBytes: number) => void
}

/**
 * Bounds what a volume of a store elsewhere has acknowledged and not published. Beyond it changes are refused, so that an outage that lasts fills neither
 * the disk nor the memory; reads, seals and publication go on, and make room again.
 */
export class Backlog {
  readonly #parts: BacklogParts
  /** Bytes that may come before somebody has to look again. */
  #left = 0
  #lookAtMs = 0
  #tellAtMs = 0
  /** Changes were refused the last time. */
  isFull = false

  constructor(parts: BacklogParts) {
    this.#parts = parts
  }

  /** How much may wait now. Cost: one statfs(2) where nothing is set. */
  get maxBytes(): number {
    const { maxBytes, freeBytes, waiting } = this.#parts
    return maxBytes ?? Math.max(limits.backlogLeastBytes, (freeBytes() + waiting()) * limits.backlogDiskPart)
  }

  /** Whether a change of so many bytes may be acknowledged. */
  admits(bytes: number): boolean {
    if (bytes > this.#left) return this.#look(bytes)
    this.#left -= bytes
    return true
  }

  #look(bytes: number): boolean {
    const { clock, waiting, onFull } = this.#parts
    const now = clock.monotonic()
    if (this.isFull && now < this.#lookAtMs) return false
    const { maxBytes } = this
    const room = maxBytes - waiting()
    // Once full it has some room before it is not: else every few bytes that are published would let one change through.
    this.isFull = bytes + (this.isFull ? maxBytes * limits.backlogStep : 0) > room
    this.#left = this.isFull ? 0 : Math.min(room, Math.max(bytes, maxBytes * limits.backlogStep)) - bytes
    if (!this.isFull) return true
    this.#lookAtMs = now + limits.backlogLookMs
    if (now >= this.#tellAtMs) onFull(maxBytes - room, maxBytes)
    this.#tellAtMs = now + limits.backlogTellMs
    return false
  }
}

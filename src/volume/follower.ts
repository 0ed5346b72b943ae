import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeHead } from '../codec/head.js'
import type { StoredObject } from '../store/contract.js'
import { type Clock, limits } from '../sys/index.js'
import { HeadFile } from './head.js'
import type { PublishedHeads } from './published-heads.js'
import type { Volume } from './volume.js'

/** Of a head that was read in another process: no store has it. */
const UNKNOWN_VERSION = 'unknown'

/** Keeps a reader at what its volume's writer published: looks at the head every so often, without waiting for the answer. */
export class Follower {
  readonly #store: PublishedHeads
  readonly #volume: Volume
  readonly #dir: string
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #onRefreshed: () => void
  #nextMs: number
  #failures = 0
  #isAsking = false
  #ended = false
  /** When what is shown was last known to be the newest; on the wall. */
  refreshedMs: number | undefined
  /** Why the head could not be read, or gone to, the last time. */
  failed: Error | undefined

  /**
   * @param parts dir: this host's folder for reading the volume; everyMs: between two looks; isNew: the volume was opened at the head that is stored
   * @param onRefreshed called when a look from `pump` went on to another state
   */
  constructor(parts: { store: PublishedHeads; volume: Volume; dir: string; clock: Clock; everyMs: number; isNew: boolean }, onRefreshed: () => void) {
    this.#store = parts.store
    this.#volume = parts.volume
    this.#dir = parts.dir
    this.#clock = parts.clock
    this.#everyMs = parts.everyMs
    this.#onRefreshed = onRefreshed
    this.#nextMs = parts.isNew ? parts.clock.monotonic() + parts.everyMs : 0
    if (parts.isNew) this.#saw()
  }

  get #key(): string {
    return HeadFile.key(this.#volume.head.value.volume)
  }

  /** Background work. Returns in how many milliseconds it wants to be called again. */
  pump(): number {
    if (this.#isAsking) return Number.POSITIVE_INFINITY
    const left = this.#nextMs - this.#clock.monotonic()
    if (left > 0) return left
    this.lookSoon()
    return Number.POSITIVE_INFINITY
  }

  /** Looks without waiting for it. */
  lookSoon(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#store.storedSoon(this.#key, this.#volume.head.version, (error, found) => {
      this.#isAsking = false
      if (this.#ended) return
      if (this.#heard(error, found)) this.#onRefreshed()
    })
  }

  #heard(error: Error | undefined, found: StoredObject | undefined): boolean {
    try {
      if (error !== undefined) throw error
      const went = this.#follow(found)
      this.#failures = 0
      this.#nextMs = this.#clock.monotonic() + this.#everyMs
      return went
    } catch (problem) {
      this.failed = problem as Error
      this.#nextMs = this.#clock.monotonic() + Math.max(this.#everyMs, Math.min(limits.publishRetryMaxMs, limits.publishRetryMs * 2 ** this.#failures++))
      return false
    }
  }

  /** Looks now, and waits for the answer. True when there was something new. @throws what the store says */
  look(): boolean {
    return this.#follow(this.#store.storedSync(this.#key, { unlessVersion: this.#volume.head.version }))
  }

  /** One that was deleted stays what it was, as long as its pages are there. */
  #follow(found: StoredObject | undefined): boolean {
    const went = found !== undefined && found.unchanged !== true && this.#volume.refresh(found) !== undefined
    this.failed = undefined
    this.#saw(went)
    return went
  }

  #saw(isOther = true): void {
    this.refreshedMs = this.#clock.now()
    if (isOther) keepHead(this.#dir, encodeHead(this.#volume.head.value))
  }

  end(): void {
    this.#ended = true
  }
}

/** The head that the last reader here saw: what a mount shows that outlived its server, and what there is while the store cannot be reached. */
export function keptHead(dir: string): StoredObject | undefined {
  try {
    const bytes = readFileSync(join(dir, 'head'))
    return { bytes, version: UNKNOWN_VERSION }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** Not synced: it is one head or the other, and both were stored. */
function keepHead(dir: string, bytes: Buffer): void {
  writeFileSync(join(dir, 'head~'), bytes, { mode: 0o600 })
  renameSync(join(dir, 'head~'), join(dir, 'head'))
}

import type { PackWriter } from '../store/packs.js'
import { crashPoint } from '../sys/index.js'
import type { Sealing } from '../tree/index.js'
import { PageSpool, type Spool } from './spool.js'
import type { VolumeState } from './state.js'

const PAGES_AT_ONCE = 8

/** What a finished seal tells the head. */
export interface SealedState {
  root: Uint8Array
  history: Uint8Array
  watermark: number
  nextIno: number
  inodes: number
  bytes: number
}

/**
 * One seal: everything committed up to its start becomes hashed pages and packs. Steps are short; the volume goes on
 * changing between them. The steps are: fold (before `start`), pages, finish; syncing and the head are the caller's.
 */
export class Seal {
  readonly result: SealedState
  readonly packs: PackWriter[]
  readonly #pages: PageSpool
  readonly #tree: Sealing
  readonly #history: Sealing
  #treeDone = false
  #historyDone = false

  /** Freezes the state. No overlay may be left in it. */
  constructor(state: VolumeState, spool: Spool, watermark: number) {
    crashPoint('seal.before-pages')
    this.packs = spool.take()
    this.#pages = new PageSpool(spool)
    this.#tree = state.tree.seal(this.#pages)
    this.#history = state.history.seal(this.#pages)
    this.result = {
      root: new Uint8Array(0),
      history: new Uint8Array(0),
      watermark,
      nextIno: state.nextIno,
      inodes: state.usage.inodes,
      bytes: state.usage.bytes,
    }
  }

  /** Writes pages until `deadline` (monotonic ms); true when all are written. @throws on a full or failing disk */
  writePages(now: () => number, deadline: number): boolean {
    while (!this.#treeDone || !this.#historyDone) {
      if (!this.#treeDone) this.#treeDone = this.#tree.step(PAGES_AT_ONCE)
      else this.#historyDone = this.#history.step(PAGES_AT_ONCE)
      if (now() >= deadline) break
    }
    if (!this.#treeDone || !this.#historyDone) return false
    if (this.#pages.pack !== undefined && !this.packs.includes(this.#pages.pack)) this.packs.push(this.#pages.pack)
    this.result.root = this.#tree.root
    this.result.history = this.#history.root
    return true
  }

  /** Gives the seal up; pages that it did not finish are dirty again. */
  abandon(): void {
    this.#tree.discard()
    this.#history.discard()
  }

  /** Packs to keep when the seal is given up. */
  get allPacks(): PackWriter[] {
    const page = this.#pages.pack
    return page === undefined || this.packs.includes(page) ? this.packs : [...this.packs, page]
  }
}

import { decodeCommit, encodeCommit } from '../codec/index.js'
import type { PackWriter } from '../store/packs.js'
import { crashPoint } from '../sys/index.js'
import type { Sealing } from '../tree/index.js'
import { PageSpool, type Spool } from './spool.js'
import type { PendingCommit, VolumeState } from './state.js'

const PAGES_AT_ONCE = 16

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
 * changing between them. First the trees of commits that have no root yet, then the volume's own, then the history with those
 * roots in it. Commits that come meanwhile are in that history too, which recovery does not mind: it puts them again.
 * Folding before `start`, syncing and the head are the caller's.
 */
export class Seal {
  readonly result: SealedState
  readonly packs: PackWriter[]
  readonly #state: VolumeState
  readonly #pages: PageSpool
  readonly #commits: PendingCommit[]
  readonly #trees: Sealing[]
  #history: Sealing | undefined
  /** How many of `#trees` are written. */
  #written = 0

  /** Freezes the state. No overlay may be left in it. */
  constructor(state: VolumeState, spool: Spool, watermark: number) {
    crashPoint('seal.before-pages')
    this.#state = state
    this.packs = spool.take()
    this.#pages = new PageSpool(spool)
    this.#commits = state.pendingCommits.slice()
    this.#trees = [...this.#commits.map(commit => commit.tree), state.tree].map(tree => tree.seal(this.#pages))
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
    for (;;) {
      if (this.#written < this.#trees.length) {
        if (this.#trees[this.#written].step(PAGES_AT_ONCE)) this.#written++
      } else {
        this.#history ??= this.#sealHistory()
        if (this.#history.step(PAGES_AT_ONCE)) break
      }
      if (now() >= deadline) return false
    }
    if (this.#pages.pack !== undefined && !this.packs.includes(this.#pages.pack)) this.packs.push(this.#pages.pack)
    this.result.root = this.#trees[this.#trees.length - 1].root
    this.result.history = this.#history.root
    return true
  }

  /** Gives the commits their roots, then freezes the history. */
  #sealHistory(): Sealing {
    const { history } = this.#state
    this.#commits.forEach(({ key }, i) => {
      // A checkpoint that was pruned meanwhile has no record any more.
      if (!history.get(key, key.length)) return
      const value = encodeCommit({ ...decodeCommit(history.vb, history.vp, history.vl), root: Buffer.from(this.#trees[i].root).toString('hex') })
      history.put(key, key.length, value, value.length)
    })
    this.#state.saveApplied()
    this.#state.saveVersionSequence()
    return history.seal(this.#pages)
  }

  /** The head names it all now: the commits have their roots. */
  done(): void {
    this.#state.pendingCommits = this.#state.pendingCommits.filter(commit => !this.#commits.includes(commit))
  }

  /** Gives the seal up; pages that it did not finish are dirty again. */
  abandon(): void {
    for (const tree of this.#trees) tree.discard()
    this.#history?.discard()
  }

  /** Packs to keep when the seal is given up. */
  get allPacks(): PackWriter[] {
    const page = this.#pages.pack
    return page === undefined || this.packs.includes(page) ? this.packs : [...this.packs, page]
  }
}

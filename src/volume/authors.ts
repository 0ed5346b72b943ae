import { type Clock, limits } from '../sys/index.js'

/**
 * Who made the changes that no commit has yet. When somebody else begins to change something, theirs get a commit of their own
 * first, so that the log tells who did what and an undo of one takes nothing of another. Where several take turns for long, only
 * each `authorCommitMs`: what comes between is in one commit that names them all.
 */
export class Authors {
  readonly #clock: Clock
  #names: string[]
  /** So many commits may be made at once. */
  #credit: number = limits.authorCommits
  #atMs: number

  /** @param recovered whose the changes are that a journal brought back */
  constructor(clock: Clock, recovered?: string) {
    this.#clock = clock
    this.#atMs = clock.monotonic()
    this.#names = recovered === undefined ? [] : [recovered]
  }

  /** As a commit tells it; undefined when nobody changed anything. */
  get text(): string | undefined {
    return this.#names.length === 0 ? undefined : this.#names.join(', ')
  }

  /** @param cut makes a commit of what the others changed, and calls `forget`; false when it could not */
  begins(actor: string, cut: () => boolean): void {
    if (this.#names.length > 0 && !(this.#names.length === 1 && this.#names[0] === actor)) {
      const now = this.#clock.monotonic()
      this.#credit = Math.min(limits.authorCommits, this.#credit + (now - this.#atMs) / limits.authorCommitMs)
      this.#atMs = now
      if (this.#credit >= 1 && cut()) this.#credit -= 1
    }
    if (!this.#names.includes(actor)) this.#names.push(actor)
  }

  forget(): void {
    this.#names = []
  }
}

/** Whether `actor` is one of those that a commit names. */
export function isAuthor(authors: string | undefined, actor: string): boolean {
  return authors === actor || (authors?.split(', ').includes(actor) ?? false)
}

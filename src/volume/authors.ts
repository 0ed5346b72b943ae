import { NotYourTurn } from '../errors.js'
import { type Clock, limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { readSetting, settingRecord } from './versions/settings.js'

/** Who changes something. */
export interface Author {
  readonly actor: string
  /** Id of the run whose changes they are; commits of these are of kind `exec`. */
  readonly exec?: string | undefined
}

/**
 * Who made the changes that no commit has yet. When somebody else begins to change something, theirs get a commit of their own
 * first, so that the log tells who did what and an undo of one takes nothing of another. Where several take turns for long, a commit is made only each
 * `authorCommitMs`, and what comes between is in one that names them all; or, of those who can wait, each `authorTurnMs`, and who is not next waits.
 */
export class Authors {
  #authors: Author[]
  /** So many commits may be made at once. */
  readonly #joining: Credit
  readonly #turns: Credit

  /** @param recovered whose the changes are that a journal brought back */
  constructor(clock: Clock, recovered?: Author) {
    this.#joining = new Credit(clock, limits.authorCommitMs)
    this.#turns = new Credit(clock, limits.authorTurnMs)
    this.#authors = recovered === undefined ? [] : [recovered]
  }

  /** As a commit tells it; undefined when nobody changed anything. */
  get text(): string | undefined {
    return this.#authors.length === 0 ? undefined : [...new Set(this.#authors.map(({ actor }) => actor))].join(', ')
  }

  /** The run that all of it comes from. */
  get exec(): string | undefined {
    return this.#authors.length === 1 ? this.#authors[0].exec : undefined
  }

  /**
   * @param cut makes a commit of what the others changed, and calls `forget`; false when it could not
   * @param waits it need not be now
   * @throws NotYourTurn only with `waits`
   */
  begins(author: Author, cut: () => boolean, waits = false): void {
    const isOnlyOne = this.#authors.length === 1 && isSame(this.#authors[0], author)
    if (this.#authors.length > 0 && !isOnlyOne) {
      const credit = waits ? this.#turns : this.#joining
      const waitMs = credit.waitMs()
      if (waits && waitMs > 0) throw new NotYourTurn(waitMs)
      // What a run changed is told exactly, whoever else was at work.
      const isRun = author.exec !== undefined || this.#authors.some(({ exec }) => exec !== undefined)
      if ((waitMs === 0 || isRun) && cut()) credit.take()
    }
    if (!this.#authors.some(one => isSame(one, author))) this.#authors.push(author)
  }

  forget(): void {
    this.#authors = []
  }
}

/** So many things at once, and one more after each so many milliseconds. */
class Credit {
  readonly #clock: Clock
  readonly #everyMs: number
  #credit: number = limits.authorCommits
  #atMs: number

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#atMs = clock.monotonic()
  }

  /** How long until there is one; 0: there is. */
  waitMs(): number {
    const now = this.#clock.monotonic()
    this.#credit = Math.min(limits.authorCommits, this.#credit + (now - this.#atMs) / this.#everyMs)
    this.#atMs = now
    return this.#credit >= 1 ? 0 : (1 - this.#credit) * this.#everyMs
  }

  take(): void {
    this.#credit -= 1
  }
}

function isSame(a: Author, b: Author): boolean {
  return a.actor === b.actor && a.exec === b.exec
}

const SETTING = 'author'

/** Who began the last change, where that was written down. */
export function readAuthor(history: Tree): Author | undefined {
  return readSetting(history, SETTING) as Author | undefined
}

export function authorRecord(author: Author): { key: Buffer; value: Buffer } {
  return settingRecord(SETTING, author)
}

/** Whether `actor` is one of those that a commit names. */
export function isAuthor(authors: string | undefined, actor: string): boolean {
  return authors === actor || (authors?.split(', ').includes(actor) ?? false)
}

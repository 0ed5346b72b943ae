import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHead, encodeHead } from '../codec/head.js'
import { CairnError, PageMiss } from '../errors.js'
import type { StoredObject } from '../store/contract.js'
import { type Clock, limits } from '../sys/index.js'
import { HeadFile } from './head.js'
import type { PublishedHeads } from './published-heads.js'
import { ShownHeads } from './shown-heads.js'
import { noteAll, Transition } from './transition.js'
import { TreeChanges } from './tree-changes.js'
import type { Showing, Volume } from './volume.js'

/** Of a head that was read in another process: no store has it. */
const UNKNOWN_VERSION = ''

export interface FollowerParts {
  store: PublishedHeads
  volume: Volume
  /** This host's folder for reading the volume. */
  dir: string
  clock: Clock
  /** Between two looks. */
  everyMs: number
  /** The volume was opened at the head that is stored. */
  isNew: boolean
  /** Called when the volume went on to another state by itself. */
  onRefreshed: () => void
  /** Called when promises were settled. */
  onSettled: () => void
  /** What is far away is not waited for: this thread is woken when it comes. */
  mayMiss: boolean
}

type Done = (error: Error | undefined, went: boolean) => void

/**
 * Keeps a reader at what its volume's writer published: looks at the head every so often, without waiting for the answer, finds out in slices what differs, and goes
 * on to it at once.
 */
export class Follower implements Showing {
  readonly #parts: FollowerParts
  readonly #shown: ShownHeads
  #isMounted = false
  /** The kernel has not heard yet what changed since a server before this one told it. */
  #toResume = false
  #nextMs: number
  #failures = 0
  /** Number of the look whose answer counts: one that was waited for is newer than those that were asked for before. */
  #look = 0
  #isAsking = false
  #transition: Transition | undefined
  /** What the transition needs is on its way; or did not come, and is waited for once. */
  #isFar = false
  #isPatient = false
  /** Who waits for the look that is under way, and for one that is begun after it. */
  #waiting: Done[] = []
  #next: Done[] = []
  #ended = false
  /** When what is shown was last known to be the newest; on the wall. */
  refreshedMs: number | undefined
  /** Why the head could not be read, or gone to, the last time; or that it is gone. */
  failed: Error | undefined

  constructor(parts: FollowerParts) {
    this.#parts = parts
    this.#shown = new ShownHeads(parts.dir)
    this.#nextMs = parts.isNew ? parts.clock.monotonic() + parts.everyMs : 0
    if (!parts.isNew) return
    this.refreshedMs = parts.clock.now()
    this.#keep()
  }

  get #volume(): Volume {
    return this.#parts.volume
  }

  get #key(): string {
    return HeadFile.key(this.#volume.head.value.volume)
  }

  get #known(): { unlessVersion?: string } {
    const { version } = this.#volume.head
    return version === UNKNOWN_VERSION ? {} : { unlessVersion: version }
  }

  /** Background work for at most `budgetMs`. Returns in how many milliseconds it wants to be called again. */
  pump(budgetMs: number): number {
    if (this.#isFar) return Number.POSITIVE_INFINITY
    if (this.#transition !== undefined) return this.#goOn(this.#transition, budgetMs)
    if (this.#isAsking) return Number.POSITIVE_INFINITY
    if (this.#next.length === 0) {
      const left = this.#nextMs - this.#parts.clock.monotonic()
      if (left > 0) return left
      if (this.#toResume) return this.#resumeLate()
      // One state after the other: the kernel is told of the last one still, and `told` comes.
      if (this.#isMounted && this.#shown.untold > 0) return this.#parts.everyMs
    }
    this.#ask()
    return this.#transition !== undefined ? 0 : this.#isAsking ? Number.POSITIVE_INFINITY : this.#parts.everyMs
  }

  #resumeLate(): number {
    this.#resumeIfCan()
    this.#parts.onRefreshed()
    return limits.publishRetryMs
  }

  /** As `look`, without waiting for it here: `pump` does the work. @param done with whether there was something new */
  lookSoon(done: Done): void {
    this.#next.push(done)
    if (!this.#isAsking && this.#transition === undefined) this.#ask()
  }

  #ask(): void {
    this.#isAsking = true
    this.#waiting = this.#next
    this.#next = []
    const look = this.#look
    this.#parts.store.storedSoon(this.#key, this.#known.unlessVersion, (error, found) => {
      this.#isAsking = false
      if (this.#ended) return
      // Somebody has waited for a newer answer.
      if (look !== this.#look) this.#over(undefined, false)
      else this.#heard(error, found)
    })
  }

  #heard(error: Error | undefined, found: StoredObject | undefined): void {
    try {
      if (error !== undefined) throw error
      this.#transition = this.#wayTo(found)
      if (this.#transition === undefined) this.#over(undefined, false)
    } catch (problem) {
      this.#over(problem as Error, false)
    }
  }

  #goOn(transition: Transition, budgetMs: number): number {
    const { clock, onRefreshed, mayMiss } = this.#parts
    const until = clock.monotonic() + budgetMs
    let went: boolean
    try {
      const step = transition.step(() => clock.monotonic() >= until, mayMiss && !this.#isPatient)
      this.#isPatient = false
      if (step instanceof PageMiss) return this.#waitFor(step)
      if (!step) return 0
      went = this.#goTo(transition)
    } catch (problem) {
      this.#over(problem as Error, false)
      return this.pump(0)
    }
    // Before whoever waits goes on.
    if (went) onRefreshed()
    this.#over(undefined, went)
    return this.#next.length > 0 ? 0 : this.#parts.everyMs
  }

  #waitFor(miss: PageMiss): number {
    this.#isFar = true
    miss.whenHere(isHere => {
      this.#isFar = false
      this.#isPatient = !isHere
    })
    return Number.POSITIVE_INFINITY
  }

  /** A look is over. */
  #over(problem: Error | undefined, went: boolean): void {
    const { clock, everyMs, onSettled } = this.#parts
    this.#transition = undefined
    const waits = problem === undefined ? 0 : Math.min(limits.publishRetryMaxMs, limits.publishRetryMs * 2 ** this.#failures++)
    if (problem === undefined) this.#failures = 0
    else this.failed = problem
    this.#nextMs = clock.monotonic() + Math.max(everyMs, waits)
    const waiting = this.#waiting
    this.#waiting = []
    for (const done of waiting) done(problem ?? this.failed, went)
    if (waiting.length > 0) onSettled()
  }

  /**
   * Looks now, and waits for the answer. True when there was something new.
   * @throws what the store says; CairnError ERR_VOLUME_UNKNOWN when it was deleted
   */
  look(): boolean {
    this.#look++
    this.#transition = undefined
    const transition = this.#wayTo(this.#parts.store.storedSync(this.#key, this.#known))
    const went = transition !== undefined && this.#goTo(transition.finish())
    if (this.failed !== undefined) throw this.failed
    return went
  }

  /** Undefined when what is shown is the newest. One that was deleted stays what it was, as long as its pages are there. */
  #wayTo(found: StoredObject | undefined): Transition | undefined {
    const way = found === undefined || found.unchanged === true ? undefined : this.#volume.wayTo(found)
    const isGone = found === undefined || (way?.head ?? this.#volume.head.value).deletedMs !== undefined
    this.failed = isGone ? deleted(this.#volume.info.name) : undefined
    if (way === undefined) this.refreshedMs = this.#parts.clock.now()
    return way
  }

  #goTo(transition: Transition): boolean {
    const { root, history } = this.#volume.head.value
    const { head } = transition
    if (this.#isMounted && (head.root !== root || head.history !== history)) this.#shown.add(head)
    const went = this.#volume.goTo(transition)
    this.refreshedMs = this.#parts.clock.now()
    this.#keep()
    return went
  }

  /** What there is to begin with while the store cannot be reached. Without it a reader is none the worse now. */
  #keep(): void {
    try {
      keepHead(this.#parts.dir, encodeHead(this.#volume.head.value))
    } catch (error) {
      if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
    }
  }

  begins(): void {
    this.#shown.begin(this.#volume.head.value)
    this.#isMounted = true
  }

  resumes(): void {
    this.#isMounted = true
    this.#toResume = true
    // Where the store cannot be reached now, `pump` tries again.
    this.#resumeIfCan()
  }

  #resumeIfCan(): void {
    const { volume, clock } = this.#parts
    try {
      const changes = this.#sinceShown()
      this.#toResume = false
      volume.onBecame?.(changes)
    } catch (error) {
      this.failed = error as Error
      this.#nextMs = clock.monotonic() + limits.publishRetryMs
    }
  }

  /** What differs between any two of the states that the kernel may know something of. */
  #sinceShown(): TreeChanges {
    const { volume } = this.#parts
    const now = volume.head.value
    const changes = new TreeChanges()
    const heads = this.#shown.read(now.volume)
    if (heads === undefined) for (const _ of noteAll(volume.state.tree, changes));
    const trees = [...(heads ?? []).map(head => volume.treesOf(head)), volume.state]
    for (let i = 1; i < trees.length; i++) new Transition(volume.context.store, trees[i - 1], trees[i], now, NOTHING, changes).finish()
    if (heads?.at(-1)?.nonce !== now.nonce) this.#shown.add(now)
    return changes
  }

  told(sequence: number): void {
    const { value } = this.#volume.head
    // What it was told of otherwise is no reason to forget.
    if (!this.#toResume) this.#shown.told(sequence, value.sequence === sequence ? value : undefined)
  }

  ends(): void {
    this.#isMounted = false
    this.#toResume = false
    this.#shown.end()
  }

  end(): void {
    this.#ended = true
    for (const done of [...this.#waiting, ...this.#next]) done(undefined, false)
    this.#waiting = []
    this.#next = []
  }
}

const NOTHING: StoredObject = { bytes: Buffer.alloc(0), version: UNKNOWN_VERSION }

/** The state that a mount showed last when its server was killed, else the one that the last reader here saw; none that cannot be read. */
export function keptHead(dir: string, volume: string, ofMount: boolean): StoredObject | undefined {
  const shown = ofMount ? new ShownHeads(dir).read(volume)?.at(-1) : undefined
  if (shown !== undefined) return { bytes: encodeHead(shown), version: UNKNOWN_VERSION }
  try {
    const bytes = readFileSync(join(dir, 'head'))
    return decodeHead(bytes).volume === volume ? { bytes, version: UNKNOWN_VERSION } : undefined
  } catch {
    return undefined
  }
}

/** Not synced: it is one head or the other, and both were stored. Other processes of this home do the same. */
function keepHead(dir: string, bytes: Buffer): void {
  const path = join(dir, `head~${process.pid}`)
  writeFileSync(path, bytes, { mode: 0o600 })
  renameSync(path, join(dir, 'head'))
}

function deleted(name: string): CairnError {
  return new CairnError(
    'ERR_VOLUME_UNKNOWN',
    `The volume ${name} was deleted by another host.`,
    'What it was is shown for as long as it is kept; `cairn undelete` brings it back.',
  )
}

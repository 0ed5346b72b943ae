import { auditHash } from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import { entryAt } from './entries.js'
import { eventIn } from './event.js'
import { isSigned } from './sign.js'
import { type AuditState, type AuditTip, firstKept, readAuditState } from './state.js'
import { strayRecords } from './stray.js'

export interface AuditProblem {
  /** Of the entry; absent where it is about the chain. */
  sequence?: number
  problem: string
}

/** What a check of a chain found. JSON-safe. */
export interface AuditVerification {
  ok: boolean
  /** Entries that are there, and the sequences of the first and the last. */
  entries: number
  first: number
  last: number
  tip?: AuditTip
  /** Entries that a purge took the content out of; they stay in the chain. */
  redacted: number
  /** The last of the oldest entries, which were dropped because there were too many; signed when its end is, by a key that counts. */
  dropped?: AuditTip & { signed: boolean }
  /** The newest tip that was signed, by a key that counts. */
  signed?: AuditTip & { key: string }
  /** Whether the chain goes on from the tip that was kept elsewhere. */
  against?: AuditTip & { proven: boolean }
  problems: AuditProblem[]
}

export interface AuditVerifyOptions {
  /** A tip that was kept elsewhere. */
  against?: AuditTip
  /** Public key whose signatures count, hex; default any. */
  key?: string
}

/** Entries checked between two looks at the clock. */
const AT_ONCE = 64
/** Problems that are told; a chain that is wrong throughout has one for each entry. */
const MOST_PROBLEMS = 100

/**
 * Checks each entry: its payload against its hash, its place, and that it names the one before; then the state of the chain, its signatures, and the tip
 * to compare with. Yields now and then; entries may be appended meanwhile.
 */
export function* verifyAudit(history: () => BTree, options: AuditVerifyOptions = {}): Generator<undefined, AuditVerification> {
  const check = new Check(history, options)
  return yield* check.run()
}

class Check {
  readonly #history: () => BTree
  readonly #options: AuditVerifyOptions
  readonly #found: AuditVerification = { ok: true, entries: 0, first: 1, last: 0, redacted: 0, problems: [] }
  /** Redacted entries that no purge has named yet. */
  readonly #unexplained = new Set<number>()
  #begun: { sequence: number; volume: unknown } | undefined

  constructor(history: () => BTree, options: AuditVerifyOptions) {
    this.#history = history
    this.#options = options
  }

  *run(): Generator<undefined, AuditVerification> {
    const found = this.#found
    const state = this.#state()
    for (const problem of strayRecords(this.#history(), state)) this.#problem(problem)
    if (state !== undefined) {
      found.last = state.sequence
      found.tip = { sequence: state.sequence, hash: state.hash }
      yield* this.#entries(state)
      for (const sequence of this.#unexplained) this.#problem('it says nothing any more, and no purge says so', sequence)
      this.#checkState(state)
    }
    this.#checkAnchor(state)
    found.ok = found.problems.length === 0
    return found
  }

  #state(): AuditState | undefined {
    try {
      return readAuditState(this.#history())
    } catch (error) {
      this.#problem((error as Error).message)
      return undefined
    }
  }

  *#entries(state: AuditState): Generator<undefined> {
    const found = this.#found
    let start = firstKept(state)
    let previous = state.dropped?.hash ?? '00'.repeat(32)
    found.first = start
    for (let sequence = start; sequence <= state.sequence; sequence++) {
      if ((sequence - start) % AT_ONCE === AT_ONCE - 1) {
        yield
        // Some of the oldest may have been dropped meanwhile.
        const now = this.#state()
        if (now !== undefined && firstKept(now) > sequence) {
          start = sequence = found.first = firstKept(now)
          previous = now.dropped?.hash ?? previous
        }
      }
      previous = this.#entry(sequence, previous)
    }
    if (previous !== state.hash) this.#problem('it is not the one that the state of the chain names as the last', state.sequence)
  }

  /** Returns its hash, or what the next entry is to name. */
  #entry(sequence: number, previous: string): string {
    const found = this.#found
    const entry = entryAt(this.#history(), sequence)
    if (entry === undefined) {
      this.#problem('it is missing or damaged', sequence)
      const next = entryAt(this.#history(), sequence + 1)
      return next === undefined ? previous : Buffer.from(next.previous).toString('hex')
    }
    found.entries++
    if (Buffer.from(entry.previous).toString('hex') !== previous) this.#problem('it does not name the one before', sequence)
    if (entry.payload === undefined) {
      found.redacted++
      this.#unexplained.add(sequence)
    } else this.#event(sequence, entry.payload)
    return auditHash(entry).toString('hex')
  }

  #event(sequence: number, payload: Uint8Array): void {
    const event = eventIn(payload)
    if (event === undefined) this.#problem('it is no JSON of the right form', sequence)
    if (event?.kind === 'begin') this.#begun = { sequence, volume: event.detail?.['volume'] }
    else if (sequence === 1) this.#problem('a chain begins with `begin`', sequence)
    const redacted = event?.kind === 'purge' ? event.detail?.['redacted'] : undefined
    for (const [from, to] of (Array.isArray(redacted) ? redacted : []) as Array<[number, number]>)
      for (const one of this.#unexplained) if (one >= from && one <= to) this.#unexplained.delete(one)
  }

  #checkState(state: AuditState): void {
    const begun = this.#begun
    if (begun === undefined ? state.begun >= firstKept(state) : begun.sequence !== state.begun || begun.volume !== state.volume)
      this.#problem('the state of the chain does not name the entry that it begins with')
    this.#checkTime(state)
    this.#checkSignatures(state)
  }

  #checkTime(state: AuditState): void {
    if (entryAt(this.#history(), state.sequence)?.timeMs !== state.timeMs) this.#problem('the state of the chain has another time than the last entry')
  }

  #counts(key: string): boolean {
    return this.#options.key === undefined || this.#options.key === key
  }

  #checkSignatures({ dropped, signed }: AuditState): void {
    const found = this.#found
    if (dropped !== undefined) {
      const { sequence, hash, by } = dropped
      const holds = by !== undefined && isSigned('gap', by.volume, dropped, by)
      if (by !== undefined && !holds) this.#problem('the signature of what was dropped does not hold')
      found.dropped = { sequence, hash, signed: by !== undefined && holds && this.#counts(by.key) }
    }
    if (signed === undefined) return
    const { sequence, hash, key } = signed
    const entry = sequence === dropped?.sequence ? dropped.hash : this.#hashAt(sequence)
    const isDropped = sequence < (dropped?.sequence ?? 0)
    if (!isSigned('tip', signed.volume, signed, signed)) this.#problem('the signature of the tip does not hold', sequence)
    else if (!isDropped && entry !== hash) this.#problem('it is another one than was signed', sequence)
    else if (this.#counts(key)) found.signed = { sequence, hash, key }
  }

  #hashAt(sequence: number): string | undefined {
    const entry = entryAt(this.#history(), sequence)
    return entry === undefined ? undefined : auditHash(entry).toString('hex')
  }

  #checkAnchor(state: AuditState | undefined): void {
    const { against } = this.#options
    if (against === undefined) return
    const { sequence, hash } = against
    const dropped = state?.dropped
    const here = sequence === dropped?.sequence ? dropped.hash : this.#hashAt(sequence)
    this.#found.against = { sequence, hash, proven: here === hash }
    if (here === hash) return
    if (state === undefined || sequence > state.sequence) this.#problem('the tip to compare with is newer than the chain: entries are missing at its end')
    else if (sequence < (dropped?.sequence ?? 0)) this.#problem('the tip to compare with lies in what was dropped, so that nothing can be said of it')
    else this.#problem('it is another one than the tip to compare with: the chain was rewritten', sequence)
  }

  #problem(problem: string, sequence?: number): void {
    if (this.#found.problems.length < MOST_PROBLEMS) this.#found.problems.push({ ...(sequence === undefined ? {} : { sequence }), problem })
  }
}

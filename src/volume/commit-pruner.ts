import { commitIdBound, commitKey, decodeCommit, encodeCommit, MAX_KEY_BYTES } from '../codec/index.js'
import { limits } from '../sys/index.js'
import type { CommitInfo } from './api.js'
import { refusedByDisk } from './collector.js'
import { CommitLog } from './commit-log.js'
import type { LiveSession } from './live-session.js'
import type { VolumeState } from './state.js'
import { dropped, MONTH_MS, type PruneRule } from './versions/retention.js'

const K = Buffer.alloc(MAX_KEY_BYTES)

export interface CommitPruneReport {
  /** Commits without a name there were, and those of them that were dropped. */
  commits: number
  droppedCommits: number
}

/** What is needed of a commit to decide on it. Times in microseconds, as those of versions. */
interface Candidate {
  id: string
  sequence: number
  isLost: false
  kind: CommitInfo['kind']
  parents: string[]
}

/**
 * Drops commits that nobody named, by the rule that versions go by; those that somebody made happen (a merge, an undo, a checkpoint whose name was
 * deleted) stay for a month whatever the rule thins. The newest commit stays, and so do those that merges start from. Whoever came after a
 * dropped commit comes after its parents then.
 */
export class CommitPruner {
  readonly report: CommitPruneReport = { commits: 0, droppedCommits: 0 }
  readonly #session: LiveSession
  readonly #state: VolumeState
  readonly #rule: PruneRule
  readonly #nowMs: number
  readonly #dryRun: boolean
  readonly #needed: ReadonlySet<string>

  /** @param needed commits that have to stay */
  constructor(session: LiveSession, state: VolumeState, rule: PruneRule, nowMs: number, dryRun: boolean, needed: ReadonlySet<string>) {
    this.#session = session
    this.#state = state
    this.#rule = rule
    this.#nowMs = nowMs
    this.#dryRun = dryRun
    this.#needed = needed
  }

  /** Yields after each batch; after each the history is whole. @throws CairnError of a full disk */
  *run(): Generator<void, CommitPruneReport> {
    const { candidates, children } = this.#look()
    this.report.commits = candidates.length
    yield
    const gone = dropped(candidates, this.#rule, this.#nowMs)
    // From new to old: who came after a dropped commit is known to its parents when it is their turn.
    const going = candidates.filter(candidate => gone.has(candidate) && this.#mayGo(candidate)).reverse()
    this.report.droppedCommits = going.length
    if (this.#dryRun) return this.report
    for (let i = 0; i < going.length; i += limits.pruneAtOnce) {
      this.#drop(going.slice(i, i + limits.pruneAtOnce), children)
      yield
    }
    return this.report
  }

  /** Those without a name, the oldest first, and who came after each. */
  #look(): { candidates: Candidate[]; children: Map<string, Set<string>> } {
    const children = new Map<string, Set<string>>()
    const needed = new Set(this.#needed)
    const candidates: Candidate[] = []
    let isNewest = true
    let merges = 0
    for (const { id, timeMs, kind, name, parents } of new CommitLog(this.#state).newestFirst()) {
      for (const parent of parents) children.set(parent, (children.get(parent) ?? new Set()).add(id))
      if (parents.length > 1 && merges++ < limits.mergesKept) for (const one of [id, ...parents]) needed.add(one)
      if (!isNewest && name === undefined && !needed.has(id) && !this.#isPending(id))
        candidates.push({ id, sequence: timeMs * 1000, isLost: false, kind, parents })
      isNewest = false
    }
    return { candidates: candidates.reverse(), children }
  }

  /** Its tree is in memory only, and the next seal writes its record. */
  #isPending(id: string): boolean {
    const key = keyOf(id)
    return this.#state.pendingCommits.some(pending => pending.key.equals(key))
  }

  #mayGo({ kind, sequence }: Candidate): boolean {
    const isThinned = this.#rule.retention?.keep === 'thin'
    return !isThinned || kind === 'auto' || this.#nowMs - sequence / 1000 > MONTH_MS
  }

  #drop(batch: readonly Candidate[], children: Map<string, Set<string>>): void {
    const session = this.#session
    const heirs = new Map<string, string[]>()
    const parentsOf = (id: string): string[] | undefined => heirs.get(id) ?? this.#recordOf(id)?.parents
    session.look()
    for (const { id } of batch) {
      const parents = parentsOf(id) ?? []
      heirs.delete(id)
      const key = keyOf(id)
      session.historyDel(key, key.length)
      for (const parent of parents) children.get(parent)?.delete(id)
      for (const child of children.get(id) ?? []) {
        const own = parentsOf(child)
        if (own === undefined) continue
        heirs.set(child, [...new Set(own.flatMap(parent => (parent === id ? parents : [parent])))])
        for (const parent of parents) children.set(parent, (children.get(parent) ?? new Set()).add(child))
      }
      children.delete(id)
    }
    for (const [id, parents] of heirs) {
      const record = this.#recordOf(id)
      if (record === undefined) continue
      const key = keyOf(id)
      const value = encodeCommit({ ...record, parents })
      session.historyPut(key, key.length, value, value.length)
    }
    const result = session.commit()
    if (result !== 0) throw refusedByDisk('Commits could not be pruned', result)
  }

  #recordOf(id: string): ReturnType<typeof decodeCommit> | undefined {
    const key = keyOf(id)
    const { history } = this.#state
    return history.get(key, key.length) ? decodeCommit(history.vb, history.vp, history.vl) : undefined
  }
}

function keyOf(id: string): Buffer {
  const bytes = commitIdBound(id, false)
  return bytes === undefined ? Buffer.alloc(0) : Buffer.from(K.subarray(0, commitKey(K, bytes)))
}

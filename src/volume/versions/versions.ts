import { Ended } from '../../codec/index.js'
import { kindOf } from '../../codec/mode.js'
import { CairnError } from '../../errors.js'
import type { Packs } from '../../store/packs.js'
import { type Clock, limits } from '../../sys/index.js'
import { BTree, type PageCache } from '../../tree/index.js'
import type { VersionInfo } from '../api.js'
import type { AuditEvent } from '../audit/index.js'
import { refusedByDisk } from '../collector.js'
import { CommitLog } from '../commit-log.js'
import { type CommitPruneReport, CommitPruner } from '../commit-pruner.js'
import { putItems } from '../history.js'
import type { HistoryItem } from '../incarnations.js'
import type { LiveSession } from '../live-session.js'
import { pathOfInode } from '../paths.js'
import { SnapshotSession } from '../snapshot-session.js'
import { VolumeState } from '../state.js'
import { authorOf } from './authors.js'
import { composeInode, longTail, putInRoot } from './compose.js'
import { type HistoryUse, historyUse } from './history-limit.js'
import { type Entry, NEVER, Past } from './past.js'
import { Pruner, type PruneReport as VersionPruneReport } from './pruner.js'
import { type Retention, readRetention, retentionRecord } from './settings.js'

const BLOCK = limits.blockBytes
const endings = ['modified', 'replaced', 'deleted', 'renamed', 'unlinked'] as const

/** One version of a file, as a volume of its own that holds nothing else. */
export interface OpenVersion {
  readonly info: VersionInfo
  /** Its inode, with the number that it has in the volume; the root directory names it `name`. */
  readonly ino: number
  readonly name: string
  /** Read-only. Its content is stored blocks, but for the tail of the last one, which may be an overlay. */
  readonly session: SnapshotSession
  readonly state: VolumeState
}

export interface VersionParts {
  session: LiveSession
  state: VolumeState
  clock: Clock
  packs: Packs
  pages: PageCache
  /** Folds what is not in blocks. @throws on a full or failing disk */
  foldAll: () => void
  /** Keeps what `user` reads from being collected while it lives. */
  hold: (user: object) => void
  /** @throws CairnError ERR_PURGED for a path that was */
  refusePurged: (path: string) => void
  /** Commits that have to stay: where this volume and others parted, and what a merge that waits began with. */
  neededCommits: () => ReadonlySet<string>
  /** Records of an entry of the audit chain. */
  audit: (event: AuditEvent) => readonly HistoryItem[]
  /** Called when promises of `pruneSoon` were settled. */
  onSettled: () => void
}

export interface PruneOptions {
  keep?: number
  olderThanMs?: number
  /** Says what would be dropped, and drops nothing. */
  dryRun?: boolean
  /** Who asked for it, as the audit says. */
  actor?: string
}

/** What the last collection found that versions and commits without a name hold; of commits what versions do not. */
export interface HeldByCommits {
  atMs: number
  versionBytes: number
  bytes: number
  count: number
}

/** Who prunes where nobody asked for it. */
const OWN_ACTOR = 'cairn'

export type PruneReport = VersionPruneReport & CommitPruneReport

interface Job {
  run: Generator<void, PruneReport>
  resolve: (report: PruneReport) => void
  reject: (error: unknown) => void
}

/** The versions of the files of an open volume. Paths are byte strings (one char per byte) from the root; `.`, `..` and links are not followed. */
export class Versions {
  readonly #parts: VersionParts

  /** What is being committed drops versions, and changes nothing else. */
  isPruning = false
  /** Whoever opens the volume may know of a collection. `isAsked`: somebody waits for what comes of it. */
  heldByCommits: (isAsked: boolean) => HeldByCommits | undefined = () => undefined
  #waiting: Array<{ options: PruneOptions; resolve: (report: PruneReport) => void; reject: (error: unknown) => void }> = []
  #job: Job | undefined
  /** When retention is looked after next; monotonic. */
  #nextMs: number
  /** The same of the limit of the history, and the sequence that it was looked after at last. */
  #limitMs = 0
  #limitedAt = -1

  constructor(parts: VersionParts) {
    this.#parts = parts
    this.#nextMs = parts.clock.monotonic() + limits.pruneFirstMs
  }

  /** What reads them, on the volume as it is now. */
  past(): Past {
    const { state, session } = this.#parts
    return new Past(state.tree, state.history, session.dirHash)
  }

  /**
   * The versions of a path, the oldest first; the last one is the current state, if there is a file now. Also of files and directories that
   * are no longer there. Empty when nothing is known of the path. O(versions).
   */
  list(path: string): VersionInfo[] {
    const past = this.past()
    const commits = new CommitLog(this.#parts.state)
    return past.list(path).map((entry, i, all) => {
      const author = authorOf(past, commits, all[i - 1], entry)
      return { ...this.#info(past, entry), ...(author === undefined ? {} : { writtenBy: author }) }
    })
  }

  /**
   * Reads a version. Costs O(its blocks and the versions behind it), and nothing is read of its content.
   * @param number as `list` gives it; default the newest one that is not current
   * @throws CairnError ERR_VERSION_UNKNOWN, ERR_PURGED
   */
  open(path: string, number?: number): OpenVersion {
    const past = this.past()
    const entries = past.list(path)
    const entry = number === undefined ? entries.findLast(one => one.sequence !== NEVER) : entries.find(one => one.number === number)
    if (entry === undefined) {
      this.#parts.refusePurged(path)
      throw unknown(path, number, entries)
    }
    return this.#compose(past, entry)
  }

  get retention(): Retention {
    return readRetention(this.#parts.state.history)
  }

  /**
   * What is kept from now on; a change takes effect when versions are pruned next. Excluded files get no new versions.
   * @throws CairnError ERR_RETENTION; of a full disk
   */
  setRetention(retention: Retention): void {
    const { session } = this.#parts
    const { key, value } = retentionRecord(retention)
    session.look()
    session.historyPut(key, key.length, value, value.length)
    putItems(session, this.#parts.audit({ kind: 'retention', detail: { ...retention } }))
    const result = session.commit()
    if (result !== 0) throw refusedByDisk('The retention could not be changed', result)
    session.versions.exclude(retention.exclude)
  }

  /**
   * Drops versions that retention, or these options, do not keep. Checkpoints and the current states stay, and so do the numbers of what is kept.
   * O(versions), in one go; see `pruneSoon`.
   * @param options keep: the newest so many of each path; olderThanMs: those that ended less long ago; without both: what retention says
   * @throws CairnError of a full disk
   */
  prune(options: PruneOptions = {}): PruneReport {
    const run = this.#pruning(options)
    for (;;) {
      const step = this.#step(run)
      if (step.done === true) return step.value
    }
  }

  /** As `prune`, in slices of `pump`. */
  pruneSoon(options: PruneOptions = {}): Promise<PruneReport> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ options, resolve, reject })
    })
  }

  *#pruning({ keep, olderThanMs, dryRun = false, actor }: PruneOptions, why = 'asked'): Generator<void, PruneReport> {
    const { session, state, clock, neededCommits } = this.#parts
    checkPruneOptions(keep, olderThanMs)
    const rule =
      keep === undefined && olderThanMs === undefined
        ? { retention: this.retention }
        : { ...(keep === undefined ? {} : { keep }), ...(olderThanMs === undefined ? {} : { olderThanMs }) }
    const versions = yield* new Pruner(session, state, rule, clock.now(), dryRun).run()
    const commits = yield* new CommitPruner(session, state, rule, clock.now(), dryRun, neededCommits()).run()
    const report = { ...versions, ...commits }
    if (!dryRun) this.#tell(report, why, actor)
    const { history: limit } = session.quota
    if (rule.retention === undefined || limit === undefined || dryRun) return report
    const more = yield* this.#limiting(limit, why === 'asked')
    const [dropped, droppedCommits] = [report.dropped + more.dropped, report.droppedCommits + more.droppedCommits]
    return { ...report, dropped, droppedCommits, bytes: report.bytes + more.bytes }
  }

  /** A disk that takes nothing keeps nothing from being pruned. */
  #tell({ dropped, droppedCommits, bytes }: PruneReport, why: string, actor: string | undefined): void {
    if (dropped === 0 && droppedCommits === 0) return
    const { session, audit } = this.#parts
    session.look()
    putItems(session, audit({ kind: 'prune', ...(actor === undefined ? {} : { actor }), detail: { why, versions: dropped, commits: droppedCommits, bytes } }))
    if (session.commit() !== 0) session.discard()
  }

  /** What versions hold now. Counts all of them, in pieces. */
  use(): Generator<void, HistoryUse> {
    return historyUse(() => this.#parts.state.history)
  }

  /** Drops the oldest versions until no more than `limit` is left, and the commits from before, but for those that somebody named. */
  *#limiting(limit: number, isAsked = false): Generator<void, PruneReport> {
    const { clock } = this.#parts
    const cutMs = (yield* this.use()).cutFor(limit)
    if (cutMs === undefined) return yield* this.#limitingCommits(limit, isAsked)
    return yield* this.#pruning({ olderThanMs: Math.max(0, clock.now() - cutMs), actor: OWN_ACTOR }, 'limit')
  }

  /**
   * States of files without versions are held by commits alone, and only a collection tells how much that is. So many of the commits that it found stay as fit beside
   * what versions hold, were all of one size; the next collection tells how much is left. Looked after again before that, nothing more goes.
   */
  *#limitingCommits(limit: number, isAsked: boolean): Generator<void, PruneReport> {
    const { session, state, clock, neededCommits } = this.#parts
    const none = { paths: 0, versions: 0, dropped: 0, bytes: 0, commits: 0, droppedCommits: 0 }
    const held = this.heldByCommits(isAsked)
    if (held === undefined || held.bytes === 0 || held.versionBytes + held.bytes <= limit) return none
    const fitting = Math.floor((held.count * Math.max(0, limit - held.versionBytes)) / held.bytes)
    // The newest one stays anyhow.
    let since = -1
    for (const { timeMs, name } of new CommitLog(state).newestFirst()) {
      if (timeMs <= held.atMs) break
      if (name === undefined || since < 0) since++
    }
    const pruner = new CommitPruner(session, state, { keep: Math.max(0, since) + fitting }, clock.now(), false, neededCommits())
    const report = { ...none, ...(yield* pruner.run()) }
    this.#tell(report, 'limit', OWN_ACTOR)
    return report
  }

  /** The limit, when it is time to look after it. */
  #limitDue(now: number): number | undefined {
    const { session } = this.#parts
    const { history } = session.quota
    return history === undefined || now < this.#limitMs || session.sequence === this.#limitedAt ? undefined : history
  }

  /** Looks after it as soon as there is time. */
  limitSoon(): void {
    this.#limitMs = 0
    this.#limitedAt = -1
  }

  /** In how many milliseconds there is something to do again. */
  #dueInMs(now: number): number {
    const { session } = this.#parts
    const isLimited = session.quota.history !== undefined && session.sequence !== this.#limitedAt
    return Math.max(1, Math.min(this.#nextMs, isLimited ? this.#limitMs : Number.POSITIVE_INFINITY) - now)
  }

  /**
   * Prunes for at most `budgetMs`: what was asked for, and once an hour what retention says. Returns in how many milliseconds it wants to be
   * called again.
   */
  pump(budgetMs: number): number {
    const { clock } = this.#parts
    const now = clock.monotonic()
    const job = this.#nextJob(now)
    if (job === undefined) return this.#dueInMs(now)
    const until = now + Math.min(budgetMs, limits.sealSliceMs)
    try {
      do {
        const step = this.#step(job.run)
        if (step.done === true) return this.#finish(job, step.value)
      } while (clock.monotonic() < until)
      return 1
    } catch (error) {
      this.#job = undefined
      this.#settled(() => job.reject(error))
      return limits.sealIdleMs
    }
  }

  #step(run: Job['run']): IteratorResult<void, PruneReport> {
    this.isPruning = true
    try {
      return run.next()
    } finally {
      this.isPruning = false
    }
  }

  #nextJob(now: number): Job | undefined {
    if (this.#job !== undefined) return this.#job
    const asked = this.#waiting.shift()
    const limit = this.#limitDue(now)
    if (asked !== undefined) this.#job = { run: this.#pruning(asked.options), resolve: asked.resolve, reject: asked.reject }
    else if (now >= this.#nextMs) {
      this.#nextMs = now + limits.pruneIntervalMs
      // What fails is tried again in an hour; a full disk is told to whoever writes.
      if (this.retention.keep !== 'all') this.#job = { run: this.#pruning({ actor: OWN_ACTOR }, 'retention'), resolve: () => {}, reject: () => {} }
    } else if (limit !== undefined) {
      this.#limitMs = now + limits.historyCheckMs
      this.#limitedAt = this.#parts.session.sequence
      this.#job = { run: this.#limiting(limit), resolve: () => {}, reject: () => {} }
    }
    return this.#job
  }

  #finish(job: Job, report: PruneReport): number {
    this.#job = undefined
    this.#settled(() => job.resolve(report))
    return this.#waiting.length > 0 ? 1 : this.#dueInMs(this.#parts.clock.monotonic())
  }

  #settled(settle: () => void): void {
    settle()
    this.#parts.onSettled()
  }

  /** The volume is closed: what was asked for and is not done fails. */
  close(): void {
    const closed = new CairnError('ERR_VOLUME_CLOSED', 'The volume was closed while its versions were pruned.', 'Prune again; what was dropped stays dropped.')
    for (const { reject } of [...(this.#job === undefined ? [] : [this.#job]), ...this.#waiting]) reject(closed)
    this.#waiting = []
    this.#job = undefined
  }

  #compose(past: Past, entry: Entry): OpenVersion {
    const { packs, pages, session, clock, foldAll, hold } = this.#parts
    foldAll()
    const tree = BTree.empty(pages)
    const a = composeInode(past, entry, tree)
    putInRoot(tree, session.dirHash, entry.name, entry.ino, a)
    const state = new VolumeState(tree, BTree.empty(pages), packs)
    state.usage.inodes = 2
    state.usage.bytes = a.blocks * 512
    state.nextIno = entry.ino + 1
    const tail = longTail(tree, entry.ino, a.size)
    if (tail >= 0) state.content.overlayZeros(entry.ino, a.size, (tail + 1) * BLOCK - a.size)
    const { ino, name } = entry
    hold(state)
    return { info: this.#info(past, entry), ino, name, session: new SnapshotSession(state, session.dirHash, clock), state }
  }

  #info(past: Past, entry: Entry): VersionInfo {
    const { state, ended, actor, end } = entry
    const { size, mode, mtimeMs } = state ?? liveState(past, entry.ino)
    const isCurrent = entry.sequence === NEVER
    return {
      number: entry.number,
      ended: isCurrent ? 'current' : endings[ended],
      modifiedMs: mtimeMs,
      ...(isCurrent ? {} : { endedMs: Math.floor(entry.sequence / 1000) }),
      size,
      mode: mode & 0o7777,
      type: kindOf(mode),
      ino: entry.ino,
      ...(actor === '' ? {} : { endedBy: actor }),
      ...(ended === Ended.renamed && end?.to !== undefined ? { renamedTo: this.#pathTo(end.to) } : {}),
    }
  }

  #pathTo(to: { parent: number; name: string }): string {
    const above = pathOfInode(this.#parts.state.tree, to.parent) ?? ''
    return Buffer.from(`${above === '/' ? '' : above}/${to.name}`, 'latin1').toString('utf8')
  }
}

function liveState(past: Past, ino: number): { size: number; mode: number; mtimeMs: number } {
  const a = past.attr(ino)
  return a === undefined ? { size: 0, mode: 0, mtimeMs: 0 } : { size: a.size, mode: a.mode, mtimeMs: a.mtimeS * 1000 + a.mtimeNs / 1e6 }
}

function unknown(path: string, number: number | undefined, entries: Entry[]): CairnError {
  const shown = Buffer.from(path, 'latin1').toString('utf8')
  if (number === undefined || entries.length === 0)
    return new CairnError('ERR_VERSION_UNKNOWN', `There are no versions of ${shown}.`, 'A file has versions once it was changed, replaced or deleted.')
  return new CairnError(
    'ERR_VERSION_UNKNOWN',
    `There is no version ${number} of ${shown}.`,
    `There are versions ${entries[0].number} to ${entries[entries.length - 1].number}; \`cairn versions\` lists those that are kept.`,
  )
}

function checkPruneOptions(keep: number | undefined, olderThanMs: number | undefined): void {
  const isWrong = (keep !== undefined && !(Number.isSafeInteger(keep) && keep >= 0)) || (olderThanMs !== undefined && !(olderThanMs >= 0))
  if (isWrong) throw new CairnError('ERR_RETENTION', 'That many versions cannot be kept.', 'Give a whole number, or a time such as 30d.', { exitCode: 2 })
}

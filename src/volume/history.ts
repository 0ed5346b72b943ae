import {
  COMMIT_ID_BYTES,
  type CommitRecord,
  checkpointKey,
  commitIdBound,
  commitIdText,
  commitKey,
  decodeCommit,
  encodeCommit,
  MAX_KEY_BYTES,
  makeCommitId,
  POINTER_BYTES,
} from '../codec/index.js'
import { CairnError } from '../errors.js'
import { type Clock, limits, type Random } from '../sys/index.js'
import type { CommitInfo, CommitKind } from './api.js'
import type { AuditEvent } from './audit/index.js'
import { refusedByDisk } from './collector.js'
import { type Commit, CommitLog, commitOf, infoOf } from './commit-log.js'
import type { HistoryItem } from './incarnations.js'
import type { LiveSession } from './live-session.js'
import { looksLikeOtherRef, parseTime } from './refs.js'
import type { VolumeState } from './state.js'
import type { HiddenWindow } from './windows.js'

const MAX_NAME_BYTES = 200
const MAX_MESSAGE_BYTES = 1024
const MAX_ACTOR_BYTES = 200
/** Named in a message. */
const MOST_CANDIDATES = 5
/** What the root adds to a record that was made without one. */
const ROOT_HEX_BYTES = 2 * POINTER_BYTES
const K = Buffer.alloc(MAX_KEY_BYTES)

export type { Commit } from './commit-log.js'

export interface NewCommit {
  kind: CommitKind
  /** Pointer of the tree in hex; empty: the tree as it is when the record is journaled, sealed later. */
  root: string
  inodes: number
  bytes: number
  nextIno: number
  name?: string
  message?: string
  actor?: string
  /** Id of the run that made the changes; always there where the kind is `exec`. */
  exec?: string
  /** Ids; default the commit before. */
  parents?: string[]
  /** What the audit chain says of it beside what the commit says; without it commits of kind `auto` and `exec` have no entry. */
  audit?: Partial<AuditEvent>
}

/** The record of a commit that is not in the history yet. */
export interface PreparedCommit {
  id: Buffer
  value: Buffer
  info: CommitInfo
  /** Records of its entry in the audit chain, for the same batch. */
  audit: readonly HistoryItem[]
}

/** Commits and checkpoints: records in the history tree. */
export class History {
  readonly #session: LiveSession
  readonly #state: VolumeState
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: CommitLog
  /** Makes the records of an entry of the audit chain. */
  audit: ((event: AuditEvent) => readonly HistoryItem[]) | undefined
  /** The last commit; null when there is none, undefined until it is looked for. */
  #newest: { id: string; timeMs: number } | null | undefined

  constructor(session: LiveSession, state: VolumeState, clock: Clock, random: Random) {
    this.#session = session
    this.#state = state
    this.#clock = clock
    this.#random = random
    this.#log = new CommitLog(state)
  }

  /** @throws CairnError when a checkpoint cannot have this name */
  checkName(name: string | undefined): void {
    if (name === undefined) return
    if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES || /[\s/@:\0]/.test(name) || looksLikeOtherRef(name)) {
      throw new CairnError(
        'ERR_CHECKPOINT_NAME',
        `A checkpoint cannot be called '${name.slice(0, 80)}'.`,
        'Use up to 200 bytes without spaces, `/`, `@` or `:` that do not look like `~1`, a commit id or a time.',
        { exitCode: 2 },
      )
    }
    if (this.#log.named(name) !== undefined)
      throw new CairnError('ERR_CHECKPOINT_EXISTS', `There is a checkpoint '${name}' already.`, 'Choose another name, or delete that checkpoint first.')
  }

  add(commit: NewCommit): CommitInfo {
    const made = this.prepare(commit)
    this.#session.look()
    this.#session.historyPut(K, commitKey(K, made.id), made.value, made.value.length)
    if (commit.name !== undefined) this.#session.historyPut(K, checkpointKey(K, commit.name), made.id, COMMIT_ID_BYTES)
    putItems(this.#session, made.audit)
    const result = this.#session.commit()
    if (result !== 0) throw refusedByDisk('The commit could not be recorded', result)
    return this.recorded(made)
  }

  /** A commit that comes after all others, for a batch that records it together with its changes; `recorded` says that it did. */
  prepare({ audit, ...commit }: NewCommit): PreparedCommit {
    const timeMs = this.timeBehind(this.#clock.now())
    const last = this.#newest
    const id = makeCommitId(timeMs, this.#random.bytes(10))
    const message = commit.message === undefined ? undefined : cut(commit.message, MAX_MESSAGE_BYTES)
    const parents = commit.parents ?? (last == null ? [] : [last.id])
    const actor = commit.actor ?? this.#session.actor
    const record: CommitRecord = { ...commit, actor: cut(actor, MAX_ACTOR_BYTES), ...(message === undefined ? {} : { message }), parents, timeMs }
    const value = encodeCommit(record)
    if (value.length + ROOT_HEX_BYTES > limits.valueBytes)
      throw new CairnError('ERR_COMMIT_TOO_LARGE', 'The message and actor of a commit are too long.', 'Shorten them to about a thousand bytes.')
    const info = infoOf(commitOf(id, record))
    return { id, value, info, audit: audit === undefined && isTold(commit.kind) ? [] : (this.audit?.(eventOf(info, audit)) ?? []) }
  }

  /** A moment later than all that is known and all that is hidden, and not before this one. */
  timeBehind(nowMs: number): number {
    this.#newest ??= this.newest() ?? null
    const hiddenMs = this.#log.windows.at(-1)?.toMs ?? 0
    return Math.max(Math.floor(nowMs), (this.#newest?.timeMs ?? 0) + 1, hiddenMs + 1, Math.floor(this.#state.versionSequence / 1000))
  }

  /** A commit of what somebody else has published, for a volume that is to know it; it is not recorded here. @param nowMs it is made then, or later */
  unrecorded(commit: NewCommit, nowMs: number): { id: string; commit: CommitRecord } {
    const timeMs = this.timeBehind(nowMs)
    const parents = this.#newest == null ? [] : [this.#newest.id]
    const id = commitIdText(makeCommitId(timeMs, this.#random.bytes(10)))
    return { id, commit: { actor: cut(this.#session.actor, MAX_ACTOR_BYTES), parents, ...commit, timeMs } }
  }

  recorded(made: PreparedCommit): CommitInfo {
    this.#newest = made.info
    return made.info
  }

  /** The history is another one, or more of it is hidden. */
  wentOn(): void {
    this.#newest = undefined
    this.#log.forget()
  }

  newest(): Commit | undefined {
    const found = this.#log.back(0)
    return typeof found === 'number' ? undefined : found
  }

  /** A moment not before any commit, nor the end of any version. */
  presentMs(): number {
    return Math.max(Math.floor(this.#clock.now()), this.newest()?.timeMs ?? 0, Math.ceil(this.#state.versionSequence / 1000))
  }

  /** Newest first. */
  list(options: { limit?: number; checkpointsOnly?: boolean }): CommitInfo[] {
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    if (options.checkpointsOnly === true) return this.#log.checkpoints().slice(0, options.limit).map(infoOf)
    const found: CommitInfo[] = []
    if (limit > 0) {
      for (const commit of this.#log.newestFirst()) if (found.push(infoOf(commit)) >= limit) break
    }
    return found
  }

  /**
   * What of the history tree is not this volume's: a fork of an older state carries what came after that state, commits and versions alike.
   * In order, disjoint.
   */
  hiddenWindows(): readonly HiddenWindow[] {
    return this.#log.windows
  }

  /** A commit by its whole id, also one that is hidden; undefined when it was pruned. */
  get(id: string): Commit | undefined {
    const bytes = commitIdBound(id, false)
    return bytes === undefined ? undefined : this.#log.byId(bytes)
  }

  /**
   * Checkpoint name, then `~n`, then commit id (unique prefix), then time.
   * @throws CairnError ERR_REF_UNKNOWN; ERR_REF_AMBIGUOUS, which names candidates
   */
  resolve(ref: string): Commit {
    const named = this.#log.named(ref.slice(0, MAX_NAME_BYTES))
    if (named !== undefined) return named
    const back = /^~(\d{1,9})$/.exec(ref)
    if (back !== null) return this.#back(ref, Number(back[1]))
    const byId = this.#log.withPrefix(ref.toLowerCase(), MOST_CANDIDATES + 1)
    if (byId.length === 1) return byId[0]
    if (byId.length > 1) throw ambiguous(ref, byId)
    const time = parseTime(ref, this.#clock.now())
    if (time !== undefined && time > this.presentMs()) throw toCome(ref)
    const then = time === undefined ? undefined : this.#log.notAfter(time)
    if (then !== undefined) return then
    if (time !== undefined) throw tooEarly(ref, this.#log.oldest())
    throw unknownRef(
      ref,
      this.#log
        .checkpoints()
        .slice(0, MOST_CANDIDATES)
        .map(commit => commit.name ?? commit.id),
    )
  }

  #back(ref: string, count: number): Commit {
    const found = this.#log.back(count)
    if (typeof found !== 'number') return found
    throw new CairnError(
      'ERR_REF_UNKNOWN',
      `'${ref}' goes back further than the ${found} commits there are.`,
      'See `cairn log` or `cairn checkpoint list` for what there is.',
    )
  }

  /** Takes the name off; the commit stays until it is pruned. */
  deleteCheckpoint(name: string): void {
    if (this.#log.named(name) === undefined)
      throw new CairnError('ERR_REF_UNKNOWN', `There is no checkpoint '${name}'.`, 'See `cairn checkpoint list` for what there is.')
    this.#state.history.get(K, checkpointKey(K, name))
    const { vb, vp } = this.#state.history
    const id = Buffer.from(vb.subarray(vp, vp + COMMIT_ID_BYTES))
    this.#session.look()
    this.#session.historyDel(K, checkpointKey(K, name))
    if (this.#state.history.get(K, commitKey(K, id))) {
      const { name: _name, ...record } = decodeCommit(this.#state.history.vb, this.#state.history.vp, this.#state.history.vl)
      const value = encodeCommit(record)
      this.#session.historyPut(K, commitKey(K, id), value, value.length)
    }
    putItems(this.#session, this.audit?.({ kind: 'checkpoint', detail: { name, deleted: true } }) ?? [])
    const result = this.#session.commit()
    if (result !== 0) throw refusedByDisk('The checkpoint could not be deleted', result)
  }
}

/** Its entry is somebody else's, or nobody asked for it: commits of a run, of which there may be several, and those that come by themselves. */
function isTold(kind: CommitKind): boolean {
  return kind === 'auto' || kind === 'exec'
}

/** What the audit chain says of a commit. */
function eventOf({ id, kind, parents, name, message, actor, exec }: CommitInfo, more: Partial<AuditEvent> = {}): AuditEvent {
  const detail = name === undefined ? undefined : { name }
  const known = { kind, actor, exec, reason: message, before: parents[0], after: id, detail }
  return { ...known, ...more } as AuditEvent
}

/** Adds them to the batch. */
export function putItems(session: LiveSession, items: readonly HistoryItem[]): void {
  for (const { key, value } of items) {
    if (value === undefined) session.historyDel(key, key.length)
    else session.historyPut(key, key.length, value, value.length)
  }
}

function ambiguous(ref: string, candidates: readonly Commit[]): CairnError {
  const shown = candidates.slice(0, MOST_CANDIDATES).map(({ id, name, kind }) => `${id} (${name ?? kind})`)
  const more = candidates.length > shown.length ? ' and others' : ''
  return new CairnError('ERR_REF_AMBIGUOUS', `'${ref}' could be ${shown.join(', ')}${more}.`, 'Write more characters of the id.')
}

function unknownRef(ref: string, names: readonly string[]): CairnError {
  return new CairnError(
    'ERR_REF_UNKNOWN',
    `There is no checkpoint or commit '${ref}'.`,
    names.length === 0 ? 'Make a checkpoint with `cairn checkpoint save`.' : `There is ${names.join(', ')}; see \`cairn checkpoint list\`.`,
  )
}

function toCome(ref: string): CairnError {
  return new CairnError('ERR_REF_UNKNOWN', `The time '${ref}' is still to come.`, 'Leave the ref out for the state of now, or write an earlier time.')
}

function tooEarly(ref: string, oldest: Commit | undefined): CairnError {
  return new CairnError(
    'ERR_REF_UNKNOWN',
    `There is no commit as old as '${ref}'.`,
    oldest === undefined ? 'Make a checkpoint with `cairn checkpoint save`.' : `The oldest is ${oldest.id}, of ${new Date(oldest.timeMs).toISOString()}.`,
  )
}

function cut(text: string, bytes: number): string {
  const b = Buffer.from(text, 'utf8')
  return b.length <= bytes
    ? text
    : b
        .subarray(0, bytes)
        .toString('utf8')
        .replace(/\uFFFD$/, '')
}

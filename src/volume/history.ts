import {
  COMMIT_ID_BYTES,
  type CommitRecord,
  checkpointKey,
  commitIdText,
  commitKey,
  decodeCommit,
  encodeCommit,
  MAX_KEY_BYTES,
  makeCommitId,
  POINTER_BYTES,
  Tag,
} from '../codec/index.js'
import { CairnError } from '../errors.js'
import { type Clock, limits, type Random } from '../sys/index.js'
import type { CommitInfo, CommitKind } from './api.js'
import { refusedByDisk } from './collector.js'
import type { LiveSession } from './live-session.js'
import { looksLikeOtherRef, parseTime } from './refs.js'
import type { VolumeState } from './state.js'

const MAX_NAME_BYTES = 200
const MAX_MESSAGE_BYTES = 1024
/** What the root adds to a record that was made without one. */
const ROOT_HEX_BYTES = 2 * POINTER_BYTES
const K = Buffer.alloc(MAX_KEY_BYTES)

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
  /** Ids; default the commit before. */
  parents?: string[]
}

/** The record of a commit that is not in the history yet. */
export interface PreparedCommit {
  id: Buffer
  value: Buffer
  info: CommitInfo
}

export interface Commit extends CommitInfo {
  root: string
  nextIno: number
}

/** Commits and checkpoints: records in the history tree. */
export class History {
  readonly #session: LiveSession
  readonly #state: VolumeState
  readonly #clock: Clock
  readonly #random: Random
  /** The last commit; null when there is none, undefined until it is looked for. */
  #newest: { id: string; timeMs: number } | null | undefined

  constructor(session: LiveSession, state: VolumeState, clock: Clock, random: Random) {
    this.#session = session
    this.#state = state
    this.#clock = clock
    this.#random = random
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
    if (this.#state.history.get(K, checkpointKey(K, name)))
      throw new CairnError('ERR_CHECKPOINT_EXISTS', `There is a checkpoint '${name}' already.`, 'Choose another name, or delete that checkpoint first.')
  }

  add(commit: NewCommit): CommitInfo {
    const made = this.prepare(commit)
    this.#session.tick()
    this.#session.historyPut(K, commitKey(K, made.id), made.value, made.value.length)
    if (commit.name !== undefined) this.#session.historyPut(K, checkpointKey(K, commit.name), made.id, COMMIT_ID_BYTES)
    const result = this.#session.commit()
    if (result !== 0) throw refusedByDisk('The commit could not be recorded', result)
    return this.recorded(made)
  }

  /** A commit that comes after all others, for a batch that records it together with its changes; `recorded` says that it did. */
  prepare(commit: NewCommit): PreparedCommit {
    this.#newest ??= this.#all(1)[0] ?? null
    const last = this.#newest
    let timeMs = Math.floor(this.#clock.now())
    if (last !== null && timeMs <= last.timeMs) timeMs = last.timeMs + 1
    const id = makeCommitId(timeMs, this.#random.bytes(10))
    const message = commit.message === undefined ? undefined : cut(commit.message, MAX_MESSAGE_BYTES)
    const parents = commit.parents ?? (last === null ? [] : [last.id])
    const record: CommitRecord = { ...commit, ...(message === undefined ? {} : { message }), parents, timeMs }
    const value = encodeCommit(record)
    if (value.length + ROOT_HEX_BYTES > limits.valueBytes)
      throw new CairnError('ERR_COMMIT_TOO_LARGE', 'The message and actor of a commit are too long.', 'Shorten them to about a thousand bytes.')
    return { id, value, info: info(id, record) }
  }

  recorded(made: PreparedCommit): CommitInfo {
    this.#newest = made.info
    return made.info
  }

  newest(): Commit | undefined {
    return this.#all(1)[0]
  }

  /** Newest first. */
  list(options: { limit?: number; checkpointsOnly?: boolean }): CommitInfo[] {
    const all = this.#all(options.checkpointsOnly === true ? Number.POSITIVE_INFINITY : (options.limit ?? Number.POSITIVE_INFINITY))
    const wanted = options.checkpointsOnly === true ? all.filter(commit => commit.name !== undefined) : all
    return wanted.slice(0, options.limit).map(({ root: _root, nextIno: _nextIno, ...rest }) => rest)
  }

  #all(limit: number): Commit[] {
    const found: Commit[] = []
    const cursor = this.#state.history.cursor()
    K[0] = Tag.commit
    let more = cursor.seek(K, 1)
    while (more && cursor.buf[cursor.kp] === Tag.commit) {
      const id = Buffer.from(cursor.buf.subarray(cursor.kp + 1, cursor.kp + 1 + COMMIT_ID_BYTES))
      const record = decodeCommit(cursor.buf, cursor.vp, cursor.vl)
      found.push({ ...info(id, record), root: record.root, nextIno: record.nextIno })
      more = cursor.next()
    }
    found.reverse()
    return limit === Number.POSITIVE_INFINITY ? found : found.slice(0, limit)
  }

  /** Checkpoint name, then `~n`, then commit id (unique prefix), then time. */
  resolve(ref: string): Commit {
    if (this.#state.history.get(K, checkpointKey(K, ref.slice(0, MAX_NAME_BYTES)))) {
      const { vb, vp } = this.#state.history
      const id = commitIdText(vb.subarray(vp, vp + COMMIT_ID_BYTES))
      const commit = this.#all(Number.POSITIVE_INFINITY).find(other => other.id === id)
      if (commit !== undefined) return commit
    }
    const all = this.#all(Number.POSITIVE_INFINITY)
    const back = /^~(\d{1,9})$/.exec(ref)
    if (back !== null) {
      const commit = all[Number(back[1])]
      if (commit !== undefined) return commit
      throw new CairnError(
        'ERR_REF_UNKNOWN',
        `'${ref}' goes back further than the ${all.length} commits there are.`,
        'See `cairn checkpoint list` for what there is.',
      )
    }
    const byId = all.filter(commit => commit.id.startsWith(ref.toLowerCase()))
    if (byId.length === 1) return byId[0]
    if (byId.length > 1)
      throw new CairnError(
        'ERR_REF_AMBIGUOUS',
        `'${ref}' could be ${byId
          .slice(0, 5)
          .map(commit => commit.id)
          .join(', ')}.`,
        'Write more characters of the id.',
      )
    const time = parseTime(ref, this.#clock.now())
    const then = time === undefined ? undefined : all.find(commit => commit.timeMs <= time)
    if (then !== undefined) return then
    const names = all.flatMap(commit => (commit.name === undefined ? [] : [commit.name])).slice(0, 5)
    throw new CairnError(
      'ERR_REF_UNKNOWN',
      `There is no checkpoint or commit '${ref}'.`,
      names.length === 0 ? 'Make a checkpoint with `cairn checkpoint save`.' : `There is ${names.join(', ')}; see \`cairn checkpoint list\`.`,
    )
  }

  /** Takes the name off; the commit stays until it is pruned. */
  deleteCheckpoint(name: string): void {
    if (!this.#state.history.get(K, checkpointKey(K, name)))
      throw new CairnError('ERR_REF_UNKNOWN', `There is no checkpoint '${name}'.`, 'See `cairn checkpoint list` for what there is.')
    const { vb, vp } = this.#state.history
    const id = Buffer.from(vb.subarray(vp, vp + COMMIT_ID_BYTES))
    this.#session.tick()
    this.#session.historyDel(K, checkpointKey(K, name))
    if (this.#state.history.get(K, commitKey(K, id))) {
      const { name: _name, ...record } = decodeCommit(this.#state.history.vb, this.#state.history.vp, this.#state.history.vl)
      const value = encodeCommit(record)
      this.#session.historyPut(K, commitKey(K, id), value, value.length)
    }
    const result = this.#session.commit()
    if (result !== 0) throw refusedByDisk('The checkpoint could not be deleted', result)
  }
}

function info(id: Uint8Array, record: CommitRecord): CommitInfo {
  const { root: _root, nextIno: _nextIno, kind, ...rest } = record
  return { id: commitIdText(id), kind: kind as CommitKind, ...rest }
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

import {
  COMMIT_ID_BYTES,
  type CommitRecord,
  checkpointKey,
  commitIdBound,
  commitIdText,
  commitIdTime,
  commitKey,
  decodeCommit,
  MAX_KEY_BYTES,
  Tag,
} from '../codec/index.js'
import type { TreeCursor } from '../tree/index.js'
import type { CommitInfo, CommitKind } from './api.js'
import type { VolumeState } from './state.js'
import { type HiddenWindow, windowAt, windowsIn } from './windows.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const ID_AT = 1
/** Larger than every commit's key. */
const END = Buffer.from([Tag.commit + 1])

export interface Commit extends CommitInfo {
  root: string
  nextIno: number
}

/** Records of commits in the order of their time, without those that a window hides. Costs what is asked for, not what there is. */
export class CommitLog {
  readonly #state: Pick<VolumeState, 'history'>
  #windows: readonly HiddenWindow[] | undefined

  constructor(state: Pick<VolumeState, 'history'>) {
    this.#state = state
  }

  /** What of the history tree is not this volume's history, in order. */
  get windows(): readonly HiddenWindow[] {
    this.#windows ??= windowsIn(this.#state.history)
    return this.#windows
  }

  /** What is hidden is another thing by now. */
  forget(): void {
    this.#windows = undefined
  }

  /** Newest first. The tree may not change meanwhile. */
  *newestFirst(): Generator<Commit> {
    for (const cursor of this.#back(END)) yield read(cursor)
  }

  /** The one before this one; without one the newest. */
  before(id?: string): Commit | undefined {
    const bound = id === undefined ? END : Buffer.from(K.subarray(0, commitKey(K, commitIdBound(id, false) as Uint8Array))) // the id of a commit is one
    for (const cursor of this.#back(bound)) return read(cursor)
    return undefined
  }

  /** The last one made at this moment or before. */
  notAfter(timeMs: number): Commit | undefined {
    K[0] = Tag.commit
    K.writeUIntBE(Math.max(0, Math.min(Math.floor(timeMs) + 1, 2 ** 48 - 1)), ID_AT, 6)
    for (const cursor of this.#back(Buffer.from(K.subarray(0, ID_AT + 6)))) return read(cursor)
    return undefined
  }

  /** The first one made at this moment or later. */
  notBefore(timeMs: number): Commit | undefined {
    const cursor = this.#state.history.cursor()
    K[0] = Tag.commit
    K.writeUIntBE(Math.max(0, Math.min(Math.floor(timeMs), 2 ** 48 - 1)), ID_AT, 6)
    for (let more = cursor.seek(K, ID_AT + 6); more && cursor.buf[cursor.kp] === Tag.commit; ) {
      const window = windowAt(this.windows, commitIdTime(cursor.buf, cursor.kp + ID_AT))
      if (window === undefined) return read(cursor)
      K[0] = Tag.commit
      K.writeUIntBE(window.toMs + 1, ID_AT, 6)
      more = cursor.seek(K, ID_AT + 6)
    }
    return undefined
  }

  /** Whether the commit with this id is kept. */
  has(id: string): boolean {
    const bytes = commitIdBound(id, false)
    return bytes !== undefined && this.#state.history.get(K, commitKey(K, bytes))
  }

  /** The one that is `count` before the last; or how many there are. */
  back(count: number): Commit | number {
    let left = count
    for (const cursor of this.#back(END)) if (left-- === 0) return read(cursor)
    return count - left
  }

  oldest(): Commit | undefined {
    const cursor = this.#state.history.cursor()
    K[0] = Tag.commit
    let more = cursor.seek(K, 1)
    while (more && cursor.buf[cursor.kp] === Tag.commit) {
      if (windowAt(this.windows, commitIdTime(cursor.buf, cursor.kp + ID_AT)) === undefined) return read(cursor)
      more = cursor.next()
    }
    return undefined
  }

  /** Those whose id begins so, oldest first, at most `limit`. */
  withPrefix(prefix: string, limit: number): Commit[] {
    const first = commitIdBound(prefix, false)
    const last = commitIdBound(prefix, true)
    if (first === undefined || last === undefined) return []
    const found: Commit[] = []
    const cursor = this.#state.history.cursor()
    let more = cursor.seek(K, commitKey(K, first))
    while (more && found.length < limit && cursor.buf[cursor.kp] === Tag.commit) {
      const id = cursor.buf.subarray(cursor.kp + ID_AT, cursor.kp + ID_AT + COMMIT_ID_BYTES)
      if (Buffer.compare(id, last) > 0) break
      if (windowAt(this.windows, commitIdTime(id)) === undefined) found.push(read(cursor))
      more = cursor.next()
    }
    return found
  }

  /** The one with this id, hidden or not. */
  byId(id: Uint8Array): Commit | undefined {
    const { history } = this.#state
    if (!history.get(K, commitKey(K, id))) return undefined
    return commitOf(id, decodeCommit(history.vb, history.vp, history.vl))
  }

  /** The commit of a checkpoint. */
  named(name: string): Commit | undefined {
    const { history } = this.#state
    if (!history.get(K, checkpointKey(K, name))) return undefined
    const id = Buffer.from(history.vb.subarray(history.vp, history.vp + COMMIT_ID_BYTES))
    return windowAt(this.windows, commitIdTime(id)) === undefined ? this.byId(id) : undefined
  }

  /** Commits of checkpoints, newest first. */
  checkpoints(): Commit[] {
    const ids: Buffer[] = []
    const cursor = this.#state.history.cursor()
    K[0] = Tag.checkpoint
    let more = cursor.seek(K, 1)
    while (more && cursor.buf[cursor.kp] === Tag.checkpoint) {
      const id = Buffer.from(cursor.buf.subarray(cursor.vp, cursor.vp + COMMIT_ID_BYTES))
      if (windowAt(this.windows, commitIdTime(id)) === undefined) ids.push(id)
      more = cursor.next()
    }
    ids.sort((a, b) => Buffer.compare(b, a))
    return ids.flatMap(id => this.byId(id) ?? [])
  }

  /** Places of commits below a key, from the last to the first. */
  *#back(before: Buffer): Generator<TreeCursor> {
    const cursor = this.#state.history.cursor()
    let more = cursor.seekBefore(before, before.length)
    while (more && cursor.buf[cursor.kp] === Tag.commit) {
      const window = windowAt(this.windows, commitIdTime(cursor.buf, cursor.kp + ID_AT))
      if (window === undefined) {
        yield cursor
        more = cursor.previous()
      } else {
        K[0] = Tag.commit
        K.writeUIntBE(window.fromMs + 1, ID_AT, 6)
        more = cursor.seekBefore(K, ID_AT + 6)
      }
    }
  }
}

function read(cursor: TreeCursor): Commit {
  const id = cursor.buf.subarray(cursor.kp + ID_AT, cursor.kp + ID_AT + COMMIT_ID_BYTES)
  return commitOf(id, decodeCommit(cursor.buf, cursor.vp, cursor.vl))
}

/** A record with the id of its key. */
export function commitOf(id: Uint8Array, record: CommitRecord): Commit {
  return { id: commitIdText(id), ...record, kind: record.kind as CommitKind }
}

/** What users see of it. */
export function infoOf({ root: _root, nextIno: _nextIno, ...info }: Commit): CommitInfo {
  return info
}

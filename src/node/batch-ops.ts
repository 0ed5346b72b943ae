import { constants } from 'node:fs'
import { CairnError } from '../errors.js'
import { limits, systemClock } from '../sys/index.js'
import type { LocalOps } from './ops.js'
import type { StatRecord } from './stats.js'

const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY, S_IFDIR, S_IFMT, S_IFREG } = constants

/** Entries that a recursive delete removes before it gives others a turn. */
const DELETE_BUDGET = 256
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755
const NO_REPLACE = 1

/** What must hold, or nothing of the batch is applied. It is checked when the operation's turn comes, so operations before it count. */
export interface Precondition {
  /** There is nothing at the path (of `move`, `copy`, `link`: at the target). */
  ifAbsent?: boolean
  /** There is a file at the path (of `move`, `copy`, `link`: at the source) and it is this one. All that is given must hold. */
  ifMatch?: { sha256?: string; size?: number; mtimeMs?: number }
}

/** One operation of a batch. Paths start at the root of the volume; `sha256` in lower-case hex, modes as numbers or octal text. */
export type BatchOp = Precondition &
  (
    | { op: 'put'; path: string; text?: string; base64?: string; bytes?: Uint8Array; mode?: number; append?: boolean; parents?: boolean }
    | { op: 'delete'; path: string; recursive?: boolean; force?: boolean }
    | { op: 'move'; from: string; to: string }
    | { op: 'copy'; from: string; to: string; recursive?: boolean }
    | { op: 'mkdir'; path: string; parents?: boolean; mode?: number }
    | { op: 'link'; from: string; to: string }
    | { op: 'symlink'; target: string; path: string }
    | { op: 'chmod'; path: string; mode: number }
    | { op: 'chown'; path: string; uid: number; gid: number }
    | { op: 'truncate'; path: string; size: number }
    | { op: 'setxattr'; path: string; name: string; text?: string; base64?: string; bytes?: Uint8Array }
    | { op: 'removexattr'; path: string; name: string }
    | { op: 'restore'; path: string; ref: string }
  )

/** What became of one operation. */
export interface BatchAnswer {
  op: BatchOp['op']
  path: string
  /** `removed`: nothing is there now. `unchanged`: it was so already. */
  result: 'done' | 'removed' | 'unchanged'
  /** Of the file that is there now: what `ifMatch` of a later batch compares. */
  size?: number
  mtimeMs?: number
}

/** The path that an operation makes or changes. */
export function targetOf(op: BatchOp): string {
  return 'to' in op ? op.to : op.path
}

/** The path that `ifMatch` looks at. */
export function matchedPath(op: BatchOp): string {
  return 'from' in op ? op.from : op.path
}

/** Content or value, as text, base64 or bytes. */
export function contentOf(op: { text?: string; base64?: string; bytes?: Uint8Array }): Uint8Array {
  if (op.bytes !== undefined) return op.bytes
  return op.base64 === undefined ? Buffer.from(op.text ?? '', 'utf8') : Buffer.from(op.base64, 'base64')
}

export function mtimeMs(record: StatRecord): number {
  return record.mtimeS * 1000 + record.mtimeNs / 1e6
}

/** Brings a path back to what it was at a ref: what this layer knows nothing of. */
export type Restore = (path: string, ref: string) => void

/**
 * Runs operations one after another, for as long as nobody else should wait: call again with those that have no answer.
 * @throws what the first of them threw; an error of a later one waits for the call that begins with it
 */
export function runBatchOps(ops: LocalOps, list: readonly BatchOp[], restore: Restore): BatchAnswer[] {
  const until = systemClock.monotonic() + limits.sealSliceMs
  const answers: BatchAnswer[] = []
  for (const op of list) {
    try {
      const done = runBatchOp(ops, op, restore)
      if (done === undefined) break
      answers.push(done)
    } catch (error) {
      if (answers.length === 0) throw error
      break
    }
    if (systemClock.monotonic() >= until) break
  }
  return answers
}

/**
 * Runs one operation. `copy` and the hash of `ifMatch` are its caller's, who can go about them in pieces.
 * @returns undefined when there is more of it to do: call again
 * @throws as node:fs does; CairnError ERR_PRECONDITION
 */
export function runBatchOp(ops: LocalOps, op: BatchOp, restore: Restore): BatchAnswer | undefined {
  checkPrecondition(ops, op)
  switch (op.op) {
    case 'put':
      return put(ops, op)
    case 'copy':
      return answer(ops, op)
    case 'delete':
      if (op.recursive !== true && op.force !== true) removeOne(ops, op.path)
      else if (!ops.rm(op.path, op.recursive === true, op.force === true, DELETE_BUDGET)) return undefined
      return { op: op.op, path: op.path, result: 'removed' }
    case 'mkdir':
      ops.mkdir(op.path, op.mode ?? FOLDER_MODE, op.parents === true)
      break
    case 'move':
      ops.rename(op.from, op.to, op.ifAbsent === true ? NO_REPLACE : 0)
      break
    case 'link':
      ops.link(op.from, op.to)
      break
    case 'symlink':
      ops.symlink(op.target, op.path)
      break
    case 'restore':
      restore(op.path, op.ref)
      break
    case 'truncate':
      ops.truncate(op.path, op.size)
      break
    default:
      changeAttributes(ops, op)
  }
  return answer(ops, op)
}

function changeAttributes(ops: LocalOps, op: BatchOp): void {
  switch (op.op) {
    case 'chmod':
      ops.chmod(op.path, op.mode)
      break
    case 'chown':
      ops.chown(op.path, op.uid, op.gid, false)
      break
    case 'setxattr':
      ops.setxattr(op.path, op.name, contentOf(op), 0, false)
      break
    case 'removexattr':
      ops.removexattr(op.path, op.name, false)
      break
    default:
      throw new CairnError('ERR_BATCH_LINE', `There is no operation '${String(op.op)}' here.`, 'Use the same version of cairn on both sides.')
  }
}

function put(ops: LocalOps, op: BatchOp & { op: 'put' }): BatchAnswer {
  const above = op.path.replace(/\/+[^/]*$/, '')
  if (op.parents === true && above !== '') ops.mkdir(above, FOLDER_MODE, true)
  ops.writeFile(op.path, contentOf(op), O_WRONLY | O_CREAT | (op.append === true ? O_APPEND : O_TRUNC), op.mode ?? FILE_MODE)
  if (op.mode !== undefined) ops.chmod(op.path, op.mode)
  return answer(ops, op)
}

function removeOne(ops: LocalOps, path: string): void {
  if ((ops.lstat(path).mode & S_IFMT) === S_IFDIR) ops.rmdir(path)
  else ops.unlink(path)
}

/** What is there now, for whoever changes it next. */
export function answer(ops: LocalOps, op: BatchOp): BatchAnswer {
  const path = targetOf(op)
  const found = ops.statIfExists(path, op.op !== 'symlink')
  return { op: op.op, path, result: 'done', ...(found === undefined ? {} : { size: found.size, mtimeMs: mtimeMs(found) }) }
}

function checkPrecondition(ops: LocalOps, op: BatchOp): void {
  if (op.ifAbsent === true && ops.statIfExists(targetOf(op), false) !== undefined) throw unmet(`${targetOf(op)} is there already`)
  if (op.ifMatch === undefined) return
  const path = matchedPath(op)
  const found = ops.statIfExists(path, true)
  if (found === undefined) throw unmet(`${path} is not there`)
  const { size, mtimeMs: time, sha256 } = op.ifMatch
  if (sha256 !== undefined && (found.mode & S_IFMT) !== S_IFREG) throw unmet(`${path} is not a file`)
  if (size !== undefined && found.size !== size) throw unmet(`${path} has ${found.size} bytes, not ${size}`)
  if (time !== undefined && mtimeMs(found) !== time) throw unmet(`${path} was changed at ${mtimeMs(found)}, not ${time}`)
}

export function unmet(what: string): CairnError {
  return new CairnError('ERR_PRECONDITION', `${what[0].toUpperCase()}${what.slice(1)}.`, 'Look at what is there now and decide anew.')
}

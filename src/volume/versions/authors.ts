import { Ended } from '../../codec/index.js'
import type { CommitLog } from '../commit-log.js'
import { type Entry, NEVER, type Past } from './past.js'

/**
 * Who brought about the state that an entry shows: whoever ended the one before by changing or replacing it. Of the first state of a
 * file, which costs no record, the actor of the commit that has it, when the commit before that is kept too: else it may tell of others.
 * Undefined: not known.
 * @param before the entry before it in the line
 */
export function authorOf(past: Past, commits: CommitLog, before: Entry | undefined, entry: Entry): string | undefined {
  const follows = before !== undefined && before.number === entry.number - 1 && (before.ended === Ended.modified || before.ended === Ended.replaced)
  if (follows) return before.actor === '' ? undefined : before.actor
  // What was pruned before it ended by it.
  const isFirst = before === undefined ? entry.number === 1 : before.number === entry.number - 1
  const ctimeMs = entry.state === undefined ? changedMs(past, entry.ino) : entry.state.ctimeMs
  if (!isFirst || ctimeMs === undefined) return undefined
  const commit = commits.notBefore(ctimeMs)
  if (commit === undefined || (entry.sequence !== NEVER && commit.timeMs * 1000 > entry.sequence)) return undefined
  const [parent] = commit.parents
  return parent === undefined || commits.has(parent) ? commit.actor : undefined
}

function changedMs(past: Past, ino: number): number | undefined {
  const a = past.attr(ino)
  return a && a.ctimeS * 1000 + a.ctimeNs / 1e6
}

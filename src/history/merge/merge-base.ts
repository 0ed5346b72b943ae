import { CairnError } from '../../errors.js'
import { assert } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import type { Commit } from '../../volume/history.js'
import type { Volume } from '../../volume/volume.js'
import { metOf } from './lines.js'

const OURS = 1
const THEIRS = 2

/**
 * The newest commit that both come from: where one was forked from the other, or what they had in common after the last merge, which has
 * the other side among its parents. Undefined when they are not related.
 * Cost: the commits since then; all there are when pruning cut the way to it.
 */
export function commonCommit(ours: Volume, theirs: Volume, ourHead: string, theirHead: string): Commit | undefined {
  const sides = new Map<string, number>()
  const waiting = new Set<string>()
  const reach = (id: string, side: number): void => {
    const known = sides.get(id) ?? 0
    if ((known | side) === known) return
    sides.set(id, known | side)
    waiting.add(id)
  }
  reach(ourHead, OURS)
  reach(theirHead, THEIRS)
  for (const id of metOf(theirs, ours)) reach(id, OURS)
  for (const id of metOf(ours, theirs)) reach(id, THEIRS)
  while (waiting.size > 0) {
    const id = newest(waiting)
    waiting.delete(id)
    const commit = ours.history.get(id) ?? theirs.history.get(id)
    const side = sides.get(id) ?? 0
    if (commit === undefined) continue
    if (side === (OURS | THEIRS)) return commit
    for (const parent of commit.parents) reach(parent, side)
  }
  return newestOfBoth(ours, theirs)
}

/** The newest commit that both keep: a fork carries those of its parent. */
function newestOfBoth(ours: Volume, theirs: Volume): Commit | undefined {
  const known = new Set(theirs.history.list({}).map(commit => commit.id))
  const found = ours.history.list({}).find(commit => known.has(commit.id))
  return found && ours.history.get(found.id)
}

/** Ids are in the order of time. */
function newest(ids: ReadonlySet<string>): string {
  let found = ''
  for (const id of ids) if (id > found) found = id
  return found
}

/** The tree of a commit that one of the volumes knows. */
export function treeOfCommit(commit: Commit, ...volumes: Volume[]): BTree {
  for (const volume of volumes) {
    const own = volume.history.get(commit.id)
    if (own === undefined) continue
    // A volume that carries the record from its parent has no pages of it that are not sealed.
    if (own.root !== '' || volume.isPending(own.id)) return volume.treeOf(own)
  }
  assert(false, `the tree of commit ${commit.id} is known`)
}

/** A commit of this volume by its id. @throws CairnError when it is not kept any more */
export function keptCommit(volume: Volume, id: string): Commit {
  const commit = volume.history.get(id)
  if (commit === undefined)
    throw new CairnError('ERR_COMMIT_PRUNED', `The commit ${id} of ${volume.info.name} is not kept any more.`, 'See `cairn log` for those that are.')
  return commit
}

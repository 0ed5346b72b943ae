import { PageMiss } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { BTree } from '../../tree/index.js'
import type { Change } from '../../volume/api.js'
import { changesBetween, describe } from '../../volume/diff.js'
import type { FileState } from '../../volume/file-content.js'
import type { Commit } from '../../volume/history.js'
import { isPause, near, type Slices } from '../../volume/near-reads.js'
import { VolumeState } from '../../volume/state.js'
import type { Volume } from '../../volume/volume.js'
import { composeChanges } from './compose-changes.js'

/** What commits of one author changed, and the last one of them. */
export interface ChangesBy {
  before?: string
  after?: string
  changes: Change[]
}

/**
 * What was changed since a commit by those commits that `isTheirs` chooses: each run of them is one step, however many they are. Yields now and then, so that a caller can do
 * other things meanwhile. What is in no commit yet is not looked at.
 * @param before id of a commit that this state came from; undefined: from the beginning
 * Cost: what these commits changed.
 */
export function* changesBy(volume: Volume, before: string | undefined, isTheirs: (commit: Commit) => boolean): Slices<undefined, ChangesBy> {
  const runs = yield* near(() => runsSince(volume, before, isTheirs))
  const steps: Change[][] = []
  for (const run of runs) steps.push(yield* step(volume, run))
  const after = runs.at(-1)?.at(0)?.id
  return { ...(before !== undefined && { before }), ...(after !== undefined && { after }), changes: composeChanges(steps) }
}

/** Commits that follow each other, newest first; the oldest run first. */
function runsSince(volume: Volume, before: string | undefined, isTheirs: (commit: Commit) => boolean): Commit[][] {
  const runs: Commit[][] = []
  let isRun = false
  let commit = volume.history.newest()
  for (let n = 0; commit !== undefined && commit.id !== before && n < limits.undoCommits; n++) {
    const wanted = isTheirs(commit)
    if (wanted && isRun) runs[0].push(commit)
    else if (wanted) runs.unshift([commit])
    isRun = wanted
    const [parent] = commit.parents
    commit = parent === undefined ? undefined : volume.history.get(parent)
  }
  return runs
}

function* step(volume: Volume, run: Commit[]): Slices<undefined, Change[]> {
  const [parent] = (run.at(-1) as Commit).parents // A run has one at least.
  const [before, after] = yield* near(() => {
    const base = parent === undefined ? undefined : volume.history.get(parent)
    return [base === undefined ? nothing(volume) : volume.stateAt(base), volume.stateAt(run[0])] as const
  })
  const found: Change[] = []
  let until = systemClock.monotonic() + limits.diffSliceMs
  for (const change of changesBetween(before, after)) {
    if (!isPause(change)) found.push(yield* near(() => describe(change, before, after)))
    if (change instanceof PageMiss) yield change
    if ((!isPause(change) && found.length % 64 !== 0) || systemClock.monotonic() < until) continue
    yield
    until = systemClock.monotonic() + limits.diffSliceMs
  }
  return found
}

function nothing(volume: Volume): FileState {
  const empty = BTree.empty(volume.context.pages)
  return new VolumeState(empty, empty, volume.context.packs)
}

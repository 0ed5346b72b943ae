/** What restore, undo and merge will read, for whoever brings it here first, in slices: where pages are far away the change itself then waits for nothing. */
import { type BTree, TreeDiff } from '../tree/index.js'
import { near, type Slices } from '../volume/near-reads.js'
import type { Volume } from '../volume/volume.js'
import { commonCommit, treeOfCommit } from './merge/merge-base.js'
import type { UndoOptions } from './merge/undo.js'
import { LookBack, selectedRuns } from './merge/undo-selection.js'

/** Steps of a walk between two chances to pause. */
const STEPS = 2000

/** @param options as `restore` gets them */
export function* aheadOfRestore(volume: Volume, { ref, version }: { ref?: string; version?: number }): Slices<undefined> {
  if (version !== undefined) return
  const target = yield* near(() => volume.treeOf(volume.history.resolve(ref ?? '~0')))
  yield* walked(now(volume), target)
}

export function* aheadOfUndo(volume: Volume, options: UndoOptions): Slices<undefined> {
  const past = new LookBack(volume)
  const runs = yield* near(() => selectedRuns(past, options))
  for (const run of runs) {
    const [after, before] = yield* near(() => [past.treeOf(run[0]), past.treeBefore(run.at(-1) ?? run[0])] as const)
    yield* walked(before, after)
    yield* walked(after, now(volume))
  }
}

export function* aheadOfMerge(volume: Volume, other: Volume): Slices<undefined> {
  const newest = ({ history }: Volume): string => history.newest()?.id ?? ''
  const common = yield* near(() => commonCommit(volume, other, newest(volume), newest(other)))
  if (common === undefined) return
  for (const side of [volume, other]) {
    const base = yield* near(() => treeOfCommit(common, volume, other))
    yield* walked(base, now(side))
  }
}

function now({ state }: Volume): BTree {
  return state.tree.fork()
}

function* walked(a: BTree, b: BTree): Slices<undefined> {
  const walk = yield* near(() => new TreeDiff(a, b, () => true))
  while (!(yield* near(() => walk.step(STEPS)))) yield undefined
}

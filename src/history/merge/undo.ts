import type { BTree } from '../../tree/index.js'
import type { Change, CommitInfo } from '../../volume/api.js'
import { isWorthCommit } from '../../volume/auto-commit.js'
import { diffStates } from '../../volume/diff.js'
import type { Commit } from '../../volume/history.js'
import type { Volume } from '../../volume/volume.js'
import { globScope } from '../diff/diff-read.js'
import { checkNoneWaits, mergeParts } from './merge.js'
import { TreeState } from './state.js'
import { threeWay } from './three-way.js'
import type { MergeConflict, Resolution } from './types.js'
import { LookBack, type Run, selectedRuns, type UndoSelection } from './undo-selection.js'

export interface UndoOptions extends UndoSelection {
  /** Only what happened at these paths, read as git reads its patterns. */
  globs?: readonly string[]
  /** Decides where a later change touched the same: ours is the present state. Without it such an undo changes nothing. */
  resolution?: Resolution
  dryRun?: boolean
  message?: string
  /** Who does it. */
  actor?: string
  /** Id of the run that asks for it: its commit is one of that run. */
  run?: string
}

/** JSON-safe. */
export interface UndoResult {
  volume: string
  /** `conflicts`: nothing was changed. `unchanged`: what it would take back is gone already. `trial`: a dry run. */
  state: 'undone' | 'conflicts' | 'unchanged' | 'trial'
  /** The changes taken back, newest first. In a dry run those that no commit has yet come first, with an empty id. */
  undone: CommitInfo[]
  commit?: CommitInfo
  conflicts: MergeConflict[]
  changes: Change[]
}

/**
 * Takes changes back and keeps later ones: for each run of commits a merge whose base is the state after it, ours the present state and
 * theirs the state before it. What changed since the last commit counts as the newest change. One batch, itself a commit, so an undo can
 * be undone.
 * @throws CairnError ERR_UNDO_NOTHING, ERR_UNDO_SELECTION, ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_COMMIT_PRUNED, ERR_MERGE_WAITING
 * Cost: what the changes and the later ones touched.
 */
export function undo(volume: Volume, options: UndoOptions = {}): UndoResult {
  checkNoneWaits(volume)
  const past = options.dryRun === true ? new LookBack(volume, volume.uncommitted()) : new LookBack(volume)
  if (options.dryRun !== true) volume.commitChanges()
  const runs = selectedRuns(past, options)
  const { tree, conflicts, parts } = takeBack(past, runs, options)
  const changes = diffStates(volume.stateAt(), new TreeState(tree, parts.hash, parts.blocks))
  const undone = runs.flat().map(infoOf)
  const told = { volume: volume.info.name, undone, conflicts, changes }
  if (options.dryRun === true) return { ...told, state: 'trial' }
  if (conflicts.some(conflict => conflict.resolved === undefined)) return { ...told, state: 'conflicts', changes: [] }
  // Times alone, and which names are one file, are no changes that a list tells, and are taken back all the same.
  if (changes.length === 0 && !isWorthCommit(volume.stateAt().tree, tree)) return { ...told, state: 'unchanged' }
  const { commit } = volume.become(tree, { kind: 'undo', message: options.message ?? messageOf(undone), ...by(options) })
  return { ...told, state: 'undone', commit }
}

/** Records what changed since the last commit: the undo begins with its one change then. @throws CairnError ERR_MERGE_WAITING */
export function prepareUndo(volume: Volume, options: UndoOptions): void {
  checkNoneWaits(volume)
  if (options.dryRun !== true) volume.commitChanges()
}

function takeBack(
  past: LookBack,
  runs: readonly Run[],
  options: UndoOptions,
): { tree: BTree; conflicts: MergeConflict[]; parts: ReturnType<typeof mergeParts> } {
  const { volume } = past
  const { globs, resolution, dryRun } = options
  const conflicts: MergeConflict[] = []
  let tree = volume.stateAt().tree
  const parts = mergeParts(
    volume,
    { ours: volume.info.name, theirs: '' },
    { ...(resolution === undefined ? {} : { resolution }), ...(dryRun === undefined ? {} : { dryRun }) },
  )
  const { history } = volume.state
  const include = globs === undefined || globs.length === 0 ? undefined : globScope(globs)
  for (const run of runs) {
    const labels = { ours: volume.info.name, theirs: `before-${(run.at(-1) as Commit).id}` } // no run is empty
    const result = threeWay(past.treeOf(run[0]), tree, past.treeBefore(run.at(-1) as Commit), {
      ...parts,
      histories: { ours: history, theirs: history },
      labels,
      ...(include === undefined ? {} : { include }),
    })
    conflicts.push(...result.conflicts)
    tree = result.tree
  }
  return { tree, conflicts, parts }
}

/** An undo of an undo says what it brings back, and so on to and fro. */
function messageOf(undone: readonly CommitInfo[]): string {
  const [newest] = undone
  const what = newest.message ?? newest.name ?? newest.id
  const [, before, rest] = newest.kind === 'undo' && undone.length === 1 ? (/^(undo|redo) ([\s\S]*)$/.exec(what) ?? []) : []
  if (before !== undefined) return `${before === 'undo' ? 'redo' : 'undo'} ${rest}`
  return undone.length === 1 ? `undo ${what}` : `undo ${what} and ${undone.length - 1} before`
}

function infoOf({ root: _root, nextIno: _nextIno, ...info }: Commit): CommitInfo {
  return info
}

function by({ actor, run }: UndoOptions): { actor?: string; exec?: string } {
  return { ...(actor === undefined ? {} : { actor }), ...(run === undefined ? {} : { exec: run }) }
}

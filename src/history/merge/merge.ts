import { CairnError } from '../../errors.js'
import type { BTree } from '../../tree/index.js'
import type { Change, CommitInfo } from '../../volume/api.js'
import { diffStates } from '../../volume/diff.js'
import type { HistoryItem } from '../../volume/incarnations.js'
import type { Volume } from '../../volume/volume.js'
import { knownCommit, type Met, newMet, recordMet } from './lines.js'
import { commonCommit, keptCommit, treeOfCommit } from './merge-base.js'
import { type WaitingMerge, waitingItems, waitingMerge } from './merge-state.js'
import { type LeftOut, leaveOutPurged } from './purged-content.js'
import { TreeState } from './state.js'
import { type ThreeWayOptions, type ThreeWayResult, threeWay } from './three-way.js'
import { TrialBlocks } from './trial-blocks.js'
import type { MergeConflict, MergeLabels, Resolution } from './types.js'
import { unresolved } from './unresolved.js'

export interface MergeOptions {
  /** Decides every conflict; without it the merge waits for them to be resolved. */
  resolution?: Resolution
  /** Says what would happen; nothing is changed. */
  dryRun?: boolean
  /** With conflicts it is a dry run: nothing is changed. */
  onlyClean?: boolean
  /** Takes what was purged from the volume, too, where the other one still has it; default: it is left out. */
  withPurged?: boolean
  message?: string
  actor?: string
  /** Id of the run whose changes they are: the commit is one of that run. */
  run?: string
}

/** JSON-safe. */
export interface MergeResult {
  operation: 'merge' | 'rebase'
  /** The volume that is changed. */
  volume: string
  /** The other one. */
  other: string
  /**
   * `merged`: done. `conflicts`: it waits for `--continue` or `--abort`. `unchanged`: there was nothing to bring over. `trial`: a dry run.
   * `aborted`: given up.
   */
  state: 'merged' | 'conflicts' | 'unchanged' | 'trial' | 'aborted'
  /** Commit that both come from. */
  base: string
  commit?: CommitInfo
  conflicts: MergeConflict[]
  /** What the merge changes in the volume. */
  changes: Change[]
  /** Paths of the other volume that were left out, because they were purged here. */
  leftOut?: string[]
}

interface Plan {
  operation: 'merge' | 'rebase'
  /** Where the result goes. */
  volume: Volume
  other: Volume
  labels: MergeLabels
  base: string
  /** Heads of both when it began. */
  before: string
  theirs: string
  /** Theirs, where it is what another host published and no commit yet. */
  met?: Met
}

/**
 * Brings the changes of `fork` into `volume`, three-way, from the commit that both come from: where one was forked off, or what the
 * last merge of the two left. One batch, so that a crash leaves all of it or nothing; what changed before has a commit of its own.
 * With conflicts and no `resolution` the files get them and the merge waits; see `continueMerge`, `abortMerge`.
 * @throws CairnError ERR_MERGE_SELF, ERR_MERGE_UNRELATED, ERR_MERGE_WAITING, ERR_COMMIT_PRUNED; nothing is changed then
 * Cost: the changes of both sides.
 */
export function mergeFork(volume: Volume, fork: Volume, options: MergeOptions = {}): MergeResult {
  const plan = planOf('merge', volume, fork, options)
  return carryOut(plan, treeNow(volume), treeNow(fork), options)
}

/**
 * Puts the changes of `fork` since it left `parent` on top of what `parent` is now; the result is the fork's. In a conflict the parent is
 * ours and the fork theirs. Otherwise as `mergeFork`.
 */
export function rebaseFork(fork: Volume, parent: Volume, options: MergeOptions = {}): MergeResult {
  const plan = planOf('rebase', fork, parent, options)
  return carryOut(plan, treeNow(parent), treeNow(fork), options)
}

/** Records what changed in both since their last commits: merging begins with its one change then. @throws CairnError ERR_MERGE_WAITING */
export function prepareMerge(volume: Volume, other: Volume, options: MergeOptions): void {
  if (options.dryRun === true || volume.info.id === other.info.id) return
  for (const side of [volume, other]) {
    checkNoneWaits(side)
    if (!side.isReader) headOf(side, options)
  }
}

/** Blocks that come over must be kept from a collection that sees them in neither volume; records alone need nothing. */
function taking<T>({ operation, volume, other, met }: Plan, { takesBlocks }: ThreeWayResult, work: () => T): T {
  // A rebase goes on from the other's tree, with all that it names.
  if (!takesBlocks && operation === 'merge' && met === undefined) return work()
  other.flush()
  return volume.takingFrom(other, () => {
    if (met !== undefined) recordMet(volume, other, met)
    return work()
  })
}

function planOf(operation: Plan['operation'], volume: Volume, other: Volume, options: MergeOptions): Plan {
  const [name, otherName] = [volume.info.name, other.info.name]
  if (volume.info.id === other.info.id)
    throw new CairnError('ERR_MERGE_SELF', `${name} cannot be merged into itself.`, 'Name two volumes: a fork and the one that it comes from.')
  checkNoneWaits(volume)
  checkNoneWaits(other)
  const before = headOf(volume, options)
  const known = other.isReader && options.dryRun !== true ? knownCommit(volume, other) : headOf(other, options)
  const met = known === undefined ? newMet(volume, other) : undefined
  const theirs = known ?? met?.id ?? ''
  // Content of the other volume may still lie with it alone: a pack that is not in the store.
  if (options.dryRun !== true && other.hasOwnContent) other.flush()
  const base = commonCommit(volume, other, before, met === undefined ? theirs : (other.history.newest()?.id ?? ''))
  if (base === undefined || volume.head.value.dirHashKey !== other.head.value.dirHashKey)
    throw new CairnError(
      'ERR_MERGE_UNRELATED',
      `${otherName} and ${name} have no state in common.`,
      'Only forks of one volume can be merged; `cairn cp -r` copies files.',
    )
  const labels = operation === 'merge' ? { ours: name, theirs: otherName } : { ours: otherName, theirs: name }
  return { operation, volume, other, labels, base: base.id, before, theirs, ...(met === undefined ? {} : { met }) }
}

/** The commit that a merge starts from; a dry run leaves what was not committed as it is. */
function headOf(volume: Volume, options: MergeOptions): string {
  return options.dryRun === true ? (volume.history.newest()?.id ?? '') : volume.presentCommit(by(options)).id
}

export function checkNoneWaits(volume: Volume): void {
  const waiting = waitingMerge(volume.state.history, volume.info.id)
  if (waiting === undefined) return
  const { name } = volume.info
  throw new CairnError(
    'ERR_MERGE_WAITING',
    `A ${waiting.operation} with ${waiting.other} waits in ${name}, with ${counted(waiting.conflicts.length)}.`,
    `Resolve them and run \`${commandOf(waiting, name)} --continue\`, or give it up with \`--abort\`.`,
  )
}

function counted(conflicts: number): string {
  return conflicts === 1 ? '1 conflict' : `${conflicts} conflicts`
}

function commandOf(waiting: WaitingMerge, name: string): string {
  return waiting.operation === 'merge' ? `cairn merge ${waiting.other} --into ${name}` : `cairn rebase ${name}`
}

function treeNow(volume: Volume): BTree {
  return volume.stateAt().tree
}

function carryOut(plan: Plan, ours: BTree, theirs: BTree, options: MergeOptions): MergeResult {
  const { volume, other } = plan
  const common = keptAny(plan)
  const base = treeOfCommit(common, volume, other)
  const parts = mergeParts(volume, plan.labels, options)
  const left = leftOut(plan, { base, other: plan.operation === 'merge' ? theirs : ours }, common.timeMs, options)
  const [mine, others] = [volume.state.history, other.state.history]
  const histories = plan.operation === 'merge' ? { ours: mine, theirs: others } : { ours: others, theirs: mine }
  const result = threeWay(base, ours, theirs, { ...parts, histories })
  const changes = diffStates(volume.stateAt(), new TreeState(result.tree, parts.hash, parts.blocks))
  const told = {
    operation: plan.operation,
    volume: volume.info.name,
    other: other.info.name,
    base: plan.base,
    conflicts: result.conflicts,
    changes,
    ...leftOutOf(left),
  }
  if (options.dryRun === true) return { ...told, state: 'trial' }
  if (plan.base === plan.theirs) return { ...told, state: 'unchanged' }
  const isUnclear = result.conflicts.some(conflict => conflict.resolved === undefined)
  if (isUnclear && options.onlyClean === true) return { ...told, state: 'trial' }
  if (isUnclear) return { ...told, state: 'conflicts', commit: taking(plan, result, () => wait(plan, result, options, left.items)) }
  return { ...told, state: 'merged', commit: taking(plan, result, () => apply(plan, result, options, left.items)) }
}

function leftOut({ volume }: Plan, trees: { base: BTree; other: BTree }, sinceMs: number, { withPurged }: MergeOptions): LeftOut {
  if (withPurged === true) return { paths: [], items: [] }
  const { session, state, head } = volume
  return leaveOutPurged(
    { history: state.history, dirHash: session.dirHash, dirHashKey: head.value.dirHashKey, nowMs: session.nowS * 1000 + session.nowNs / 1e6 },
    trees,
    sinceMs,
  )
}

function leftOutOf({ paths }: LeftOut): Pick<MergeResult, 'leftOut'> {
  return paths.length === 0 ? {} : { leftOut: paths }
}

function keptAny({ volume, other, base }: Plan): ReturnType<typeof keptCommit> {
  return volume.history.get(base) ?? keptCommit(other, base)
}

/** What a three-way merge needs of the volume that it is made for. */
export function mergeParts(volume: Volume, labels: MergeLabels, options: { resolution?: Resolution; dryRun?: boolean }): Omit<ThreeWayOptions, 'histories'> {
  const { session } = volume
  session.look()
  let trialIno = Number.MAX_SAFE_INTEGER
  const trial = options.dryRun === true ? new TrialBlocks(volume.context.packs) : undefined
  return {
    labels,
    ...(options.resolution === undefined ? {} : { resolution: options.resolution }),
    hash: session.dirHash,
    blocks: trial ?? volume.context.packs,
    sink: trial ?? volume.blockSink,
    allocIno: trial === undefined ? () => session.allocIno() : () => trialIno--,
    nowS: session.nowS,
    nowNs: session.nowNs,
  }
}

function apply(plan: Plan, result: ThreeWayResult, options: MergeOptions, more: readonly HistoryItem[]): CommitInfo {
  const { volume, before, theirs } = plan
  return volume.become(result.tree, { kind: 'merge', parents: [before, theirs], message: messageOf(plan, options), ...byRun(options) }, more).commit
}

function messageOf(
  { operation, labels, volume, other }: Pick<Plan, 'operation' | 'labels'> & { volume: Volume; other: Volume },
  options: MergeOptions,
): string {
  return options.message ?? (operation === 'merge' ? `merge ${labels.theirs}` : `rebase ${volume.info.name} onto ${other.info.name}`)
}

function by({ actor }: { actor?: string }): { actor?: string } {
  return actor === undefined ? {} : { actor }
}

function byRun({ actor, run }: MergeOptions): { actor?: string; exec?: string } {
  return { ...by(actor === undefined ? {} : { actor }), ...(run === undefined ? {} : { exec: run }) }
}

/** Puts the conflicts into the files, and a record of what waits beside them, in one batch. */
function wait(plan: Plan, { tree, conflicts }: ThreeWayResult, options: MergeOptions, more: readonly HistoryItem[]): CommitInfo {
  const { volume, other, operation, labels, base, before, theirs } = plan
  const waiting: WaitingMerge = { operation, volume: volume.info.id, other: other.info.name, labels, base, theirs, before, conflicts }
  const message = `${operation} with ${other.info.name} waits: ${counted(conflicts.length)}`
  return volume.become(tree, { kind: 'auto', message, ...by(options) }, [...waitingItems(volume.state.history, waiting), ...more]).commit
}

/**
 * Ends a merge whose conflicts are resolved: records the present state as the merge.
 * @throws CairnError ERR_MERGE_NONE; ERR_MERGE_UNRESOLVED naming the files that still have markers, or their version beside them
 */
export function continueMerge(volume: Volume, options: MergeOptions = {}): MergeResult {
  const waiting = theWaiting(volume)
  const { name } = volume.info
  const left = unresolved(volume, waiting)
  if (left.length > 0)
    throw new CairnError(
      'ERR_MERGE_UNRESOLVED',
      `${left.length === 1 ? 'A conflict is' : `${left.length} conflicts are`} not resolved: ${left.slice(0, 5).join(', ')}${left.length > 5 ? ', …' : ''}.`,
      'Take the markers out, remove or rename the versions beside, and continue again.',
    )
  const message = options.message ?? (waiting.operation === 'merge' ? `merge ${waiting.labels.theirs}` : `rebase ${name} onto ${waiting.other}`)
  const commit = volume.record(
    { kind: 'merge', parents: [waiting.before, waiting.theirs], message, ...by(options) },
    waitingItems(volume.state.history, undefined),
  )
  return { ...toldOf(waiting, name), state: 'merged', commit, changes: changesSince(volume, waiting.before) }
}

/** Goes back to the state before the merge; what was changed since is kept as a commit. @throws CairnError ERR_MERGE_NONE */
export function abortMerge(volume: Volume, options: MergeOptions = {}): MergeResult {
  const waiting = theWaiting(volume)
  const { name } = volume.info
  const target = volume.treeOf(keptCommit(volume, waiting.before))
  volume.commitChanges()
  const changes = diffStates(volume.stateAt(), new TreeState(target, volume.session.dirHash, volume.context.packs))
  const message = `${waiting.operation} with ${waiting.other} given up`
  const { commit } = volume.become(target, { kind: 'restore', message, ...by(options) }, waitingItems(volume.state.history, undefined))
  return { ...toldOf(waiting, name), state: 'aborted', commit, changes }
}

function theWaiting(volume: Volume): WaitingMerge {
  const waiting = waitingMerge(volume.state.history, volume.info.id)
  if (waiting === undefined)
    throw new CairnError('ERR_MERGE_NONE', `No merge waits in ${volume.info.name}.`, 'Begin one with `cairn merge FORK` or `cairn rebase FORK`.')
  return waiting
}

function toldOf(
  { operation, other, base, conflicts }: WaitingMerge,
  volume: string,
): Pick<MergeResult, 'operation' | 'volume' | 'other' | 'base' | 'conflicts'> {
  return { operation, volume, other, base, conflicts }
}

function changesSince(volume: Volume, commit: string): Change[] {
  return diffStates(volume.stateAt(volume.history.get(commit)), volume.stateAt())
}

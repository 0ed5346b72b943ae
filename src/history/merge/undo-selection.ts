import { ATTR_BYTES, Attr, encodeAttr, inodeKey, Tag } from '../../codec/index.js'
import { CairnError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import { BTree } from '../../tree/index.js'
import { isWorthCommit } from '../../volume/auto-commit.js'
import type { Commit } from '../../volume/history.js'
import { readAttr } from '../../volume/paths.js'
import type { Volume } from '../../volume/volume.js'
import { keptCommit } from './merge-base.js'

export interface UndoSelection {
  /** The newest so many changes, of those that the others leave; default 1 when nothing else is said. */
  last?: number
  /** Just these commits. */
  commits?: readonly string[]
  /** All after this state. */
  since?: string
  /** Only what this actor did. */
  by?: string
  /** Only what this run did. */
  exec?: string
}

/** Commits that follow each other, newest first: they are taken back in one step. */
export type Run = Commit[]

/** What an undo looks back on: the commits, and before them what no commit has yet, when a dry run must not make one of it. */
export class LookBack {
  readonly volume: Volume
  readonly #pending: Commit | undefined

  constructor(volume: Volume, pending?: Commit) {
    this.volume = volume
    this.#pending = pending
  }

  newest(): Commit | undefined {
    return this.#pending ?? this.volume.history.newest()
  }

  /** As the history does it once there is a commit of what is pending. */
  resolve(ref: string): Commit {
    const back = this.#pending === undefined ? null : /^~(\d{1,9})$/.exec(ref)
    if (this.#pending === undefined || back === null) return this.volume.history.resolve(ref)
    return Number(back[1]) === 0 ? this.#pending : this.volume.history.resolve(`~${Number(back[1]) - 1}`)
  }

  treeOf(commit: Commit): BTree {
    return commit === this.#pending ? this.volume.stateAt().tree : this.volume.treeOf(commit)
  }

  /** The tree that a commit changed. @throws CairnError ERR_COMMIT_PRUNED */
  treeBefore(commit: Commit): BTree {
    const parent = commit.parents[0]
    return parent === undefined ? newVolume(this.volume, this.treeOf(commit)) : this.volume.treeOf(keptCommit(this.volume, parent))
  }
}

/**
 * The changes that a selection means, newest first.
 * @throws CairnError ERR_UNDO_NOTHING, ERR_UNDO_SELECTION, ERR_REF_UNKNOWN, ERR_COMMIT_PRUNED
 */
export function selectedRuns(past: LookBack, selection: UndoSelection): Run[] {
  checkSelection(selection)
  const { volume } = past
  const chosen = selection.commits === undefined ? chosenOnTheWay(past, selection) : namedCommits(past, selection.commits)
  if (chosen.length === 0) {
    const { since, by, exec } = selection
    const narrowed = since !== undefined || by !== undefined || exec !== undefined
    const what = narrowed ? `There is no such change in ${volume.info.name}.` : `Nothing was changed in ${volume.info.name} yet that could be taken back.`
    throw new CairnError('ERR_UNDO_NOTHING', what, 'See `cairn log` for the changes there are.')
  }
  const runs: Run[] = []
  for (const commit of chosen) {
    const run = runs.at(-1)
    if (run?.at(-1)?.parents[0] === commit.id) run.push(commit)
    else runs.push([commit])
  }
  return runs
}

function checkSelection({ commits, last, since, by, exec }: UndoSelection): void {
  const isNumber = last === undefined || (Number.isSafeInteger(last) && last > 0)
  const isAlone = commits === undefined || (last === undefined && since === undefined && by === undefined && exec === undefined)
  if (isNumber && isAlone) return
  throw new CairnError(
    'ERR_UNDO_SELECTION',
    isNumber ? 'Commits that are named cannot be narrowed by other options.' : 'The number of changes to undo is not a whole number from 1 on.',
    'Use --commit alone, or --last, --since, --actor and --exec together.',
    { exitCode: 2 },
  )
}

function namedCommits(past: LookBack, refs: readonly string[]): Commit[] {
  const found = new Map(refs.map(ref => past.resolve(ref)).map(commit => [commit.id, commit]))
  return [...found.values()].sort((a, b) => b.timeMs - a.timeMs || (a.id < b.id ? 1 : -1))
}

/** From the newest commit back through what each one followed. */
function chosenOnTheWay(past: LookBack, { last, since, by, exec }: UndoSelection): Commit[] {
  const { volume } = past
  const end = since === undefined ? undefined : past.resolve(since)
  const wanted = last ?? (since === undefined && by === undefined && exec === undefined ? 1 : Number.POSITIVE_INFINITY)
  const chosen: Commit[] = []
  let commit = past.newest()
  for (let n = 0; commit !== undefined && commit.id !== end?.id && chosen.length < wanted; n++) {
    if (n >= limits.undoCommits) throw tooMany(n)
    const isWanted = (by === undefined || commit.actor === by) && (exec === undefined || commit.exec === exec)
    if (isWanted && isWorthCommit(past.treeBefore(commit), past.treeOf(commit))) chosen.push(commit)
    const parent: string | undefined = commit.parents[0]
    commit = parent === undefined ? undefined : keptOnTheWay(volume, parent, since)
  }
  if (end !== undefined && commit?.id !== end.id && chosen.length < wanted) throw notOnTheWay(volume, since ?? '')
  return chosen
}

/** Where older commits were pruned, the way ends; that is no error for whoever only looks for what there is. */
function keptOnTheWay(volume: Volume, id: string, since: string | undefined): Commit | undefined {
  return since === undefined ? volume.history.get(id) : keptCommit(volume, id)
}

function tooMany(count: number): CairnError {
  return new CairnError('ERR_UNDO_SELECTION', `More than ${count} commits would have to be looked at.`, 'Say where to begin with --since REF.')
}

function notOnTheWay(volume: Volume, ref: string): CairnError {
  return new CairnError(
    'ERR_UNDO_SELECTION',
    `${volume.info.name} did not come from its state ${ref}.`,
    'Go there with `cairn restore`, or name the commits with --commit.',
  )
}

/** Before its first commit a volume was its root directory. */
function newVolume(volume: Volume, after: BTree): BTree {
  const tree = BTree.empty(volume.context.pages)
  const root = new Attr()
  const found = readAttr(after, 1)
  if (found !== undefined) root.copyFrom(found)
  root.nlink = 2
  const K = Buffer.alloc(16)
  const V = Buffer.alloc(ATTR_BYTES)
  encodeAttr(root, V, 0)
  tree.put(K, inodeKey(K, Tag.attr, 1), V, ATTR_BYTES)
  return tree
}

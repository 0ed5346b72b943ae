import { CairnError } from '../../errors.js'
import { assert } from '../../sys/index.js'
import type { CommitInfo, TransactionSession } from '../../volume/api.js'
import type { Commit } from '../../volume/history.js'
import { rootedNames } from '../../volume/paths.js'
import { refusePurged } from '../../volume/purged.js'
import type { TreeChanges } from '../../volume/tree-changes.js'
import type { Volume } from '../../volume/volume.js'
import { checkNoneWaits } from '../merge/merge.js'
import { graft, graftEntry } from './graft.js'
import { Records } from './records.js'

export interface RestoreOptions {
  /** Checkpoint, `~n`, commit id or time; default the last commit. */
  ref?: string
  /** A file or directory; default the whole volume. UTF-8, from the root. */
  path?: string
  /** A version of the file at `path`, as `versions` numbers them, in place of a ref. */
  version?: number
  message?: string
  actor?: string
  /** Id of the run that asks for it: its commit is one of that run. */
  run?: string
}

export interface Restored {
  /** The commit of kind `restore`. */
  commit: CommitInfo
  /** The commit that was gone back to; not for a version. */
  to?: CommitInfo
  version?: number
  /** Inodes and names that changed; both 0 when all was as it is. */
  inodes: number
  names: number
}

/**
 * Goes back to a state: all of a volume, or one path of it. A commit; what was not in one before is recorded in one of its own, so nothing is
 * lost. Handles open on files that changed or vanished are stale afterwards.
 * @throws CairnError ERR_REF_UNKNOWN, ERR_REF_AMBIGUOUS, ERR_PATH_UNKNOWN, ERR_PATH_BLOCKED, ERR_PURGED, ERR_VERSION_UNKNOWN, ERR_MERGE_WAITING (of
 * the whole volume: what a merge brought would be gone, and its end would say that it is there); of a full disk, and at
 * most an `auto` commit was made then
 * Cost: what differs; of a path that is a directory what is below it.
 */
export function restore(volume: Volume, options: RestoreOptions = {}): Restored {
  const { ref, path, version, message } = options
  if (version !== undefined) return restoreVersion(volume, options, version)
  // Before the commit of what changed since: `~1` is what the user sees.
  const components = componentsOf(path ?? '/')
  const to = stateMeant(volume, ref)
  if (components.length === 0) checkNoneWaits(volume)
  const target = volume.treeOf(to)
  volume.commitChanges()
  const what = `${path ?? 'all'} to ${to.name ?? to.id}`
  const commit = { kind: 'restore' as const, message: message ?? what, ...byOf(options) }
  const became = volume.become(components.length === 0 ? target : withPath(volume, target, components, path ?? '/'), commit)
  const { root: _root, nextIno: _nextIno, ...info } = to
  return { commit: became.commit, to: info, inodes: became.changes.inodes.size, names: became.changes.entries.length }
}

/** Settles which state is meant, and records what changed since the last commit: restoring begins with its one change then. @throws as `restore` */
export function prepareRestore(volume: Volume, options: RestoreOptions = {}): RestoreOptions {
  const { ref, path, version } = options
  if (version === undefined && componentsOf(path ?? '/').length === 0) checkNoneWaits(volume)
  const to = version === undefined ? stateMeant(volume, ref) : undefined
  volume.commitChanges()
  return to === undefined ? options : { ...options, ref: to.id }
}

function stateMeant(volume: Volume, ref: string | undefined): Commit {
  if (ref === undefined && volume.history.newest() === undefined)
    throw new CairnError('ERR_REF_UNKNOWN', `${volume.info.name} has no commit yet that it could go back to.`, 'Make one with `cairn checkpoint save`.')
  return volume.history.resolve(ref ?? '~0')
}

/** The same for one version of a file. */
function restoreVersion(volume: Volume, { ref, path, message, ...who }: RestoreOptions, number: number): Restored {
  const components = componentsOf(path ?? '/')
  if (ref !== undefined || components.length === 0)
    throw new CairnError(
      'ERR_VERSION_PATH',
      'A version is one of a file, as it is now.',
      'Name the file, without @REF: `cairn restore VOL:/path --version N`.',
      { exitCode: 2 },
    )
  volume.commitChanges()
  const version = volume.versions.open(`/${components.join('/')}`, number)
  const { sink } = volume.state
  if (sink !== undefined) while (!version.state.foldOldest(1, sink));
  const { session, state } = volume
  session.look()
  const from = new Records(version.state.tree, session.dirHash)
  const to = new Records(state.tree.fork(), session.dirHash)
  const source = from.entry(session.rootIno, version.name)
  assert(source !== undefined, 'the root of a version names it')
  graftEntry({ from, to, allocIno: () => session.allocIno(), nowS: session.nowS, nowNs: session.nowNs }, source, components, path ?? '/')
  const became = volume.become(to.tree, { kind: 'restore', message: message ?? `${path} to version ${number}`, ...byOf(who) })
  return { commit: became.commit, version: number, inodes: became.changes.inodes.size, names: became.changes.entries.length }
}

function byOf({ actor, run }: RestoreOptions): { actor?: string; exec?: string } {
  return { ...(actor === undefined ? {} : { actor }), ...(run === undefined ? {} : { exec: run }) }
}

/** Brings one path back inside a transaction. Returns what changed. @throws as `restore` */
export function restoreInto(transaction: TransactionSession, volume: Volume, path: string, ref: string): TreeChanges {
  const { session } = volume
  const components = componentsOf(path)
  if (components.length === 0)
    throw new CairnError('ERR_PATH_UNKNOWN', 'A batch does not restore a whole volume.', 'Name a path, or use `cairn restore`.', { exitCode: 2 })
  const from = new Records(volume.treeOf(volume.history.resolve(ref)), session.dirHash)
  transaction.tick()
  const { nowS, nowNs } = transaction
  return transaction.edit(tree => {
    const to = new Records(tree, session.dirHash)
    grafted(volume, components, () => graft({ from, to, allocIno: () => session.allocIno(), nowS, nowNs }, components, path))
  })
}

/** Says of a path that was purged that it was. */
function grafted(volume: Volume, components: readonly string[], work: () => void): void {
  try {
    work()
  } catch (error) {
    if ((error as CairnError).code === 'ERR_PATH_UNKNOWN') refusePurged(volume.state.history, volume.head.value.dirHashKey, `/${components.join('/')}`)
    throw error
  }
}

function withPath(volume: Volume, from: ReturnType<Volume['treeOf']>, components: readonly string[], shown: string): ReturnType<Volume['treeOf']> {
  const { session, state } = volume
  session.look()
  const to = new Records(state.tree.fork(), session.dirHash)
  const { nowS, nowNs } = session
  grafted(volume, components, () => graft({ from: new Records(from, session.dirHash), to, allocIno: () => session.allocIno(), nowS, nowNs }, components, shown))
  return to.tree
}

/** One char per byte each. */
function componentsOf(path: string): string[] {
  return rootedNames(path).map(name => Buffer.from(name, 'utf8').toString('latin1'))
}

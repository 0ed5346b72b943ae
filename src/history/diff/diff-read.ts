import picomatch from 'picomatch'
import { Attr } from '../../codec/index.js'
import { CairnError, ENOENT, posixError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import { BTree } from '../../tree/index.js'
import type { Change, CommitInfo } from '../../volume/api.js'
import { CommitLog, infoOf } from '../../volume/commit-log.js'
import { compareTrees, type Subtree } from '../../volume/compare-trees.js'
import { changesBetween, describe, type FileChange } from '../../volume/diff.js'
import { attrOf, type FileState, readFileBytes } from '../../volume/file-content.js'
import { PagesOf } from '../../volume/near-pages.js'
import { isPause, near, type Slices } from '../../volume/near-reads.js'
import { inodeAt, rootedNames } from '../../volume/paths.js'
import { VolumeState } from '../../volume/state.js'
import type { Volume } from '../../volume/volume.js'
import { fileByFile, type Scope } from './diff-files.js'

/** One side of a diff. */
export interface DiffSide {
  volume: string
  /** Checkpoint, `~n`, commit id or time; default now. */
  ref?: string
  /** A directory or file; default all. */
  path?: string
}

export interface DiffOptions {
  /** Only paths that match one of these globs; one without a slash matches at any depth. */
  globs?: readonly string[]
  /** Every file of a renamed directory as a rename of its own. */
  files?: boolean
}

/** What a diff compares, so that it can be named. */
export interface DiffedSide extends DiffSide {
  /** The commit that `ref` led to. */
  commit?: CommitInfo
}

/** A change with what is needed to read its two files. */
export interface FoundChange extends Change {
  /** Inodes; 0 where there is none. */
  before: number
  after: number
  /** Path and from, one char per byte, where the text is not exact. */
  bytes?: [path: string, from: string | undefined]
}

const attr = new Attr()

/** The state of a side. `ref` '' is nothing at all: before the first commit. */
export function sideOf(volume: Volume, side: DiffSide): { state: FileState; shown: DiffedSide } {
  if (side.ref === '')
    return { state: new VolumeState(BTree.empty(volume.context.pages), BTree.empty(volume.context.pages), volume.context.packs), shown: side }
  const commit = side.ref === undefined ? undefined : volume.history.resolve(side.ref)
  return { state: volume.stateAt(commit), shown: commit === undefined ? side : { ...side, commit: infoOf(commit) } }
}

/**
 * What a volume is compared with when nothing is named: its newest checkpoint, or where it was forked if that was later; '' when
 * there is neither, which is an empty volume.
 */
export function baseRef(volume: Volume): string {
  const { parent, createdMs } = volume.head.value
  for (const commit of new CommitLog(volume.state).newestFirst()) {
    const isForkPoint = parent !== undefined && (parent.commit === '' ? commit.timeMs <= createdMs : commit.id === parent.commit)
    if (commit.kind === 'checkpoint' || isForkPoint) return commit.id
  }
  return ''
}

/** A diff that is read in pages, each of a few milliseconds. Both states stay as they were when it was begun. */
export class DiffRead {
  readonly #before: FileState
  readonly #after: FileState
  readonly #pages: PagesOf<FoundChange>

  constructor(before: Subtree, after: Subtree, related: boolean, options: DiffOptions) {
    this.#before = before.state
    this.#after = after.state
    this.#pages = new PagesOf(this.#changes(steps(before, after, related, options)), limits.diffPageChanges)
  }

  /** Undefined at the end. A page may be empty. @throws PageMiss: when it is here, call again */
  next(): FoundChange[] | undefined {
    return this.#pages.next()
  }

  *#changes(changes: Slices<FileChange>): Slices<FoundChange> {
    for (const change of changes) yield isPause(change) ? change : yield* near(() => this.#found(change))
  }

  #found(change: FileChange): FoundChange {
    const shown = describe(change, this.#before, this.#after)
    const found: FoundChange = { ...shown, before: change.before, after: change.after }
    const exact = [change.path, change.from].every((bytes, i) => bytes === undefined || isExact(bytes, i === 0 ? shown.path : shown.from))
    if (!exact) found.bytes = [change.path, change.from]
    return found
  }

  /** Mode and size of a file of either side, and its bytes from `offset`, at most a megabyte. */
  read(side: 'before' | 'after', ino: number, offset: number): { mode: number; size: number; bytes: Uint8Array } {
    const state = side === 'before' ? this.#before : this.#after
    const found = attrOf(state, ino, attr)
    if (found === undefined) throw posixError(ENOENT, 'read')
    const { mode, size } = found
    return { mode, size, bytes: readFileBytes(state, ino, found, offset, limits.rpcChunkBytes) }
  }
}

function isExact(bytes: string, text: string | undefined): boolean {
  return Buffer.from(text ?? '', 'utf8').toString('latin1') === bytes
}

function* steps(before: Subtree, after: Subtree, related: boolean, options: DiffOptions): Slices<FileChange> {
  const globs = options.globs ?? []
  const matches = globs.length === 0 ? undefined : globScope(globs)
  const same = related && before.path === after.path && before.ino === after.ino && before.ino !== 0
  if (!same) {
    for (const change of compareTrees(before, after)) if (isPause(change) || matches === undefined || matches(change.path)) yield change
    return
  }
  const found: FileChange[] = []
  for (const change of changesBetween(before.state, after.state)) {
    if (isPause(change)) yield change
    else found.push(change)
  }
  const scope = both(after.path === '/' ? undefined : below(after.path), matches)
  yield* fileByFile(found, after.state, scope, options.files === true || matches !== undefined)
}

function below(path: string): Scope {
  return other => other === path || other.startsWith(`${path}/`)
}

function both(a: Scope | undefined, b: Scope | undefined): Scope | undefined {
  return a !== undefined && b !== undefined ? path => a(path) && b(path) : (a ?? b)
}

/** As git reads them: a pattern without a slash is a name anywhere, and a directory means all that is in it. */
export function globScope(globs: readonly string[]): Scope {
  const patterns = globs.flatMap(glob => {
    const bare = glob.replace(/^\.?\//, '').replace(/\/$/, '')
    const anywhere = bare.includes('/') || glob.startsWith('/') ? bare : `**/${bare}`
    return [anywhere, `${anywhere}/**`]
  })
  const matches = picomatch(patterns, { dot: true })
  return path => matches(Buffer.from(path.slice(1), 'latin1').toString('utf8'))
}

/** For a sentence: `work`, `work@before`, `work at 01m7…`. */
function named({ volume, ref, commit }: DiffedSide): string {
  if (ref === undefined || ref === '') return volume
  return commit?.id === ref ? `${volume} at ${ref.slice(0, 10)}` : `${volume}@${ref}`
}

/** What a path names in a state; inode 0 is nothing. */
export function subtreeAt(volume: Volume, state: FileState, path: string | undefined): Subtree {
  const bytes = Buffer.from(`/${rootedNames(path ?? '/').join('/')}`, 'utf8').toString('latin1')
  const names = bytes.split('/').filter(name => name !== '')
  // There is always a root directory, though before the first commit nothing says so.
  return { state, ino: names.length === 0 ? 1 : inodeAt(state.tree, volume.session.dirHash, bytes), path: `/${names.join('/')}` }
}

/** @throws CairnError when neither side has the path */
export function diffRead(from: { volume: Volume; side: DiffSide }, to: { volume: Volume; side: DiffSide }, options: DiffOptions) {
  const a = sideOf(from.volume, from.side)
  const b = sideOf(to.volume, to.side)
  const before = subtreeAt(from.volume, a.state, from.side.path)
  const after = subtreeAt(to.volume, b.state, to.side.path)
  if (before.ino === 0 && after.ino === 0 && (before.path !== '/' || after.path !== '/')) {
    throw new CairnError('ENOENT', `Neither ${named(a.shown)} nor ${named(b.shown)} has ${to.side.path ?? from.side.path}.`, 'Check the path with `cairn ls`.')
  }
  const related = from.volume.head.value.dirHashKey === to.volume.head.value.dirHashKey
  return { read: new DiffRead(before, after, related, options), from: a.shown, to: b.shown, related }
}

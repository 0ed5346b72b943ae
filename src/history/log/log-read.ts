import { Attr, inodeKey, MAX_KEY_BYTES, Tag } from '../../codec/index.js'
import { isDirectory } from '../../codec/mode.js'
import { sameAt } from '../../tree/index.js'
import type { Change, CommitInfo } from '../../volume/api.js'
import { isAuthor } from '../../volume/authors.js'
import { type Commit, CommitLog, infoOf } from '../../volume/commit-log.js'
import { Content } from '../../volume/content.js'
import { changesBetween, fileFlags } from '../../volume/diff.js'
import { attrOf, type FileState } from '../../volume/file-content.js'
import { PagesOf } from '../../volume/near-pages.js'
import { isPause, near, type Slices } from '../../volume/near-reads.js'
import { Overlays } from '../../volume/overlay.js'
import { direntChain, pathOfInode, rootedNames } from '../../volume/paths.js'
import { parseTime } from '../../volume/refs.js'
import type { Volume } from '../../volume/volume.js'

export interface LogOptions {
  /** At most so many commits. */
  limit?: number
  /** Only commits that changed this file or anything in this directory, followed through renames. */
  path?: string
  actor?: string
  /** From a time on (`2026-11-20T10:00`, `-2h`), or what came after a ref, as for an undo. */
  since?: string
  /** Up to a time, or to a ref and with it. */
  until?: string
  /** How many changes of each kind; costs a diff per commit. */
  counts?: boolean
}

export interface LogEntry extends CommitInfo {
  /** The commit before, as far as it is kept; absent for the first. */
  previous?: string
  /** With `path`: what the commit did to it, and its path then. */
  change?: Change['kind']
  path?: string
  from?: string
  counts?: Partial<Record<Change['kind'], number>>
}

const attr = new Attr()
const K = Buffer.alloc(MAX_KEY_BYTES)

/** The log of a volume, newest first, in pages of a few milliseconds each. Commits that are made meanwhile are not in it. */
export class LogRead {
  readonly #volume: Volume
  readonly #pages: PagesOf<LogEntry>

  /** @throws CairnError ERR_REF_UNKNOWN of `since` and `until` */
  constructor(volume: Volume, options: LogOptions) {
    this.#volume = volume
    this.#pages = new PagesOf(this.#entries(options, momentOf(volume, options.since, 1), momentOf(volume, options.until, 0)))
  }

  /** Undefined at the end. A page may be empty. @throws PageMiss: when it is here, call again */
  next(): LogEntry[] | undefined {
    return this.#pages.next()
  }

  *#entries({ limit = Number.POSITIVE_INFINITY, path, actor, counts }: LogOptions, since = 0, until = Number.POSITIVE_INFINITY): Slices<LogEntry> {
    const trail = path === undefined ? undefined : new Trail(this.#volume, path)
    let left = limit
    let after: FileState | undefined
    for (const pair of pairs(this.#volume)) {
      if (isPause(pair)) {
        yield pair
        continue
      }
      const [commit, before] = pair
      if (left <= 0 || commit.timeMs < since) return
      yield undefined
      const state: FileState = after ?? (yield* near(() => this.#stateOf(commit)))
      after = before && (yield* near(() => this.#stateOf(before)))
      const step: Step | undefined = trail === undefined ? {} : yield* trail.step(state, after)
      if (step === undefined || commit.timeMs > until || (actor !== undefined && !isAuthor(commit.actor, actor))) continue
      left--
      const entry: LogEntry = { ...infoOf(commit), ...step, ...(before === undefined ? {} : { previous: before.id }) }
      if (counts === true) entry.counts = yield* count(commit, after, state)
      yield entry
    }
  }

  /** A commit whose tree was not sealed when the log was begun may be by now. */
  #stateOf(commit: Commit): FileState {
    const tree = this.#volume.treeOf(commit.root === '' ? (this.#volume.history.get(commit.id) ?? commit) : commit)
    return { tree, content: new Content(() => tree, this.#volume.context.packs, noOverlays) }
  }
}

const noOverlays = new Overlays()

function* count(commit: Commit, before: FileState | undefined, after: FileState): Slices<undefined, LogEntry['counts']> {
  // All that there was: no need to look at each.
  if (before === undefined) return commit.inodes > 1 ? { created: commit.inodes - 1 } : {}
  const counts: LogEntry['counts'] = {}
  for (const change of changesBetween(before, after)) {
    if (isPause(change)) yield change
    else counts[change.kind] = (counts[change.kind] ?? 0) + 1
  }
  return counts
}

/** Each commit with the one before it, of the history as it is now. */
function* pairs(volume: Volume): Slices<[Commit, Commit | undefined]> {
  const log = new CommitLog({ history: volume.state.history.fork() })
  let newer = yield* near(() => log.before())
  while (newer !== undefined) {
    const { id } = newer
    const older = yield* near(() => log.before(id))
    yield [newer, older]
    newer = older
  }
}

/** No two commits of a volume are of one millisecond. @param later added to the time of a commit */
function momentOf(volume: Volume, ref: string | undefined, later: number): number | undefined {
  if (ref === undefined) return undefined
  return parseTime(ref, volume.history.presentMs()) ?? volume.history.resolve(ref).timeMs + later
}

type Step = Pick<LogEntry, 'change' | 'path' | 'from'>

interface Place {
  ino: number
  /** Of the directory entries on the way. */
  keys: readonly Buffer[]
  isDirectory: boolean
}

/** Follows one path from the newest commit to the oldest. */
class Trail {
  readonly #volume: Volume
  /** Where it is in the newer state, one char per byte. */
  #path: string
  /** What it is there; kept as long as the names on the way to it stay. */
  #place: Place | undefined

  constructor(volume: Volume, path: string) {
    this.#volume = volume
    this.#path = Buffer.from(`/${rootedNames(path).join('/')}`, 'utf8').toString('latin1')
  }

  /** What a commit did to the path; undefined when nothing. Goes on to the path before. */
  *step(after: FileState, before: FileState | undefined): Slices<undefined, Step | undefined> {
    const path = this.#path
    if (path === '/') return { path }
    const place = this.#place ?? (yield* near(() => this.#find(after)))
    this.#place = place
    const { ino, keys, isDirectory } = place
    if (before === undefined) return ino === 0 ? undefined : { change: 'created', path: text(path) }
    const sameNames = yield* near(() => keys.every(key => sameAt(before.tree, after.tree, key)))
    if (!sameNames) this.#place = undefined
    const isSame = sameNames && (ino === 0 || (!isDirectory && (yield* near(() => sameAt(before.tree, after.tree, attrKey(ino))))))
    if (isSame) return undefined
    const old = sameNames ? ino : yield* near(() => direntChain(before.tree, this.#volume.session.dirHash, path).ino)
    if (isDirectory && old !== 0) return yield* this.#inDirectory(before, after, path)
    return yield* near(() => this.#compared(before, after, ino, old))
  }

  #find(state: FileState): Place {
    const { ino, keys } = direntChain(state.tree, this.#volume.session.dirHash, this.#path)
    return { ino, keys, isDirectory: ino !== 0 && isDirectory(attrOf(state, ino, attr)?.mode ?? 0) }
  }

  /** Something below a directory that both states have. */
  *#inDirectory(before: FileState, after: FileState, path: string): Slices<undefined, Step | undefined> {
    const below = `${path}/`
    for (const change of changesBetween(before, after)) {
      if (isPause(change)) yield change
      else if (change.path === path || change.path.startsWith(below) || change.from?.startsWith(below)) return { change: 'modified', path: text(path) }
    }
    return undefined
  }

  #compared(before: FileState, after: FileState, ino: number, old: number): Step | undefined {
    const path = this.#path
    if (ino === 0) return old === 0 ? undefined : { change: 'deleted', path: text(path) }
    if (old === 0) return this.#appeared(before, after, ino, path)
    const flags = fileFlags(before, old, after, ino)
    if (flags === undefined) return undefined
    return { change: flags.content ? 'modified' : flags.mode ? 'mode' : 'xattr', path: text(path) }
  }

  /** Not under this name before: under another, or not at all. */
  #appeared(before: FileState, after: FileState, ino: number, path: string): Step {
    const there = attrOf(before, ino, attr)
    const from = there !== undefined && there.nlink > 0 ? pathOfInode(before.tree, ino) : undefined
    if (from === undefined) return { change: 'created', path: text(path) }
    // Another link was made; what it links to has the history.
    const isLink = direntChain(after.tree, this.#volume.session.dirHash, from).ino === ino
    this.#path = from
    return { change: isLink ? 'created' : 'renamed', path: text(path), from: text(from) }
  }
}

function attrKey(ino: number): Buffer {
  return Buffer.from(K.subarray(0, inodeKey(K, Tag.attr, ino)))
}

const text = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8')

import { Attr } from '../../codec/index.js'
import { isDirectory } from '../../codec/mode.js'
import { namesIn } from '../../volume/compare-trees.js'
import { type FileChange, inOrder } from '../../volume/diff.js'
import { attrOf, type FileState } from '../../volume/file-content.js'
import { isPause, near, type Slices } from '../../volume/near-reads.js'

const attr = new Attr()

/** True for paths that a diff is asked about; one char per byte. */
export type Scope = (path: string) => boolean

/**
 * Changes with every file of a renamed directory as a rename of its own, as git lists them, cut to a scope: what moved out of
 * it is deleted, what moved into it is created.
 * @param all false: only renames that cross the border of the scope are taken apart
 */
export function* fileByFile(changes: readonly FileChange[], after: FileState, scope: Scope | undefined, all: boolean): Slices<FileChange> {
  const told = new Map(changes.filter(change => change.kind !== 'deleted').map(change => [change.path, change]))
  const directories: FileChange[] = []
  for (const change of changes) if (change.from !== undefined && (yield* near(() => isFolder(after, change.after)))) directories.push(change)
  const apart = directories.filter(change => all || crosses(change, scope))
  const moved = new Map(apart.map(change => [change.path, change.from ?? '']))
  const found = changes.map(change => (told.get(change.path) === change ? asRename(change, moved) : change))
  let count = 0
  for (const directory of apart) {
    for (const change of childrenOf(directory, after, told)) {
      if (isPause(change)) {
        yield change
        continue
      }
      found.push(change)
      if (++count % 500 === 0) yield undefined
    }
  }
  for (const change of all ? forGit(inOrder(found)) : inOrder(found)) {
    const cut = scope === undefined ? change : inScope(change, scope)
    if (cut !== undefined) yield cut
  }
}

/**
 * `git apply` takes renames as one, and the rest one after the other, backwards in reverse: a name that a renamed file takes must
 * be free before, and one that it leaves is taken after.
 */
function forGit(changes: FileChange[]): FileChange[] {
  const taken = new Set<string>()
  const left = new Set<string | undefined>()
  for (const { kind, path, from } of changes) {
    if (kind !== 'renamed') continue
    taken.add(path)
    left.add(from)
  }
  const rank = ({ kind, path }: FileChange) => (kind === 'deleted' && taken.has(path) ? 0 : kind === 'created' && left.has(path) ? 2 : 1)
  return changes.sort((a, b) => rank(a) - rank(b))
}

const isFolder = (state: FileState, ino: number) => isDirectory(attrOf(state, ino, attr)?.mode ?? 0)

/** Whether a directory, or anything that may be in it, is on both sides of the border. */
function crosses({ path, from }: FileChange, scope: Scope | undefined): boolean {
  return scope !== undefined && scope(path) !== scope(from ?? path)
}

/** Something that changed in a renamed directory has the path there before. */
function asRename(change: FileChange, moved: ReadonlyMap<string, string>): FileChange {
  if (change.kind === 'renamed' || change.kind === 'created' || moved.size === 0) return change
  const from = change.was ?? pathBefore(change.path, moved)
  return from === change.path ? change : { ...change, kind: 'renamed', from }
}

function pathBefore(path: string, moved: ReadonlyMap<string, string>): string {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const from = moved.get(path.slice(0, slash))
    if (from !== undefined) return from + path.slice(slash)
  }
  return path
}

/** What went with a directory and is not told already. */
function* childrenOf(directory: FileChange, after: FileState, told: ReadonlyMap<string, FileChange>): Slices<FileChange> {
  const from = directory.from ?? ''
  const open: Array<[ino: number, below: string]> = [[directory.after, '']]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [dir, below] = next
    for (const [name, ino] of yield* near(() => namesIn(after, dir))) {
      const child = `${below}/${name}`
      const path = directory.path + child
      const known = told.get(path)
      // What is in those has changes of its own.
      if (known?.kind === 'created' || known?.kind === 'renamed') continue
      if (known === undefined) yield { kind: 'renamed', path, from: from + child, before: ino, after: ino, content: false, mode: false, xattr: false }
      if (yield* near(() => isFolder(after, ino))) open.push([ino, child])
    }
  }
}

function inScope(change: FileChange, scope: Scope): FileChange | undefined {
  if (change.kind !== 'renamed') return scope(change.path) ? change : undefined
  const [here, there] = [scope(change.path), scope(change.from ?? '')]
  if (here && there) return change
  const { path, from = '', before, after } = change
  const nothing = { content: false, mode: false, xattr: false }
  if (here) return { kind: 'created', path, before: 0, after, ...nothing }
  return there ? { kind: 'deleted', path: from, before, after: 0, ...nothing } : undefined
}

import type { createFs } from '../../../src/node/index.js'
import type { ModelFile, ModelTree } from './tree-model.js'

type Shape = ReturnType<typeof createFs>
type Pick = (below: number) => number

/** One change: what it makes of a tree, and how it is made. */
export interface Change {
  readonly text: string
  readonly after: ModelTree
  /** One batch of the journal: there is no state in between. */
  readonly isOne: boolean
  run(fs: Shape): void
}

const FOLDERS = ['', '/d', '/e']
/** Of files with the last one no versions are kept: what it held is garbage soon. */
const NAMES = ['a', 'b', 'c', 'x-wal']
const SIZES = [0, 100, 1500, 5000, 66_000, 140_000, 200_000]
const MOST_BYTES = 260_000

/** Content that says by whom it was written; no text, so that merges take all of it or nothing. */
function content(state: number, size: number): Buffer {
  return Buffer.alloc(size, `\0${state};`)
}

function filesOf(tree: ModelTree): string[] {
  return [...tree].flatMap(([path, node]) => (node !== 'directory' && !path.startsWith('/own-') ? [path] : []))
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Where a file may be or come to be. */
function anyPlace(tree: ModelTree, pick: Pick): string {
  const folders = FOLDERS.filter(folder => folder === '' || tree.has(folder))
  return `${folders[pick(folders.length)]}/${NAMES[pick(NAMES.length)]}`
}

/** All links of a file show what was written through one of them. */
function rewritten(tree: ModelTree, path: string, bytes: Buffer): ModelTree {
  const before = tree.get(path)
  const now: ModelFile = { bytes }
  const after = new Map(tree)
  for (const [name, node] of tree) if (node === before && before !== undefined) after.set(name, now)
  return after.set(path, now)
}

function without(tree: ModelTree, path: string): Map<string, ModelFile | 'directory'> {
  const after = new Map(tree)
  after.delete(path)
  return after
}

/** Writes a whole file; several batches when it is done outside of a transaction. */
export function replaced(tree: ModelTree, path: string, bytes: Buffer): Change {
  return { text: `write ${path} ${bytes.length}`, after: rewritten(tree, path, bytes), isOne: false, run: fs => fs.writeFileSync(path, bytes) }
}

/** Writes a part of a file that is there. */
export function patched(tree: ModelTree, path: string, part: Buffer, at: number): Change {
  const { bytes } = tree.get(path) as ModelFile
  const now = Buffer.alloc(Math.max(bytes.length, at + part.length))
  now.set(bytes)
  now.set(part, at)
  const run = (fs: Shape): void => {
    const fd = fs.openSync(path, 'r+')
    try {
      fs.writeSync(fd, part, 0, part.length, at)
    } finally {
      fs.closeSync(fd)
    }
  }
  return { text: `patch ${path} ${at}+${part.length}`, after: rewritten(tree, path, now), isOne: true, run }
}

function cutTo(tree: ModelTree, path: string, length: number): Change {
  const { bytes } = tree.get(path) as ModelFile
  const now = Buffer.alloc(length)
  bytes.copy(now)
  return { text: `truncate ${path} ${length}`, after: rewritten(tree, path, now), isOne: true, run: fs => fs.truncateSync(path, length) }
}

function removed(tree: ModelTree, path: string): Change {
  return { text: `unlink ${path}`, after: without(tree, path), isOne: true, run: fs => fs.unlinkSync(path) }
}

/** A file, maybe over another one; or a folder, to where nothing is. */
function moved(tree: ModelTree, from: string, to: string): Change | undefined {
  if (from === to || tree.get(from) === tree.get(to)) return undefined
  const after = new Map<string, ModelFile | 'directory'>()
  for (const [path, node] of tree) if (path !== from && path !== to && !path.startsWith(`${from}/`)) after.set(path, node)
  for (const [path, node] of tree) if (path === from || path.startsWith(`${from}/`)) after.set(to + path.slice(from.length), node)
  return { text: `rename ${from} ${to}`, after, isOne: true, run: fs => fs.renameSync(from, to) }
}

function linked(tree: ModelTree, from: string, to: string): Change | undefined {
  if (tree.has(to)) return undefined
  const after = new Map(tree).set(to, tree.get(from) as ModelFile)
  return { text: `link ${from} ${to}`, after, isOne: true, run: fs => fs.linkSync(from, to) }
}

function ofFolder(tree: ModelTree, pick: Pick): Change | undefined {
  const [path, other] = pick(2) === 0 ? ['/d', '/e'] : ['/e', '/d']
  if (!tree.has(path)) return { text: `mkdir ${path}`, after: new Map(tree).set(path, 'directory'), isOne: true, run: fs => fs.mkdirSync(path) }
  if (!tree.has(other)) return moved(tree, path, other)
  if ([...tree.keys()].some(name => parentOf(name) === path)) return undefined
  return { text: `rmdir ${path}`, after: without(tree, path), isOne: true, run: fs => fs.rmdirSync(path) }
}

/**
 * Some change of a tree; undefined where the one that was picked is none here.
 * @param state the number that new content shows
 */
export function anyChange(tree: ModelTree, pick: Pick, state: number): Change | undefined {
  const files = filesOf(tree)
  const kind = files.length === 0 ? 0 : pick(20)
  if (kind < 5) return replaced(tree, anyPlace(tree, pick), content(state, SIZES[pick(SIZES.length)]))
  if (kind < 7) return ofFolder(tree, pick)
  const path = files[pick(files.length)]
  const { length } = (tree.get(path) as ModelFile).bytes
  if (kind < 12) return patched(tree, path, content(state, 1 + pick(4000)), pick(Math.min(MOST_BYTES, length + 5000)))
  if (kind < 14) return length === 0 ? undefined : cutTo(tree, path, pick(2) === 0 ? pick(length) : Math.min(MOST_BYTES, length + 1 + pick(70_000)))
  if (kind < 16) return removed(tree, path)
  const to = anyPlace(tree, pick)
  return kind < 18 ? moved(tree, path, to) : linked(tree, path, to)
}

/** Where a volume says by which state it was written last: no two states look the same. */
export function ownFile(volume: string): string {
  return `/own-${volume}`
}

/** Shorter than what is kept beside the attributes, and always as long. */
export function ownText(state: number): Buffer {
  return Buffer.from(`\0${String(state).padStart(7, '0')}`)
}

import { type DirHash, getIno, Tag } from '../../codec/index.js'
import { type BTree, diff } from '../../tree/index.js'
import type { HistoryItem } from '../../volume/incarnations.js'
import { pathOfInode } from '../../volume/paths.js'
import { hasMarks, inodeMark, markValue, purgedAt, purgedInodes } from '../../volume/purged.js'
import { attrOf, below, placeOf, purgeTree, removeInode } from '../purge/tree-purge.js'
import { keyOf, nameOf, shown } from './state.js'

/** What a merge does not take, since it was purged where the result goes. */
export interface LeftOut {
  /** Where the other volume has it, as users see paths. */
  paths: string[]
  /** Records of the history that change with the merge: it is known again the next time, whatever it is called then. */
  items: HistoryItem[]
}

/** Where the result of a merge goes. */
export interface Purger {
  history: BTree
  dirHash: DirHash
  dirHashKey: string
  nowMs: number
}

/**
 * Takes what was purged from a volume out of another state of its lineage, and out of the state that both come from, so that neither says that it came or
 * went: the files themselves under whatever name, and what was put in their place at a path that was purged after both parted.
 * @param trees private ones; they are changed
 * @param sinceMs when the state that both come from was current
 * Cost: nothing without a purge, else a look-up for each purged inode, and what changed since.
 */
export function leaveOutPurged({ history, dirHash, dirHashKey, nowMs }: Purger, trees: { base: BTree; other: BTree }, sinceMs: number): LeftOut {
  if (!hasMarks(history)) return { paths: [], items: [] }
  const inodes = new Set(purgedInodes(history))
  const paths = new Set<string>()
  const items: HistoryItem[] = []
  for (const { path, replaces } of changedNames(trees.base, trees.other)) {
    const at = purgedAt(history, dirHashKey, path)
    if (at === undefined || (at < sinceMs && !inodes.has(replaces))) continue
    for (const ino of take(trees.other, dirHash, path, paths)) if (!inodes.has(ino)) items.push({ key: inodeMark(ino), value: markValue(nowMs) })
  }
  for (const ino of inodes) {
    takeInode(trees.other, dirHash, ino, paths)
    takeInode(trees.base, dirHash, ino, new Set())
  }
  return { paths: topmost(paths).map(shown).sort(), items }
}

/** Those that lie below no other. */
function topmost(paths: ReadonlySet<string>): string[] {
  return [...paths].filter(path => {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) if (paths.has(path.slice(0, end))) return false
    return true
  })
}

interface ChangedName {
  /** One char per byte. */
  path: string
  /** The inode that it meant in the base; 0: nothing. */
  replaces: number
}

/** Names that came since the base, or mean something else since. */
function changedNames(base: BTree, other: BTree): ChangedName[] {
  const found: Array<{ parent: number; name: string; replaces: number }> = []
  diff(base, other, (key, before, after) => {
    if (key[0] !== Tag.dirent || after === undefined) return
    found.push({ parent: getIno(key, 1), name: nameOf(key), replaces: before === undefined ? 0 : getIno(before, 0) })
  })
  return found.flatMap(({ parent, name, replaces }) => {
    const dir = pathOfInode(other, parent)
    return dir === undefined ? [] : [{ path: `${dir === '/' ? '' : dir}/${name}`, replaces }]
  })
}

/** Takes away what a path leads to, if it still leads anywhere. Returns the inodes that are gone with it. */
function take(tree: BTree, dirHash: DirHash, path: string, paths: Set<string>): number[] {
  const place = placeOf(tree, dirHash, path)
  if (place === undefined) return []
  paths.add(path)
  const inodes = below(tree, place).map(({ ino }) => ino)
  purgeTree(tree, dirHash, place)
  return inodes.filter(ino => attrOf(tree, ino) === undefined)
}

/** Takes away an inode with all its names. */
function takeInode(tree: BTree, dirHash: DirHash, ino: number, paths: Set<string>): void {
  while (attrOf(tree, ino) !== undefined) {
    const path = pathOfInode(tree, ino) ?? anyPathOf(tree, ino)
    if (path === undefined) removeInode(tree, ino, { inodes: 0, bytes: 0 })
    else take(tree, dirHash, path, paths)
  }
}

/** Looks at all names: of a file with several of them, whose hint is stale. */
function anyPathOf(tree: BTree, ino: number): string | undefined {
  const cursor = tree.cursor()
  for (let more = cursor.seek(Buffer.from([Tag.dirent]), 1); more && cursor.buf[cursor.kp] === Tag.dirent; more = cursor.next()) {
    if (getIno(cursor.buf, cursor.vp) !== ino) continue
    const key = Buffer.from(keyOf(cursor))
    const dir = pathOfInode(tree, getIno(key, 1))
    if (dir !== undefined) return `${dir === '/' ? '' : dir}/${nameOf(key)}`
  }
  return undefined
}

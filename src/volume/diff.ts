import { ATTR_BYTES, Attr, decodeAttr, getIno, Tag } from '../codec/index.js'
import { type BTree, diff as diffTrees } from '../tree/index.js'
import type { Tree } from '../tree/tree.js'
import type { Change } from './api.js'
import { nameAt, pathOfInode, readAttr } from './paths.js'

interface Entry {
  parent: number
  name: string
}

/** What differs between two states, by inode. */
class Differences {
  /** Inodes whose content differs. */
  readonly content = new Set<number>()
  /** Inodes whose extended attributes differ. */
  readonly xattr = new Set<number>()
  readonly attr = new Set<number>()
  readonly removed = new Map<number, Entry[]>()
  readonly added = new Map<number, Entry[]>()

  note(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    const ino = getIno(key, 1)
    switch (key[0]) {
      case Tag.attr:
        this.#noteAttr(ino, before, after)
        break
      case Tag.dirent: {
        const name = nameAt(key, 0, key.length)
        if (before !== undefined) push(this.removed, getIno(before, 0), { parent: ino, name })
        if (after !== undefined) push(this.added, getIno(after, 0), { parent: ino, name })
        break
      }
      case Tag.content:
      case Tag.extent:
        this.content.add(ino)
        break
      case Tag.xattr:
        this.xattr.add(ino)
        break
    }
  }

  #noteAttr(ino: number, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    this.attr.add(ino)
    if (before === undefined || after === undefined) return
    const b = decodeAttr(before, 0, one)
    const a = decodeAttr(after, 0, two)
    const inlineDiffers = Buffer.compare(before.subarray(ATTR_BYTES), after.subarray(ATTR_BYTES)) !== 0
    if ((a.mode & 0o170000) !== 0o040000 && (b.size !== a.size || inlineDiffers)) this.content.add(ino)
  }
}

const one = new Attr()
const two = new Attr()

function push(map: Map<number, Entry[]>, ino: number, entry: Entry): void {
  const list = map.get(ino)
  if (list === undefined) map.set(ino, [entry])
  else list.push(entry)
}

/** Changes from one state to another, sorted by path; reads only what differs and the parents of it. */
export function diffStates(before: BTree, after: BTree): Change[] {
  const d = new Differences()
  diffTrees(before, after, (key, old, now) => {
    d.note(key, old, now)
    return true
  })
  const changes: Change[] = []
  for (const [ino, entries] of d.removed) removedChanges(d, before, after, ino, entries, changes)
  const deleted = new Map(changes.filter(change => change.kind === 'deleted').map(change => [change.path, change]))
  for (const [ino, entries] of d.added) for (const entry of entries) addedChange(after, ino, entry, deleted, changes)
  for (const ino of new Set([...d.attr, ...d.content, ...d.xattr])) changedInPlace(d, before, after, ino, changes)
  return changes.sort((x, y) => (x.path < y.path ? -1 : x.path > y.path ? 1 : 0))
}

function removedChanges(d: Differences, before: Tree, after: Tree, ino: number, entries: Entry[], changes: Change[]): void {
  const added = d.added.get(ino) ?? []
  for (const entry of entries) {
    const from = entryPath(before, entry)
    if (from === undefined) continue
    const { type, size } = describe(before, ino)
    const to = added.pop()
    const path = to === undefined ? undefined : entryPath(after, to)
    if (path === undefined) changes.push({ kind: 'deleted', path: from, type, ...(size === undefined ? {} : { sizeBefore: size }) })
    else changes.push(withSizes({ kind: 'renamed', path, from, type }, before, after, ino))
  }
}

function addedChange(after: Tree, ino: number, entry: Entry, deleted: Map<string, Change>, changes: Change[]): void {
  const path = entryPath(after, entry)
  if (path === undefined) return
  const { type, size } = describe(after, ino)
  // The same name with another inode is how editors save: a file that was there is modified, not deleted and created.
  const same = deleted.get(path)
  if (same?.type === type) {
    same.kind = 'modified'
    if (size !== undefined) same.sizeAfter = size
  } else changes.push({ kind: 'created', path, type, ...(size === undefined ? {} : { sizeAfter: size }) })
}

function changedInPlace(d: Differences, before: Tree, after: Tree, ino: number, changes: Change[]): void {
  if (d.added.has(ino) && !d.removed.has(ino)) return
  const b = readAttr(before, ino)
  if (b === undefined) return
  const { mode, uid, gid, flags } = b
  const a = readAttr(after, ino)
  if (a === undefined) return
  const kind = d.content.has(ino)
    ? 'modified'
    : a.mode !== mode || a.uid !== uid || a.gid !== gid || a.flags !== flags
      ? 'mode'
      : d.xattr.has(ino)
        ? 'xattr'
        : undefined
  if (kind === undefined) return
  const bytes = pathOfInode(after, ino)
  if (bytes === undefined) return
  changes.push(withSizes({ kind, path: decodeName(bytes), type: describe(after, ino).type }, before, after, ino))
}

function withSizes(change: Change, before: Tree, after: Tree, ino: number): Change {
  const b = describe(before, ino).size
  const a = describe(after, ino).size
  if (b !== undefined) change.sizeBefore = b
  if (a !== undefined) change.sizeAfter = a
  return change
}

function entryPath(tree: Tree, entry: Entry): string | undefined {
  const parent = pathOfInode(tree, entry.parent)
  if (parent === undefined) return undefined
  return decodeName(parent === '/' ? `/${entry.name}` : `${parent}/${entry.name}`)
}

/** Byte strings as the text that users see; bytes that are no UTF-8 show as U+FFFD. */
function decodeName(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function describe(tree: Tree, ino: number): { type: Change['type']; size?: number } {
  const found = readAttr(tree, ino)
  if (found === undefined) return { type: 'other' }
  switch (found.mode & 0o170000) {
    case 0o040000:
      return { type: 'directory' }
    case 0o100000:
      return { type: 'file', size: found.size }
    case 0o120000:
      return { type: 'symlink', size: found.size }
    default:
      return { type: 'other' }
  }
}

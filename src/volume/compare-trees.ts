import { Attr, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../codec/index.js'
import { isDirectory, S_IFMT } from '../codec/mode.js'
import { type FileChange, fileFlags } from './diff.js'
import { attrOf, type FileState } from './file-content.js'
import { near, type Slices } from './near-reads.js'
import { nameAt } from './paths.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const one = new Attr()
/** Files between two chances to pause. */
const FILES = 500

/** A directory or file of a state: its inode, and the path that changes are reported under. */
export interface Subtree {
  state: FileState
  /** 0: nothing is there. */
  ino: number
  path: string
}

/**
 * How two directories differ by path and content, whatever their inodes: for volumes that have no common past, and for
 * different directories. Nothing is renamed then. Reads every name; O(files).
 */
export function* compareTrees(before: Subtree, after: Subtree): Slices<FileChange> {
  const count = { left: FILES }
  yield* compare(before, after, before.ino, after.ino, '', count)
}

function* compare(b: Subtree, a: Subtree, bIno: number, aIno: number, below: string, count: { left: number }): Slices<FileChange> {
  if (--count.left === 0) {
    count.left = FILES
    yield undefined
  }
  const bMode = yield* near(() => modeOf(b.state, bIno))
  const aMode = yield* near(() => modeOf(a.state, aIno))
  if ((bMode & S_IFMT) !== (aMode & S_IFMT)) {
    if (bIno !== 0) yield* oneSided(b, bIno, below, 'deleted', count)
    if (aIno !== 0) yield* oneSided(a, aIno, below, 'created', count)
    return
  }
  const flags = yield* near(() => fileFlags(b.state, bIno, a.state, aIno))
  if (flags !== undefined) {
    const kind = flags.content ? 'modified' : flags.mode ? 'mode' : 'xattr'
    yield { kind, path: pathOf(a, below), was: pathOf(b, below), before: bIno, after: aIno, ...flags }
  }
  if (!isDirectory(bMode)) return
  const old = yield* near(() => namesIn(b.state, bIno))
  const now = yield* near(() => namesIn(a.state, aIno))
  for (const name of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    yield* compare(b, a, old.get(name) ?? 0, now.get(name) ?? 0, `${below}/${name}`, count)
  }
}

/** All that is in a directory that the other side does not have. */
export function* oneSided(
  side: Subtree,
  ino: number,
  below: string,
  kind: 'created' | 'deleted',
  count: { left: number } = { left: FILES },
): Slices<FileChange> {
  if (--count.left === 0) {
    count.left = FILES
    yield undefined
  }
  const path = pathOf(side, below)
  const created = kind === 'created'
  yield { kind, path, before: created ? 0 : ino, after: created ? ino : 0, content: false, mode: false, xattr: false }
  if (!isDirectory(yield* near(() => modeOf(side.state, ino)))) return
  const names = yield* near(() => namesIn(side.state, ino))
  for (const [name, child] of [...names].sort(([x], [y]) => (x < y ? -1 : 1))) yield* oneSided(side, child, `${below}/${name}`, kind, count)
}

function pathOf(side: Subtree, below: string): string {
  return side.path === '/' ? below || '/' : side.path + below
}

function modeOf(state: FileState, ino: number): number {
  return ino === 0 ? 0 : (attrOf(state, ino, one)?.mode ?? 0)
}

/** Names of a directory, one char per byte, with their inodes. */
export function namesIn(state: { tree: FileState['tree'] }, dir: number): Map<string, number> {
  const names = new Map<string, number>()
  const cursor = state.tree.cursor()
  let more = cursor.seek(K, inodeKey(K, Tag.dirent, dir))
  while (more && cursor.kl > PREFIX_BYTES && cursor.buf[cursor.kp] === Tag.dirent && getIno(cursor.buf, cursor.kp + 1) === dir) {
    names.set(nameAt(cursor.buf, cursor.kp, cursor.kl), getIno(cursor.buf, cursor.vp))
    more = cursor.next()
  }
  return names
}

import { Attr, AttrFlag, getIno, Tag } from '../codec/index.js'
import { isDirectory, kindOf, typeOf } from '../codec/mode.js'
import type { BTree } from '../tree/index.js'
import type { Change } from './api.js'
import { Differences, type Entry } from './differences.js'
import { attrOf, type FileState, sameContent, sameXattrs } from './file-content.js'
import { near, nextNear, type Slices } from './near-reads.js'
import { hintedName, nameAt, pathOfInode } from './paths.js'

/**
 * How two states differ at one path. Paths have one char per byte and start with `/`; that of a deletion is a path of the state
 * before, all others are paths of the state after.
 */
export interface FileChange {
  kind: Change['kind']
  path: string
  /** The path before, of what was renamed. */
  from?: string
  /** The path before, of what another file took the name of. */
  was?: string
  /** Inode in the state before and in the one after; 0 where there is none. */
  before: number
  after: number
  /** What differs beside the name, of what is in both states. */
  content: boolean
  mode: boolean
  xattr: boolean
}

const IMMUTABLE = AttrFlag.immutable
/** Before all directory entries. */
const DIRENTS = Buffer.from([Tag.dirent])
const one = new Attr()
const two = new Attr()

/**
 * The changes that lead from one state of a lineage to another, in the order of a walk: a directory before what is in it. Reads
 * only what differs and the parents of it. Yields undefined now and then, so that a long one can be done in slices.
 *
 * - A name in both states is the same file, whatever its inode: saving by rename is `modified`.
 * - Otherwise the inode explains what vanished and appeared: `renamed`, a directory as one change with all that is in it.
 * - Another link to a file is `created`. A file with several names that changed is reported under each of them, which alone costs a walk
 *   over all names.
 * - Times, and what follows from other changes (sizes and link counts of directories), are no change.
 */
export function* changesBetween(before: FileState, after: FileState): Slices<FileChange> {
  const differences = yield* Differences.between(before.tree, after.tree)
  const naming = new Naming(before, after, differences)
  yield* naming.matchNames()
  naming.pairRenames()
  yield* naming.changedInPlace()
  yield* naming.inOrder()
}

/** The same for the public, all at once. @throws PageMiss where something may be missed */
export function diffStates(before: FileState, after: FileState): Change[] {
  const found: Change[] = []
  const steps = changesBetween(before, after)
  for (let step = nextNear(steps); step.done !== true; step = nextNear(steps)) if (step.value !== undefined) found.push(describe(step.value, before, after))
  return found
}

export interface FileFlags {
  content: boolean
  mode: boolean
  xattr: boolean
}

/**
 * What differs between two inodes of one type; undefined when nothing that counts does.
 * @param may what may differ at all, where that is known
 */
export function fileFlags(
  before: FileState,
  bIno: number,
  after: FileState,
  aIno: number,
  may: { content: boolean; xattr: boolean } = { content: true, xattr: true },
): FileFlags | undefined {
  const b = attrOf(before, bIno, one)
  const a = attrOf(after, aIno, two)
  if (b === undefined || a === undefined) return undefined
  const mode = b.mode !== a.mode || b.uid !== a.uid || b.gid !== a.gid || b.rdev !== a.rdev || (b.flags & IMMUTABLE) !== (a.flags & IMMUTABLE)
  const content = may.content && !isDirectory(a.mode) && !sameContent(before, bIno, b, after, aIno, a)
  const xattr = may.xattr && ((b.flags | a.flags) & AttrFlag.xattr) !== 0 && !sameXattrs(before, bIno, after, aIno)
  return content || mode || xattr ? { content, mode, xattr } : undefined
}

/** A name that is in only one of the states, or is another file's in the other. */
interface Named {
  ino: number
  path: string
  mode: number
  /** The directory's inode and the name. */
  slot: string
}
/** A file whose names are looked for, and how many are left. */
interface Searched {
  flags: FileFlags
  names: number
}
type Pair = readonly [old: Named, now: Named]

/** Names between two chances to pause. */
const NAMES = 2000

/** Turns differences by inode into changes by path. */
class Naming {
  readonly #before: FileState
  readonly #after: FileState
  readonly #d: Differences
  /** What is left to explain, by path. */
  readonly #removed = new Map<string, Named>()
  readonly #added = new Map<string, Named>()
  readonly #changes: FileChange[] = []
  /** Renames of an inode that is in both states, by it. */
  readonly #moved = new Map<number, FileChange[]>()
  /** Paths of the state after that need no second report. */
  readonly #told = new Set<string>()

  constructor(before: FileState, after: FileState, differences: Differences) {
    this.#before = before
    this.#after = after
    this.#d = differences
  }

  /** A name that both states have is the same file, unless both files that had it went on under other names: a swap, or a ring. */
  *matchNames(): Slices<undefined> {
    yield* namePaths(this.#before, this.#d.removed, this.#removed)
    yield* namePaths(this.#after, this.#d.added, this.#added)
    const lost = countByInode(this.#removed)
    const got = countByInode(this.#added)
    const pairs = [...this.#sameNames()]
    const byInode = new Map<number, Pair[]>()
    for (const pair of pairs) for (const { ino } of pair) byInode.set(ino, [...(byInode.get(ino) ?? []), pair])
    for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
      const [old, now] = pair
      if (this.#removed.get(old.path) !== old || this.#added.get(now.path) !== now) continue
      const wentOn = (got.get(old.ino) ?? 0) > 0
      const cameFrom = (lost.get(now.ino) ?? 0) > 0
      // What is in a directory goes with it: it is another one when either went on.
      if (old.ino !== now.ino && (isDirectory(old.mode) ? wentOn || cameFrom : wentOn && cameFrom)) continue
      yield* this.#replaced(old, now)
      lost.set(old.ino, (lost.get(old.ino) ?? 1) - 1)
      got.set(now.ino, (got.get(now.ino) ?? 1) - 1)
      pairs.push(...(byInode.get(old.ino) ?? []), ...(byInode.get(now.ino) ?? []))
    }
  }

  /** Names that both states have: in the same directory, wherever that is now, or else by path. */
  *#sameNames(): Generator<Pair> {
    const slots = new Map(Array.from(this.#added.values(), named => [named.slot, named]))
    const taken = new Set<Named>()
    const byPath: Named[] = []
    for (const old of this.#removed.values()) {
      const now = slots.get(old.slot)
      if (now === undefined) byPath.push(old)
      else {
        taken.add(now)
        if (typeOf(now.mode) === typeOf(old.mode)) yield [old, now]
      }
    }
    for (const old of byPath) {
      const now = this.#added.get(old.path)
      if (now !== undefined && !taken.has(now) && typeOf(now.mode) === typeOf(old.mode)) yield [old, now]
    }
  }

  /** One name, two inodes; or one inode whose directory was made anew around it. */
  *#replaced(old: Named, now: Named): Slices<undefined> {
    this.#removed.delete(old.path)
    this.#added.delete(now.path)
    if (old.ino === now.ino) return
    this.#told.add(now.path)
    const flags = yield* near(() => this.#compare(old.ino, now.ino, true))
    if (flags !== undefined) this.#add(now.path, old.ino, now.ino, flags, old.path)
  }

  #add(path: string, before: number, after: number, flags: FileFlags, was?: string): void {
    const kind = flags.content ? 'modified' : flags.mode ? 'mode' : 'xattr'
    this.#changes.push({ kind, path, before, after, ...flags, ...(was === undefined ? {} : { was }) })
  }

  #compare(before: number, after: number, contentMayDiffer: boolean): FileFlags | undefined {
    const sameXattrRecords = before === after && !this.#d.xattr.has(before)
    return fileFlags(this.#before, before, this.#after, after, { content: contentMayDiffer, xattr: !sameXattrRecords })
  }

  /** What lost a name and got another was renamed; with several, the same last component goes together first. */
  pairRenames(): void {
    const addedBy = new Map<number, Named[]>()
    for (const named of inOrder(this.#added.values())) addedBy.set(named.ino, [...(addedBy.get(named.ino) ?? []), named])
    for (const old of inOrder(this.#removed.values())) {
      const names = addedBy.get(old.ino)
      if (names === undefined || names.length === 0) continue
      const same = names.findIndex(named => lastOf(named.path) === lastOf(old.path))
      const [now] = names.splice(Math.max(same, 0), 1)
      this.#removed.delete(old.path)
      this.#added.delete(now.path)
      this.#told.add(now.path)
      const change: FileChange = { kind: 'renamed', path: now.path, from: old.path, before: old.ino, after: old.ino, content: false, mode: false, xattr: false }
      this.#changes.push(change)
      this.#moved.set(old.ino, [...(this.#moved.get(old.ino) ?? []), change])
    }
    for (const { path, ino } of this.#removed.values())
      this.#changes.push({ kind: 'deleted', path, before: ino, after: 0, content: false, mode: false, xattr: false })
    for (const { path, ino } of this.#added.values()) {
      this.#told.add(path)
      this.#changes.push({ kind: 'created', path, before: 0, after: ino, content: false, mode: false, xattr: false })
    }
  }

  /** Inodes that are in both states and changed. */
  *changedInPlace(): Slices<undefined> {
    const { attr, content, xattr } = this.#d
    const searched = new Map<number, Searched>()
    let count = 0
    for (const ino of new Set([...attr, ...content, ...xattr])) {
      if (++count % NAMES === 0) yield
      const moved = this.#moved.get(ino) ?? []
      const found = yield* near(() => this.#lookAt(ino, content.has(ino), moved.length))
      if (found === undefined) continue
      const { flags, links, path } = found
      for (const change of moved) Object.assign(change, flags)
      if (moved.length >= links) continue
      if (path !== undefined) this.#add(path, ino, ino, flags)
      else searched.set(ino, { flags, names: links })
    }
    if (searched.size > 0) yield* this.#searchNames(searched)
  }

  /** @param told how many of its names are told of already */
  #lookAt(ino: number, contentMayDiffer: boolean, told: number): { flags: FileFlags; links: number; path: string | undefined } | undefined {
    if (!isLinked(this.#before, ino) || !isLinked(this.#after, ino)) return undefined
    const flags = this.#compare(ino, ino, contentMayDiffer)
    if (flags === undefined) return undefined
    const links = linksOf(this.#after, ino)
    return { flags, links, path: links > 1 || told >= links ? undefined : this.#nameOf(ino) }
  }

  /** A name that an inode kept, by the hints of both states; undefined when they are stale or told already. */
  #nameOf(ino: number): string | undefined {
    const path = pathOfInode(this.#after.tree, ino)
    if (path !== undefined && !this.#told.has(path)) return path
    const hint = attrOf(this.#before, ino, one)
    const other = hint && entryUnder(this.#after.tree, ino, hint)
    return other === undefined || this.#told.has(other) ? undefined : other
  }

  /** All names of files with several, and of one whose hints are stale: no other way leads from an inode to them than a walk over all names. */
  *#searchNames(searched: Map<number, Searched>): Slices<undefined> {
    const { tree } = this.#after
    const cursor = tree.cursor()
    let more = yield* near(() => cursor.seek(DIRENTS, DIRENTS.length))
    for (let count = 0; more && searched.size > 0 && cursor.buf[cursor.kp] === Tag.dirent; more = yield* near(() => cursor.next())) {
      if (++count % NAMES === 0) yield
      const ino = getIno(cursor.buf, cursor.vp)
      const found = searched.get(ino)
      if (found === undefined) continue
      if (--found.names === 0) searched.delete(ino)
      const entry = { parent: getIno(cursor.buf, cursor.kp + 1), name: nameAt(cursor.buf, cursor.kp, cursor.kl) }
      const path = yield* near(() => pathIn(tree, entry))
      if (path !== undefined && !this.#told.has(path)) this.#add(path, ino, ino, found.flags)
    }
  }

  *inOrder(): Generator<FileChange> {
    yield* inOrder(this.#changes)
  }
}

/** Sorted as a walk meets them: a directory, what is in it, then its next sibling. */
export function inOrder<T extends { path: string }>(items: Iterable<T>): T[] {
  const keyed = Array.from(items, item => ({ key: item.path.replaceAll('/', '\0'), item }))
  return keyed.sort((x, y) => (x.key < y.key ? -1 : x.key > y.key ? 1 : 0)).map(({ item }) => item)
}

function countByInode(names: Map<string, Named>): Map<number, number> {
  const count = new Map<number, number>()
  for (const { ino } of names.values()) count.set(ino, (count.get(ino) ?? 0) + 1)
  return count
}

function* namePaths(state: FileState, entries: Map<number, Entry[]>, into: Map<string, Named>): Slices<undefined> {
  const parents = new Map<number, string | undefined>()
  let count = 0
  for (const [ino, list] of entries) {
    if (++count % NAMES === 0) yield
    const mode = yield* near(() => attrOf(state, ino, one)?.mode ?? 0)
    for (const entry of list) {
      if (!parents.has(entry.parent)) parents.set(entry.parent, yield* near(() => pathOfInode(state.tree, entry.parent)))
      const parent = parents.get(entry.parent)
      if (parent === undefined) continue
      const path = parent === '/' ? `/${entry.name}` : `${parent}/${entry.name}`
      into.set(path, { ino, path, mode, slot: `${entry.parent}/${entry.name}` })
    }
  }
}

/** False also for an inode that is only held open. */
function isLinked(state: FileState, ino: number): boolean {
  const attr = attrOf(state, ino, one)
  return attr !== undefined && attr.nlink > 0
}

/** How many names a file has; a directory has one. */
function linksOf(state: FileState, ino: number): number {
  const attr = attrOf(state, ino, one)
  return attr === undefined || isDirectory(attr.mode) ? 1 : attr.nlink
}

function entryUnder(tree: BTree, ino: number, hint: Readonly<Attr>): string | undefined {
  const name = hintedName(tree, ino, hint.parent, hint.nameHigh, hint.nameLow)
  return name === undefined ? undefined : pathIn(tree, { parent: hint.parent, name })
}

function pathIn(tree: BTree, { parent, name }: Entry): string | undefined {
  const path = pathOfInode(tree, parent)
  return path === undefined ? undefined : path === '/' ? `/${name}` : `${path}/${name}`
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Byte strings as the text that users see; bytes that are no UTF-8 show as U+FFFD. */
function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** A change as the public sees it. */
export function describe(change: FileChange, before: FileState, after: FileState): Change {
  const b = change.before === 0 ? undefined : attrOf(before, change.before, one)
  const a = change.after === 0 ? undefined : attrOf(after, change.after, two)
  const type = kindOf((a ?? b)?.mode ?? 0)
  const result: Change = { kind: change.kind, path: text(change.path), type }
  if (change.from !== undefined) result.from = text(change.from)
  if (type === 'file' || type === 'symlink') {
    if (b !== undefined) result.sizeBefore = b.size
    if (a !== undefined) result.sizeAfter = a.size
  }
  if (change.before !== change.after && change.before !== 0 && change.after !== 0) result.replaced = true
  const also = alsoOf(change)
  if (also.length > 0) result.also = also
  if (b !== undefined && a !== undefined && b.mode !== a.mode) {
    result.modeBefore = b.mode
    result.modeAfter = a.mode
  }
  return result
}

function alsoOf({ kind, content, mode, xattr }: FileChange): Array<'modified' | 'mode' | 'xattr'> {
  const all: Array<'modified' | 'mode' | 'xattr'> = []
  if (content) all.push('modified')
  if (mode) all.push('mode')
  if (xattr) all.push('xattr')
  return all.filter(one => one !== kind)
}

import { ContentKind, direntKey, getIno } from '../codec/index.js'
import { DT_DIR, DT_LNK, isDirectory } from '../codec/mode.js'
import { CorruptError, EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from '../errors.js'
import { assert, limits } from '../sys/index.js'
import { loadWhole } from './content.js'
import type { Context } from './context.js'
import type { Cred } from './filesystem.js'
import { latin1 } from './latin1.js'
import { cachedIno, cachedType, type KnownDirectory, MISSING } from './names.js'
import { allowed, EXECUTE, restricted } from './permission.js'
import { findName } from './readdir.js'

/** Deeper than any directory can be by paths; a longer chain of parents is a ring. */
const MAX_DEPTH = 1 << 20
const SLASH = 47

/**
 * Inode of an entry, its type in `c.type`. Neither looks at the directory itself, nor knows `.` and `..`.
 * @returns -ENOENT for a name that is absent, in something that need not be a directory
 */
export function findEntry(c: Context, dir: number, name: string): number {
  c.refresh()
  const cached = c.cache.get(dir, name)
  if (cached !== undefined) {
    if (cached === MISSING) return -ENOENT
    c.type = cachedType(cached)
    return cachedIno(cached)
  }
  if (name.length > limits.nameBytes) return -ENAMETOOLONG
  const { session } = c
  const hash = session.dirHash
  hash.of(name)
  const tree = session.tree
  if (!tree.get(c.K, direntKey(c.K, dir, hash.high, hash.low, name))) return -ENOENT
  const ino = getIno(tree.vb, tree.vp)
  c.type = tree.vb[tree.vp + 7]
  c.cache.set(dir, name, ino, c.type)
  return ino
}

/** As `findEntry`, with `.`, `..` and the empty name (the directory itself), and ENOTDIR. */
export function find(c: Context, dir: number, name: string): number {
  if (name === '' || name === '.') return c.readAttr(dir, c.probe) < 0 ? -ENOENT : isDirectory(c.probe.mode) || name === '' ? dir : -ENOTDIR
  if (name === '..') return parentOf(c, dir)
  const ino = findEntry(c, dir, name)
  if (ino !== -ENOENT || c.cache.get(dir, name) === MISSING) return ino
  const missing = c.readAttr(dir, c.probe)
  if (missing < 0) return missing
  if (!isDirectory(c.probe.mode)) return -ENOTDIR
  c.cache.setMissing(dir, name)
  return -ENOENT
}

export function lookup(c: Context, dir: number, name: string, cred: Cred | undefined): number {
  if (restricted(cred)) {
    const refused = maySearch(c, dir, cred)
    if (refused < 0) return refused
  }
  const ino = find(c, dir, name)
  if (ino > 0) readExisting(c, ino)
  return ino
}

/** Fills `c.attr` with an inode that an entry names. */
function readExisting(c: Context, ino: number): void {
  if (c.readAttr(ino, c.attr) < 0) throw new CorruptError(`inode ${ino}`, 'a directory names it and it does not exist')
}

function maySearch(c: Context, dir: number, cred: Cred): number {
  const missing = c.readAttr(dir, c.probe)
  if (missing < 0) return missing
  if (!isDirectory(c.probe.mode)) return -ENOTDIR
  return allowed(c.probe, EXECUTE, cred) ? 0 : -EACCES
}

function parentOf(c: Context, dir: number): number {
  const missing = c.readAttr(dir, c.probe)
  if (missing < 0) return missing
  return isDirectory(c.probe.mode) ? c.probe.parent : -ENOTDIR
}

/** True when `ancestor` is `dir` or above it. */
export function isWithin(c: Context, dir: number, ancestor: number): boolean {
  let at = dir
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (at === ancestor) return true
    if (at === c.session.rootIno) return false
    const parent = parentOf(c, at)
    if (parent < 0) return false
    at = parent
  }
  assert(false, `the parents of inode ${dir} form a ring`)
}

/** The target of a symbolic link, one char per byte, in `c.text`. `c.node` holds its record. */
export function readTarget(c: Context): number {
  const size = c.node.attr.size
  if (c.node.attr.kind === ContentKind.inline) {
    c.text = latin1(c.node.inline, 0, size)
    return 0
  }
  const into = size <= limits.smallBytes ? c.small : c.block
  loadWhole(c, c.node, into, size)
  c.text = latin1(into, 0, size)
  return 0
}

/** Walks a path. Leaves `c.trailingSlash`; with `toParent` stops before the last component and leaves it in `c.text`. */
function walk(c: Context, path: string, follow: boolean, toParent: boolean, cred: Cred | undefined): number {
  if (path === '') return -ENOENT
  if (path.length >= limits.pathBytes) return -ENAMETOOLONG
  c.refresh()
  const checked = restricted(cred) ? cred : undefined
  const cut = path.lastIndexOf('/')
  if (cut > 0 && cut < path.length - 1) {
    const directory = c.cache.directoryAt(path.slice(0, cut), checked)
    if (directory !== undefined) {
      const found = walkLast(c, directory, path.slice(cut + 1), follow, toParent)
      if (found !== LONG_WAY) return found
    }
  }
  return walkAll(c, path, cut, follow, toParent, checked)
}

/** What `walkLast` answers when the whole path must be walked. */
const LONG_WAY = 0

/** The last component of a path, in a directory that is known; nothing here allocates. */
function walkLast(c: Context, directory: KnownDirectory, name: string, follow: boolean, toParent: boolean): number {
  if (name === '.' || name === '..') return LONG_WAY
  if (toParent) {
    if (follow) return LONG_WAY
    c.text = name
    c.trailingSlash = false
    return directory.ino
  }
  const cached = directory.names.get(name)
  if (cached === undefined || (follow && cachedType(cached) === DT_LNK)) return LONG_WAY
  return cached === MISSING ? -ENOENT : cachedIno(cached)
}

/** @param cut where the last slash of the path is */
function walkAll(c: Context, path: string, cut: number, follow: boolean, toParent: boolean, checked: Cred | undefined): number {
  const root = c.session.rootIno
  let rest = path
  let at: number = root
  let from = 0
  let links = 0
  /** A way through a link or up again does not depend on the entries named alone. */
  let isPlain = cut > 0
  c.trailingSlash = false
  while (true) {
    while (rest.charCodeAt(from) === SLASH) from++
    if (from >= rest.length) break
    let end = rest.indexOf('/', from)
    let next = end
    if (end < 0) end = next = rest.length
    else while (rest.charCodeAt(next) === SLASH) next++
    const last = next === rest.length
    const slash = end < rest.length
    if (checked !== undefined) {
      const refused = maySearch(c, at, checked)
      if (refused < 0) return refused
    }
    if (last && !slash && isPlain) c.cache.setDirectoryAt(path.slice(0, cut), checked, at)
    const name = rest.slice(from, end)
    if (last && toParent && !(follow && isLink(c, at, name))) {
      c.text = name
      c.trailingSlash = slash
      return at
    }
    from = next
    if (name === '.') continue
    if (name === '..') {
      isPlain = false
      at = parentOf(c, at)
      if (at < 0) return at
      continue
    }
    const ino = findInDirectory(c, at, name)
    if (ino < 0) return ino
    if (c.type === DT_LNK && (!last || follow || slash)) {
      if (++links > limits.symlinkDepth) return -ELOOP
      if (c.load(ino, c.node) < 0) throw new CorruptError(`inode ${ino}`, 'a directory names it and it does not exist')
      readTarget(c)
      isPlain = false
      if (c.text.charCodeAt(0) === SLASH) at = root
      rest = slash || !last ? `${c.text}/${rest.slice(next)}` : c.text
      from = 0
      continue
    }
    if (c.type !== DT_DIR && (!last || slash)) return -ENOTDIR
    at = ino
  }
  c.text = ''
  return at
}

function isLink(c: Context, dir: number, name: string): boolean {
  return findInDirectory(c, dir, name) > 0 && c.type === DT_LNK
}

/** `findEntry` in what is known to be a directory. */
function findInDirectory(c: Context, dir: number, name: string): number {
  if (name === '.' || name === '..') {
    c.type = DT_DIR
    return find(c, dir, name)
  }
  const ino = findEntry(c, dir, name)
  if (ino === -ENOENT) c.cache.setMissing(dir, name)
  return ino
}

export function resolve(c: Context, path: string, follow: boolean, cred: Cred | undefined): number {
  const ino = walk(c, path, follow, false, cred)
  if (ino > 0) readExisting(c, ino)
  return ino
}

/** The sorted names of the directory that a path means, when they are kept. */
export function listed(c: Context, path: string): readonly string[] | undefined {
  const ino = walk(c, path, true, false, undefined)
  return ino > 0 ? c.cache.known(ino)?.listing?.sortedText : undefined
}

export function resolveParent(c: Context, path: string, follow: boolean, cred: Cred | undefined): number {
  return walk(c, path, follow, true, cred)
}

/**
 * The path of an inode by its parents, in `c.text`. Exact for directories; for other files that of the name made last, as
 * long as it has it. -ENOENT otherwise. Costs two look-ups per level.
 */
export function pathOf(c: Context, ino: number): number {
  let path = ''
  let at = ino
  for (let depth = 0; at !== c.session.rootIno; depth++) {
    assert(depth < MAX_DEPTH, `the parents of inode ${ino} form a ring`)
    const missing = c.readAttr(at, c.probe)
    if (missing < 0) return missing
    const { parent, nameHigh, nameLow } = c.probe
    const name = findName(c, parent, nameHigh, nameLow, at)
    if (name === undefined) return -ENOENT
    path = `/${name}${path}`
    at = parent
  }
  c.text = path === '' ? '/' : path
  return 0
}

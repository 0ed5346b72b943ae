import { DT_DIR, DT_LNK, typeOf } from '../codec/mode.js'
import { CorruptError, EACCES, EBUSY, EEXIST, EINVAL, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS } from '../errors.js'
import type { Context, Inode } from './context.js'
import { checkName, delEntry, isReserved, isSpecialName, putEntry } from './entries.js'
import { type Cred, Rename } from './filesystem.js'
import { findEntry, isWithin } from './lookup.js'
import { dropLink, eraseOrphan } from './orphans.js'
import { allowed, EXECUTE, mayCreate, mayDelete, WRITE } from './permission.js'
import { isEmptyDirectory } from './readdir.js'

/** What `check` answers when both names are links of one inode: nothing to do, successfully. */
const SAME = 1

/** rename(2) and renameat2(2): one batch, so that nobody sees neither or both names. */
export function rename(c: Context, dir: number, name: string, toDir: number, toName: string, flags: number, cred: Cred | undefined): number {
  const exchange = flags === Rename.exchange
  const noReplace = flags === Rename.noReplace
  if (flags !== 0 && !exchange && !noReplace) return -EINVAL
  if (isSpecialName(name)) return -EBUSY
  if (isSpecialName(toName)) return noReplace ? -EEXIST : -EBUSY
  const refused = loadDirectories(c, dir, toDir, toName, cred)
  if (refused < 0) return refused
  const ino = findEntry(c, dir, name)
  if (ino < 0) return ino
  if (isReserved(c, toDir, toName)) return -EPERM
  const type = c.type
  const target = findEntry(c, toDir, toName)
  const targetType = c.type
  if (target > 0 ? noReplace : exchange) return target > 0 ? -EEXIST : -ENOENT
  if (type === DT_DIR && dir !== toDir && isWithin(c, toDir, ino)) return -EINVAL
  if (target > 0 && targetType === DT_DIR && dir !== toDir && isWithin(c, dir, target)) return exchange ? -EINVAL : -ENOTEMPTY
  const result = check(c, ino, target, exchange, cred)
  if (result !== 0) return result === SAME ? 0 : result
  c.session.tick()
  const more = exchange ? swap(c, name, toName) : move(c, name, toName, target)
  const failed = c.commit()
  if (failed < 0) return failed
  remember(c, dir, name, exchange ? target : 0, targetType)
  remember(c, toDir, toName, ino, type)
  if (isOnPaths(type) || (target > 0 && isOnPaths(targetType))) c.cache.forgetPaths()
  if (target > 0 && targetType === DT_DIR && !exchange) c.cache.drop(target)
  announce(c, dir, name, toDir, toName, ino, target, exchange)
  if (more) eraseOrphan(c, target)
  return 0
}

/** What a name means from now on; ino 0: nothing. */
function remember(c: Context, dir: number, name: string, ino: number, type: number): void {
  c.cache.changed(dir)
  if (ino > 0) c.cache.set(dir, name, ino, type)
  else c.cache.setMissing(dir, name)
}

function isOnPaths(type: number): boolean {
  return type === DT_DIR || type === DT_LNK
}

/** Fills `c.dir` and `c.toDir`, which for one directory hold the same. */
function loadDirectories(c: Context, dir: number, toDir: number, toName: string, cred: Cred | undefined): number {
  const missing = c.load(dir, c.dir) || c.load(toDir, c.toDir)
  if (missing < 0) return missing
  if (!c.dir.isDirectory || !c.toDir.isDirectory) return -ENOTDIR
  if (c.session.readOnly) return -EROFS
  if (!allowed(c.dir.attr, EXECUTE, cred) || !allowed(c.toDir.attr, EXECUTE, cred)) return -EACCES
  return checkName(toName)
}

/** The checks of vfs_rename, in its order. Fills `c.node` and, when there is a target, `c.other`. */
function check(c: Context, ino: number, target: number, exchange: boolean, cred: Cred | undefined): number {
  if (ino === target) return SAME
  const source = loadNamed(c, ino, c.node)
  const isDir = source.isDirectory
  const from = mayDelete(c.dir.attr, source.attr, isDir, cred)
  if (from < 0) return from
  const changesParent = c.dir.ino !== c.toDir.ino
  if (target < 0) {
    const to = target === -ENOENT ? mayCreate(c.toDir.attr, cred) : target
    if (to < 0) return to
  } else {
    const other = loadNamed(c, target, c.other)
    const to = mayDelete(c.toDir.attr, other.attr, exchange ? other.isDirectory : isDir, cred)
    if (to < 0) return to
    if (exchange && changesParent && other.isDirectory && !allowed(other.attr, WRITE, cred)) return -EACCES
    if (!exchange && isDir && !isEmptyDirectory(c, target)) return -ENOTEMPTY
  }
  // A directory that changes its parent has its `..` rewritten.
  return changesParent && isDir && !allowed(source.attr, WRITE, cred) ? -EACCES : 0
}

function loadNamed(c: Context, ino: number, into: Inode): Inode {
  if (c.load(ino, into) < 0) throw new CorruptError(`inode ${ino}`, 'a directory names it and it does not exist')
  return into
}

/** Adds the move to the batch. True when the replaced file has more to erase than that. */
function move(c: Context, name: string, toName: string, target: number): boolean {
  const n = c.node
  const to = destination(c)
  delEntry(c, c.dir.ino, name)
  place(c, to, toName, n)
  if (n.isDirectory) {
    c.dir.attr.nlink--
    to.attr.nlink++
  }
  if (target > 0 && c.other.isDirectory) to.attr.nlink--
  storeDirectories(c)
  return target > 0 && dropLink(c, c.other)
}

/** Adds the exchange of two names to the batch. */
function swap(c: Context, name: string, toName: string): false {
  const to = destination(c)
  const { node, other } = c
  place(c, to, toName, node)
  place(c, c.dir, name, other)
  const moved = (node.isDirectory ? 1 : 0) - (other.isDirectory ? 1 : 0)
  c.dir.attr.nlink -= moved
  to.attr.nlink += moved
  storeDirectories(c)
  return false
}

/** The record of the directory moved to: the very record of the directory moved from when they are one. */
function destination(c: Context): Inode {
  return c.dir.ino === c.toDir.ino ? c.dir : c.toDir
}

/** Gives `n` the name `name` in `dir`; its old entry is the caller's. */
function place(c: Context, dir: Inode, name: string, n: Inode): void {
  putEntry(c, dir.ino, name, n.ino, typeOf(n.attr.mode))
  n.attr.parent = dir.ino
  n.attr.nameHigh = c.session.dirHash.high
  n.attr.nameLow = c.session.dirHash.low
  c.stampChange(n.attr)
  c.store(n)
}

function storeDirectories(c: Context): void {
  c.stampModify(c.dir.attr)
  c.store(c.dir)
  if (c.dir.ino === c.toDir.ino) return
  c.stampModify(c.toDir.attr)
  c.store(c.toDir)
}

function announce(c: Context, dir: number, name: string, toDir: number, toName: string, ino: number, target: number, exchange: boolean): void {
  const { listener } = c
  if (listener === undefined) return
  listener.entry(dir, name, exchange ? target : 0)
  listener.entry(toDir, toName, ino)
  listener.inode(dir)
  if (toDir !== dir) listener.inode(toDir)
  listener.inode(ino)
  if (target > 0) listener.inode(target)
}

import { isDirectory, isRegular, PERMISSIONS, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_IXGRP, typeOf } from '../codec/mode.js'
import { EACCES, EEXIST, EINVAL, EMLINK, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS } from '../errors.js'
import { limits } from '../sys/index.js'
import { putBytes } from './content.js'
import type { Context, Inode } from './context.js'
import { checkName, isReserved, isSpecialName, putEntry } from './entries.js'
import type { Cred } from './filesystem.js'
import { putLatin1 } from './latin1.js'
import { findEntry } from './lookup.js'
import { allowed, EXECUTE, inGroup, isImmutable, mayCreate, restricted } from './permission.js'

/** st_size of a directory: what ext4 shows for a small one. Its entries are not counted in it, so that two changes of one directory can be merged. */
export const DIRECTORY_SIZE = 4096
const NOTHING = new Uint8Array(0)
const SYMLINK_MODE = S_IFLNK | 0o777

export function mknod(c: Context, dir: number, name: string, mode: number, rdev: number, cred: Cred | undefined): number {
  if (isDirectory(mode)) return -EINVAL
  const typed = (mode & S_IFMT) === 0 ? mode | S_IFREG : mode
  return makeInode(c, dir, name, typed, isRegular(typed) ? 0 : rdev, NOTHING, 0, 0, cred)
}

export function createWith(c: Context, dir: number, name: string, mode: number, from: Uint8Array, at: number, length: number, cred: Cred | undefined): number {
  return makeInode(c, dir, name, S_IFREG | (mode & PERMISSIONS), 0, from, at, length, cred)
}

export function mkdir(c: Context, dir: number, name: string, mode: number, cred: Cred | undefined): number {
  return makeInode(c, dir, name, S_IFDIR | (mode & PERMISSIONS), 0, NOTHING, 0, 0, cred)
}

export function symlink(c: Context, dir: number, name: string, target: string, cred: Cred | undefined): number {
  if (target === '') return -ENOENT
  if (target.length >= limits.pathBytes) return -ENAMETOOLONG
  const length = putLatin1(c.block, 0, target)
  return makeInode(c, dir, name, SYMLINK_MODE, 0, c.block, 0, length, cred)
}

/** Inode, content, entry and directory in one batch. Returns the inode number. */
function makeInode(
  c: Context,
  dir: number,
  name: string,
  mode: number,
  rdev: number,
  from: Uint8Array,
  at: number,
  length: number,
  cred: Cred | undefined,
): number {
  const refused = prepare(c, dir, name, cred)
  if (refused < 0) return refused
  const { session } = c
  session.tick()
  const n = c.node
  n.reset(session.allocIno())
  initialize(c, n, mode, cred)
  n.attr.rdev = rdev
  if (length > 0) putBytes(c, n, 0, from, at, length)
  if (isDirectory(mode)) c.dir.attr.nlink++
  session.addUsage(1, 0)
  addName(c, name, n)
  const failed = c.commit()
  if (failed < 0) return failed
  announce(c, dir, name, n)
  return n.ino
}

/** Fills `c.dir` and checks that `name` may appear in it. */
function prepare(c: Context, dir: number, name: string, cred: Cred | undefined): number {
  if (isSpecialName(name)) return -EEXIST
  const missing = c.load(dir, c.dir)
  if (missing < 0) return missing
  const a = c.dir.attr
  if (!isDirectory(a.mode)) return -ENOTDIR
  const refused = checkName(name)
  if (refused < 0) return refused
  if (!allowed(a, EXECUTE, cred)) return -EACCES
  if (findEntry(c, dir, name) > 0) return -EEXIST
  if (isReserved(c, dir, name)) return -EPERM
  return c.session.readOnly ? -EROFS : mayCreate(a, cred)
}

/** Owner, mode and times of a new inode in `c.dir`, as Linux's inode_init_owner. */
function initialize(c: Context, n: Inode, mode: number, cred: Cred | undefined): void {
  const a = n.attr
  const parent = c.dir.attr
  const inherits = (parent.mode & S_ISGID) !== 0
  a.uid = cred?.uid ?? 0
  a.gid = inherits ? parent.gid : (cred?.gid ?? 0)
  a.mode = mode
  if (inherits && isDirectory(mode)) a.mode |= S_ISGID
  else if (inherits && (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) && restricted(cred) && !inGroup(cred, a.gid)) a.mode &= ~S_ISGID
  a.nlink = isDirectory(mode) ? 2 : 1
  if (isDirectory(mode)) a.size = DIRECTORY_SIZE
  c.stampModify(a)
  a.atimeS = a.btimeS = a.mtimeS
  a.atimeNs = a.btimeNs = a.mtimeNs
}

/** Adds an entry of `c.dir` for `n`, and both records, to the batch. */
function addName(c: Context, name: string, n: Inode): void {
  putEntry(c, c.dir.ino, name, n.ino, typeOf(n.attr.mode))
  const hash = c.session.dirHash
  n.attr.parent = c.dir.ino
  n.attr.nameHigh = hash.high
  n.attr.nameLow = hash.low
  c.stampModify(c.dir.attr)
  c.store(n)
  c.store(c.dir)
}

function announce(c: Context, dir: number, name: string, n: Inode): void {
  c.cache.changed(dir)
  c.cache.set(dir, name, n.ino, typeOf(n.attr.mode))
  c.attr.copyFrom(n.attr)
  if (c.listener === undefined) return
  c.listener.entry(dir, name, n.ino)
  c.listener.inode(dir)
}

export function link(c: Context, ino: number, dir: number, name: string, cred: Cred | undefined): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = prepare(c, dir, name, cred)
  if (refused < 0) return refused
  const a = n.attr
  if (isImmutable(a) || isDirectory(a.mode)) return -EPERM
  if (a.nlink === 0) return -ENOENT
  if (a.nlink >= limits.linkCount) return -EMLINK
  c.session.tick()
  a.nlink++
  c.stampChange(a)
  addName(c, name, n)
  const failed = c.commit()
  if (failed < 0) return failed
  announce(c, dir, name, n)
  c.listener?.inode(ino)
  return 0
}

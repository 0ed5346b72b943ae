import { constants } from 'node:fs'
import { AttrFlag } from '../codec/index.js'
import { isDirectory, isRegular, isSymlink, PERMISSIONS, S_IFMT, S_ISGID } from '../codec/mode.js'
import { EACCES, EFBIG, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM, EROFS } from '../errors.js'
import { maxFileBytes } from './content.js'
import type { Context, Inode } from './context.js'
import { type Cred, Set as Field, type SetAttr } from './filesystem.js'
import { hold } from './orphans.js'
import { allowed, inGroup, isImmutable, isOwner, READ, restricted, WRITE } from './permission.js'
import { dropPrivileges } from './privileges.js'
import { endShortening, shortenLong, truncate } from './truncate.js'

const TIMES = Field.atime | Field.mtime | Field.atimeNow | Field.mtimeNow
const NOW = Field.atimeNow | Field.mtimeNow
const OWNERS = Field.uid | Field.gid
const { O_RDWR, O_WRONLY, O_TRUNC, O_DIRECTORY } = constants
const O_ACCMODE = O_WRONLY | O_RDWR

export function getattr(c: Context, ino: number): number {
  return c.readAttr(ino, c.attr)
}

export function access(c: Context, ino: number, mask: number, cred: Cred | undefined): number {
  const missing = c.readAttr(ino, c.probe)
  if (missing < 0) return missing
  if ((mask & WRITE) !== 0) {
    const { mode } = c.probe
    if (c.session.readOnly && (isRegular(mode) || isDirectory(mode) || isSymlink(mode))) return -EROFS
    if (isImmutable(c.probe)) return -EPERM
  }
  return allowed(c.probe, mask & 7, cred) ? 0 : -EACCES
}

/** Mode, owners, size, times and flags in one batch; but see `shortenLong`. */
export function setattr(c: Context, ino: number, valid: number, set: SetAttr, cred: Cred | undefined, handle: number): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = checkSetattr(c, n, valid, set, cred)
  if (refused < 0) return refused
  const through = (valid & Field.size) === 0 ? handle : shortenLong(c, n, set.size, handle)
  if (through < 0) return through
  c.begin(through)
  apply(c, n, valid, set, cred)
  c.store(n)
  const failed = c.commit()
  endShortening(c, n, handle, through)
  if (failed < 0) return failed
  if (n.isDirectory && (valid & (Field.mode | OWNERS)) !== 0) c.cache.forgetPaths()
  c.attr.copyFrom(n.attr)
  c.listener?.inode(ino)
  return 0
}

function checkSetattr(c: Context, n: Inode, valid: number, set: SetAttr, cred: Cred | undefined): number {
  const a = n.attr
  if (c.session.readOnly) return -EROFS
  if ((valid & Field.flags) !== 0 && restricted(cred)) return -EPERM
  if (isImmutable(a) && valid !== Field.flags) return -EPERM
  if ((valid & Field.size) !== 0) {
    if (!isRegular(a.mode)) return isDirectory(a.mode) ? -EISDIR : -EINVAL
    if (set.size < 0 || Number.isNaN(set.size)) return -EINVAL
    if (set.size > maxFileBytes(c, a.size)) return -EFBIG
    if (!allowed(a, WRITE, cred)) return -EACCES
  }
  if (!restricted(cred)) return 0
  const owner = isOwner(a, cred)
  if ((valid & Field.mode) !== 0 && !owner) return -EPERM
  if ((valid & Field.uid) !== 0 && (!owner || set.uid !== a.uid)) return -EPERM
  if ((valid & Field.gid) !== 0 && (!owner || (set.gid !== a.gid && !inGroup(cred, set.gid)))) return -EPERM
  if ((valid & TIMES) === 0 || owner) return 0
  // Both to now is what write permission is enough for; anything else is the owner's.
  if ((valid & TIMES) !== NOW) return -EPERM
  return allowed(a, WRITE, cred) ? 0 : -EACCES
}

function apply(c: Context, n: Inode, valid: number, set: SetAttr, cred: Cred | undefined): void {
  const a = n.attr
  if ((valid & Field.size) !== 0) {
    truncate(c, n, set.size)
    c.stampModify(a)
    if (restricted(cred) || (valid & Field.killPriv) !== 0) dropPrivileges(c, n)
  }
  if ((valid & OWNERS) !== 0) {
    if ((valid & Field.uid) !== 0) a.uid = set.uid
    if ((valid & Field.gid) !== 0) a.gid = set.gid
    if ((valid & Field.mode) === 0) dropPrivileges(c, n)
  }
  if ((valid & Field.mode) !== 0) setMode(n, set.mode, cred)
  if ((valid & Field.flags) !== 0) a.flags = (a.flags & ~AttrFlag.immutable) | (set.flags & AttrFlag.immutable)
  setTimes(c, n, valid, set)
  c.stampChange(a)
}

function setMode(n: Inode, mode: number, cred: Cred | undefined): void {
  const a = n.attr
  let bits = mode & PERMISSIONS
  if (restricted(cred) && !inGroup(cred, a.gid)) bits &= ~S_ISGID
  a.mode = (a.mode & S_IFMT) | bits
}

function setTimes(c: Context, n: Inode, valid: number, set: SetAttr): void {
  const a = n.attr
  if ((valid & (Field.atime | Field.atimeNow)) !== 0) {
    const now = (valid & Field.atimeNow) !== 0
    a.atimeS = now ? c.session.nowS : set.atimeS
    a.atimeNs = now ? c.session.nowNs : set.atimeNs
  }
  if ((valid & (Field.mtime | Field.mtimeNow)) !== 0) {
    const now = (valid & Field.mtimeNow) !== 0
    a.mtimeS = now ? c.session.nowS : set.mtimeS
    a.mtimeNs = now ? c.session.nowNs : set.mtimeNs
  }
}

export function open(c: Context, ino: number, flags: number, cred: Cred | undefined, handle: number): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = checkOpen(c, n, flags, cred)
  if (refused < 0) return refused
  if ((flags & O_TRUNC) !== 0 && isRegular(n.attr.mode)) {
    const failed = truncateOnOpen(c, n, cred, handle)
    if (failed < 0) return failed
  }
  hold(c, ino)
  return 0
}

function checkOpen(c: Context, n: Inode, flags: number, cred: Cred | undefined): number {
  const a = n.attr
  const mode = flags & O_ACCMODE
  const writes = mode !== 0 || (flags & O_TRUNC) !== 0
  if (isSymlink(a.mode)) return -ELOOP
  if (isDirectory(a.mode)) {
    if (writes) return -EISDIR
  } else if ((flags & O_DIRECTORY) !== 0) return -ENOTDIR
  else if (!isRegular(a.mode)) return -ENXIO
  if (writes && isImmutable(a)) return -EPERM
  const mask = (mode === O_WRONLY ? 0 : READ) | (writes ? WRITE : 0)
  if (!allowed(a, mask, cred)) return -EACCES
  return writes && c.session.readOnly ? -EROFS : 0
}

function truncateOnOpen(c: Context, n: Inode, cred: Cred | undefined, handle: number): number {
  const through = shortenLong(c, n, 0, handle)
  if (through < 0) return through
  c.begin(through)
  truncate(c, n, 0)
  if (restricted(cred)) dropPrivileges(c, n)
  c.stampModify(n.attr)
  c.store(n)
  const failed = c.commit()
  endShortening(c, n, handle, through)
  if (failed < 0) return failed
  c.listener?.inode(n.ino)
  return 0
}

/** The target of a symlink in `c.text`; -EINVAL for anything else. */
export function checkSymlink(c: Context, ino: number): number {
  if (c.load(ino, c.node) < 0) return -ENOENT
  return isSymlink(c.node.attr.mode) ? 0 : -EINVAL
}

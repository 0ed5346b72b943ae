import { type Attr, AttrFlag } from '../codec/index.js'
import { isDirectory, S_ISVTX } from '../codec/mode.js'
import { EACCES, EISDIR, ENOENT, ENOTDIR, EPERM } from '../errors.js'
import type { Cred } from './filesystem.js'

/** Masks of access(2). */
export const READ = 4
export const WRITE = 2
export const EXECUTE = 1

/** True when permission bits mean anything for this caller. */
export function restricted(cred: Cred | undefined): cred is Cred {
  return cred !== undefined && cred.uid !== 0 && cred.checked !== true
}

export function inGroup(cred: Cred, gid: number): boolean {
  return cred.gid === gid || cred.groups.includes(gid)
}

/** Mode bits against a mask; root passes, but executes only what somebody may execute. */
export function allowed(attr: Attr, mask: number, cred: Cred | undefined): boolean {
  if (cred === undefined || cred.checked === true) return true
  const mode = attr.mode
  if (cred.uid === 0) return (mask & EXECUTE) === 0 || isDirectory(mode) || (mode & 0o111) !== 0
  const shift = cred.uid === attr.uid ? 6 : inGroup(cred, attr.gid) ? 3 : 0
  return ((mode >>> shift) & mask) === mask
}

export function isImmutable(attr: Attr): boolean {
  return (attr.flags & AttrFlag.immutable) !== 0
}

export function isOwner(attr: Attr, cred: Cred | undefined): boolean {
  return !restricted(cred) || cred.uid === attr.uid
}

/** Whether a name may appear in a directory. 0 or a negated errno. */
export function mayCreate(dir: Attr, cred: Cred | undefined): number {
  if (dir.nlink === 0) return -ENOENT
  return mayWriteDirectory(dir, cred)
}

/** Whether `victim` may lose its name in `dir`; `asDirectory` is what the call expects it to be. */
export function mayDelete(dir: Attr, victim: Attr, asDirectory: boolean, cred: Cred | undefined): number {
  const refused = mayWriteDirectory(dir, cred)
  if (refused < 0) return refused
  const sticky = (dir.mode & S_ISVTX) !== 0 && restricted(cred) && cred.uid !== victim.uid && cred.uid !== dir.uid
  if (sticky || isImmutable(victim)) return -EPERM
  if (isDirectory(victim.mode) !== asDirectory) return asDirectory ? -ENOTDIR : -EISDIR
  return 0
}

function mayWriteDirectory(dir: Attr, cred: Cred | undefined): number {
  if (isImmutable(dir)) return -EPERM
  return allowed(dir, WRITE | EXECUTE, cred) ? 0 : -EACCES
}

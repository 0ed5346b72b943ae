import { AttrFlag } from '../codec/index.js'
import { isDirectory, S_ISGID, S_ISUID, S_IXGRP } from '../codec/mode.js'
import type { Context, Inode } from './context.js'
import { deleteXattr } from './xattr.js'

const CAPABILITY = 'security.capability'

/** What a change of content or owner takes from a file: setuid, setgid where the group may execute, file capabilities. */
export function dropPrivileges(c: Context, n: Inode): void {
  const a = n.attr
  if (isDirectory(a.mode)) return
  a.mode &= ~S_ISUID
  if ((a.mode & S_IXGRP) !== 0) a.mode &= ~S_ISGID
  if ((a.flags & AttrFlag.xattr) !== 0) deleteXattr(c, n, CAPABILITY)
}

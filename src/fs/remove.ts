import { isDirectory, isSymlink } from '../codec/mode.js'
import { CorruptError, EACCES, EBUSY, EINVAL, EISDIR, ENOTDIR, ENOTEMPTY, EROFS } from '../errors.js'
import type { Context } from './context.js'
import { delEntry } from './entries.js'
import type { Cred } from './filesystem.js'
import { findEntry } from './lookup.js'
import { dropLink, eraseOrphan } from './orphans.js'
import { allowed, EXECUTE, mayDelete } from './permission.js'
import { isEmptyDirectory } from './readdir.js'

export function unlink(c: Context, dir: number, name: string, cred: Cred | undefined): number {
  if (name === '.' || name === '..' || name === '') return -EISDIR
  return remove(c, dir, name, false, cred)
}

export function rmdir(c: Context, dir: number, name: string, cred: Cred | undefined): number {
  if (name === '.') return -EINVAL
  if (name === '..') return -ENOTEMPTY
  if (name === '') return -EBUSY
  return remove(c, dir, name, true, cred)
}

function remove(c: Context, dir: number, name: string, asDirectory: boolean, cred: Cred | undefined): number {
  const missing = c.load(dir, c.dir)
  if (missing < 0) return missing
  if (!isDirectory(c.dir.attr.mode)) return -ENOTDIR
  if (c.session.readOnly) return -EROFS
  if (!allowed(c.dir.attr, EXECUTE, cred)) return -EACCES
  const ino = findEntry(c, dir, name)
  if (ino < 0) return ino
  const n = c.node
  if (c.load(ino, n) < 0) throw new CorruptError(`inode ${ino}`, 'a directory names it and it does not exist')
  const refused = mayDelete(c.dir.attr, n.attr, asDirectory, cred)
  if (refused < 0) return refused
  if (asDirectory && !isEmptyDirectory(c, ino)) return -ENOTEMPTY
  c.session.tick()
  delEntry(c, dir, name)
  if (asDirectory) c.dir.attr.nlink--
  c.stampModify(c.dir.attr)
  c.store(c.dir)
  const more = dropLink(c, n)
  const failed = c.commit()
  if (failed < 0) return failed
  c.cache.changed(dir)
  c.cache.setMissing(dir, name)
  if (asDirectory) c.cache.drop(ino)
  else if (isSymlink(n.attr.mode)) c.cache.forgetPaths()
  announceRemoval(c, dir, name, ino)
  if (more) eraseOrphan(c, ino)
  return 0
}

function announceRemoval(c: Context, dir: number, name: string, ino: number): void {
  if (c.listener === undefined) return
  c.listener.entry(dir, name, 0)
  c.listener.inode(dir)
  c.listener.inode(ino)
}

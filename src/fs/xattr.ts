import { AttrFlag, getIno, inodeKey, PREFIX_BYTES, Tag, xattrKey } from '../codec/index.js'
import { isDirectory, isRegular, S_ISVTX } from '../codec/mode.js'
import { CorruptError, E2BIG, EACCES, EEXIST, EINVAL, ENODATA, ENOSPC, EOPNOTSUPP, EPERM, ERANGE, EROFS } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Cursor } from '../tree/tree.js'
import { type Context, copyBytes, type Inode } from './context.js'
import type { Cred } from './filesystem.js'
import { latin1 } from './latin1.js'
import { allowed, isImmutable, isOwner, restricted, WRITE } from './permission.js'

const XATTR_CREATE = 1
const XATTR_REPLACE = 2
/** Bytes of the total length, little-endian, in front of the first chunk. */
const LENGTH_BYTES = 4
const FIRST_CHUNK = limits.valueBytes - LENGTH_BYTES
/** NUL and chunk number behind the name in a key. */
const KEY_TAIL = 3

function chunksOf(length: number): number {
  return length <= FIRST_CHUNK ? 1 : 1 + Math.ceil((length - FIRST_CHUNK) / limits.valueBytes)
}

/** Length of a stored value; -1 when there is none. The first chunk is the tree's last hit. */
function storedLength(c: Context, ino: number, name: string): number {
  const tree = c.session.tree
  if (!tree.get(c.K, xattrKey(c.K, ino, name, 0))) return -1
  const { vb, vp, vl } = tree
  if (vl < LENGTH_BYTES) throw damaged(ino, name)
  return (vb[vp] | (vb[vp + 1] << 8) | (vb[vp + 2] << 16) | (vb[vp + 3] << 24)) >>> 0
}

function damaged(ino: number, name: string): CorruptError {
  return new CorruptError(`inode ${ino}`, `the value of its attribute ${JSON.stringify(name)} is incomplete`)
}

/** Only these spaces of names exist; ACLs are not kept. */
function checkName(name: string): number {
  if (name.length === 0 || name.length > limits.nameBytes) return -ERANGE
  const space = name.slice(0, name.indexOf('.') + 1)
  if (space !== 'user.' && space !== 'trusted.' && space !== 'security.') return -EOPNOTSUPP
  if (name.length === space.length) return -EINVAL
  return name.includes('\0') ? -EINVAL : 0
}

/** Whether `cred` may change an attribute of this name. */
function checkChange(c: Context, n: Inode, name: string, cred: Cred | undefined): number {
  const refused = checkName(name)
  if (refused < 0) return refused
  const a = n.attr
  if (c.session.readOnly) return -EROFS
  if (isImmutable(a)) return -EPERM
  if (!name.startsWith('user.')) return restricted(cred) ? -EPERM : 0
  if (!isRegular(a.mode) && !isDirectory(a.mode)) return -EPERM
  if (isDirectory(a.mode) && (a.mode & S_ISVTX) !== 0 && !isOwner(a, cred)) return -EPERM
  return allowed(a, WRITE, cred) ? 0 : -EACCES
}

export function getxattr(c: Context, ino: number, name: string): number {
  const missing = c.readAttr(ino, c.probe)
  if (missing < 0) return missing
  if ((c.probe.flags & AttrFlag.xattr) === 0) return name.startsWith('system.') ? -EOPNOTSUPP : -ENODATA
  const refused = checkName(name)
  if (refused < 0) return refused
  const length = storedLength(c, ino, name)
  if (length < 0) return -ENODATA
  if (length > limits.xattrValueBytes) throw damaged(ino, name)
  c.value = readValue(c, ino, name, length)
  return length
}

/** The chunks behind `storedLength`, joined. */
function readValue(c: Context, ino: number, name: string, length: number): Uint8Array {
  const tree = c.session.tree
  const value = Buffer.alloc(length)
  let at = tree.vl - LENGTH_BYTES
  if (at > length) throw damaged(ino, name)
  copyBytes(tree.vb, tree.vp + LENGTH_BYTES, value, 0, at)
  for (let chunk = 1; at < length; chunk++) {
    if (!tree.get(c.K, xattrKey(c.K, ino, name, chunk)) || tree.vl > length - at || tree.vl === 0) throw damaged(ino, name)
    copyBytes(tree.vb, tree.vp, value, at, tree.vl)
    at += tree.vl
  }
  return value
}

export function setxattr(c: Context, ino: number, name: string, value: Uint8Array, flags: number, cred: Cred | undefined): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL
  const refused = checkChange(c, n, name, cred)
  if (refused < 0) return refused
  if (value.length > limits.xattrValueBytes) return -E2BIG
  const before = (n.attr.flags & AttrFlag.xattr) === 0 ? -1 : storedLength(c, ino, name)
  if (before >= 0 && (flags & XATTR_CREATE) !== 0) return -EEXIST
  if (before < 0 && (flags & XATTR_REPLACE) !== 0) return -ENODATA
  if (before < 0 && listBytes(c, ino) + name.length + 1 > limits.xattrListBytes) return -ENOSPC
  c.session.tick()
  putValue(c, ino, name, value)
  if (before >= 0) delChunks(c, ino, name, chunksOf(value.length), chunksOf(before))
  n.attr.flags |= AttrFlag.xattr
  return finish(c, n)
}

function putValue(c: Context, ino: number, name: string, value: Uint8Array): void {
  const { session, K, V } = c
  const { length } = value
  V.writeUInt32LE(length, 0)
  let at = Math.min(length, FIRST_CHUNK)
  copyBytes(value, 0, V, LENGTH_BYTES, at)
  session.put(K, xattrKey(K, ino, name, 0), V, LENGTH_BYTES + at)
  for (let chunk = 1; at < length; chunk++) {
    const part = Math.min(length - at, limits.valueBytes)
    copyBytes(value, at, V, 0, part)
    session.put(K, xattrKey(K, ino, name, chunk), V, part)
    at += part
  }
}

function delChunks(c: Context, ino: number, name: string, from: number, to: number): void {
  for (let chunk = from; chunk < to; chunk++) c.session.del(c.K, xattrKey(c.K, ino, name, chunk))
}

function finish(c: Context, n: Inode): number {
  c.stampChange(n.attr)
  c.store(n)
  const failed = c.commit()
  if (failed < 0) return failed
  c.listener?.inode(n.ino)
  return 0
}

export function removexattr(c: Context, ino: number, name: string, cred: Cred | undefined): number {
  const n = c.node
  const missing = c.load(ino, n)
  if (missing < 0) return missing
  const refused = checkChange(c, n, name, cred)
  if (refused < 0) return refused
  if ((n.attr.flags & AttrFlag.xattr) === 0 || storedLength(c, ino, name) < 0) return -ENODATA
  c.session.tick()
  deleteXattr(c, n, name)
  return finish(c, n)
}

/** Adds the deletion of one attribute to the batch, and clears the flag of `n` when it was the last. Absent: nothing. */
export function deleteXattr(c: Context, n: Inode, name: string): void {
  const length = storedLength(c, n.ino, name)
  if (length < 0) return
  let isLast = true
  eachName(c, n.ino, other => {
    if (other !== name) isLast = false
    return isLast
  })
  delChunks(c, n.ino, name, 0, chunksOf(length))
  if (isLast) n.attr.flags &= ~AttrFlag.xattr
}

export function listxattr(c: Context, ino: number): number {
  const missing = c.readAttr(ino, c.probe)
  if (missing < 0) return missing
  c.names = []
  if ((c.probe.flags & AttrFlag.xattr) === 0) return 0
  eachName(c, ino, name => {
    c.names.push(name)
    return true
  })
  return 0
}

/** Length of the names of an inode as listxattr(2) counts them. */
function listBytes(c: Context, ino: number): number {
  let bytes = 0
  eachName(c, ino, name => {
    bytes += name.length + 1
    return true
  })
  return bytes
}

function eachName(c: Context, ino: number, visit: (name: string) => boolean): void {
  const cursor = c.takeCursor()
  try {
    let more = cursor.seek(c.K, inodeKey(c.K, Tag.xattr, ino))
    while (more && isXattrOf(cursor, ino)) {
      const { buf, kp, kl } = cursor
      const isFirst = buf[kp + kl - 2] === 0 && buf[kp + kl - 1] === 0
      if (isFirst && !visit(latin1(buf, kp + PREFIX_BYTES, kp + kl - KEY_TAIL))) break
      more = cursor.next()
    }
  } finally {
    c.giveCursor(cursor)
  }
}

function isXattrOf(cursor: Cursor, ino: number): boolean {
  return cursor.buf[cursor.kp] === Tag.xattr && getIno(cursor.buf, cursor.kp + 1) === ino
}

/** Adds the deletion of up to `limit` records of an inode's attributes to the batch. True when those were all. */
export function deleteSomeXattrs(c: Context, ino: number, limit: number): boolean {
  const cursor = c.takeCursor()
  try {
    let left = limit
    let more = cursor.seek(c.K, inodeKey(c.K, Tag.xattr, ino)) && isXattrOf(cursor, ino)
    while (more && left-- > 0) {
      copyBytes(cursor.buf, cursor.kp, c.K, 0, cursor.kl)
      c.session.del(c.K, cursor.kl)
      more = cursor.next() && isXattrOf(cursor, ino)
    }
    return !more
  } finally {
    c.giveCursor(cursor)
  }
}

/** Requests about attributes. */
import { AttrFlag } from '../codec/index.js'
import { type Cred, type SetAttr, Set as Valid } from '../fs/filesystem.js'
import { limits } from '../sys/index.js'
import { freeBytes, freeInodes } from '../volume/quota.js'
import type { Exchange } from './exchange.js'
import { ATTR_OUT_BYTES, REPLY_WORD, SetattrValid, STATFS_OUT_BYTES, STATX_OUT_BYTES } from './protocol.js'

const change: SetAttr = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }

/** Answers with `fs.attr`, which the kernel may keep for so long. */
export function attrReply(x: Exchange, result: number, cacheSeconds: number = limits.fuseCacheSeconds): number {
  if (result < 0) return x.fail(result)
  const o = x.out32
  o[REPLY_WORD] = cacheSeconds
  o.fill(0, REPLY_WORD + 1, REPLY_WORD + 4)
  x.putAttr(REPLY_WORD + 4, x.ino)
  return x.ok(ATTR_OUT_BYTES)
}

export function getattr(x: Exchange): number {
  return attrReply(x, x.fs.getattr(x.ino))
}

/** Whoever asks, as if the kernel had checked nothing: asked by access(2) and chdir(2) on mounts without `default_permissions`. */
const asker: Cred = { uid: 0, gid: 0, groups: [] }

export function access(x: Exchange): number {
  asker.uid = x.cred.uid
  asker.gid = x.cred.gid
  return x.done(x.fs.access(x.ino, x.in32[10], asker))
}

/** What SETATTR calls valid, in the words of the filesystem. */
const validBits: readonly (readonly [number, number])[] = [
  [SetattrValid.atimeNow, Valid.atimeNow],
  [SetattrValid.mtimeNow, Valid.mtimeNow],
  [SetattrValid.killSuidgid, Valid.killPriv],
]
const SAME_BITS = SetattrValid.mode | SetattrValid.uid | SetattrValid.gid | SetattrValid.size | SetattrValid.atime | SetattrValid.mtime

export function setattr(x: Exchange): number {
  const w = x.in32
  let valid = w[10] & SAME_BITS
  for (const [theirs, ours] of validBits) if (w[10] & theirs) valid |= ours
  change.size = x.u64(14)
  change.atimeS = x.s64(18)
  change.mtimeS = x.s64(20)
  change.atimeNs = w[24]
  change.mtimeNs = w[25]
  change.mode = w[27]
  change.uid = w[29]
  change.gid = w[30]
  return attrReply(x, x.fs.setattr(x.ino, valid, change, undefined, w[10] & SetattrValid.handle ? x.u64(12) : 0))
}

const STATX_BASIC_AND_BTIME = 0xfff
const STATX_ATTR_IMMUTABLE = 0x10
/** First word of struct fuse_statx in the reply. */
const STATX_WORD = REPLY_WORD + 8

/** struct fuse_statx_out: as GETATTR, and the time of birth. */
export function statx(x: Exchange): number {
  return statxReply(x, x.fs.getattr(x.ino))
}

export function statxReply(x: Exchange, result: number, cacheSeconds: number = limits.fuseCacheSeconds): number {
  if (result < 0) return x.fail(result)
  const a = x.fs.attr
  const o = x.out32
  o.fill(0, REPLY_WORD, REPLY_WORD + STATX_OUT_BYTES / 4)
  o[REPLY_WORD] = cacheSeconds
  const s = STATX_WORD
  o[s] = STATX_BASIC_AND_BTIME
  o[s + 1] = 4096
  o[s + 2] = a.flags & AttrFlag.immutable ? STATX_ATTR_IMMUTABLE : 0
  o[s + 4] = a.nlink
  o[s + 5] = a.uid
  o[s + 6] = a.gid
  o[s + 7] = a.mode
  x.putIno(s + 8, x.ino)
  x.putU64(s + 10, a.size)
  x.putU64(s + 12, a.blocks)
  o[s + 14] = STATX_ATTR_IMMUTABLE
  putTime(x, s + 16, a.atimeS, a.atimeNs)
  putTime(x, s + 20, a.btimeS, a.btimeNs)
  putTime(x, s + 24, a.ctimeS, a.ctimeNs)
  putTime(x, s + 28, a.mtimeS, a.mtimeNs)
  // Device numbers of 12 and 20 bits, as the kernel's huge_encode_dev packs them.
  o[s + 32] = (a.rdev >>> 8) & 0xfff
  o[s + 33] = (a.rdev & 0xff) | ((a.rdev >>> 12) & 0xfff00)
  return x.ok(STATX_OUT_BYTES)
}

function putTime(x: Exchange, at: number, seconds: number, nanoseconds: number): void {
  x.putU64(at, seconds)
  x.out32[at + 2] = nanoseconds
}

const STATFS_UNIT = 4096
/** What `df` shows where nobody says how large the disk is. */
const UNKNOWN_SPACE = { freeBytes: 2 ** 40, totalBytes: 2 ** 40 }
/** Inodes never run out. */
const FREE_INODES = 2 ** 32

export function statfs(x: Exchange): number {
  const space = x.options.space?.() ?? UNKNOWN_SPACE
  const { usage, quota } = x.fs.session
  const o = x.out32
  const free = Math.floor(freeBytes(quota, usage, space.freeBytes) / STATFS_UNIT)
  const inodes = freeInodes(quota, usage, FREE_INODES)
  o.fill(0, REPLY_WORD, REPLY_WORD + STATFS_OUT_BYTES / 4)
  x.putU64(REPLY_WORD, free + Math.ceil(usage.bytes / STATFS_UNIT))
  x.putU64(REPLY_WORD + 2, free)
  x.putU64(REPLY_WORD + 4, free)
  x.putU64(REPLY_WORD + 6, inodes + usage.inodes)
  x.putU64(REPLY_WORD + 8, inodes)
  o[REPLY_WORD + 10] = STATFS_UNIT
  o[REPLY_WORD + 11] = limits.nameBytes
  o[REPLY_WORD + 12] = STATFS_UNIT
  return x.ok(STATFS_OUT_BYTES)
}

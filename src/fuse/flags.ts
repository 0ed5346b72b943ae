/** The immutable flag, as `chattr +i` and `lsattr` ask for it: in two shapes, because the kernel translates one into the other. */
import { constants } from 'node:os'
import { AttrFlag } from '../codec/index.js'
import { EOPNOTSUPP } from '../errors.js'
import { type SetAttr, Set as Valid } from '../fs/filesystem.js'
import type { Exchange } from './exchange.js'
import { Ioctl, REPLY_WORD } from './protocol.js'

const change: SetAttr = { mode: 0, uid: 0, gid: 0, size: 0, atimeS: 0, atimeNs: 0, mtimeS: 0, mtimeNs: 0, flags: 0 }
/** struct fuse_ioctl_out; the answer's data follows. */
const IOCTL_OUT_BYTES = 16
const DATA_WORD = REPLY_WORD + 4
/** First word of a request's data. */
const IN_DATA_WORD = 18

export function ioctl(x: Exchange): number {
  x.out32.fill(0, REPLY_WORD, DATA_WORD + Ioctl.fsxBytes / 4)
  switch (x.in32[13]) {
    case Ioctl.getFlags:
      return get(x, Ioctl.immutable, 4)
    case Ioctl.getFsx:
      return get(x, Ioctl.fsxImmutable, Ioctl.fsxBytes)
    case Ioctl.setFlags:
      return set(x, Ioctl.immutable)
    case Ioctl.setFsx:
      return set(x, Ioctl.fsxImmutable)
    default:
      return x.fail(-constants.errno.ENOTTY)
  }
}

function get(x: Exchange, bit: number, bytes: number): number {
  const result = x.fs.getattr(x.ino)
  if (result < 0) return x.fail(result)
  x.out32[DATA_WORD] = x.fs.attr.flags & AttrFlag.immutable ? bit : 0
  return x.ok(IOCTL_OUT_BYTES + bytes)
}

/** The kernel has checked that the caller may. */
function set(x: Exchange, bit: number): number {
  const flags = x.in32[IN_DATA_WORD]
  if (flags & ~bit) return x.fail(-EOPNOTSUPP)
  change.flags = flags ? AttrFlag.immutable : 0
  const result = x.fs.setattr(x.ino, Valid.flags, change)
  return result < 0 ? x.fail(result) : x.ok(IOCTL_OUT_BYTES)
}

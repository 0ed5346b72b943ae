/** What the answers of `.cairn` have in common. */
import { EINVAL, ENODATA, ENOTTY, EOPNOTSUPP, EROFS, EXDEV } from '../errors.js'
import type { Entry, Past } from '../views/index.js'
import { listing, walkOf } from './directory.js'
import type { Exchange } from './exchange.js'
import { Op, OUT_HEADER_BYTES, REPLY_WORD } from './protocol.js'

/** What changes something, and what only files of a volume have. ENOSYS is an answer for the whole mount: for what it does nowhere. */
export const refusals: ReadonlyMap<number, number> = new Map([
  ...[Op.symlink, Op.mknod, Op.mkdir, Op.unlink, Op.rmdir, Op.rename, Op.rename2, Op.create, Op.setxattr, Op.removexattr, Op.fallocate, Op.write].map(
    op => [op as number, -EROFS] as const,
  ),
  [Op.link, -EXDEV],
  [Op.copyFileRange, -EXDEV],
  [Op.copyFileRange64, -EXDEV],
  [Op.getxattr, -ENODATA],
  [Op.listxattr, -EOPNOTSUPP],
  [Op.readlink, -EINVAL],
  [Op.lseek, -EINVAL],
  [Op.ioctl, -ENOTTY],
])

/** The reply to a look-up that led to an inode of a view, with the attributes in `fs.attr`; both may be remembered for so long. */
export function putPastEntry(x: Exchange, view: number, ino: number, entrySeconds: number, attrSeconds: number): number {
  x.view = view
  const reply = x.entry(ino)
  x.out32[REPLY_WORD + 4] = entrySeconds
  x.out32[REPLY_WORD + 6] = attrSeconds
  return reply
}

/**
 * READDIR of a list. The kernel keeps what it was given once it is at the end, and hears nothing of what comes later: so there it is told to forget
 * it, before it has the answer. Pages of a directory are locked by nobody who waits for one.
 */
export function listPast(x: Exchange, past: Past, plus: boolean, entries: readonly Entry[]): number {
  const reply = listing(x, plus, x.ino, walkOf(entries))
  if (reply === OUT_HEADER_BYTES) past.uncache(x.view, x.ino)
  return reply
}

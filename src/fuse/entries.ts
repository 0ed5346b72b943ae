/** Requests that find, make and remove names. */
import { S_IFDIR, S_IFMT, S_IFREG } from '../codec/mode.js'
import { EEXIST, EINVAL, ENOENT, EPERM } from '../errors.js'
import type { FileSystemApi } from '../fs/filesystem.js'
import { HISTORY_NAME } from '../fs/index.js'
import type { Exchange } from './exchange.js'
import { isLiveView } from './node-id.js'
import { folderEntry, forgetIn } from './past.js'
import { ENTRY_OUT_BYTES, OPEN_OUT_BYTES, OpenFlag, REPLY_WORD } from './protocol.js'
import { rollbackJournal, WATCHED } from './rollback-journal.js'

/** Missing names are answered with inode 0, which the kernel remembers. */
export function lookup(x: Exchange): number {
  const name = x.lastName(40)
  if (isHistory(x, x.ino, name)) return folderEntry(x)
  x.options.looksInto?.(x.ino)
  const journal = rollbackJournal(x, name)
  if (journal < 0) return x.fail(journal)
  const ino = x.fs.lookup(x.ino, name)
  if (ino === -ENOENT) x.options.misses?.(x.ino, name)
  const length = x.entry(ino === -ENOENT ? 0 : ino)
  if (journal === WATCHED && ino > 0) x.askAgain(REPLY_WORD)
  return length
}

/** Whether a name means `.cairn` in the root of the mount, whatever the volume has there: it can be looked up, and nothing else. */
function isHistory(x: Exchange, dir: number, name: string): boolean {
  return dir === x.options.rootIno && name === HISTORY_NAME && x.view === 0 && x.options.past !== undefined
}

/** A change that was committed before is answered by looking at what it made. */
function made(x: Exchange, name: string): number {
  return x.entry(x.fs.lookup(x.ino, name))
}

export function mknod(x: Exchange): number {
  const name = x.in.latin1Slice(56, x.nameEnd(56))
  if (isHistory(x, x.ino, name)) return x.fail(-EEXIST)
  if (x.once()) return made(x, name)
  return x.entry(x.fs.mknod(x.ino, name, x.in32[10], x.in32[11], x.cred))
}

export function mkdir(x: Exchange): number {
  const name = x.in.latin1Slice(48, x.nameEnd(48))
  if (isHistory(x, x.ino, name)) return x.fail(-EEXIST)
  if (x.once()) return made(x, name)
  return x.entry(x.fs.mkdir(x.ino, name, S_IFDIR | (x.in32[10] & ~S_IFMT), x.cred))
}

export function symlink(x: Exchange): number {
  const end = x.nameEnd(40)
  const name = x.in.latin1Slice(40, end)
  if (isHistory(x, x.ino, name)) return x.fail(-EEXIST)
  if (x.once()) return made(x, name)
  return x.entry(x.fs.symlink(x.ino, name, x.in.latin1Slice(end + 1, x.length - 1), x.cred))
}

export function link(x: Exchange): number {
  const name = x.in.latin1Slice(48, x.nameEnd(48))
  if (isHistory(x, x.ino, name)) return x.fail(-EEXIST)
  if (x.fsAt(10) !== x.fs) return x.fail(x.otherView(10))
  if (x.once()) return made(x, name)
  const ino = x.inoAt(10)
  const linked = x.fs.link(ino, x.ino, name)
  return x.entry(linked < 0 ? linked : ino)
}

export function unlink(x: Exchange): number {
  const name = x.lastName(40)
  if (isHistory(x, x.ino, name)) return x.fail(-EPERM)
  return x.once() ? x.ok(0) : x.done(x.fs.unlink(x.ino, name))
}

/** Directories have no handles: one that is gone lives on for whoever stands in it. */
export function rmdir(x: Exchange): number {
  const name = x.lastName(40)
  if (isHistory(x, x.ino, name)) return x.fail(-EPERM)
  if (x.once()) return x.ok(0)
  return x.done(keepingUnlinked(x, () => x.fs.rmdir(x.ino, name)))
}

function keepingUnlinked(x: Exchange, work: () => number): number {
  const kept = x.keepsUnlinked
  x.keepsUnlinked = true
  try {
    return work()
  } finally {
    x.keepsUnlinked = kept
  }
}

const RENAME_FLAGS = 3

function renameAt(x: Exchange, at: number, flags: number): number {
  const end = x.nameEnd(at)
  if (x.fsAt(10) !== x.fs) return x.fail(x.otherView(10))
  if (flags & ~RENAME_FLAGS) return x.fail(-EINVAL)
  const name = x.in.latin1Slice(at, end)
  const toName = x.in.latin1Slice(end + 1, x.nameEnd(end + 1))
  if (isHistory(x, x.ino, name) || isHistory(x, x.inoAt(10), toName)) return x.fail(-EPERM)
  if (x.once()) return x.ok(0)
  return x.done(keepingUnlinked(x, () => x.fs.rename(x.ino, name, x.inoAt(10), toName, flags)))
}

export function rename(x: Exchange): number {
  return renameAt(x, 48, 0)
}

export function rename2(x: Exchange): number {
  return renameAt(x, 56, x.in32[12])
}

/** Makes a file, or finds one that appeared meanwhile, and opens it. */
export function create(x: Exchange): number {
  const name = x.in.latin1Slice(56, x.nameEnd(56))
  if (isHistory(x, x.ino, name)) return x.fail(-EEXIST)
  const journal = rollbackJournal(x, name)
  if (journal < 0) return x.fail(journal)
  let flags = x.in32[10]
  let ino: number
  let created = false
  if (x.once()) {
    flags &= ~(OpenFlag.excl | OpenFlag.trunc)
    ino = x.fs.lookup(x.ino, name)
  } else {
    ino = x.fs.mknod(x.ino, name, S_IFREG | (x.in32[11] & ~S_IFMT), 0, x.cred)
    if (ino === -EEXIST && !(flags & OpenFlag.excl)) ino = x.fs.lookup(x.ino, name)
    else {
      flags &= ~OpenFlag.trunc
      created = ino > 0
    }
  }
  if (ino < 0) return x.fail(ino)
  x.putEntry(REPLY_WORD, ino)
  const handle = x.newHandle(flags, created)
  const opened = x.fs.open(ino, flags & ~(OpenFlag.create | OpenFlag.excl), undefined, handle)
  if (opened < 0) return x.fail(opened)
  x.options.opens?.add(ino, handle, flags)
  if (flags & OpenFlag.trunc && x.fs.getattr(ino) === 0) x.putEntry(REPLY_WORD, ino)
  if (journal === WATCHED) x.askAgain(REPLY_WORD)
  x.putOpen(REPLY_WORD + 32, flags, handle)
  return x.ok(ENTRY_OUT_BYTES + OPEN_OUT_BYTES)
}

export function forget(x: Exchange): number {
  forgotten(x, x.fs, x.ino)
  return 0
}

function forgotten(x: Exchange, fs: FileSystemApi | undefined, ino: number): void {
  x.options.guard?.forget(ino)
  if (x.options.othersHold?.(ino) !== true) fs?.forget(ino)
}

/** First what may have to be waited for, and may come twice. */
export function batchForget(x: Exchange): number {
  const end = 12 + x.in32[10] * 4
  for (let at = 12; at < end; at += 4) if (isLiveView(x.viewAt(at))) forgotten(x, x.fsAt(at), x.inoAt(at))
  for (let at = 12; at < end; at += 4) if (!isLiveView(x.viewAt(at))) forgetIn(x.options.past, x.viewAt(at), x.inoAt(at), x.u64(at + 2))
  return 0
}

/** Requests about `.cairn` and what stands directly in it. Nothing here is a file of the volume. */
import { EACCES, EIO, EISDIR, ENOSYS, EROFS, ESTALE } from '../errors.js'
import { limits } from '../sys/index.js'
import { LogFile, Node, type Past, View } from '../views/index.js'
import { attrReply, statfs, statxReply } from './attributes.js'
import { DEFERRED, type Exchange, NO_REPLY } from './exchange.js'
import { flush } from './io.js'
import { listPast, putPastEntry, refusals } from './past-reply.js'
import {
  HeaderWord,
  OP_COUNT,
  OPEN_OUT_BYTES,
  Op,
  OpenFlag,
  OpenReply,
  OUT_HEADER_BYTES,
  REPLY_WORD,
  SetattrValid,
  UNIQUE_RESEND_HIGH,
  WRITE_DATA_AT,
} from './protocol.js'

type Operation = (x: Exchange, past: Past) => number

const operations: (Operation | undefined)[] = new Array(OP_COUNT).fill(undefined)
operations[Op.lookup] = lookup
operations[Op.getattr] = (x, past) => attrReply(x, look(x, past, x.ino), keptFor(x.ino))
operations[Op.statx] = (x, past) => statxReply(x, look(x, past, x.ino), keptFor(x.ino))
operations[Op.setattr] = setattr
operations[Op.access] = access
operations[Op.open] = open
operations[Op.read] = read
operations[Op.write] = write
operations[Op.release] = release
operations[Op.flush] = flush
operations[Op.statfs] = statfs
operations[Op.readdir] = (x, past) => readdir(x, past, false)
operations[Op.readdirplus] = (x, past) => readdir(x, past, true)
operations[Op.interrupt] = () => NO_REPLY

/** Answers a request about an inode of the folder. */
export function inFolder(x: Exchange, opcode: number): number {
  const { past } = x.options
  if (past === undefined) return x.fail(-ESTALE)
  const operation = operations[opcode]
  return operation === undefined ? x.fail(refusals.get(opcode) ?? -ENOSYS) : operation(x, past)
}

/** The kernel forgot `count` look-ups of an inode in a view. */
export function forgetIn(past: Past | undefined, view: number, ino: number, count: number): void {
  if (view === View.versions) past?.versions.forgotten(ino, count)
  else past?.views.forgotten(view, ino, count)
}

/** The reply to a look-up of `.cairn`. */
export function folderEntry(x: Exchange): number {
  const { past } = x.options
  if (past === undefined) return x.fail(-ESTALE)
  const result = look(x, past, Node.folder)
  return result < 0 ? x.fail(result) : putPastEntry(x, View.folder, Node.folder, limits.fuseCacheSeconds, 0)
}

/** Attributes of the folder's inode, where the reply takes them from. */
function look(x: Exchange, past: Past, ino: number): number {
  const result = past.folder.getattr(ino)
  if (result === 0) x.fs.attr.copyFrom(past.folder.attr)
  return result
}

/** A text of the log never changes; everything else here does. */
function keptFor(ino: number): number {
  return LogFile.is(ino) ? limits.fuseCacheSeconds : 0
}

/** Names that lead into views may mean another commit, or none, the next time. */
function lookup(x: Exchange, past: Past): number {
  const { folder } = past
  const ino = folder.lookup(x.ino, x.lastName(40))
  if (ino < 0) return x.fail(ino)
  if (folder.view === View.folder) {
    x.fs.attr.copyFrom(folder.attr)
    return putPastEntry(x, View.folder, ino, LogFile.is(ino) ? 0 : limits.fuseCacheSeconds, keptFor(ino))
  }
  if (folder.view === View.versions) {
    const result = past.versions.getattr(ino)
    if (result < 0) return x.fail(result)
    x.fs.attr.copyFrom(past.versions.attr)
    return putPastEntry(x, View.versions, ino, limits.fuseCacheSeconds, 0)
  }
  x.view = folder.view
  try {
    if (!x.enterView()) return x.fail(-ESTALE)
    const result = x.fs.getattr(ino)
    return result < 0 ? x.fail(-ESTALE) : putPastEntry(x, folder.view, ino, 0, limits.fuseCacheSeconds)
  } catch (error) {
    // The kernel hears of no look-up, or of one that is made again.
    past.views.forgotten(folder.view, ino, 1)
    throw error
  }
}

/** Truncating the control file, or setting its times, is what redirections and `touch` do on the way. */
function setattr(x: Exchange, past: Past): number {
  const { mode, uid, gid } = SetattrValid
  if (x.ino !== Node.control || !commands(past) || x.in32[10] & (mode | uid | gid)) return x.fail(-EROFS)
  return attrReply(x, look(x, past, x.ino), 0)
}

/** The control file is there, and takes commands. */
function commands({ control }: Past): boolean {
  return control !== undefined && !control.isReadOnly
}

const W_OK = 2

/** Asked only where the kernel checks nothing, because root may do everything. */
function access(x: Exchange, past: Past): number {
  return x.in32[10] & W_OK && (x.ino !== Node.control || !commands(past)) ? x.fail(-EROFS) : x.ok(0)
}

function open(x: Exchange, past: Past): number {
  const flags = x.in32[10]
  const writes = (flags & OpenFlag.accessMode) !== 0
  const result = past.folder.getattr(x.ino)
  if (result < 0) return x.fail(result)
  const control = x.ino === Node.control ? past.control : undefined
  if (writes && (control === undefined || control.isReadOnly)) return x.fail(-EROFS)
  const o = x.out32
  o.fill(0, REPLY_WORD, REPLY_WORD + OPEN_OUT_BYTES / 4)
  if (control !== undefined) x.putU64(REPLY_WORD, control.open())
  o[REPLY_WORD + 2] = control !== undefined ? OpenReply.directIo : OpenReply.keepCache | OpenReply.noFlush
  return x.ok(OPEN_OUT_BYTES)
}

function release(x: Exchange, past: Past): number {
  if (x.ino === Node.control) past.control?.release(x.u64(10))
  return x.ok(0)
}

function read(x: Exchange, past: Past): number {
  const w = x.in32
  const offset = x.u64(12)
  const length = Math.min(w[14], limits.fuseRequestBytes)
  const control = x.ino === Node.control ? past.control : undefined
  const bytes = control !== undefined ? control.read(x.u64(10), x.cred.uid, offset, length) : past.folder.log.text(x.ino)?.subarray(offset, offset + length)
  if (bytes === undefined) return x.fail(past.folder.getattr(x.ino) < 0 ? -ESTALE : -EISDIR)
  x.out.set(bytes, OUT_HEADER_BYTES)
  return x.ok(bytes.length)
}

/** A command. Its answer may take a while, and the kernel must be told of changes before: so this one is answered later. */
function write(x: Exchange, past: Past): number {
  const { control } = past
  if (x.ino !== Node.control || control === undefined || control.isReadOnly) return x.fail(-EACCES)
  const w = x.in32
  const high = w[HeaderWord.uniqueHigh]
  const low = w[HeaderWord.uniqueLow]
  const length = w[14]
  const by = {
    uid: x.cred.uid,
    pid: w[HeaderWord.pid],
    request: { high: (high & ~UNIQUE_RESEND_HIGH) >>> 0, low, isResent: high >= UNIQUE_RESEND_HIGH },
  }
  const command = Buffer.from(x.in.subarray(WRITE_DATA_AT, WRITE_DATA_AT + length))
  control.write(x.u64(10), by, x.u64(12), command).then(
    result => past.send(writeReply(high, low, result, length)),
    () => past.send(writeReply(high, low, -EIO, length)),
  )
  past.settle()
  return DEFERRED
}

/** struct fuse_out_header, and struct fuse_write_out when all went well. */
function writeReply(high: number, low: number, result: number, length: number): Buffer {
  const reply = Buffer.alloc(result < 0 ? OUT_HEADER_BYTES : OUT_HEADER_BYTES + 8)
  reply.writeUInt32LE(reply.length, 0)
  reply.writeInt32LE(Math.min(result, 0), 4)
  reply.writeUInt32LE(low, 8)
  reply.writeUInt32LE(high, 12)
  if (result >= 0) reply.writeUInt32LE(length, OUT_HEADER_BYTES)
  return reply
}

function readdir(x: Exchange, past: Past, plus: boolean): number {
  const entries = past.folder.list(x.ino, x.u64(12) === 0)
  if (typeof entries === 'number') return x.fail(entries)
  return listPast(x, past, plus, entries)
}

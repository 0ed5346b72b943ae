/** Requests about `.cairn/versions` and all below it. */
import { EISDIR, ENODATA, ENOSYS, EOPNOTSUPP, EROFS, ESTALE } from '../errors.js'
import { type Past, View } from '../views/index.js'
import { attrReply, statfs, statxReply } from './attributes.js'
import { type Exchange, NO_REPLY } from './exchange.js'
import * as io from './io.js'
import { listPast, putPastEntry, refusals } from './past-reply.js'
import { OP_COUNT, OPEN_OUT_BYTES, Op, OpenFlag, OpenReply, REPLY_WORD } from './protocol.js'
import * as xattr from './xattr.js'

type Operation = (x: Exchange, past: Past) => number

const operations: (Operation | undefined)[] = new Array(OP_COUNT).fill(undefined)
operations[Op.lookup] = lookup
operations[Op.getattr] = (x, past) => attrReply(x, look(x, past), 0)
operations[Op.statx] = (x, past) => statxReply(x, look(x, past), 0)
operations[Op.setattr] = x => x.fail(-EROFS)
operations[Op.access] = x => (x.in32[10] & W_OK ? x.fail(-EROFS) : x.ok(0))
operations[Op.open] = open
operations[Op.release] = x => x.ok(0)
operations[Op.flush] = io.flush
operations[Op.statfs] = statfs
operations[Op.readdir] = (x, past) => readdir(x, past, false)
operations[Op.readdirplus] = (x, past) => readdir(x, past, true)
operations[Op.interrupt] = () => NO_REPLY
operations[Op.read] = ofFile(io.read, -EISDIR)
operations[Op.readlink] = ofFile(io.readlink, -EISDIR)
operations[Op.lseek] = ofFile(io.lseek, -EISDIR)
operations[Op.copyFileRange] = ofFile(io.copyFileRange, -EISDIR)
operations[Op.copyFileRange64] = ofFile(io.copyFileRange64, -EISDIR)
operations[Op.getxattr] = ofFile(xattr.getxattr, -ENODATA)
operations[Op.listxattr] = ofFile(xattr.listxattr, -EOPNOTSUPP)

const W_OK = 2

/** Answers a request about what stands in `.cairn/versions`. */
export function inVersions(x: Exchange, opcode: number): number {
  const { past } = x.options
  if (past === undefined) return x.fail(-ESTALE)
  const operation = operations[opcode]
  return operation === undefined ? x.fail(refusals.get(opcode) ?? -ENOSYS) : operation(x, past)
}

/** An operation on the content of a version, which is a file of a filesystem of its own. */
function ofFile(operation: (x: Exchange) => number, ofDirectory: number): Operation {
  return (x, past) => {
    const file = past.versions.file(x.ino)
    if (file === undefined) return x.fail(typeof past.versions.list(x.ino, false) === 'number' ? -ESTALE : ofDirectory)
    x.fs = file.fs
    x.ino = file.ino
    return operation(x)
  }
}

function look(x: Exchange, past: Past): number {
  const result = past.versions.getattr(x.ino)
  if (result === 0) x.fs.attr.copyFrom(past.versions.attr)
  return result
}

/** Whatever a name leads to may be pruned or purged by the next time. */
function lookup(x: Exchange, past: Past): number {
  const ino = past.versions.lookup(x.ino, x.lastName(40))
  if (ino < 0) return x.fail(ino)
  x.fs.attr.copyFrom(past.versions.attr)
  return putPastEntry(x, View.versions, ino, 0, 0)
}

function open(x: Exchange, past: Past): number {
  const flags = x.in32[10]
  if (flags & OpenFlag.accessMode) return x.fail(-EROFS)
  if (x.options.readOnly) return x.fail(-ENOSYS)
  if (past.versions.file(x.ino) === undefined) return x.fail(-ESTALE)
  x.out32.fill(0, REPLY_WORD, REPLY_WORD + OPEN_OUT_BYTES / 4)
  x.out32[REPLY_WORD + 2] = OpenReply.keepCache | OpenReply.noFlush
  return x.ok(OPEN_OUT_BYTES)
}

function readdir(x: Exchange, past: Past, plus: boolean): number {
  const entries = past.versions.list(x.ino, x.u64(12) === 0)
  if (typeof entries === 'number') return x.fail(entries)
  return listPast(x, past, plus, entries)
}

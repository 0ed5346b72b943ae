/** Requests about content. */

import { ENOSYS, EROFS, isGivenUp } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Exchange } from './exchange.js'
import { OPEN_OUT_BYTES, OpenFlag, OUT_HEADER_BYTES, REPLY_WORD, WRITE_DATA_AT, WriteFlag } from './protocol.js'

/** On a read-only mount ENOSYS tells the kernel never to ask again: opening costs no request. */
export function open(x: Exchange): number {
  const flags = x.in32[10]
  if (x.options.readOnly) return x.fail(flags & OpenFlag.accessMode ? -EROFS : -ENOSYS)
  const handle = x.newHandle(flags, false)
  const result = x.fs.open(x.ino, flags, undefined, handle)
  if (result < 0) return x.fail(result)
  if (x.view === 0) x.options.opens?.add(x.ino, handle, flags)
  x.putOpen(REPLY_WORD, flags, handle)
  return x.ok(OPEN_OUT_BYTES)
}

export function release(x: Exchange): number {
  if (x.options.readOnly) return x.ok(0)
  let isMissing = false
  try {
    x.fs.release(x.ino, x.u64(10))
  } catch (error) {
    isMissing = isGivenUp(error)
    throw error
  } finally {
    if (x.view === 0 && !isMissing) x.options.opens?.remove(x.ino, x.u64(10))
  }
  return x.ok(0)
}

/** ENOSYS: the kernel writes mapped pages at close and asks no more. What is to happen at the last close has RELEASE. */
export function flush(x: Exchange): number {
  return x.fail(-ENOSYS)
}

export function read(x: Exchange): number {
  const w = x.in32
  const touch = !x.options.readOnly && !(w[18] & OpenFlag.noatime)
  const n = x.fs.read(x.ino, x.u64(12), x.out, OUT_HEADER_BYTES, Math.min(w[14], limits.fuseRequestBytes), touch)
  return n < 0 ? x.fail(n) : x.ok(n)
}

/** Only an append is not the same when it runs twice. */
export function write(x: Exchange): number {
  const w = x.in32
  const append = (w[18] & OpenFlag.append) !== 0 && !(w[15] & WriteFlag.cache)
  if (append && x.once()) return written(x, w[14])
  const n = x.fs.write(x.ino, x.u64(12), x.in, WRITE_DATA_AT, w[14], append, (w[15] & WriteFlag.killSuidgid) !== 0, x.u64(10))
  return n < 0 ? x.fail(n) : written(x, n)
}

function written(x: Exchange, bytes: number): number {
  x.out32[REPLY_WORD] = bytes
  x.out32[REPLY_WORD + 1] = 0
  return x.ok(8)
}

/** What one request copies at most: others wait meanwhile. The caller asks again for the rest. */
function copyRange(x: Exchange): number {
  const to = x.fsAt(14)
  if (to === undefined) return x.otherView(14)
  x.options.tellsOf?.(x.inoAt(14))
  const length = Math.min(x.u64(20), limits.fuseRequestBytes)
  const n = x.fs.read(x.ino, x.s64(12), x.out, OUT_HEADER_BYTES, length, !x.options.readOnly)
  return n <= 0 ? n : to.write(x.inoAt(14), x.s64(18), x.out, OUT_HEADER_BYTES, n, false, false, x.u64(16))
}

export function copyFileRange(x: Exchange): number {
  const n = copyRange(x)
  return n < 0 ? x.fail(n) : written(x, n)
}

/** The same with a 64-bit answer, asked first by newer kernels. */
export function copyFileRange64(x: Exchange): number {
  const n = copyRange(x)
  if (n < 0) return x.fail(n)
  x.putU64(REPLY_WORD, n)
  return x.ok(8)
}

export function fallocate(x: Exchange): number {
  return x.done(x.fs.fallocate(x.ino, x.in32[16], x.u64(12), x.u64(14), x.u64(10)))
}

/** Offsets beyond 2^53 exist in no file. */
export function lseek(x: Exchange): number {
  const at = x.fs.lseek(x.ino, x.s64(12), x.in32[14])
  if (at < 0) return x.fail(at)
  x.putU64(REPLY_WORD, at)
  return x.ok(8)
}

export function readlink(x: Exchange): number {
  const result = x.fs.readlink(x.ino)
  if (result < 0) return x.fail(result)
  const length = x.out.latin1Write(x.fs.text, OUT_HEADER_BYTES)
  if (!x.options.readOnly) x.fs.touch(x.ino)
  return x.ok(length)
}

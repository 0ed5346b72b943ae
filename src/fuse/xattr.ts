/** Extended attributes. A size of 0 asks how long the answer is. */
import { ERANGE } from '../errors.js'
import type { Exchange } from './exchange.js'
import { OUT_HEADER_BYTES, REPLY_WORD } from './protocol.js'

function lengthReply(x: Exchange, bytes: number): number {
  x.out32[REPLY_WORD] = bytes
  x.out32[REPLY_WORD + 1] = 0
  return x.ok(8)
}

export function getxattr(x: Exchange): number {
  const size = x.in32[10]
  const length = x.fs.getxattr(x.ino, x.in.latin1Slice(48, x.nameEnd(48)))
  if (length < 0) return x.fail(length)
  if (size === 0) return lengthReply(x, length)
  if (length > size) return x.fail(-ERANGE)
  x.out.set(x.fs.value.subarray(0, length), OUT_HEADER_BYTES)
  return x.ok(length)
}

export function listxattr(x: Exchange): number {
  const size = x.in32[10]
  const result = x.fs.listxattr(x.ino)
  if (result < 0) return x.fail(result)
  let length = 0
  for (const name of x.fs.names) length += name.length + 1
  if (size === 0) return lengthReply(x, length)
  if (length > size) return x.fail(-ERANGE)
  let at = OUT_HEADER_BYTES
  for (const name of x.fs.names) {
    at += x.out.latin1Write(name, at)
    x.out[at++] = 0
  }
  return x.ok(length)
}

/** Only with CREATE or REPLACE does it matter whether this runs twice. */
export function setxattr(x: Exchange): number {
  const size = x.in32[10]
  const flags = x.in32[11]
  const end = x.nameEnd(48)
  if (flags !== 0 && x.once()) return x.ok(0)
  return x.done(x.fs.setxattr(x.ino, x.in.latin1Slice(48, end), x.in.subarray(end + 1, end + 1 + size), flags))
}

export function removexattr(x: Exchange): number {
  return x.once() ? x.ok(0) : x.done(x.fs.removexattr(x.ino, x.lastName(40)))
}

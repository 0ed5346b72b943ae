import { constants } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { MaybePromise } from './backend.js'
import type { Core } from './core.js'
import { throwIfAborted } from './errors.js'
import { isPromise, type Steps, step } from './steps.js'
import {
  boolean,
  bufferOf,
  checkEncoding,
  checkFd,
  checkPath,
  checkSignal,
  contentOf,
  integer,
  type Options,
  options,
  type Path,
  parseFlags,
} from './validate.js'

/** A whole file is read and written in pieces of at most this size where it does not go in one operation. */
const PIECE_BYTES = 1 << 20
/** Files beyond this are read in pieces even here, so that others get a turn. */
const WHOLE_BYTES = 16 << 20

const writeFlags = constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY
export const appendFlags = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY

/** Content as `readFile` returns it. */
export function decoded(bytes: Uint8Array, encoding: unknown): string | Buffer {
  const checked = checkEncoding(encoding)
  const buffer = bufferOf(bytes)
  return checked === undefined || checked === 'buffer' ? buffer : buffer.toString(checked)
}

/** As fs.readFile, by path or by descriptor (from its position). */
export function readFile(core: Core, file: unknown, opts?: unknown): MaybePromise<string | Buffer> {
  const given = options(opts)
  checkEncoding(given.encoding)
  const signal = checkSignal(given.signal)
  throwIfAborted(signal)
  if (typeof file === 'number') return core.run(decodedSteps(readOpen(core, checkFd(file), signal), given.encoding))
  const path = checkPath(file)
  const flags = parseFlags(given.flag)
  const limit = core.blocking ? core.backend.transferBytes : Math.min(WHOLE_BYTES, core.backend.transferBytes)
  const found = core.call('readFile', [path, flags, limit])
  if (isPromise(found) || typeof found === 'number') return core.run(decodedSteps(readRest(core, path, flags, found, signal), given.encoding))
  return decoded(found, given.encoding)
}

function* decodedSteps(steps: Steps<Uint8Array>, encoding: unknown): Steps<string | Buffer> {
  return decoded(yield* steps, encoding)
}

function* readRest(core: Core, path: Path, flags: number, first: MaybePromise<Uint8Array | number>, signal?: AbortSignal): Steps<Uint8Array> {
  const found = yield* step(first)
  throwIfAborted(signal)
  if (typeof found !== 'number') return found
  const fd = yield* step(core.call('open', [path, flags & ~constants.O_TRUNC, 0]))
  try {
    return yield* readOpen(core, fd, signal)
  } finally {
    yield* step(core.close(fd))
  }
}

/** All that is left behind the position of an open file. */
export function* readOpen(core: Core, fd: number, signal?: AbortSignal): Steps<Uint8Array> {
  const { size } = yield* step(core.call('fstat', [fd]))
  let bytes = Buffer.allocUnsafeSlow(Number(size) + 1)
  let length = 0
  for (;;) {
    throwIfAborted(signal)
    if (length === bytes.length) bytes = Buffer.concat([bytes], bytes.length * 2)
    const read = yield* readSome(core, fd, bytes, length, Math.min(PIECE_BYTES, bytes.length - length), null)
    if (read === 0) return bytes.subarray(0, length)
    length += read
  }
}

/** One read into the caller's memory, wherever the volume is. */
export function* readSome(core: Core, fd: number, into: Uint8Array, at: number, length: number, position: number | null): Steps<number> {
  if (core.backend.readInto !== undefined) {
    const read = core.backend.readInto(fd, into, at, length, position)
    yield
    return read
  }
  const bytes = yield* step(core.call('read', [fd, Math.min(length, core.backend.transferBytes), position]))
  into.set(bytes, at)
  return bytes.length
}

/** Writes all of `data`: an operation carries at most what the backend takes. */
export function* writeAll(core: Core, fd: number, data: Uint8Array, position: number | null, signal?: AbortSignal): Steps<number> {
  const piece = core.blocking ? core.backend.transferBytes : Math.min(PIECE_BYTES, core.backend.transferBytes)
  let done = 0
  do {
    throwIfAborted(signal)
    const part = data.length - done > piece ? data.subarray(done, done + piece) : done === 0 ? data : data.subarray(done)
    const written = yield* step(core.call('write', [fd, part, position === null ? null : position + done]))
    done += written
  } while (done < data.length)
  return done
}

/** As fs.writeFile with a string or bytes, by path or by descriptor. A small file is replaced at once: see `LocalOps.writeFile`. */
export function writeFile(core: Core, file: unknown, data: unknown, opts?: unknown, otherwise = writeFlags): MaybePromise<void> {
  const given = options(opts)
  checkEncoding(given.encoding)
  const signal = checkSignal(given.signal)
  const flush = boolean(given.flush, 'options.flush', false)
  if (typeof file === 'number') return core.run(writeOpen(core, checkFd(file), contentOf(data, given.encoding), flush, signal))
  const path = checkPath(file)
  const flags = parseFlags(given.flag, otherwise, 'flag')
  const mode = core.newMode(given.mode, 0o666)
  const bytes = contentOf(data, given.encoding)
  throwIfAborted(signal)
  const inPieces = flush || bytes.length > Math.min(WHOLE_BYTES, core.backend.transferBytes)
  if (!inPieces) return core.call('writeFile', [path, bytes, flags, mode])
  return core.run(writePath(core, path, flags, mode, bytes, flush, signal))
}

function* writePath(core: Core, path: Path, flags: number, mode: number, bytes: Uint8Array, flush: boolean, signal?: AbortSignal): Steps<void> {
  const fd = yield* step(core.call('open', [path, flags, mode]))
  try {
    yield* writeOpen(core, fd, bytes, flush, signal)
  } finally {
    yield* step(core.close(fd))
  }
}

function* writeOpen(core: Core, fd: number, bytes: Uint8Array, flush: boolean, signal?: AbortSignal): Steps<void> {
  if (bytes.length > 0) yield* writeAll(core, fd, bytes, null, signal)
  if (flush) yield* step(core.fsync(fd))
}

export function isIterable(data: unknown): data is Iterable<unknown> | AsyncIterable<unknown> {
  return typeof data === 'object' && data !== null && !ArrayBuffer.isView(data) && (Symbol.iterator in data || Symbol.asyncIterator in data)
}

/** Writes what an iterable or stream yields, at the position of an open file. */
export async function writeIterable(core: Core, fd: number, data: Iterable<unknown> | AsyncIterable<unknown>, given: Options): Promise<void> {
  const signal = checkSignal(given.signal)
  throwIfAborted(signal)
  for await (const part of data) {
    throwIfAborted(signal)
    await core.run(writeAll(core, fd, contentOf(part, given.encoding), null, signal))
    await setImmediate()
  }
  throwIfAborted(signal)
}

/** As fs.copyFile. */
export function copyFile(core: Core, from: unknown, to: unknown, mode?: unknown): MaybePromise<void> {
  return core.run(copySteps(core, checkPath(from, 'src'), checkPath(to, 'dest'), integer(mode ?? 0, 'mode', 0, 7)))
}

export function* copySteps(core: Core, from: Path, to: Path, mode: number): Steps<void> {
  const rest = yield* step(core.call('copyFile', [from, to, mode]))
  if (rest === undefined) return
  try {
    let offset = rest.offset
    while (offset < rest.size) offset = yield* step(core.call('copyRange', [rest.from, rest.to, offset, WHOLE_BYTES]))
  } finally {
    yield* step(core.close(rest.from))
    yield* step(core.close(rest.to))
  }
}

import type { MaybePromise } from './backend.js'
import { readSome, writeAll } from './content.js'
import type { Core } from './core.js'
import { invalidArgType, invalidArgValue, outOfRange } from './errors.js'
import type { Steps } from './steps.js'
import { bufferOf, contentOf, integer, type Options, position } from './validate.js'

/** One read as its overloads describe it. */
export interface ReadRequest {
  buffer: ArrayBufferView
  offset: number
  length: number
  position: number | null
}

const DEFAULT_READ_BYTES = 16 * 1024

function checkView(value: unknown): ArrayBufferView {
  if (!ArrayBuffer.isView(value)) throw invalidArgType('buffer', 'an instance of Buffer, TypedArray, or DataView', value)
  return value
}

/** The overloads of read: (buffer, offset, length, position), (buffer, options), (options). */
export function readRequest(first: unknown, second: unknown, length: unknown, at: unknown): ReadRequest {
  let buffer = first
  let given: Options = { offset: second, length, position: at }
  if (!ArrayBuffer.isView(first) && (first === undefined || first === null || (typeof first === 'object' && !ArrayBuffer.isView(first)))) {
    given = (first ?? {}) as Options
    buffer = given.buffer ?? Buffer.alloc(DEFAULT_READ_BYTES)
  } else if (typeof second === 'object' && second !== null) {
    given = second as Options
  }
  const view = checkView(buffer)
  const offset = given.offset === undefined || given.offset === null ? 0 : integer(given.offset, 'offset', 0)
  const size = given.length === undefined || given.length === null ? view.byteLength - offset : integer(given.length, 'length')
  const where = position(given.position)
  if (size === 0) return { buffer: view, offset, length: 0, position: where }
  if (view.byteLength === 0) throw invalidArgValue('buffer', view, 'is empty and cannot be written')
  if (offset > view.byteLength) throw outOfRange('offset', `>= 0 && <= ${view.byteLength}`, offset)
  if (size < 0) throw outOfRange('length', '>= 0', size)
  if (size > view.byteLength - offset) throw outOfRange('length', `<= ${view.byteLength - offset}`, size)
  return { buffer: view, offset, length: size, position: where }
}

export function read(core: Core, fd: number, request: ReadRequest): MaybePromise<number> {
  if (request.length === 0) return 0
  const into = bufferOf(request.buffer)
  if (core.backend.readInto !== undefined) return core.backend.readInto(fd, into, request.offset, request.length, request.position)
  return core.run(readSome(core, fd, into, request.offset, request.length, request.position))
}

export interface WriteRequest {
  bytes: Buffer
  position: number | null
}

/** The overloads of write: (buffer, offset, length, position), (buffer, options), (string, position, encoding). */
export function writeRequest(data: unknown, second: unknown, third: unknown, fourth: unknown): WriteRequest {
  if (!ArrayBuffer.isView(data)) {
    if (typeof data !== 'string') throw invalidArgType('buffer', 'of type string or an instance of Buffer, TypedArray, or DataView', data)
    return {
      bytes: contentOf(data, typeof third === 'string' ? third : 'utf8'),
      position: typeof second === 'number' || typeof second === 'bigint' ? position(second) : null,
    }
  }
  const given: Options = typeof second === 'object' && second !== null ? (second as Options) : { offset: second, length: third, position: fourth }
  const view = bufferOf(data)
  const offset = given.offset === undefined || given.offset === null ? 0 : integer(given.offset, 'offset')
  if (offset < 0 || offset > view.length) throw outOfRange('offset', `>= 0 && <= ${view.length}`, offset)
  const length = given.length === undefined || given.length === null ? view.length - offset : integer(given.length, 'length')
  if (length < 0 || length > view.length - offset) throw outOfRange('length', `>= 0 && <= ${view.length - offset}`, length)
  const where = typeof given.position === 'number' || typeof given.position === 'bigint' ? position(given.position) : null
  return { bytes: view.subarray(offset, offset + length), position: where }
}

export function write(core: Core, fd: number, request: WriteRequest): MaybePromise<number> {
  if (request.bytes.length <= core.backend.transferBytes) return core.call('write', [fd, request.bytes, request.position])
  return core.run(writeAll(core, fd, request.bytes, request.position))
}

export function checkViews(buffers: unknown): ArrayBufferView[] {
  if (Array.isArray(buffers) && buffers.every(b => ArrayBuffer.isView(b))) return buffers
  throw invalidArgType('buffers', 'an instance of ArrayBufferView[]', buffers)
}

/** Fills the buffers in order until one is short. */
export function* readVector(core: Core, fd: number, buffers: ArrayBufferView[], start: number | null): Steps<number> {
  let total = 0
  for (const buffer of buffers) {
    const into = bufferOf(buffer)
    if (into.length === 0) continue
    const got = yield* readSome(core, fd, into, 0, into.length, start === null ? null : start + total)
    total += got
    if (got < into.length) break
  }
  return total
}

/** All buffers as one write. */
export function writeVector(core: Core, fd: number, buffers: ArrayBufferView[], start: number | null): MaybePromise<number> {
  const bytes = buffers.length === 1 ? bufferOf(buffers[0]) : Buffer.concat(buffers.map(bufferOf))
  return bytes.length === 0 ? 0 : write(core, fd, { bytes, position: start })
}

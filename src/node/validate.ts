import { constants } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../sys/index.js'
import { invalidArgType, invalidArgValue, outOfRange } from './errors.js'
import type { NameEncoding } from './paths.js'

/** Checks of arguments, with the errors of node:fs. */
export type Path = string | Uint8Array

const pathTypes = 'of type string or an instance of Buffer or URL'

export function checkPath(path: unknown, name = 'path'): Path {
  if (typeof path === 'string') {
    if (path.includes('\0')) throw invalidArgValue(name, path, 'must be a string, Uint8Array, or URL without null bytes')
    return path
  }
  if (path instanceof Uint8Array) {
    if (path.includes(0)) throw invalidArgValue(name, path, 'must be a string, Uint8Array, or URL without null bytes')
    return path
  }
  if (path instanceof URL) return checkPath(fileURLToPath(path), name)
  throw invalidArgType(name, pathTypes, path)
}

const flagNames: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  rs: constants.O_RDONLY | constants.O_SYNC,
  'r+': constants.O_RDWR,
  'rs+': constants.O_RDWR | constants.O_SYNC,
  w: constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY,
  wx: constants.O_TRUNC | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  'w+': constants.O_TRUNC | constants.O_CREAT | constants.O_RDWR,
  'wx+': constants.O_TRUNC | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  a: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY,
  ax: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_EXCL,
  as: constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_SYNC,
  'a+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR,
  'ax+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_EXCL,
  'as+': constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_SYNC,
}
const aliases: Readonly<Record<string, string>> = { sr: 'rs', 'sr+': 'rs+', xw: 'wx', 'xw+': 'wx+', xa: 'ax', 'xa+': 'ax+', sa: 'as', 'sa+': 'as+' }

export function parseFlags(flags: unknown, otherwise = constants.O_RDONLY, name = 'flags'): number {
  if (flags === undefined || flags === null) return otherwise
  if (typeof flags === 'number') return integer(flags, name, -2147483648, 2147483647)
  if (typeof flags === 'string') {
    const known = Object.hasOwn(aliases, flags) ? aliases[flags] : flags
    if (Object.hasOwn(flagNames, known)) return flagNames[known]
  }
  throw invalidArgValue(name, flags)
}

export function parseMode(mode: unknown, name: string, otherwise?: number): number {
  if ((mode === undefined || mode === null) && otherwise !== undefined) return otherwise
  if (typeof mode === 'string') {
    if (!/^[0-7]+$/.test(mode)) throw invalidArgValue(name, mode, 'must be a 32-bit unsigned integer or an octal string')
    return integer(Number.parseInt(mode, 8), name, 0, 4294967295)
  }
  return integer(mode, name, 0, 4294967295)
}

export function integer(value: unknown, name: string, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value)
  return value
}

/** A file descriptor, as node checks it. */
export function checkFd(fd: unknown): number {
  return integer(fd, 'fd', 0, 2147483647)
}

/** A position in a file: `null` means the handle's own. */
export function position(value: unknown, name = 'position'): number | null {
  if (value === undefined || value === null || value === -1 || value === -1n) return null
  if (typeof value === 'bigint') {
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw outOfRange(name, `>= -1 && <= ${Number.MAX_SAFE_INTEGER}`, value)
    return Number(value)
  }
  if (typeof value !== 'number') throw invalidArgType(name, 'an integer or of type bigint', value)
  return integer(value, name, -1)
}

/** Owner and group: -1 leaves it as it is. */
export function ownerId(value: unknown, name: string): number {
  return integer(value, name, -1, 4294967295)
}

export interface Time {
  s: number
  ns: number
}

/** Seconds since the epoch from a number, a numeric string or a Date; microseconds count, as in libuv. */
export function parseTime(value: unknown, name: string): Time {
  let seconds: number
  if (value instanceof Date) seconds = value.getTime() / 1000
  else if (typeof value === 'string' && value !== '' && Number.isFinite(+value)) seconds = +value
  else if (typeof value === 'number' && Number.isFinite(value)) seconds = value < 0 ? systemClock.now() / 1000 : value
  else throw invalidArgType(name, 'an instance of Date or an integer or string of Unix time', value)
  const us = Math.round(seconds * 1e6)
  const s = Math.floor(us / 1e6)
  return { s, ns: (us - s * 1e6) * 1000 }
}

export type Options = Record<string, unknown>

/** Options given as an object, or as an encoding alone. */
export function options(value: unknown): Options {
  if (value === undefined || value === null || typeof value === 'function') return noOptions
  if (typeof value === 'string') return { encoding: value }
  if (typeof value !== 'object') throw invalidArgType('options', 'of type string or an instance of Object', value)
  return value as Options
}

const noOptions: Options = Object.freeze({})

export function checkEncoding(encoding: unknown, name = 'encoding'): NameEncoding | undefined {
  if (encoding === undefined || encoding === null || encoding === '') return undefined
  if (encoding === 'buffer') return encoding
  if (typeof encoding !== 'string' || !Buffer.isEncoding(encoding)) throw invalidArgValue(name, encoding, 'is invalid encoding')
  return encoding
}

/** The encoding of names in results; UTF-8 unless asked otherwise. */
export function nameEncoding(value: unknown): NameEncoding {
  if (value === undefined) return 'utf8'
  const encoding = checkEncoding(options(value).encoding) ?? 'utf8'
  return encoding === 'utf-8' ? 'utf8' : encoding
}

export function boolean(value: unknown, name: string, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
  return value
}

export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined
  if (typeof signal !== 'object' || !('aborted' in signal)) throw invalidArgType('options.signal', 'an instance of AbortSignal', signal)
  return signal as AbortSignal
}

/** The bytes of a view, as a Buffer over the same memory. */
export function bufferOf(view: ArrayBufferView): Buffer {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

/** Content to write: a string in `encoding`, or a view. */
export function contentOf(data: unknown, encoding: unknown, name = 'data'): Buffer {
  if (typeof data === 'string') return Buffer.from(data, (encoding as BufferEncoding | undefined) ?? 'utf8')
  if (ArrayBuffer.isView(data)) return bufferOf(data)
  throw invalidArgType(name, 'of type string or an instance of Buffer, TypedArray, or DataView', data)
}

/**
 * A request or a reply on the wire: `[u32 length of json, little-endian][json][binary]`.
 * What JSON lacks stands in the json as an object with one key that starts with `$`; bytes point into the binary part.
 */
import { CairnError } from '../errors.js'

const HEADER_BYTES = 4

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

class Writer {
  readonly parts: Uint8Array[] = []
  length = 0

  add(bytes: Uint8Array): [number, number] {
    const at = this.length
    this.parts.push(bytes)
    this.length += bytes.length
    return [at, bytes.length]
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function packNumber(value: number): Json {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) }
}

function packObject(value: object, out: Writer): Json {
  if (value instanceof Float64Array) return { $f64: out.add(bytesOf(value)) }
  if (value instanceof BigInt64Array) return { $i64: out.add(bytesOf(value)) }
  if (ArrayBuffer.isView(value)) return { $bytes: out.add(bytesOf(value)) }
  if (value instanceof Date) return { $date: value.getTime() }
  if (Array.isArray(value)) return value.map(item => pack(item, out))
  const entries = Object.entries(value).map(([key, item]) => [key, pack(item, out)] as const)
  if (entries.some(([key]) => key.startsWith('$') || key === '__proto__')) return { $object: entries.map(([key, item]) => [key, item]) }
  return Object.fromEntries(entries)
}

function pack(value: unknown, out: Writer): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return packNumber(value)
    case 'bigint':
      return { $bigint: value.toString() }
    case 'undefined':
      return { $undefined: 1 }
    case 'object':
      return value === null ? null : packObject(value, out)
    default:
      throw new TypeError(`a ${typeof value} cannot be sent to the server`)
  }
}

function unpackNumber(text: unknown): number {
  return text === '-0' ? -0 : Number(text)
}

/** A range of the binary part, which must lie within it. */
function range(binary: Uint8Array, value: unknown): [number, number] {
  const [at, length] = Array.isArray(value) ? value : []
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(length) || at < 0 || length < 0 || at + length > binary.length) throw malformed()
  return [at, length]
}

/** A copy, so that it is aligned whatever stands before it. */
function aligned(binary: Uint8Array, value: unknown): ArrayBuffer {
  const [at, length] = range(binary, value)
  if (length % 8 !== 0) throw malformed()
  return new Uint8Array(binary.subarray(at, at + length)).buffer
}

const tags = new Map<string, (value: Json, binary: Uint8Array) => unknown>([
  ['$bytes', (value, binary) => Buffer.from(binary.buffer, binary.byteOffset + range(binary, value)[0], range(binary, value)[1])],
  ['$f64', (value, binary) => new Float64Array(aligned(binary, value))],
  ['$i64', (value, binary) => new BigInt64Array(aligned(binary, value))],
  ['$number', value => unpackNumber(value)],
  ['$bigint', value => BigInt(String(value))],
  ['$undefined', () => undefined],
  ['$date', value => new Date(Number(value))],
  ['$object', (value, binary) => Object.fromEntries((value as Array<[string, Json]>).map(([key, item]) => [key, unpack(item, binary)]))],
])

function unpack(value: Json, binary: Uint8Array): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(item => unpack(item, binary))
  const keys = Object.keys(value)
  if (keys.length === 1 && keys[0].startsWith('$')) {
    const tag = tags.get(keys[0])
    if (tag === undefined) throw malformed()
    return tag(value[keys[0]], binary)
  }
  for (const key of keys) value[key] = unpack(value[key], binary) as Json
  return value
}

function malformed(): CairnError {
  return new CairnError('ERR_WIRE', 'A message between a program and its cairn server could not be understood.', 'Use the same version of cairn on both sides.')
}

/** The parts of a message, to be written one after the other. @throws TypeError for functions and symbols */
export function encodeFrame(value: unknown): Uint8Array[] {
  const out = new Writer()
  const json = Buffer.from(JSON.stringify(pack(value, out)))
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32LE(json.length, 0)
  return [header, json, ...out.parts]
}

/** Bytes in the result point into `frame`. @throws CairnError ERR_WIRE */
export function decodeFrame(frame: Buffer): unknown {
  if (frame.length < HEADER_BYTES) throw malformed()
  const end = HEADER_BYTES + frame.readUInt32LE(0)
  if (end > frame.length) throw malformed()
  try {
    return unpack(JSON.parse(frame.toString('utf8', HEADER_BYTES, end)), frame.subarray(end))
  } catch (error) {
    throw error instanceof CairnError ? error : malformed()
  }
}

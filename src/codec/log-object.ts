import { crc32 } from 'node:zlib'
import { CairnError, CorruptError } from '../errors.js'
import { crcOf, getU32, getU48, putU16, putU32, putU48 } from './pack-bytes.js'
import { compressSegment, SegmentCodec, unpackSegment } from './segment.js'

/**
 * Objects of the log of a volume (docs/format-packs.md, "Log objects"): the batches of durable commits that no head contains yet, or a
 * fence, which keeps writers of lower epochs from using its number. Their numbers are shared by all epochs.
 */
export const LOG_HEADER_BYTES = 64
export const LOG_VERSION = 1

const MAGIC = Buffer.from('CAIRNLG1', 'latin1')
const BODY_LENGTH_AT = 48
const HEADER_CRC_AT = 60
const Kind = { batches: 1, fence: 2 } as const
/** Below this nothing is saved by compression that a request would notice. */
const COMPRESS_BYTES = 1024

export interface LogObject {
  /** 16 hex digits. */
  volume: string
  number: number
  /** Of the writer that made it. */
  epoch: number
  /** Crc (`logCrc`) of the object with the number before; 0 where the writer did not know it. */
  previous: number
  /** Sequence of the last batch in it; of a fence: of the last one before it. */
  last: number
  /** Payloads of journal frames with consecutive sequences up to `last`; undefined for a fence. */
  batches?: readonly Uint8Array[]
}

/** Sequence of the first batch. */
export function firstOf({ last, batches = [] }: LogObject): number {
  return last - batches.length + 1
}

export function logKey(volume: string, number: number): string {
  return `${logPrefix(volume)}${String(number).padStart(12, '0')}`
}

export function logPrefix(volume: string): string {
  return `volumes/${volume}/log/`
}

/** The number in a key of `logKey`; -1 for any other. */
export function logNumber(key: string): number {
  const match = /\/log\/(\d{12,15})$/.exec(key)
  return match === null ? -1 : Number(match[1])
}

/** Identifies an encoded object: stands in its header, and in the next one as `previous`. */
export function logCrc(bytes: Uint8Array): number {
  return getU32(bytes, HEADER_CRC_AT)
}

export function encodeLogObject(object: LogObject): Buffer {
  const { volume, number, epoch, previous, last, batches } = object
  const plain = batches === undefined ? new Uint8Array(0) : bodyOf(batches)
  const packed = plain.length < COMPRESS_BYTES ? undefined : compressSegment(plain)
  const stored = packed ?? plain
  const b = Buffer.alloc(LOG_HEADER_BYTES + stored.length)
  MAGIC.copy(b, 0)
  b.set(Buffer.from(volume, 'hex'), 8)
  b[16] = LOG_VERSION
  b[17] = batches === undefined ? Kind.fence : Kind.batches
  b[18] = packed === undefined ? SegmentCodec.plain : SegmentCodec.brotli
  putU32(b, 20, epoch)
  putU48(b, 24, number)
  putU48(b, 30, batches === undefined ? last : firstOf(object))
  putU48(b, 36, last)
  putU16(b, 42, 0)
  putU32(b, 44, previous)
  putU32(b, BODY_LENGTH_AT, stored.length)
  putU32(b, 52, plain.length)
  putU32(b, 56, crcOf(stored, 0))
  putU32(b, HEADER_CRC_AT, crc32(b.subarray(0, HEADER_CRC_AT)))
  b.set(stored, LOG_HEADER_BYTES)
  return b
}

function bodyOf(batches: readonly Uint8Array[]): Buffer {
  const body = Buffer.allocUnsafe(batches.reduce((sum, batch) => sum + 4 + batch.length, 0))
  let at = 0
  for (const batch of batches) {
    putU32(body, at, batch.length)
    body.set(batch, at + 4)
    at += 4 + batch.length
  }
  return body
}

/**
 * @param key names the object in errors
 * @throws CorruptError when it does not verify; CairnError ERR_FORMAT for a newer version
 */
export function decodeLogObject(b: Uint8Array, key: string): LogObject {
  if (b.length < LOG_HEADER_BYTES || MAGIC.compare(b, 0, 8) !== 0) throw new CorruptError(key, 'it is no log object')
  if (crc32(b.subarray(0, HEADER_CRC_AT)) !== getU32(b, HEADER_CRC_AT)) throw new CorruptError(key, 'its checksum does not match')
  if (b[16] !== LOG_VERSION)
    throw new CairnError('ERR_FORMAT', `${key} has format ${b[16]}; this version of cairn knows ${LOG_VERSION}.`, 'Install a newer version of cairn.')
  const [first, last] = [getU48(b, 30), getU48(b, 36)]
  const object: LogObject = {
    volume: Buffer.from(b.subarray(8, 16)).toString('hex'),
    number: getU48(b, 24),
    epoch: getU32(b, 20),
    previous: getU32(b, 44),
    last,
  }
  const stored = b.subarray(LOG_HEADER_BYTES)
  if (stored.length !== getU32(b, BODY_LENGTH_AT) || crcOf(stored, 0) !== getU32(b, 56)) throw new CorruptError(key, 'its content is cut short or damaged')
  if (b[17] === Kind.fence) return object
  const plain = b[18] === SegmentCodec.plain ? stored : unpackSegment(stored, b[18], getU32(b, 52))
  const batches = plain && batchesIn(plain)
  if (batches === undefined || batches.length !== last - first + 1) throw new CorruptError(key, 'its content is not what its header says')
  return { ...object, batches }
}

/** Undefined when they do not fill the bytes exactly. */
function batchesIn(body: Uint8Array): Uint8Array[] | undefined {
  const batches: Uint8Array[] = []
  let at = 0
  while (at + 4 <= body.length) {
    const end = at + 4 + getU32(body, at)
    if (end > body.length) return undefined
    batches.push(body.subarray(at + 4, end))
    at = end
  }
  return at === body.length ? batches : undefined
}

import { crc32 } from 'node:zlib'
import { CairnError, CorruptError } from '../errors.js'

const CRC_MEMBER = /^([\s\S]*),"crc":"([0-9a-f]{8})"\}\s*$/

/** The small mutable objects of a store are JSON with a `format` and, last, the crc of the text before it; then a line feed. */
export function encodeSmall(format: number, members: object): Buffer {
  const open = JSON.stringify({ format, ...members }).slice(0, -1)
  return Buffer.from(`${open},"crc":"${crc32(open).toString(16).padStart(8, '0')}"}\n`)
}

/**
 * What such an object says; of earlier versions there are some without a crc.
 * @throws CorruptError naming the object
 */
export function parseSmall(bytes: Uint8Array, key: string): Record<string, unknown> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  const match = CRC_MEMBER.exec(text)
  if (match !== null && crc32(match[1]) !== Number.parseInt(match[2], 16)) throw new CorruptError(key, 'its checksum does not match')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new CorruptError(key, 'it is not JSON')
  }
  return (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
}

/** @throws CorruptError naming the object; CairnError ERR_FORMAT for one of a newer version */
export function decodeSmall(bytes: Uint8Array, key: string, format: number): Record<string, unknown> {
  const members = parseSmall(bytes, key)
  const found = members['format']
  if (typeof found === 'number' && found > format)
    throw new CairnError('ERR_FORMAT', `${key} has format ${found}; this version of cairn knows ${format}.`, 'Install a newer version of cairn.')
  if (found !== format) throw new CorruptError(key, 'it has no format')
  return members
}

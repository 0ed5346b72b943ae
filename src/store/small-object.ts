import { CairnError, CorruptError } from '../errors.js'

/** The small mutable objects of a store are JSON with a `format`, then a line feed. */
export function encodeSmall(format: number, members: object): Buffer {
  return Buffer.from(`${JSON.stringify({ format, ...members })}\n`)
}

/** @throws CorruptError naming the object; CairnError ERR_FORMAT for one of a newer version */
export function decodeSmall(bytes: Uint8Array, key: string, format: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    throw new CorruptError(key, 'it is not JSON')
  }
  const members = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const found = members['format']
  if (typeof found === 'number' && found > format)
    throw new CairnError('ERR_FORMAT', `${key} has format ${found}; this version of cairn knows ${format}.`, 'Install a newer version of cairn.')
  if (found !== format) throw new CorruptError(key, 'it has no format')
  return members
}

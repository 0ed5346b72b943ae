import { crc32 } from 'node:zlib'
import { CairnError, CorruptError } from '../errors.js'
import { getU24, getU32, getU48, putU24, putU32, putU48 } from './pack-bytes.js'
import { HASH_BYTES } from './pointer.js'

/** The frames of a bundle (docs/format-bundle.md): what a volume holds as one file that any store can take in. */
export const BUNDLE_FORMAT = 1
export const BUNDLE_MAGIC = Buffer.from('CAIRNBD1', 'latin1')
/** Type u8, length u32, crc u32. */
export const BUNDLE_FRAME_HEADER_BYTES = 9
/** Longest payload that a reader takes. */
export const MAX_BUNDLE_FRAME_BYTES = 4 * 1024 * 1024

export const BundleFrame = { header: 1, blocks: 2, tree: 3, items: 4, history: 5, historyItems: 6, end: 7 } as const

export interface BundleHeader {
  format: number
  volume: { id: string; name: string; createdMs: number }
  madeMs: number
  dirHashKey: string
  /** Inode numbers of the bundle lie in arenas below this one. */
  arenas: number
  /** Commit that the receiver must have: what follows is the difference to it. */
  since?: { commit: string; timeMs: number }
  /** The state that the new volume starts with. */
  live: { inodes: number; bytes: number }
}

/** Which tree the items behind it lead to, from the one before: a commit's, or the live one, which comes last. */
export interface BundleTree {
  commit?: string
}

export interface BundleEnd {
  blocks: number
  trees: number
  items: number
  /** Of all bytes before the frame of this record, in hex. */
  sha256: string
}

export function encodeBundleFrame(type: number, payload: Uint8Array): Buffer {
  const b = Buffer.allocUnsafe(BUNDLE_FRAME_HEADER_BYTES + payload.length)
  b[0] = type
  putU32(b, 1, payload.length)
  b.set(payload, BUNDLE_FRAME_HEADER_BYTES)
  putU32(b, 5, frameCrc(b, 0, payload.length))
  return b
}

export function encodeBundleJson(type: number, value: BundleHeader | BundleTree | BundleEnd | Record<string, never>): Buffer {
  return encodeBundleFrame(type, Buffer.from(JSON.stringify(value), 'utf8'))
}

/** The crc covers type, length and payload. */
function frameCrc(b: Uint8Array, at: number, length: number): number {
  const head = crc32(b.subarray(at, at + 5))
  return length === 0 ? head : crc32(b.subarray(at + BUNDLE_FRAME_HEADER_BYTES, at + BUNDLE_FRAME_HEADER_BYTES + length), head)
}

/** The payload of the whole frame at `b[at]`, a view. @throws CorruptError */
export function bundlePayload(b: Uint8Array, at: number): Uint8Array {
  const length = getU32(b, at + 1)
  if (getU32(b, at + 5) !== frameCrc(b, at, length)) throw bundleDamage('a checksum does not match')
  return b.subarray(at + BUNDLE_FRAME_HEADER_BYTES, at + BUNDLE_FRAME_HEADER_BYTES + length)
}

/** Bytes of the payload that a frame's header announces. @throws CorruptError for a length that no writer makes */
export function bundleFrameLength(b: Uint8Array, at: number): number {
  const length = getU32(b, at + 1)
  if (length > MAX_BUNDLE_FRAME_BYTES) throw bundleDamage(`a frame says that it has ${length} bytes`)
  return length
}

export function bundleDamage(what: string): CorruptError {
  return new CorruptError('The bundle', what, 'Copy it again from where it was written, or write it again with `cairn bundle` or `cairn backup`.')
}

export function parseBundleJson<T>(payload: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8')) as T
  } catch {
    throw bundleDamage('a record is not JSON')
  }
}

/** @throws CairnError ERR_FORMAT for a newer format; CorruptError */
export function parseBundleHeader(payload: Uint8Array): BundleHeader {
  const header = parseBundleJson<BundleHeader>(payload)
  if (typeof header.format === 'number' && header.format > BUNDLE_FORMAT)
    throw new CairnError(
      'ERR_FORMAT',
      `The bundle has format ${header.format}; this version of cairn knows ${BUNDLE_FORMAT}.`,
      'Install a newer version of cairn.',
    )
  const { volume, since, live } = header
  const isWhole =
    header.format === BUNDLE_FORMAT &&
    typeof volume?.id === 'string' &&
    /^[0-9a-f]{16}$/.test(header.dirHashKey) &&
    Number.isSafeInteger(header.arenas) &&
    Number.isSafeInteger(live?.inodes) &&
    Number.isSafeInteger(live.bytes) &&
    (since === undefined || (typeof since.commit === 'string' && Number.isSafeInteger(since.timeMs)))
  if (!isWhole) throw bundleDamage('its header is not right')
  return header
}

/** A block: SHA-256, length u24, bytes. */
export const BUNDLE_BLOCK_HEADER_BYTES = HASH_BYTES + 3

export function putBundleBlockHeader(b: Uint8Array, at: number, hash: Uint8Array, length: number): void {
  b.set(hash, at)
  putU24(b, at + HASH_BYTES, length)
}

export function bundleBlockLength(b: Uint8Array, at: number): number {
  return getU24(b, at + HASH_BYTES)
}

/** Extents name the blocks of the bundle by number, in the order in which they come: 01, u48. */
export const BUNDLE_EXTENT_BYTES = 7
export const BUNDLE_EXTENT = 1

export function putBundleExtent(b: Uint8Array, at: number, block: number): void {
  b[at] = BUNDLE_EXTENT
  putU48(b, at + 1, block)
}

export function bundleExtent(b: Uint8Array, at: number): number {
  return getU48(b, at + 1)
}

/** Changes of a tree: op u8 (1 put, 2 delete), key length u16, value length u16, key, value. */
export const BUNDLE_ITEM_HEADER_BYTES = 5
export const BundleItem = { put: 1, del: 2 } as const

export function putBundleItem(b: Uint8Array, at: number, op: number, key: Uint8Array, value: Uint8Array): number {
  b[at] = op
  b[at + 1] = key.length
  b[at + 2] = key.length >>> 8
  b[at + 3] = value.length
  b[at + 4] = value.length >>> 8
  b.set(key, at + BUNDLE_ITEM_HEADER_BYTES)
  b.set(value, at + BUNDLE_ITEM_HEADER_BYTES + key.length)
  return at + BUNDLE_ITEM_HEADER_BYTES + key.length + value.length
}

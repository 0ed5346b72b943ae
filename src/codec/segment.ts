import { crc32 } from 'node:zlib'
import { CairnError } from '../errors.js'
import { type Compression, compressed, unbrotlied, unzstded } from './compression.js'
import { crcOf, getU16, getU32, putU16, putU32 } from './pack-bytes.js'

/** The unit of checksum, compression and encryption: a header of 16 bytes, then the stored bytes (docs/format-packs.md, "Segments"). */
export const SEGMENT_HEADER_BYTES = 16
/** Longest plain or stored segment: the length in a pointer has 24 bits and counts the header. */
export const MAX_SEGMENT_BYTES = 0xffffff - SEGMENT_HEADER_BYTES

export const SegmentKind = { page: 1, block: 2 } as const
export const SegmentCodec = { plain: 0, brotli: 1, zstd: 2 } as const
/** Flags: the stored bytes are sealed by the store's cipher. */
export const SEGMENT_SEALED = 1

/** The crc covers the header up to here, then the stored bytes. */
const CRC_AT = 12

/** The fields of a header; filled again and again. */
export class SegmentHeader {
  kind = 0
  codec = 0
  flags = 0
  storedLength = 0
  plainLength = 0
  crc = 0
}

export function decodeSegmentHeader(b: Uint8Array, at: number, into: SegmentHeader): SegmentHeader {
  into.kind = b[at]
  into.codec = b[at + 1]
  into.flags = getU16(b, at + 2)
  into.storedLength = getU32(b, at + 4)
  into.plainLength = getU32(b, at + 8)
  into.crc = getU32(b, at + CRC_AT)
  return into
}

/**
 * Writes the header for `length` stored bytes at `from[at]`.
 * @param plainLength length of the bytes before compression
 */
export function encodeSegmentHeader(
  to: Uint8Array,
  kind: number,
  codec: number,
  plainLength: number,
  from: Uint8Array,
  at: number,
  length: number,
  flags = 0,
): void {
  to[0] = kind
  to[1] = codec
  putU16(to, 2, flags)
  putU32(to, 4, length)
  putU32(to, 8, plainLength)
  putU32(to, CRC_AT, crcOf(from.subarray(at, at + length), crc32(to.subarray(0, CRC_AT))))
}

/**
 * Why the segment of `length` bytes (header included) at `b[at]` does not verify; '' when it does. Fills `header`.
 * Never throws and never looks beyond `at + length`.
 */
export function segmentProblem(b: Uint8Array, at: number, length: number, header: SegmentHeader): string {
  if (length < SEGMENT_HEADER_BYTES) return 'it is shorter than a segment header'
  decodeSegmentHeader(b, at, header)
  if (header.kind !== SegmentKind.page && header.kind !== SegmentKind.block) return `${header.kind} is no kind of segment`
  if (header.storedLength !== length - SEGMENT_HEADER_BYTES) return `its header says ${header.storedLength} bytes, there are ${length - SEGMENT_HEADER_BYTES}`
  if (header.plainLength > MAX_SEGMENT_BYTES) return `its header says ${header.plainLength} plain bytes, more than a segment holds`
  const crc = crcOf(b.subarray(at + SEGMENT_HEADER_BYTES, at + length), crc32(b.subarray(at, at + CRC_AT)))
  if (crc !== header.crc) return 'its checksum does not match'
  if (header.codec === SegmentCodec.plain && header.flags === 0 && header.plainLength !== header.storedLength)
    return 'its plain length differs from its stored length'
  return ''
}

/** The compressed bytes, or undefined when they would not be at least a sixteenth shorter. */
export function compressSegment(plain: Uint8Array, compression: Compression = 'brotli'): Uint8Array | undefined {
  return compressed(plain, compression)
}

/**
 * The plain bytes of a verified compressed segment.
 * @param stored the bytes behind the header
 * @param room used for them where it is large enough: they are valid until it is filled again then
 * @returns undefined when they do not unpack to `plainLength` bytes
 * @throws CairnError ERR_FORMAT for a codec of a newer version
 */
export function unpackSegment(stored: Uint8Array, codec: number, plainLength: number, room?: Uint8Array): Uint8Array | undefined {
  if (codec === SegmentCodec.brotli) return unbrotlied(stored, plainLength, room)
  if (codec === SegmentCodec.zstd) return unzstded(stored, plainLength)
  throw new CairnError('ERR_FORMAT', `Segment codec ${codec} is not known to this version of cairn.`, 'Install a newer version of cairn.')
}

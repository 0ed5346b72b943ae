import { type Coding, Opened, plainCoding } from '../codec/coding.js'
import { decodePackFooter, decodePackHeader, decodePackTrailer, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, type PackIndex } from '../codec/pack.js'
import { packKey } from '../codec/pointer.js'
import { decodeSegmentHeader, MAX_SEGMENT_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, segmentProblem } from '../codec/segment.js'
import { CorruptError } from '../errors.js'
import type { LocalStore } from './contract.js'

/** Reads up to `length` bytes at `offset` of a pack to the start of `into`; returns how many. */
export type PackRead = (into: Uint8Array, length: number, offset: number) => number

/** Gets a segment that verified; `plain` is valid during the call only. `identity` is known of those that are sealed. */
export type SegmentVisitor = (kind: number, offset: number, length: number, plain: Uint8Array, identity: Uint8Array | undefined) => void

/**
 * Walks the segments of a pack from its start, or from the segment at `from`, without its index, up to the first that does not verify.
 * @returns where that one would stand: the end of what is good
 */
export function scanSegments(
  read: PackRead,
  packBytes: number,
  visit: SegmentVisitor,
  { from = PACK_HEADER_BYTES, coding = plainCoding }: { from?: number; coding?: Coding } = {},
): number {
  const header = new SegmentHeader()
  const opened = new Opened()
  let buffer = Buffer.allocUnsafeSlow(128 * 1024)
  let offset = from
  while (offset + SEGMENT_HEADER_BYTES <= packBytes) {
    let have = read(buffer, Math.min(buffer.length, packBytes - offset), offset)
    if (have < SEGMENT_HEADER_BYTES) return offset
    decodeSegmentHeader(buffer, 0, header)
    const length = SEGMENT_HEADER_BYTES + header.storedLength
    if (header.storedLength > MAX_SEGMENT_BYTES || offset + length > packBytes) return offset
    if (length > have) {
      if (length > buffer.length) buffer = Buffer.allocUnsafeSlow(length)
      have = read(buffer, length, offset)
    }
    if (have < length || segmentProblem(buffer, 0, length, header) !== '') return offset
    if (opened.open(buffer, 0, length, header, coding) !== '') return offset
    visit(header.kind, offset, length, opened.plain, opened.identity)
    offset += length
  }
  return offset
}

/** A pack as its own header and footer describe it. */
export interface PackContents {
  kind: number
  index: PackIndex
  /** Where the segments end. */
  indexOffset: number
  packBytes: number
}

/**
 * Reads header and index of a finished pack; for fsck and collection.
 * @returns undefined when there is no such pack
 * @throws CorruptError when header or footer do not verify
 */
export function readPackContents(store: LocalStore, packId: Uint8Array): PackContents | undefined {
  const key = packKey(packId)
  const info = store.headSync(key)
  if (info === undefined) return undefined
  const packBytes = info.sizeBytes
  const read = (offset: number, length: number): Buffer => {
    const b = Buffer.alloc(length)
    if (store.readSync(key, offset, b, 0, length) !== length) throw new CorruptError(key, 'it is cut short')
    return b
  }
  if (packBytes < PACK_HEADER_BYTES + PACK_TRAILER_BYTES) throw new CorruptError(key, 'it is cut short')
  const header = decodePackHeader(read(0, PACK_HEADER_BYTES))
  if (header === undefined || header.id.compare(packId) !== 0) throw new CorruptError(key, 'its header is not that of this pack')
  const trailer = decodePackTrailer(read(packBytes - PACK_TRAILER_BYTES, PACK_TRAILER_BYTES), packBytes)
  if (trailer === undefined) throw new CorruptError(key, 'it has no footer')
  const { cipher } = store.coding ?? plainCoding
  const index = decodePackFooter(read(trailer.indexOffset, trailer.footerBytes), cipher && { cipher, packId })
  if (index === undefined) throw new CorruptError(key, 'the checksum of its index does not match')
  return { kind: header.kind, index, indexOffset: trailer.indexOffset, packBytes }
}

/** What is wrong with a pack of a store, all of it read; undefined when nothing is. */
export function packProblem(store: LocalStore, packId: Uint8Array): string | undefined {
  const key = packKey(packId)
  let contents: PackContents | undefined
  try {
    contents = readPackContents(store, packId)
  } catch (error) {
    if (error instanceof CorruptError) return error.message
    throw error
  }
  if (contents === undefined) return 'the pack is missing'
  const { index, indexOffset } = contents
  let segments = 0
  let differs = -1
  const end = scanSegments(
    (into, length, offset) => store.readSync(key, offset, into, 0, length),
    indexOffset,
    (kind, offset, length) => {
      const listed = segments < index.count && index.kind(segments) === kind && index.offset(segments) === offset && index.length(segments) === length
      if (!listed && differs < 0) differs = offset
      segments++
    },
    store.coding === undefined ? {} : { coding: store.coding },
  )
  if (end !== indexOffset) return `the segment at ${end} does not verify`
  if (differs >= 0) return `its index does not name the segment at ${differs}`
  return segments === index.count ? undefined : `its index names ${index.count} segments, there are ${segments}`
}

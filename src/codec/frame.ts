import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CairnError } from '../errors.js'
import { getU16, getU32, getU48, putU16, putU32, putU48 } from './pack-bytes.js'

/** Files of the journal and their frames (docs/format-packs.md, "Journal"). What a frame carries is not known here. */
export const JOURNAL_HEADER_BYTES = 64
/** Bytes in front of a payload that the frame's header takes: length u32, crc u32, sequence u48, flags u16. */
export const FRAME_HEADROOM = 16
export const JOURNAL_VERSION = 1
/** Flags: the payload is sealed by the store's cipher. */
export const FRAME_SEALED = 1
/** Longest payload. */
export const MAX_FRAME_BYTES = 1024 * 1024 * 1024

const MAGIC = Buffer.from('CAIRNJL1', 'latin1')
const HEADER_CRC_AT = 60
/** The crc covers sequence, flags and payload; a wrong length makes it cover other bytes. */
const FRAME_CRC_FROM = 8

export interface JournalHeader {
  /** 8 bytes. */
  volume: Uint8Array
  firstSequence: number
  /** 8 random bytes, new for each file. */
  nonce: Uint8Array
  /** `bootHash` of the boot in which the file was made. */
  boot: Uint8Array
  /** Chain value after the frame before `firstSequence`; 0 when there is none. */
  link: number
}

/** 8 bytes that tell one boot of a machine from another. */
export function bootHash(bootId: string): Buffer {
  return createHash('sha256').update(bootId).digest().subarray(0, 8)
}

export function encodeJournalHeader(h: JournalHeader): Buffer {
  const b = Buffer.alloc(JOURNAL_HEADER_BYTES)
  MAGIC.copy(b, 0)
  b.set(h.volume.subarray(0, 8), 8)
  putU16(b, 16, JOURNAL_VERSION)
  putU48(b, 20, h.firstSequence)
  b.set(h.nonce.subarray(0, 8), 28)
  b.set(h.boot.subarray(0, 8), 36)
  putU32(b, 44, h.link)
  putU32(b, HEADER_CRC_AT, crc32(b.subarray(0, HEADER_CRC_AT)))
  return b
}

/**
 * @returns undefined when the bytes are no header, or a damaged one
 * @throws CairnError ERR_FORMAT for a newer version
 */
export function decodeJournalHeader(b: Uint8Array): JournalHeader | undefined {
  if (b.length < JOURNAL_HEADER_BYTES || MAGIC.compare(b, 0, 8) !== 0) return undefined
  if (crc32(b.subarray(0, HEADER_CRC_AT)) !== getU32(b, HEADER_CRC_AT)) return undefined
  const version = getU16(b, 16)
  if (version > JOURNAL_VERSION)
    throw new CairnError(
      'ERR_FORMAT',
      `The journal has format ${version}; this version of cairn knows ${JOURNAL_VERSION}.`,
      'Install a newer version of cairn.',
    )
  return {
    volume: Buffer.from(b.subarray(8, 16)),
    firstSequence: getU48(b, 20),
    nonce: Buffer.from(b.subarray(28, 36)),
    boot: Buffer.from(b.subarray(36, 44)),
    link: getU32(b, 44),
  }
}

/** The chain value that the first frame of a file is seeded with. Each frame's crc seeds the next. */
export function firstChain(h: JournalHeader): number {
  return crc32(h.nonce, h.link)
}

export function frameLength(b: Uint8Array, at: number): number {
  return getU32(b, at)
}

export function frameCrc(b: Uint8Array, at: number): number {
  return getU32(b, at + 4)
}

export function frameSequence(b: Uint8Array, at: number): number {
  return getU48(b, at + 8)
}

export function frameFlags(b: Uint8Array, at: number): number {
  return getU16(b, at + 14)
}

/** The crc of the frame at `b[at]` with `length` bytes of payload behind its header. */
export function computeFrameCrc(b: Uint8Array, at: number, length: number, chain: number): number {
  return crc32(b.subarray(at + FRAME_CRC_FROM, at + FRAME_HEADROOM + length), chain)
}

/** Fills the header but for its crc. */
export function putFrameHeader(b: Uint8Array, at: number, length: number, sequence: number, flags = 0): void {
  putU32(b, at, length)
  putU48(b, at + 8, sequence)
  putU16(b, at + 14, flags)
}

export function putFrameCrc(b: Uint8Array, at: number, crc: number): void {
  putU32(b, at + 4, crc)
}

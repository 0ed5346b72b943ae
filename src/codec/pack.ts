import { crc32 } from 'node:zlib'
import { CairnError } from '../errors.js'
import { type Cipher, SEAL_BYTES, SealedAs } from './cipher.js'
import { getU16, getU24, getU32, getU40, getU48, putU16, putU24, putU32, putU40, putU48 } from './pack-bytes.js'
import { HASH_BYTES, PACK_ID_BYTES } from './pointer.js'

/** A pack: header, segments, index, trailer (docs/format-packs.md, "Packs"). */
export const PACK_HEADER_BYTES = 32
export const PACK_TRAILER_BYTES = 32
/** Hash 32, offset u40, length u24, kind u8. */
export const PACK_ENTRY_BYTES = 41
export const PACK_VERSION = 1

export const PackKind = { metadata: 1, content: 2 } as const

const HEADER_MAGIC = Buffer.from('CAIRNPK1', 'latin1')
const TRAILER_MAGIC = Buffer.from('CAIRNPKE', 'latin1')
const KIND_AT = 24
const VERSION_AT = 25
const ENTRY_OFFSET_AT = HASH_BYTES
const ENTRY_LENGTH_AT = ENTRY_OFFSET_AT + 5
const ENTRY_KIND_AT = ENTRY_LENGTH_AT + 3
const TRAILER_FLAGS_AT = 10
const TRAILER_CRC_AT = 12
/** Flags of the trailer: the entries are sealed by the store's cipher. */
const INDEX_SEALED = 1
const TRAILER_MAGIC_AT = 24

/** The id that a pack's key (`packKey`) spells; undefined when it is no such key. */
export function packIdOf(key: string): Buffer | undefined {
  const match = /^packs\/([0-9a-f]{16})\/([0-9a-f]{8})-([0-9a-f]{8})$/.exec(key)
  return match === null ? undefined : Buffer.from(match[1] + match[2] + match[3], 'hex')
}

/** Packs that collectors write begin so: the id of no volume. */
export const COPIES = Buffer.alloc(8)

export function isCopy(packId: Uint8Array): boolean {
  return COPIES.compare(packId, 0, COPIES.length) === 0
}

export function encodePackHeader(id: Uint8Array, kind: number): Buffer {
  const b = Buffer.alloc(PACK_HEADER_BYTES)
  HEADER_MAGIC.copy(b, 0)
  b.set(id.subarray(0, PACK_ID_BYTES), 8)
  b[KIND_AT] = kind
  b[VERSION_AT] = PACK_VERSION
  return b
}

/**
 * @returns undefined when the bytes are no pack header
 * @throws CairnError ERR_FORMAT for a newer version
 */
export function decodePackHeader(b: Uint8Array): { id: Buffer; kind: number } | undefined {
  if (b.length < PACK_HEADER_BYTES || HEADER_MAGIC.compare(b, 0, 8) !== 0) return undefined
  if (b[VERSION_AT] > PACK_VERSION)
    throw new CairnError(
      'ERR_FORMAT',
      `The pack has format ${b[VERSION_AT]}; this version of cairn knows ${PACK_VERSION}.`,
      'Install a newer version of cairn.',
    )
  const kind = b[KIND_AT]
  if (b[VERSION_AT] === 0 || (kind !== PackKind.metadata && kind !== PackKind.content)) return undefined
  return { id: Buffer.from(b.subarray(8, 8 + PACK_ID_BYTES)), kind }
}

/** The entries of a pack's index, in the order of their offsets. Grows as segments are appended. */
export class PackIndex {
  count = 0
  #bytes: Buffer

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = Buffer.from(bytes)
    this.count = Math.floor(bytes.length / PACK_ENTRY_BYTES)
  }

  add(hash: Uint8Array, offset: number, length: number, kind: number): void {
    const at = this.count * PACK_ENTRY_BYTES
    if (at + PACK_ENTRY_BYTES > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(64 * PACK_ENTRY_BYTES, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at), 0)
      this.#bytes = grown
    }
    const b = this.#bytes
    b.set(hash.subarray(0, HASH_BYTES), at)
    putU40(b, at + ENTRY_OFFSET_AT, offset)
    putU24(b, at + ENTRY_LENGTH_AT, length)
    b[at + ENTRY_KIND_AT] = kind
    this.count++
  }

  /** SHA-256 of the plain bytes of entry `i`; a view. */
  hash(i: number): Uint8Array {
    return this.#bytes.subarray(i * PACK_ENTRY_BYTES, i * PACK_ENTRY_BYTES + HASH_BYTES)
  }

  offset(i: number): number {
    return getU40(this.#bytes, i * PACK_ENTRY_BYTES + ENTRY_OFFSET_AT)
  }

  /** Stored length, header included. */
  length(i: number): number {
    return getU24(this.#bytes, i * PACK_ENTRY_BYTES + ENTRY_LENGTH_AT)
  }

  kind(i: number): number {
    return this.#bytes[i * PACK_ENTRY_BYTES + ENTRY_KIND_AT]
  }

  /**
   * Entries and trailer, for a pack whose segments end at `indexOffset`.
   * @param seal of a store that is encrypted
   */
  encodeFooter(indexOffset: number, seal?: IndexSeal): Buffer {
    const plain = this.#bytes.subarray(0, this.count * PACK_ENTRY_BYTES)
    const stored = seal === undefined ? plain : seal.cipher.seal([plain], indexContext(seal.packId))
    const entries = stored.length
    const b = Buffer.alloc(entries + PACK_TRAILER_BYTES)
    stored.copy(b, 0)
    putU32(b, entries, this.count)
    putU48(b, entries + 4, indexOffset)
    if (seal !== undefined) putU16(b, entries + TRAILER_FLAGS_AT, INDEX_SEALED)
    putU32(b, entries + TRAILER_CRC_AT, crc32(b.subarray(0, entries + TRAILER_CRC_AT)))
    TRAILER_MAGIC.copy(b, entries + TRAILER_MAGIC_AT)
    return b
  }
}

/** What the index of a pack is sealed with. */
export interface IndexSeal {
  cipher: Cipher
  packId: Uint8Array
}

/** The index of one pack does not pass for that of another. */
function indexContext(packId: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([SealedAs.index]), packId.subarray(0, PACK_ID_BYTES)])
}

/** Where the trailer says that the index stands, and its bytes with the trailer; undefined when it is no trailer of a pack of `packBytes`. */
export function decodePackTrailer(trailer: Uint8Array, packBytes: number): { indexOffset: number; count: number; footerBytes: number } | undefined {
  if (trailer.length !== PACK_TRAILER_BYTES || TRAILER_MAGIC.compare(trailer, TRAILER_MAGIC_AT, PACK_TRAILER_BYTES) !== 0) return undefined
  const count = getU32(trailer, 0)
  const indexOffset = getU48(trailer, 4)
  const footerBytes = count * PACK_ENTRY_BYTES + sealBytes(trailer, 0) + PACK_TRAILER_BYTES
  if (indexOffset < PACK_HEADER_BYTES || indexOffset + footerBytes !== packBytes) return undefined
  return { indexOffset, count, footerBytes }
}

function sealBytes(b: Uint8Array, trailerAt: number): number {
  return (getU16(b, trailerAt + TRAILER_FLAGS_AT) & INDEX_SEALED) === 0 ? 0 : SEAL_BYTES
}

/**
 * The index of a footer (entries and trailer); undefined when it does not verify.
 * @param seal of a store that is encrypted: one that is not sealed does not verify there
 */
export function decodePackFooter(footer: Uint8Array, seal?: IndexSeal): PackIndex | undefined {
  const entries = footer.length - PACK_TRAILER_BYTES
  if (entries < 0) return undefined
  const added = sealBytes(footer, entries)
  if (entries < added || (entries - added) % PACK_ENTRY_BYTES !== 0 || added > 0 !== (seal !== undefined)) return undefined
  if (crc32(footer.subarray(0, entries + TRAILER_CRC_AT)) !== getU32(footer, entries + TRAILER_CRC_AT)) return undefined
  const stored = footer.subarray(0, entries)
  const plain = seal === undefined ? stored : seal.cipher.open(stored, indexContext(seal.packId))
  return plain === undefined ? undefined : new PackIndex(plain)
}

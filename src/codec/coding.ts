import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Cipher, SEAL_BYTES, SealedAs } from './cipher.js'
import { type Compression, compressed } from './compression.js'
import { putU32 } from './pack-bytes.js'
import { HASH_BYTES } from './pointer.js'
import { SEGMENT_HEADER_BYTES, SEGMENT_SEALED, SegmentCodec, type SegmentHeader, SegmentKind, unpackSegment } from './segment.js'
import { sha256 } from './sha256.js'

/** How a store's bytes are written. */
export interface Coding {
  readonly compression: Compression
  /** Of a store that is encrypted. */
  readonly cipher?: Cipher | undefined
}

export const plainCoding: Coding = { compression: 'none' }

/** A block, sealed. */
const ROOM_BYTES = 65536 + HASH_BYTES + SEAL_BYTES

/** The hash by which a store knows plain bytes. */
export function identityOf({ cipher }: Coding, plain: Uint8Array): Uint8Array {
  return cipher === undefined ? sha256(plain) : cipher.identity(plain)
}

/** The bytes of a segment behind its header, and what the header says of them; filled again and again. */
export class Encoded {
  codec = 0
  flags = 0
  /** Valid until the next one is encoded. */
  stored: Uint8Array = new Uint8Array(0)
  /** Of the plain bytes. */
  identity: Uint8Array = new Uint8Array(0)
  #room: Buffer | undefined

  /** @returns this */
  encode(coding: Coding, kind: number, plain: Uint8Array): this {
    this.identity = identityOf(coding, plain)
    const packed = compressed(plain, coding.compression)
    this.codec = packed === undefined ? SegmentCodec.plain : coding.compression === 'zstd' ? SegmentCodec.zstd : SegmentCodec.brotli
    this.stored = packed ?? plain
    this.flags = 0
    if (coding.cipher === undefined) return this
    this.flags = SEGMENT_SEALED
    // The identity goes in with them: a segment put in the place of another is found out.
    this.#room ??= Buffer.allocUnsafeSlow(ROOM_BYTES)
    const context = segmentContext(kind, this.codec, this.flags, plain.length)
    this.stored = coding.cipher.seal([this.identity, this.stored], context, this.identity, this.#room)
    return this
  }
}

function segmentContext(kind: number, codec: number, flags: number, plainLength: number): Buffer {
  const context = Buffer.alloc(9)
  context[0] = SealedAs.segment
  context[1] = kind
  context[2] = codec
  context.writeUInt16LE(flags, 3)
  putU32(context, 5, plainLength)
  return context
}

/** What opening a segment gave. */
export class Opened {
  /** Of a page only valid until the next segment is opened. */
  plain: Uint8Array = new Uint8Array(0)
  /** As a sealed segment says itself, which nobody without the key can have changed. */
  identity: Uint8Array | undefined
  #room: Uint8Array | undefined

  /**
   * The plain bytes of the verified segment of `length` bytes at `b[at]`; a view where they are stored as they are.
   * @param header of the segment
   * @returns why it does not open; '' when it does
   * @throws CairnError ERR_FORMAT for what a newer version wrote, ERR_KEY_MISSING
   */
  open(b: Uint8Array, at: number, length: number, header: SegmentHeader, { cipher }: Coding): string {
    const { kind, codec, flags, plainLength } = header
    let packed = b.subarray(at + SEGMENT_HEADER_BYTES, at + length)
    this.identity = undefined
    if ((flags & ~SEGMENT_SEALED) !== 0)
      throw new CairnError('ERR_FORMAT', `A segment has flags ${flags}, which this version of cairn does not know.`, 'Install a newer version of cairn.')
    if (flags === SEGMENT_SEALED) {
      if (cipher === undefined) throw keyMissing('What is stored')
      const opened = cipher.open(packed, segmentContext(kind, codec, flags, plainLength))
      if (opened === undefined || opened.length < HASH_BYTES) return 'it does not decrypt'
      this.identity = opened.subarray(0, HASH_BYTES)
      packed = opened.subarray(HASH_BYTES)
    } else if (cipher !== undefined) return 'it is not encrypted, as all else in its store is'
    const plain = codec === SegmentCodec.plain ? packed : unpackSegment(packed, codec, plainLength, kind === SegmentKind.page ? this.#pageRoom() : undefined)
    if (plain === undefined || plain.length !== plainLength) return 'it does not unpack'
    this.plain = plain
    return ''
  }

  #pageRoom(): Uint8Array {
    this.#room ??= Buffer.allocUnsafeSlow(limits.pageBytes)
    return this.#room
  }
}

export function keyMissing(what: string): CairnError {
  return new CairnError(
    'ERR_KEY_MISSING',
    `${what} is encrypted, and no key was given.`,
    'Name the file that holds the key (--key-file, CAIRN_KEY_FILE), the command that prints it (CAIRN_KEY_COMMAND), or set CAIRN_KEY.',
  )
}

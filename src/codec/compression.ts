import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import { unbrotlyInto } from '../sys/brotli.js'

/** What a store's pages and blocks are compressed with. */
export type Compression = 'none' | 'brotli' | 'zstd'

interface Zstd {
  zstdCompressSync(plain: Uint8Array, options: { params: Record<number, number> }): Buffer
  zstdDecompressSync(packed: Uint8Array, options: { maxOutputLength: number; chunkSize: number }): Buffer
}

/** Node has it from 22.15 on; the types are of Node 20. */
const native = 'zstdCompressSync' in zlib ? (zlib as unknown as Zstd) : undefined
/** `ZSTD_c_compressionLevel`. */
const ZSTD_LEVEL = 100
const LEVEL = 1
/** Higher ones give a few percent for many times the time. */
const BROTLI_QUALITY = 1

/** Shorter bytes are compressed without a look at them. */
const SAMPLED_BYTES = 8192
const STRETCHES = 16
const STRETCH_BYTES = 128
/** Bits per byte of a sample of 2 KiB, above which nothing is won: text has 5, machine code 6, what is compressed or encrypted 7.9. */
const MAX_ENTROPY = 7.4

/** The best that this runtime can write. */
export const bestCompression: Compression = native === undefined ? 'brotli' : 'zstd'

/** The compressed bytes; undefined when they would not be at least a sixteenth shorter. What looks like noise is not even tried. */
export function compressed(plain: Uint8Array, compression: Compression): Uint8Array | undefined {
  if (compression === 'none' || (plain.length >= SAMPLED_BYTES && isNoise(plain))) return undefined
  const packed = compression === 'zstd' ? zstd(plain) : brotli(plain)
  return packed.length <= plain.length - (plain.length >>> 4) ? packed : undefined
}

function zstd(plain: Uint8Array): Buffer {
  if (native === undefined) throw new Error('invariant broken: zstd is written where the runtime has it')
  return native.zstdCompressSync(plain, { params: { [ZSTD_LEVEL]: LEVEL } })
}

function brotli(plain: Uint8Array): Buffer {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants
  return zlib.brotliCompressSync(plain, { params: { [BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [BROTLI_PARAM_SIZE_HINT]: plain.length } })
}

const counts = new Uint16Array(256)
const SAMPLE_BYTES = STRETCHES * STRETCH_BYTES
/** Bits that a value adds which is so often in a sample. */
const BITS = Float64Array.from({ length: SAMPLE_BYTES + 1 }, (_, count) => (count === 0 ? 0 : -count * Math.log2(count / SAMPLE_BYTES)))

/** By the entropy of bytes from all over it. Some 3 µs, where compressing in vain takes hundreds. */
function isNoise(plain: Uint8Array): boolean {
  counts.fill(0)
  const step = Math.floor((plain.length - STRETCH_BYTES) / (STRETCHES - 1))
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const from = stretch * step
    for (let at = from; at < from + STRETCH_BYTES; at++) counts[plain[at]]++
  }
  let bits = 0
  for (let value = 0; value < 256; value++) bits += BITS[counts[value]]
  return bits / SAMPLE_BYTES > MAX_ENTROPY
}

/**
 * @param room used for the plain bytes where it is large enough; they are part of it until it is filled again
 * @returns undefined when they do not unpack to `plainLength` bytes
 */
export function unbrotlied(packed: Uint8Array, plainLength: number, room?: Uint8Array): Uint8Array | undefined {
  const into = room !== undefined && plainLength <= room.length ? room.subarray(0, plainLength) : Buffer.allocUnsafeSlow(plainLength)
  const length = unbrotlyInto(packed, into)
  if (length === undefined) return unpacked(plainLength, limits => zlib.brotliDecompressSync(packed, limits))
  return length === plainLength ? into : undefined
}

/** The same for zstd; where Node has none, by a decoder in JavaScript. */
export function unzstded(packed: Uint8Array, plainLength: number): Uint8Array | undefined {
  return unpacked(plainLength, limits =>
    native === undefined ? decoder()(packed, Buffer.allocUnsafeSlow(plainLength)) : native.zstdDecompressSync(packed, limits),
  )
}

function unpacked(plainLength: number, unpack: (limits: { maxOutputLength: number; chunkSize: number }) => Uint8Array): Uint8Array | undefined {
  try {
    const plain = unpack({ maxOutputLength: Math.max(plainLength, 1), chunkSize: Math.max(plainLength, zlib.constants.Z_MIN_CHUNK) })
    return plain.length === plainLength ? plain : undefined
  } catch {
    return undefined
  }
}

type Decoder = (packed: Uint8Array, into: Uint8Array) => Uint8Array
let loaded: Decoder | undefined

/** Loaded when the first segment needs it. */
function decoder(): Decoder {
  loaded ??= (createRequire(import.meta.url)('fzstd') as { decompress: Decoder }).decompress
  return loaded
}

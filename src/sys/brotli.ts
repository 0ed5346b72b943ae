import { cFunction } from './ffi.js'

const decompress = cFunction<[number, Uint8Array, Uint32Array, Uint8Array]>(
  'int BrotliDecoderDecompress(size_t packed_length, void *packed, void *length, void *into)',
)
/** A `size_t`: how much room there is, then how much was unpacked. */
const length = new Uint32Array(2)
const SUCCESS = 1
/** What is unpacked otherwise before libc's functions are loaded for this. */
const WORTH_LOADING = 64
let asked = 0
let isMissing = false

/**
 * Unpacks brotli by the decoder that Node carries, past the stream that zlib makes of each call: half of the CPU for 8 KiB, a fifth in a program that has just started.
 * @param into filled from its start
 * @returns bytes unpacked; -1 when they are damaged or more than `into` has room for; undefined where this program does not show its decoder, and for the first few
 */
export function unbrotlyInto(packed: Uint8Array, into: Uint8Array): number | undefined {
  if (isMissing || into.length === 0 || packed.length === 0 || asked++ < WORTH_LOADING) return undefined
  length[0] = into.length
  length[1] = 0
  try {
    return decompress(packed.length, packed, length, into) === SUCCESS ? length[0] : -1
  } catch {
    isMissing = true
    return undefined
  }
}

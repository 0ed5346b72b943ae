import { ffi } from './ffi.js'

/** What a disk that is written past the page cache wants: addresses, offsets and lengths that are multiples of this. No disk wants more. */
export const ALIGNED_BYTES = 4096

/** Memory of `bytes` bytes that begins at a multiple of `ALIGNED_BYTES`, in an ArrayBuffer of its own, which may be handed to another thread. */
export function alignedMemory(bytes: number): Uint8Array {
  // Not a slice of a larger one, which could not be handed over.
  const { buffer } = Buffer.allocUnsafeSlow(bytes + ALIGNED_BYTES)
  return alignedPart(buffer, bytes)
}

/** The same part again, of memory that has come back. */
export function alignedPart(buffer: ArrayBuffer, bytes: number): Uint8Array {
  const past = pastAligned(new Uint8Array(buffer))
  return new Uint8Array(buffer, past === 0 ? 0 : ALIGNED_BYTES - past, bytes)
}

export function isAligned(bytes: Uint8Array): boolean {
  return pastAligned(bytes) === 0
}

function pastAligned(bytes: Uint8Array): number {
  return Number(ffi().address(bytes) % BigInt(ALIGNED_BYTES))
}

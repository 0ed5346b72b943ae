import { ffi } from './ffi.js'

/** What a disk that is written past the page cache wants: addresses, offsets and lengths that are multiples of this. No disk wants more. */
export const ALIGNED_BYTES = 4096

/** Memory of `bytes` bytes that begins at a multiple of `ALIGNED_BYTES`, which threads can share; its owner keeps them from using it at once. */
export function alignedMemory(bytes: number): Uint8Array<SharedArrayBuffer> {
  return alignedPart(new SharedArrayBuffer(bytes + ALIGNED_BYTES), bytes)
}

/** The same part again, of memory that another thread told of. */
export function alignedPart(buffer: SharedArrayBuffer, bytes: number): Uint8Array<SharedArrayBuffer> {
  const past = pastAligned(new Uint8Array(buffer))
  return new Uint8Array(buffer, past === 0 ? 0 : ALIGNED_BYTES - past, bytes)
}

export function isAligned(bytes: Uint8Array): boolean {
  return pastAligned(bytes) === 0
}

function pastAligned(bytes: Uint8Array): number {
  return Number(ffi().address(bytes) % BigInt(ALIGNED_BYTES))
}

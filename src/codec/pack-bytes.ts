import { crc32 } from 'node:zlib'

/** Little-endian numbers of packs, segments and journal frames; up to 48 bits, so that they stay exact without BigInt. */

/** zlib.crc32, which for no bytes may answer 0 instead of `seed`, where their address is null. */
export function crcOf(bytes: Uint8Array, seed: number): number {
  return bytes.length === 0 ? seed : crc32(bytes, seed)
}

export function getU32(b: Uint8Array, p: number): number {
  return (b[p] | (b[p + 1] << 8) | (b[p + 2] << 16) | (b[p + 3] << 24)) >>> 0
}

export function putU32(b: Uint8Array, p: number, v: number): void {
  b[p] = v
  b[p + 1] = v >>> 8
  b[p + 2] = v >>> 16
  b[p + 3] = v >>> 24
}

export function getU16(b: Uint8Array, p: number): number {
  return b[p] | (b[p + 1] << 8)
}

export function putU16(b: Uint8Array, p: number, v: number): void {
  b[p] = v
  b[p + 1] = v >>> 8
}

export function getU24(b: Uint8Array, p: number): number {
  return b[p] | (b[p + 1] << 8) | (b[p + 2] << 16)
}

export function putU24(b: Uint8Array, p: number, v: number): void {
  putU16(b, p, v)
  b[p + 2] = v >>> 16
}

export function getU40(b: Uint8Array, p: number): number {
  return getU32(b, p) + b[p + 4] * 4294967296
}

export function putU40(b: Uint8Array, p: number, v: number): void {
  putU32(b, p, v >>> 0)
  b[p + 4] = Math.floor(v / 4294967296)
}

export function getU48(b: Uint8Array, p: number): number {
  return getU32(b, p) + getU16(b, p + 4) * 4294967296
}

export function putU48(b: Uint8Array, p: number, v: number): void {
  putU32(b, p, v >>> 0)
  putU16(b, p + 4, Math.floor(v / 4294967296))
}

/**
 * A pointer to a stored page or block: `{hash, pack, offset, length, birth}` in 62 bytes (docs/format.md, "Pointers").
 * The hash is the identity; pack, offset and length are a hint that repacking may make stale.
 */
export const POINTER_BYTES = 62
export const HASH_BYTES = 32
export const PACK_ID_BYTES = 16

const PACK_AT = 32
const OFFSET_AT = 48
const LENGTH_AT = 53
const BIRTH_AT = 56

export interface PointerFields {
  /** SHA-256 of the plain bytes. */
  hash: Uint8Array
  /** 16 bytes: volume id (8), epoch (u32 BE), sequence (u32 BE). */
  pack: Uint8Array
  /** Where the segment's header stands in the pack. */
  offset: number
  /** Stored bytes, the segment's header included. */
  length: number
  /** Sequence of the seal that wrote it. */
  birth: number
}

export function encodePointer(to: Uint8Array, at: number, f: PointerFields): void {
  to.set(f.hash, at)
  to.set(f.pack, at + PACK_AT)
  let low = f.offset >>> 0
  for (let i = 0; i < 4; i++) {
    to[at + OFFSET_AT + i] = low
    low >>>= 8
  }
  to[at + OFFSET_AT + 4] = Math.floor(f.offset / 4294967296)
  to[at + LENGTH_AT] = f.length
  to[at + LENGTH_AT + 1] = f.length >>> 8
  to[at + LENGTH_AT + 2] = f.length >>> 16
  low = f.birth >>> 0
  for (let i = 0; i < 4; i++) {
    to[at + BIRTH_AT + i] = low
    low >>>= 8
  }
  const high = Math.floor(f.birth / 4294967296)
  to[at + BIRTH_AT + 4] = high
  to[at + BIRTH_AT + 5] = high >>> 8
}

export function pointerOffset(p: Uint8Array, at: number): number {
  const b = at + OFFSET_AT
  return ((p[b] | (p[b + 1] << 8) | (p[b + 2] << 16) | (p[b + 3] << 24)) >>> 0) + p[b + 4] * 4294967296
}

export function pointerLength(p: Uint8Array, at: number): number {
  const b = at + LENGTH_AT
  return p[b] | (p[b + 1] << 8) | (p[b + 2] << 16)
}

export function pointerBirth(p: Uint8Array, at: number): number {
  const b = at + BIRTH_AT
  return ((p[b] | (p[b + 1] << 8) | (p[b + 2] << 16) | (p[b + 3] << 24)) >>> 0) + (p[b + 4] | (p[b + 5] << 8)) * 4294967296
}

export function pointerHash(p: Uint8Array, at: number): Uint8Array {
  return p.subarray(at, at + HASH_BYTES)
}

export function pointerPack(p: Uint8Array, at: number): Uint8Array {
  return p.subarray(at + PACK_AT, at + PACK_AT + PACK_ID_BYTES)
}

/** True when both have the same hash, wherever they point. */
export function sameHash(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) if (a[aAt + i] !== b[bAt + i]) return false
  return true
}

/** The 16 bytes that name a pack. */
export function packId(volume: Uint8Array, epoch: number, sequence: number): Uint8Array {
  const id = Buffer.alloc(PACK_ID_BYTES)
  id.set(volume, 0)
  id.writeUInt32BE(epoch, 8)
  id.writeUInt32BE(sequence, 12)
  return id
}

/** The store key of a pack: `packs/<volume>/<epoch>-<sequence>` in hex. */
export function packKey(id: Uint8Array): string {
  const hex = Buffer.from(id.buffer, id.byteOffset, PACK_ID_BYTES).toString('hex')
  return `packs/${hex.slice(0, 16)}/${hex.slice(16, 24)}-${hex.slice(24)}`
}

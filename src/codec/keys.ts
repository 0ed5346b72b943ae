/**
 * Keys of the tree: `tag | inode | suffix`, compared bytewise (docs/format.md, "Keys").
 * One scratch key serves all: a builder fills `K` and returns the length.
 */
export const Tag = {
  attr: 0x01,
  dirent: 0x02,
  content: 0x03,
  extent: 0x04,
  xattr: 0x05,
  orphan: 0x06,
  meta: 0x07,
  commit: 0x10,
  checkpoint: 0x11,
  version: 0x12,
  session: 0x13,
  audit: 0x14,
  applied: 0x15,
  incarnation: 0x16,
  hidden: 0x17,
  pastName: 0x18,
  setting: 0x19,
  merge: 0x1a,
  purged: 0x1b,
  prunedState: 0x1c,
} as const

export const INO_BYTES = 7
/** Length of `tag | inode`. */
export const PREFIX_BYTES = 1 + INO_BYTES
/** Bytes of the hash in a directory entry's key. */
export const DIR_HASH_BYTES = 8
export const DIRENT_NAME_AT = PREFIX_BYTES + DIR_HASH_BYTES
export const BLOCK_INDEX_BYTES = 5

/** Longest key: a dirent (16 + 255) or a chunk of an extended attribute (8 + 255 + 1 + 2). */
export const MAX_KEY_BYTES = 288

export function putIno(to: Uint8Array, at: number, ino: number): void {
  const high = Math.floor(ino / 4294967296)
  const low = ino >>> 0
  to[at] = high >>> 16
  to[at + 1] = high >>> 8
  to[at + 2] = high
  to[at + 3] = low >>> 24
  to[at + 4] = low >>> 16
  to[at + 5] = low >>> 8
  to[at + 6] = low
}

export function getIno(from: Uint8Array, at: number): number {
  return (
    ((from[at] << 16) | (from[at + 1] << 8) | from[at + 2]) * 4294967296 +
    (((from[at + 3] << 24) | (from[at + 4] << 16) | (from[at + 5] << 8) | from[at + 6]) >>> 0)
  )
}

export function putU32be(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 24
  to[at + 1] = value >>> 16
  to[at + 2] = value >>> 8
  to[at + 3] = value
}

export function getU32be(from: Uint8Array, at: number): number {
  return ((from[at] << 24) | (from[at + 1] << 16) | (from[at + 2] << 8) | from[at + 3]) >>> 0
}

/** `tag | inode`: attributes, small content, orphan marks; and the prefix of the others. */
export function inodeKey(K: Uint8Array, tag: number, ino: number): number {
  K[0] = tag
  putIno(K, 1, ino)
  return PREFIX_BYTES
}

/**
 * `02 | parent | hash | name`.
 * @param name one char per byte (latin1), 1 to 255 long
 */
export function direntKey(K: Uint8Array, parent: number, hashHigh: number, hashLow: number, name: string): number {
  inodeKey(K, Tag.dirent, parent)
  putU32be(K, PREFIX_BYTES, hashHigh)
  putU32be(K, PREFIX_BYTES + 4, hashLow)
  const length = name.length
  for (let i = 0; i < length; i++) K[DIRENT_NAME_AT + i] = name.charCodeAt(i)
  return DIRENT_NAME_AT + length
}

/** `02 | parent | hash`: where a directory scan that saw everything up to `hash` goes on, when given hash + 1. */
export function direntFromKey(K: Uint8Array, parent: number, hashHigh: number, hashLow: number): number {
  inodeKey(K, Tag.dirent, parent)
  putU32be(K, PREFIX_BYTES, hashHigh)
  putU32be(K, PREFIX_BYTES + 4, hashLow)
  return DIRENT_NAME_AT
}

/** `04 | inode | block index`, the index in 5 bytes. */
export function extentKey(K: Uint8Array, ino: number, block: number): number {
  inodeKey(K, Tag.extent, ino)
  K[PREFIX_BYTES] = Math.floor(block / 4294967296)
  putU32be(K, PREFIX_BYTES + 1, block >>> 0)
  return PREFIX_BYTES + BLOCK_INDEX_BYTES
}

export function extentBlock(K: Uint8Array, at: number): number {
  return K[at + PREFIX_BYTES] * 4294967296 + getU32be(K, at + PREFIX_BYTES + 1)
}

/** `05 | inode | name | 00 | chunk`: values over 2 KiB are split; chunk 0 starts with the total length (u32). */
export function xattrKey(K: Uint8Array, ino: number, name: string, chunk: number): number {
  inodeKey(K, Tag.xattr, ino)
  let at = PREFIX_BYTES
  for (let i = 0; i < name.length; i++) K[at++] = name.charCodeAt(i)
  K[at++] = 0
  K[at++] = chunk >>> 8
  K[at++] = chunk
  return at
}

/** `07 | name`: records of the volume itself. */
export function metaKey(K: Uint8Array, name: string): number {
  K[0] = Tag.meta
  for (let i = 0; i < name.length; i++) K[1 + i] = name.charCodeAt(i)
  return 1 + name.length
}

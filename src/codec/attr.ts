/**
 * The attribute record (docs/format.md, "Attributes"): fixed fields, little-endian, then inline content.
 * One `Attr` is filled again and again; nothing is allocated per file.
 */
export const ATTR_BYTES = 112

export const ContentKind = {
  /** No bytes stored: empty, a hole to the end, or a kind of file without content. */
  none: 0,
  /** Behind the fixed fields of the attribute record. */
  inline: 1,
  /** One record in the content region. */
  small: 2,
  /** Extents: one record for each block that is not a hole. */
  blocks: 3,
} as const

export const AttrFlag = {
  /** Nobody, root included, may change, rename or remove it, or link to it. */
  immutable: 1,
  /** Has extended attributes. */
  xattr: 2,
} as const

export class Attr {
  kind = 0
  flags = 0
  mode = 0
  nlink = 0
  uid = 0
  gid = 0
  rdev = 0
  size = 0
  /** Allocated units of 512 bytes, as st_blocks. */
  blocks = 0
  atimeS = 0
  atimeNs = 0
  mtimeS = 0
  mtimeNs = 0
  ctimeS = 0
  ctimeNs = 0
  btimeS = 0
  btimeNs = 0
  /** Sequence of the change that last wrote this record. */
  changed = 0
  /** A directory's parent; for other files the directory of the name that was last made for it, a hint. */
  parent = 0
  /** Hash of that name (`DirHash`), so that an inode's path costs a look-up per level; a hint for files, exact for directories. */
  nameHigh = 0
  nameLow = 0

  copyFrom(a: Attr): void {
    this.kind = a.kind
    this.flags = a.flags
    this.mode = a.mode
    this.nlink = a.nlink
    this.uid = a.uid
    this.gid = a.gid
    this.rdev = a.rdev
    this.size = a.size
    this.blocks = a.blocks
    this.atimeS = a.atimeS
    this.atimeNs = a.atimeNs
    this.mtimeS = a.mtimeS
    this.mtimeNs = a.mtimeNs
    this.ctimeS = a.ctimeS
    this.ctimeNs = a.ctimeNs
    this.btimeS = a.btimeS
    this.btimeNs = a.btimeNs
    this.changed = a.changed
    this.parent = a.parent
    this.nameHigh = a.nameHigh
    this.nameLow = a.nameLow
  }
}

function u32(b: Uint8Array, p: number): number {
  return (b[p] | (b[p + 1] << 8) | (b[p + 2] << 16) | (b[p + 3] << 24)) >>> 0
}

function i32(b: Uint8Array, p: number): number {
  return b[p] | (b[p + 1] << 8) | (b[p + 2] << 16) | (b[p + 3] << 24)
}

function put32(b: Uint8Array, p: number, v: number): void {
  b[p] = v
  b[p + 1] = v >>> 8
  b[p + 2] = v >>> 16
  b[p + 3] = v >>> 24
}

function put64(b: Uint8Array, p: number, v: number): void {
  put32(b, p, v >>> 0)
  put32(b, p + 4, Math.floor(v / 4294967296))
}

function s64(b: Uint8Array, p: number): number {
  return u32(b, p) + i32(b, p + 4) * 4294967296
}

export function decodeAttr(b: Uint8Array, p: number, into: Attr): Attr {
  into.kind = b[p]
  into.flags = b[p + 2] | (b[p + 3] << 8)
  into.mode = u32(b, p + 4)
  into.nlink = u32(b, p + 8)
  into.uid = u32(b, p + 12)
  into.gid = u32(b, p + 16)
  into.rdev = u32(b, p + 20)
  into.size = s64(b, p + 24)
  into.blocks = s64(b, p + 32)
  into.atimeS = s64(b, p + 40)
  into.atimeNs = u32(b, p + 48)
  into.mtimeS = s64(b, p + 52)
  into.mtimeNs = u32(b, p + 60)
  into.ctimeS = s64(b, p + 64)
  into.ctimeNs = u32(b, p + 72)
  into.btimeS = s64(b, p + 76)
  into.btimeNs = u32(b, p + 84)
  into.changed = s64(b, p + 88)
  into.parent = s64(b, p + 96)
  into.nameHigh = u32(b, p + 104)
  into.nameLow = u32(b, p + 108)
  return into
}

/** Writes the fixed fields at `p`; inline content, if any, follows at `p + ATTR_BYTES`. */
export function encodeAttr(a: Attr, b: Uint8Array, p: number): void {
  b[p] = a.kind
  b[p + 1] = 0
  b[p + 2] = a.flags
  b[p + 3] = a.flags >>> 8
  put32(b, p + 4, a.mode)
  put32(b, p + 8, a.nlink)
  put32(b, p + 12, a.uid)
  put32(b, p + 16, a.gid)
  put32(b, p + 20, a.rdev)
  put64(b, p + 24, a.size)
  put64(b, p + 32, a.blocks)
  put64(b, p + 40, a.atimeS)
  put32(b, p + 48, a.atimeNs)
  put64(b, p + 52, a.mtimeS)
  put32(b, p + 60, a.mtimeNs)
  put64(b, p + 64, a.ctimeS)
  put32(b, p + 72, a.ctimeNs)
  put64(b, p + 76, a.btimeS)
  put32(b, p + 84, a.btimeNs)
  put64(b, p + 88, a.changed)
  put64(b, p + 96, a.parent)
  put32(b, p + 104, a.nameHigh)
  put32(b, p + 108, a.nameLow)
}

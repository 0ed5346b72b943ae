import { type Attr, ContentKind } from './attr.js'
import { BLOCK_INDEX_BYTES, getIno, inodeKey, PREFIX_BYTES, putIno, putU32be, Tag } from './keys.js'
import { putSigned, putVarint, VarintReader } from './varint.js'

/**
 * Versions in the history tree (docs/format.md, "Versions"). States are kept by inode, `12 | inode | sequence | part`; what a name meant
 * before, by name, `18 | directory | name | 00 | sequence`. A sequence is the time at which it ended, in microseconds.
 */
export const SEQUENCE_BYTES = 7
/** Length of `12 | inode | sequence`: the key of a state's record, and the prefix of its parts. */
export const VERSION_KEY_BYTES = PREFIX_BYTES + SEQUENCE_BYTES
export const VERSION_BLOCK_KEY_BYTES = VERSION_KEY_BYTES + 1 + BLOCK_INDEX_BYTES

/** What stands behind the sequence. */
export const Part = { content: 0, xattr: 1, block: 2 } as const

/** Value of a block that was a hole; any other is an extent's value, `01` and the pointer. */
export const BLOCK_HOLE = 0

/** How a state ended. */
export const Ended = { modified: 0, replaced: 1, deleted: 2, renamed: 3, unlinked: 4 } as const
export type Ended = (typeof Ended)[keyof typeof Ended]

/** `12 | inode | sequence`. */
export function versionKey(K: Uint8Array, ino: number, sequence: number): number {
  inodeKey(K, Tag.version, ino)
  putIno(K, PREFIX_BYTES, sequence)
  return VERSION_KEY_BYTES
}

/** `12 | inode | sequence | 00`: small content that the record had no room for. */
export function versionContentKey(K: Uint8Array, ino: number, sequence: number): number {
  K[versionKey(K, ino, sequence)] = Part.content
  return VERSION_KEY_BYTES + 1
}

/** `12 | inode | sequence | 02 | block (5)`: a block that changed after this state. */
export function versionBlockKey(K: Uint8Array, ino: number, sequence: number, block: number): number {
  K[versionKey(K, ino, sequence)] = Part.block
  K[VERSION_KEY_BYTES + 1] = Math.floor(block / 4294967296)
  putU32be(K, VERSION_KEY_BYTES + 2, block >>> 0)
  return VERSION_BLOCK_KEY_BYTES
}

/** `12 | inode | sequence | 01 | name | 00 | chunk`: an extended attribute, from the suffix of its key in the tree. */
export function versionXattrKey(K: Uint8Array, ino: number, sequence: number, b: Uint8Array, at: number, length: number): number {
  let to = versionKey(K, ino, sequence)
  K[to++] = Part.xattr
  for (let i = 0; i < length; i++) K[to++] = b[at + i]
  return to
}

export function versionSequence(b: Uint8Array, at: number): number {
  return getIno(b, at + PREFIX_BYTES)
}

export function versionBlock(b: Uint8Array, at: number): number {
  const p = at + VERSION_KEY_BYTES + 1
  return b[p] * 4294967296 + (((b[p + 1] << 24) | (b[p + 2] << 16) | (b[p + 3] << 8) | b[p + 4]) >>> 0)
}

/** True for the key of a block of a version; its value is one byte 0 for a hole, else as an extent's: `01` and a pointer. */
export function isVersionBlock(b: Uint8Array, at: number, length: number): boolean {
  return length === VERSION_BLOCK_KEY_BYTES && b[at] === Tag.version && b[at + VERSION_KEY_BYTES] === Part.block
}

/** `18 | directory | name | 00`: what is known of all that was pruned of a name; and the prefix of what it meant. @param name one char per byte */
export function pastNameKey(K: Uint8Array, parent: number, name: string): number {
  inodeKey(K, Tag.pastName, parent)
  let at = PREFIX_BYTES
  for (let i = 0; i < name.length; i++) K[at++] = name.charCodeAt(i)
  K[at++] = 0
  return at
}

/** `1c | inode | sequence`: that the state which ended then was pruned, and counts in the lines of all its names. */
export function prunedStateKey(K: Uint8Array, ino: number, sequence: number): number {
  inodeKey(K, Tag.prunedState, ino)
  putIno(K, PREFIX_BYTES, sequence)
  return VERSION_KEY_BYTES
}

/** Adds the sequence to what `pastNameKey` returned. */
export function withSequence(K: Uint8Array, at: number, sequence: number): number {
  putIno(K, at, sequence)
  return at + SEQUENCE_BYTES
}

/** Where the name in a key of tag 18 ends. */
export function pastNameEnd(b: Uint8Array, at: number, length: number): number {
  const end = b.indexOf(0, at + PREFIX_BYTES)
  return end < 0 || end >= at + length ? at + length : end
}

/** Bits of the first byte: the end, the kind of content, and these. */
const ENDED_BITS = 7
const GAP = 8
const HOLES = 64
const DROPPED = 128
const Has = { ctime: 1, birth: 2, sparse: 4, rdev: 8, flags: 16, skipped: 32, actor: 64, apart: 128 } as const

/** A state of a file, as its record says; `attr` has kind, mode, owners, size, blocks, times, rdev and flags. */
export interface VersionRecord {
  ended: Ended
  /** Who ended it; empty: not known. */
  actor: string
  /** Versions of its lineage before it that were pruned. */
  skipped: number
  /** The state of this inode before it was pruned. */
  gap: boolean
  /** Blocks from here on that it has no part for are holes, because a pruned state behind it ended here; Infinity: none did. */
  holesFrom: number
  /** Its content stands in a record of its own. */
  apart: boolean
  /** Has its own time of birth; else it is that of the next version. */
  hasBirth: boolean
  /** Where inline and small content stands in the record, unless `apart`. */
  content: Uint8Array
}

/** Units of 512 bytes of a file without holes, as `fs/` counts them. */
function unitsOfWhole(kind: number, size: number): number {
  if (kind === ContentKind.none || size === 0) return 0
  if (kind !== ContentKind.blocks) return Math.ceil(size / 512)
  const whole = Math.floor((size - 1) / 65536)
  return whole * 128 + Math.ceil((size - whole * 65536) / 4096) * 8
}

/** Differences of times must stay safe integers. */
const MAX_SECONDS = 2 ** 50

function seconds(time: number): number {
  return Math.max(-MAX_SECONDS, Math.min(MAX_SECONDS, time))
}

/**
 * Writes a record without its content to `b`; content that is not `apart` follows. Returns its length.
 * What every file has comes first; the rest only where a bit says so. 25 bytes for most.
 */
export function encodeVersion(b: Uint8Array, a: Attr, record: Omit<VersionRecord, 'content'>, actorBytes: Uint8Array): number {
  const birth = record.hasBirth
  const sparse = a.blocks !== unitsOfWhole(a.kind, a.size)
  const ctime = a.ctimeS !== a.mtimeS || a.ctimeNs !== a.mtimeNs
  b[0] = record.ended | (a.kind << 4) | (record.gap ? GAP : 0) | (record.holesFrom < Number.POSITIVE_INFINITY ? HOLES : 0)
  b[1] =
    (ctime ? Has.ctime : 0) |
    (birth ? Has.birth : 0) |
    (sparse ? Has.sparse : 0) |
    (a.rdev !== 0 ? Has.rdev : 0) |
    (a.flags !== 0 ? Has.flags : 0) |
    (record.skipped > 0 ? Has.skipped : 0) |
    (actorBytes.length > 0 ? Has.actor : 0) |
    (record.apart ? Has.apart : 0)
  const mtimeS = seconds(a.mtimeS)
  let at = putVarint(b, 2, a.mode)
  at = putVarint(b, at, a.uid)
  at = putVarint(b, at, a.gid)
  at = putVarint(b, at, a.size)
  at = putSigned(b, at, mtimeS)
  at = putVarint(b, at, a.mtimeNs)
  if (ctime) at = putVarint(b, putSigned(b, at, seconds(a.ctimeS) - mtimeS), a.ctimeNs)
  if (birth) at = putVarint(b, putSigned(b, at, seconds(a.btimeS) - mtimeS), a.btimeNs)
  if (sparse) at = putVarint(b, at, a.blocks)
  if (a.rdev !== 0) at = putVarint(b, at, a.rdev)
  if (a.flags !== 0) at = putVarint(b, at, a.flags)
  if (record.skipped > 0) at = putVarint(b, at, record.skipped)
  if (record.holesFrom < Number.POSITIVE_INFINITY) at = putVarint(b, at, record.holesFrom)
  if (actorBytes.length > 0) {
    at = putVarint(b, at, actorBytes.length)
    b.set(actorBytes, at)
    at += actorBytes.length
  }
  return at
}

const reader = new VarintReader()

/** Decodes a record; `attr` gets what it says, one link, and atime as mtime. @throws RangeError when it is malformed */
export function decodeVersion(b: Uint8Array, at: number, length: number, attr: Attr): VersionRecord {
  const r = reader
  r.open(b, at, length)
  const first = r.byte()
  const has = r.byte()
  attr.kind = (first >> 4) & 3
  attr.nlink = 1
  attr.mode = r.number()
  attr.uid = r.number()
  attr.gid = r.number()
  attr.size = r.number()
  attr.mtimeS = attr.atimeS = r.signed()
  attr.mtimeNs = attr.atimeNs = r.number()
  attr.ctimeS = has & Has.ctime ? attr.mtimeS + r.signed() : attr.mtimeS
  attr.ctimeNs = has & Has.ctime ? r.number() : attr.mtimeNs
  attr.btimeS = has & Has.birth ? attr.mtimeS + r.signed() : attr.mtimeS
  attr.btimeNs = has & Has.birth ? r.number() : attr.mtimeNs
  attr.blocks = has & Has.sparse ? r.number() : unitsOfWhole(attr.kind, attr.size)
  attr.rdev = has & Has.rdev ? r.number() : 0
  attr.flags = has & Has.flags ? r.number() : 0
  const skipped = has & Has.skipped ? r.number() : 0
  const holesFrom = first & HOLES ? r.number() : Number.POSITIVE_INFINITY
  const actor = has & Has.actor ? Buffer.from(r.bytes(r.number())).toString('utf8') : ''
  const ended = (first & ENDED_BITS) as Ended
  if (ended > Ended.unlinked) throw new RangeError(`a version ended in an unknown way ${ended}`)
  return {
    ended,
    actor,
    skipped,
    gap: (first & GAP) !== 0,
    holesFrom,
    apart: (has & Has.apart) !== 0,
    hasBirth: (has & Has.birth) !== 0,
    content: r.bytes(r.rest),
  }
}

/** The end of what a name meant. */
export interface PastName {
  ended: Ended
  ino: number
  isDirectory: boolean
  skipped: number
  /** Pruned, with what the name meant: it only counts, and says that states of the next inode before it belong to another name. */
  dropped: boolean
  actor: string
  /** For `renamed`: where to, one char per byte. */
  to?: { parent: number; name: string } | undefined
}

/** The longest actor of a past name: its length is one byte then. */
const ACTOR_BYTES = 127
const Name = { directory: 16, skipped: 32, actor: 64 } as const

export function encodePastName(past: PastName): Buffer {
  const b = Buffer.alloc(1 + 3 * 8 + 1 + ACTOR_BYTES + (past.to?.name.length ?? 0))
  return b.subarray(0, putPastName(b, past))
}

/** Writes it to `b`; returns its length. */
export function putPastName(b: Buffer, past: PastName): number {
  const hasActor = past.actor.length > 0
  b[0] =
    past.ended | (past.dropped ? DROPPED : 0) | (past.isDirectory ? Name.directory : 0) | (past.skipped > 0 ? Name.skipped : 0) | (hasActor ? Name.actor : 0)
  let at = putVarint(b, 1, past.ino)
  if (past.skipped > 0) at = putVarint(b, at, past.skipped)
  if (hasActor) {
    // So short that its length is one byte.
    const length = b.write(past.actor, at + 1, ACTOR_BYTES, 'utf8')
    at = putVarint(b, at, length) + length
  }
  if (past.to !== undefined) {
    at = putVarint(b, at, past.to.parent)
    at += b.write(past.to.name, at, 'latin1')
  }
  return at
}

/** @throws RangeError when it is malformed */
export function decodePastName(b: Uint8Array, at: number, length: number): PastName {
  const r = reader
  r.open(b, at, length)
  const first = r.byte()
  const ended = (first & ENDED_BITS) as Ended
  if (ended > Ended.unlinked) throw new RangeError(`a name ended in an unknown way ${ended}`)
  const past: PastName = { ended, ino: r.number(), isDirectory: (first & Name.directory) !== 0, skipped: 0, dropped: (first & DROPPED) !== 0, actor: '' }
  if (first & Name.skipped) past.skipped = r.number()
  if (first & Name.actor) past.actor = Buffer.from(r.bytes(r.number())).toString('utf8')
  if (ended === Ended.renamed) past.to = { parent: r.number(), name: Buffer.from(r.bytes(r.rest)).toString('latin1') }
  return past
}

/** How many versions at the start of a name's lineage were pruned, or up to a pruned state. */
export function encodePrunedName(skipped: number): Buffer {
  const b = Buffer.alloc(8)
  return b.subarray(0, putVarint(b, 0, skipped))
}

/** @throws RangeError when it is malformed */
export function decodePrunedName(b: Uint8Array, at: number, length: number): number {
  reader.open(b, at, length)
  return reader.number()
}

/** `19 | name`: settings and counters of the volume, JSON. */
export function settingKey(K: Uint8Array, name: string): number {
  K[0] = Tag.setting
  for (let i = 0; i < name.length; i++) K[1 + i] = name.charCodeAt(i)
  return 1 + name.length
}

/** The longest that a record is without content and actor, plus an actor. */
export const VERSION_HEAD_BYTES = 2 + 14 * 8 + 2 + 255

import { getU32be, INO_BYTES, putIno, putU32be, Tag } from './keys.js'

/** A view that a mount gave a number to, in the history tree: `13 | mount (8) | view (2)` → JSON (docs/format.md, "Views"). */
export interface ViewRecord {
  /** How it was reached: `checkpoints/NAME` or `at/REF`. */
  name: string
  /** Id of the commit that it shows. */
  commit: string
  /** Pointer of the commit's root in hex, where it was known: another one is another tree, from which something was purged. */
  root?: string
}

const MOUNT_AT = 1
const VIEW_AT = 9
export const VIEW_KEY_BYTES = 11

/** @param mount id of a mount, a safe integer */
export function viewKey(K: Uint8Array, mount: number, view: number): number {
  K[0] = Tag.session
  putU32be(K, MOUNT_AT, Math.floor(mount / 4294967296))
  putU32be(K, MOUNT_AT + 4, mount >>> 0)
  K[VIEW_AT] = view >>> 8
  K[VIEW_AT + 1] = view
  return VIEW_KEY_BYTES
}

/** Of the key at `at`: the mount. */
export function mountOfViewKey(K: Uint8Array, at: number): number {
  return getU32be(K, at + MOUNT_AT) * 4294967296 + getU32be(K, at + MOUNT_AT + 4)
}

/** Of the key at `at`: the number of the view. */
export function viewOfKey(K: Uint8Array, at: number): number {
  return (K[at + VIEW_AT] << 8) | K[at + VIEW_AT + 1]
}

/** What `.cairn/versions` was asked for: `13 | mount (8) | view (2) | inode (7)` → JSON. */
export interface VersionNodeRecord {
  /** The inode there of the directory that it was looked up in, and its name, one char per byte. */
  parent: number
  name: string
  /** A version; without: the folder of a path. */
  version?: { number: number; sequence: number }
}

export function versionNodeKey(K: Uint8Array, mount: number, view: number, ino: number): number {
  const at = viewKey(K, mount, view)
  putIno(K, at, ino)
  return at + INO_BYTES
}

export function encodeViewRecord(record: ViewRecord | VersionNodeRecord): Buffer {
  return Buffer.from(JSON.stringify(record), 'utf8')
}

export function decodeViewRecord<T = ViewRecord>(b: Uint8Array, at: number, length: number): T {
  return JSON.parse(Buffer.from(b.buffer, b.byteOffset + at, length).toString('utf8')) as T
}

import { getU32be, Tag } from './keys.js'

/** Commit ids: 48 bits of milliseconds, 80 random bits; 26 characters of Crockford's base 32, so that text order is time order. */
export const COMMIT_ID_BYTES = 16
const COMMIT_ID_TEXT = 26
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

export function commitIdText(id: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 2
  // 128 bits in 26 characters of 5: the first carries 3 bits only.
  for (const byte of id) {
    bits = (bits << 8) | byte
    held += 8
    while (held >= 5) {
      held -= 5
      text += alphabet[(bits >>> held) & 31]
      bits &= (1 << held) - 1
    }
  }
  return text
}

/** The first id whose text begins with `prefix`, or the last; undefined when none can. */
export function commitIdBound(prefix: string, last: boolean): Buffer | undefined {
  if (prefix === '' || prefix.length > COMMIT_ID_TEXT) return undefined
  const id = Buffer.alloc(COMMIT_ID_BYTES)
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < COMMIT_ID_TEXT; i++) {
    const value = i < prefix.length ? alphabet.indexOf(prefix[i]) : last ? (i === 0 ? 7 : 31) : 0
    if (value < 0 || (i === 0 && value > 7)) return undefined
    bits = (bits << 5) | value
    held += i === 0 ? 3 : 5
    if (held < 8) continue
    held -= 8
    id[at++] = bits >>> held
    bits &= (1 << held) - 1
  }
  return id
}

/** Milliseconds since the epoch at which an id was made. */
export function commitIdTime(id: Uint8Array, at = 0): number {
  return ((id[at] << 8) | id[at + 1]) * 4294967296 + getU32be(id, at + 2)
}

/** @param random at least 10 bytes */
export function makeCommitId(timeMs: number, random: Uint8Array): Buffer {
  const id = Buffer.alloc(COMMIT_ID_BYTES)
  id.writeUIntBE(Math.floor(timeMs), 0, 6)
  id.set(random.subarray(0, 10), 6)
  return id
}

/** The record of a commit in the history tree, as JSON (docs/format.md, "History"). */
export interface CommitRecord {
  kind: string
  /** Pointer of the tree's root, in hex. */
  root: string
  parents: string[]
  name?: string
  message?: string
  actor?: string
  /** Id of the run that made the changes; always there where the kind is `exec`. */
  exec?: string
  timeMs: number
  inodes: number
  bytes: number
  /** Next inode number at that time, so that a fork knows nothing above it is in use. */
  nextIno: number
}

export function commitKey(K: Uint8Array, id: Uint8Array): number {
  K[0] = Tag.commit
  K.set(id, 1)
  return 1 + COMMIT_ID_BYTES
}

/** `11 | name` → commit id. */
export function checkpointKey(K: Uint8Array, name: string): number {
  K[0] = Tag.checkpoint
  const bytes = Buffer.from(name, 'utf8')
  K.set(bytes, 1)
  return 1 + bytes.length
}

export function encodeCommit(record: CommitRecord): Buffer {
  return Buffer.from(JSON.stringify(record), 'utf8')
}

export function decodeCommit(b: Uint8Array, at: number, length: number): CommitRecord {
  return JSON.parse(Buffer.from(b.buffer, b.byteOffset + at, length).toString('utf8')) as CommitRecord
}

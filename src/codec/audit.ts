import { createHash } from 'node:crypto'
import { INO_BYTES, putIno, Tag } from './keys.js'

/** An entry of the audit log, `14 | sequence (7) | piece (2)` in the history tree (docs/format.md, "Audit entries"). */
export interface AuditEntry {
  /** Of the entry before, by `auditHash`; zeros in the first. */
  previous: Uint8Array
  /** SHA-256 of the payload, which stays when the payload is redacted. */
  payloadHash: Uint8Array
  timeMs: number
  /** JSON; undefined when it was redacted. It has a random `salt`, so that its hash does not tell what was redacted. */
  payload?: Uint8Array
}

export const AUDIT_HEAD_BYTES = 80
export const AUDIT_SALT_BYTES = 16
const VERSION = 1
const REDACTED = 1
const HASH_BYTES = 32
const PREVIOUS_AT = 8
const PAYLOAD_HASH_AT = PREVIOUS_AT + HASH_BYTES
const TIME_AT = PAYLOAD_HASH_AT + HASH_BYTES

/** @param sequence 1 for the first entry, and one more for each */
export function auditKey(K: Uint8Array, sequence: number, piece: number): number {
  K[0] = Tag.audit
  putIno(K, 1, sequence)
  K[1 + INO_BYTES] = piece >>> 8
  K[2 + INO_BYTES] = piece
  return 3 + INO_BYTES
}

/** What is kept of the chain as a whole stands behind its last entry. */
export function auditStateKey(K: Uint8Array): number {
  return auditKey(K, Number.MAX_SAFE_INTEGER, 0)
}

/** The entry in one piece; a value of the tree takes up to 2048 bytes of it. */
export function encodeAudit({ previous, payloadHash, timeMs, payload }: AuditEntry): Buffer {
  const bytes = Buffer.alloc(AUDIT_HEAD_BYTES + (payload?.length ?? 0))
  bytes[0] = VERSION
  bytes[1] = payload === undefined ? REDACTED : 0
  bytes.set(previous, PREVIOUS_AT)
  bytes.set(payloadHash, PAYLOAD_HASH_AT)
  bytes.writeDoubleLE(timeMs, TIME_AT)
  if (payload !== undefined) bytes.set(payload, AUDIT_HEAD_BYTES)
  return bytes
}

/** Of all pieces together; undefined when they are no entry of this version, or the payload is not the one that its hash names. */
export function decodeAudit(bytes: Uint8Array): AuditEntry | undefined {
  if (bytes.length < AUDIT_HEAD_BYTES || bytes[0] !== VERSION || bytes[1] > REDACTED) return undefined
  // What is not in an entry as it is read would not be in its hash.
  for (let at = 2; at < PREVIOUS_AT; at++) if (bytes[at] !== 0) return undefined
  const head = Buffer.from(bytes.subarray(0, AUDIT_HEAD_BYTES))
  const entry: AuditEntry = {
    previous: head.subarray(PREVIOUS_AT, PAYLOAD_HASH_AT),
    payloadHash: head.subarray(PAYLOAD_HASH_AT, TIME_AT),
    timeMs: head.readDoubleLE(TIME_AT),
  }
  if (!Number.isFinite(entry.timeMs)) return undefined
  if (bytes[1] === REDACTED) return bytes.length === AUDIT_HEAD_BYTES ? entry : undefined
  const payload = Buffer.from(bytes.subarray(AUDIT_HEAD_BYTES))
  return auditPayloadHash(payload).equals(entry.payloadHash) ? { ...entry, payload } : undefined
}

export function auditPayloadHash(payload: Uint8Array): Buffer {
  return createHash('sha256').update(payload).digest()
}

/** What the next entry names as `previous`, and what a tip is: it does not change when the payload is redacted. */
export function auditHash(entry: AuditEntry): Buffer {
  const head = encodeAudit(entry).subarray(0, AUDIT_HEAD_BYTES)
  head[1] = 0
  return createHash('sha256').update(head).digest()
}

import { type AuditEntry, auditKey, decodeAudit, getIno, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../../codec/index.js'
import { limits } from '../../sys/index.js'
import type { Tree } from '../../tree/tree.js'
import type { HistoryItem } from '../incarnations.js'

const K = Buffer.alloc(MAX_KEY_BYTES)

/** The records of an entry. */
export function entryItems(sequence: number, bytes: Buffer): HistoryItem[] {
  const items: HistoryItem[] = []
  for (let piece = 0; piece * limits.valueBytes < bytes.length || piece === 0; piece++) {
    const key = Buffer.from(K.subarray(0, auditKey(K, sequence, piece)))
    items.push({ key, value: bytes.subarray(piece * limits.valueBytes, (piece + 1) * limits.valueBytes) })
  }
  return items
}

/** The bytes of an entry as they are stored; empty when there is none. */
export function entryBytes(history: Tree, sequence: number): Buffer {
  const cursor = history.cursor()
  const pieces: Buffer[] = []
  for (let more = cursor.seek(K, inodeKey(K, Tag.audit, sequence)); more; more = cursor.next()) {
    const { buf, kp, kl, vp, vl } = cursor
    if (buf[kp] !== Tag.audit || getIno(buf, kp + 1) !== sequence) break
    // Its pieces are numbered from 0 on.
    if (kl !== PREFIX_BYTES + 2 || ((buf[kp + PREFIX_BYTES] << 8) | buf[kp + PREFIX_BYTES + 1]) !== pieces.length) return Buffer.alloc(0)
    pieces.push(Buffer.from(buf.subarray(vp, vp + vl)))
  }
  return Buffer.concat(pieces)
}

/** Undefined when there is none, or it is damaged. */
export function entryAt(history: Tree, sequence: number): AuditEntry | undefined {
  return decodeAudit(entryBytes(history, sequence))
}

/** Keys of the records of an entry. */
export function entryKeys(history: Tree, sequence: number): Buffer[] {
  const keys: Buffer[] = []
  const cursor = history.cursor()
  for (let more = cursor.seek(K, inodeKey(K, Tag.audit, sequence)); more; more = cursor.next()) {
    if (cursor.buf[cursor.kp] !== Tag.audit || getIno(cursor.buf, cursor.kp + 1) !== sequence) break
    keys.push(Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)))
  }
  return keys
}

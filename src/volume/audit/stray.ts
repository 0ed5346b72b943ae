import { auditStateKey, getIno, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import { type AuditState, firstKept } from './state.js'

const K = Buffer.alloc(MAX_KEY_BYTES)
const KEY_BYTES = PREFIX_BYTES + 2

/** What is in the region of the chain before its first entry, or behind its last: nothing should be but the state. */
export function strayRecords(history: BTree, state: AuditState | undefined): string[] {
  const stateKey = Buffer.from(K.subarray(0, auditStateKey(K)))
  const found: string[] = []
  const cursor = history.cursor()
  const lowest = Buffer.from([Tag.audit])
  if (cursor.seek(lowest, 1) && cursor.buf[cursor.kp] === Tag.audit) {
    const isEntry = cursor.kl === KEY_BYTES && getIno(cursor.buf, cursor.kp + 1) >= (state === undefined ? Number.POSITIVE_INFINITY : firstKept(state))
    if (!isEntry && !isKey(cursor, stateKey)) found.push('there are records before the first entry')
  }
  const behind = Buffer.from([Tag.audit + 1])
  if (cursor.seekBefore(behind, 1) && cursor.buf[cursor.kp] === Tag.audit) {
    if (!isKey(cursor, stateKey)) found.push('there are records behind the state of the chain')
    else if (cursor.previous() && cursor.buf[cursor.kp] === Tag.audit && getIno(cursor.buf, cursor.kp + 1) > (state?.sequence ?? 0))
      found.push('there are entries behind the last one that the state of the chain names')
  }
  return found
}

function isKey({ buf, kp, kl }: { buf: Uint8Array; kp: number; kl: number }, key: Buffer): boolean {
  return key.equals(buf.subarray(kp, kp + kl))
}

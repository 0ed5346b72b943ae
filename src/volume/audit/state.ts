import { auditStateKey, MAX_KEY_BYTES } from '../../codec/index.js'
import { CorruptError } from '../../errors.js'
import type { Tree } from '../../tree/tree.js'
import type { AuditSignature } from './sign.js'

/** An entry, by its place and its hash: everything before it follows from that. */
export interface AuditTip {
  sequence: number
  /** Hex. */
  hash: string
}

/** What is known of the chain as a whole; beside it only entries are kept. */
export interface AuditState extends AuditTip {
  /** Id of the volume whose chain it is: a fork that has its own begins with an entry that says so. */
  volume: string
  /** Sequence of that entry. */
  begun: number
  /** Of the last entry. */
  timeMs: number
  /** The last entry that was dropped, signed where there was a key. */
  dropped?: AuditTip & { by?: AuditSignature & { volume: string } }
  /** The newest tip that was signed, and the volume whose chain it was then. */
  signed?: AuditTip & AuditSignature & { volume: string }
}

const K = Buffer.alloc(MAX_KEY_BYTES)

/** Undefined when nothing was recorded yet. @throws CorruptError */
export function readAuditState(history: Tree): AuditState | undefined {
  if (!history.get(K, auditStateKey(K))) return undefined
  const { vb, vp, vl } = history
  return decodeAuditState(vb.subarray(vp, vp + vl))
}

export function decodeAuditState(value: Uint8Array): AuditState {
  try {
    const state = JSON.parse(Buffer.from(value).toString('utf8')) as AuditState
    if (Number.isSafeInteger(state.sequence) && typeof state.hash === 'string') return state
  } catch {
    // As below.
  }
  throw new CorruptError('the state of the audit chain', 'it is no JSON of the right form')
}

export function auditStateItem(state: AuditState): { key: Buffer; value: Buffer } {
  return { key: Buffer.from(K.subarray(0, auditStateKey(K))), value: Buffer.from(JSON.stringify(state)) }
}

export function firstKept(state: AuditState): number {
  return (state.dropped?.sequence ?? 0) + 1
}

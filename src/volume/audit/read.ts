import { auditHash } from '../../codec/index.js'
import type { BTree } from '../../tree/index.js'
import { entryAt } from './entries.js'
import { type AuditEvent, eventIn } from './event.js'
import { firstKept, readAuditState } from './state.js'

/** An entry as it is read. JSON-safe. */
export interface AuditRecord extends Omit<AuditEvent, 'kind'> {
  sequence: number
  /** Hex: what the next entry names. */
  hash: string
  timeMs: number
  /** `redacted` when a purge took out what it said, `damaged` when it does not verify. */
  kind: string
}

export interface AuditFilter {
  /** Only entries before this one; default all. */
  before?: number
  /** Only entries after this one. */
  after?: number
  /** Not older than this. */
  sinceMs?: number
  actor?: string
  exec?: string
  kinds?: readonly string[]
  /** Most entries to return; default all. */
  limit?: number
  oldestFirst?: boolean
}

/** Entries in one page: those that fit, and where to go on; without `next` there are no more. */
export interface AuditPage {
  entries: AuditRecord[]
  next?: number
}

/** Looked at for one page. */
const LOOKED_AT = 512

/** Newest first unless told otherwise. Costs what is looked at, a bounded number for each page. */
export function readAudit(history: BTree, filter: AuditFilter = {}): AuditPage {
  const state = readAuditState(history)
  const page: AuditPage = { entries: [] }
  if (state === undefined) return page
  const first = Math.max(firstKept(state), (filter.after ?? 0) + 1)
  const last = Math.min(state.sequence, (filter.before ?? Number.MAX_SAFE_INTEGER) - 1)
  const step = filter.oldestFirst === true ? 1 : -1
  let looked = 0
  for (let at = step > 0 ? first : last; at >= first && at <= last; at += step) {
    if (looked++ === LOOKED_AT) return { ...page, next: at }
    const record = recordAt(history, at)
    const isOld = filter.sinceMs !== undefined && record.timeMs < filter.sinceMs && record.kind !== 'damaged'
    if (isOld && step < 0) break
    if (isOld || !fits(record, filter)) continue
    page.entries.push(record)
    if (page.entries.length === filter.limit) break
  }
  return page
}

export function recordAt(history: BTree, sequence: number): AuditRecord {
  const entry = entryAt(history, sequence)
  if (entry === undefined) return { sequence, hash: '', timeMs: 0, kind: 'damaged' }
  const event = entry.payload === undefined ? { kind: 'redacted' } : (eventIn(entry.payload) ?? { kind: 'damaged' })
  return { sequence, hash: auditHash(entry).toString('hex'), timeMs: entry.timeMs, ...event }
}

function fits(record: AuditRecord, { actor, exec, kinds }: AuditFilter): boolean {
  return (actor === undefined || record.actor === actor) && (exec === undefined || record.exec === exec) && (kinds === undefined || kinds.includes(record.kind))
}

import type { Change } from '../api.js'
import type { AuditCounts, AuditEvent } from './event.js'

/** Paths that an entry names. */
const PATHS = 32

/** What an entry says of what changed. */
export function changedIn(changes: readonly Change[]): Required<Pick<AuditEvent, 'changes' | 'paths' | 'bytes'>> {
  return {
    changes: countsOf(changes),
    paths: changes.slice(0, PATHS).map(({ path }) => path),
    bytes: changes.reduce((sum, { kind, sizeAfter = 0 }) => sum + (kind === 'created' || kind === 'modified' ? sizeAfter : 0), 0),
  }
}

function countsOf(changes: readonly Change[]): AuditCounts {
  const counts: AuditCounts = {}
  for (const { kind } of changes) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

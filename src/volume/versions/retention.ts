import type { Keep } from './settings.js'

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
export const MONTH_MS = 30 * DAY_MS

/** Which versions to drop. */
export interface PruneRule {
  /** What a volume's retention says. */
  retention?: Keep
  /** Else: those behind the newest so many … */
  keep?: number
  /** … and those that ended longer ago than this; with both, what both say. */
  olderThanMs?: number
}

/** What is kept or dropped: a version, or a commit. */
export interface Dated {
  /** Microseconds: of the moment it ended, or was made. */
  sequence: number
  /** There is nothing in it any more. */
  isLost: boolean
}

/** Those of a line, the oldest first and none of them current, that the rule drops. */
export function dropped<T extends Dated>(entries: readonly T[], rule: PruneRule, nowMs: number): Set<T> {
  const { retention } = rule
  if (retention === undefined) return byCountAndAge(entries, rule, nowMs)
  switch (retention.keep) {
    case 'all':
      return new Set(entries.filter(entry => entry.isLost))
    case 'count':
      return byCountAndAge(entries, { keep: retention.count }, nowMs)
    case 'age':
      return byCountAndAge(entries, { olderThanMs: retention.ageMs }, nowMs)
    case 'thin':
      return thinned(entries, nowMs)
  }
}

function byCountAndAge<T extends Dated>(entries: readonly T[], { keep, olderThanMs }: PruneRule, nowMs: number): Set<T> {
  const newest = keep === undefined ? entries.length : entries.length - keep
  const oldMs = olderThanMs === undefined ? Number.POSITIVE_INFINITY : nowMs - olderThanMs
  return new Set(entries.filter((entry, i) => i < newest && entry.sequence / 1000 < oldMs))
}

/** All of the last hour, the last of each hour for a day, the last of each day for a month. */
function thinned<T extends Dated>(entries: readonly T[], nowMs: number): Set<T> {
  const gone = new Set<T>()
  let next: string | undefined
  for (const entry of entries.toReversed()) {
    const slot = slotOf(entry, nowMs)
    if (slot === undefined || (slot !== '' && slot === next)) gone.add(entry)
    else next = slot
  }
  return gone
}

/** Versions of one slot stand for each other; `''`: for themselves only; undefined: too old. */
function slotOf(entry: Dated, nowMs: number): string | undefined {
  const endedMs = entry.sequence / 1000
  const ageMs = nowMs - endedMs
  if (ageMs <= HOUR_MS) return ''
  if (ageMs <= DAY_MS) return `h${Math.floor(endedMs / HOUR_MS)}`
  return ageMs <= MONTH_MS ? `d${Math.floor(endedMs / DAY_MS)}` : undefined
}

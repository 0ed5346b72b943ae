import type { LocalStore } from '../../store/contract.js'
import { GC_RECORD_KEY } from '../../store/gc-record.js'
import { decodeSmall } from '../../store/small-object.js'
import { type Clock, limits } from '../../sys/index.js'
import { GC_REPORT_FORMAT, GC_REPORT_KEY } from './collect.js'
import { listPacks } from './plan.js'
import type { GcReport } from './report.js'

/** What the last collection found; undefined when there was none, or its report does not read. */
export function lastReport(store: LocalStore): GcReport | undefined {
  const found = store.getSync(GC_REPORT_KEY)
  return found && decodeReport(found.bytes)
}

/** Undefined when it does not read. */
export function decodeReport(bytes: Uint8Array): GcReport | undefined {
  try {
    return decodeSmall(bytes, GC_REPORT_KEY, GC_REPORT_FORMAT) as unknown as GcReport
  } catch {
    // Nothing depends on it; the next collection writes another.
    return undefined
  }
}

/** Whether so much has been written, or so long has passed, since the last collection that another is likely to pay. Cost: a listing */
export function isWorthCollecting(store: LocalStore, clock: Clock): boolean {
  const last = lastReport(store)
  const bytes = listPacks(store).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (last === undefined) return bytes >= limits.gcGrowthBytes
  const growth = bytes - last.keptBytes
  if (growth >= Math.max(limits.gcGrowthBytes, last.keptBytes * limits.gcGrowthPart)) return true
  return growth !== 0 && clock.now() - last.atMs >= limits.gcEveryMs
}

/** Whether some host has collected the store, or begun to, so lately that another look would only cost. By the clock of the store, or of that host. */
export function wasCollectedLately(store: LocalStore, clock: Clock): boolean {
  const since = clock.now() - limits.gcElsewhereMs / 2
  const last = lastReport(store)
  return (last !== undefined && last.atMs >= since) || (store.headSync(GC_RECORD_KEY)?.modifiedMs ?? 0) >= since
}

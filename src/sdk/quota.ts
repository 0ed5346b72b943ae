import { CairnError } from '../errors.js'
import type { StatsReport } from '../history/gc/report.js'
import type { QuotaReport as CountedReport } from '../server/quota-methods.js'
import type { Host } from './host.js'
import { stepped } from './steps.js'

/** What a volume holds now, and what it may hold. */
export interface QuotaReport extends Omit<CountedReport, 'historyLimit'> {
  /** Of a volume whose history has a limit. */
  history?: HistoryReport
}

export interface HistoryReport {
  limit: number
  /** What versions of files hold, counted now. */
  used: number
  /** What checkpoints pin beside, as of the last collection, the largest first: it goes when they are deleted. Absent when nothing was collected yet. */
  pinned?: { bytes: number; atMs: number; checkpoints: Array<{ name: string; bytes: number }> }
  /** By how much it is more than the limit; versions go in the background, what is pinned stays. */
  exceededBy?: number
}

/** Adds what the history holds, where that is limited. */
export async function withHistory(host: Host, name: string, { historyLimit: limit, ...report }: CountedReport): Promise<QuotaReport> {
  if (limit === undefined) return report
  const used = await stepped<number>(host, 'beginHistoryUse', name)
  const pinned = await pinnedBy(host, name)
  const over = used + (pinned?.bytes ?? 0) - limit
  return { ...report, history: { limit, used, ...(pinned === undefined ? {} : { pinned }), ...(over > 0 ? { exceededBy: over } : {}) } }
}

async function pinnedBy(host: Host, name: string): Promise<HistoryReport['pinned']> {
  try {
    const { atMs, volumes } = (await host.call('stats', name)) as StatsReport
    const checkpoints = (volumes[0]?.checkpoints ?? []).filter(({ bytes }) => bytes > 0).map(({ name: checkpoint, bytes }) => ({ name: checkpoint, bytes }))
    if (atMs === undefined) return undefined
    const bytes = checkpoints.reduce((sum, one) => sum + one.bytes, 0)
    return { bytes, atMs, checkpoints: checkpoints.sort((a, b) => b.bytes - a.bytes) }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_STATS_UNKNOWN') return undefined
    throw error
  }
}

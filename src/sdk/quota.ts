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
  /** The same of commits without a name, where it is anything: of files that have no versions, or are not closed for long. It goes by retention. */
  commits?: { bytes: number; count: number; atMs: number }
  /** By how much it is more than the limit; versions go in the background, what is pinned stays. As of the last collection where that found more. */
  exceededBy?: number
}

/** Adds what the history holds, where that is limited. */
export async function withHistory(host: Host, name: string, { historyLimit: limit, ...report }: CountedReport): Promise<QuotaReport> {
  if (limit === undefined) return report
  const used = await stepped<number>(host, 'beginHistoryUse', name)
  const held = await heldBeside(host, name)
  const pinned = held?.pinned.bytes ?? 0
  // A block that a version and a commit hold is one of both; only a collection tells them apart.
  const over = pinned + Math.max(used, held?.collected ?? 0) - limit
  const beside = held === undefined ? {} : { pinned: held.pinned, ...(held.commits.bytes === 0 ? {} : { commits: held.commits }) }
  return { ...report, history: { limit, used, ...beside, ...(over > 0 ? { exceededBy: over } : {}) } }
}

type Held = Required<Pick<HistoryReport, 'pinned' | 'commits'>> & { collected: number }

/** What the last collection found beside what is counted now. */
async function heldBeside(host: Host, name: string): Promise<Held | undefined> {
  try {
    const { atMs, volumes } = (await host.call('stats', name)) as StatsReport
    const [usage] = volumes
    if (atMs === undefined || usage === undefined) return undefined
    const checkpoints = usage.checkpoints.filter(({ bytes }) => bytes > 0).map(({ name: checkpoint, bytes }) => ({ name: checkpoint, bytes }))
    const bytes = checkpoints.reduce((sum, one) => sum + one.bytes, 0)
    const pinned = { bytes, atMs, checkpoints: checkpoints.sort((a, b) => b.bytes - a.bytes) }
    return { pinned, commits: { ...usage.commits, atMs }, collected: usage.commits.bytes + usage.versions.bytes }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_STATS_UNKNOWN') return undefined
    throw error
  }
}

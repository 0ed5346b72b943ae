import { CairnError } from '../../errors.js'
import type { Pool } from '../../volume/pool.js'
import type { HeldByCommits } from '../../volume/versions/versions.js'
import type { GcReport, StatsReport } from './report.js'
import { lastReport } from './worth.js'

/**
 * What the volumes of a store hold, as of the last collection; names are those of now.
 * @param name of one volume; default: all
 * @throws CairnError ERR_VOLUME_UNKNOWN
 */
export function statsOf(pool: Pool, name?: string): StatsReport {
  const wanted = name === undefined ? undefined : pool.info(name).id
  const names = new Map(pool.volumes().map(volume => [volume.id, volume.name]))
  const last = lastReport(pool.context.store)
  if (last === undefined) return { store: pool.context.storeName, liveBytes: 0, shared: { liveBytes: 0, historyBytes: 0 }, volumes: [] }
  const volumes = last.volumes.filter(({ id, deletedMs }) => (wanted === undefined ? names.has(id) || deletedMs !== undefined : id === wanted))
  if (wanted !== undefined && volumes.length === 0)
    throw new CairnError('ERR_STATS_UNKNOWN', `The volume ${name} is newer than the last collection.`, 'Collect with `cairn gc`, and ask again.')
  return {
    store: last.store,
    atMs: last.atMs,
    liveBytes: last.liveBytes,
    shared: last.shared,
    volumes: volumes.map(volume => ({ ...volume, name: names.get(volume.id) ?? volume.name })),
  }
}

/** What versions and commits without a name of a volume held at the last collection; undefined of a volume that is newer. */
export function heldByCommits(last: GcReport | undefined, id: string): HeldByCommits | undefined {
  const usage = last?.volumes.find(volume => volume.id === id)
  if (last === undefined || usage === undefined) return undefined
  return { atMs: last.atMs, versionBytes: usage.versions.bytes, ...usage.commits }
}

import { CairnError } from '../errors.js'
import type { GcReport } from '../history/gc/report.js'
import type { Holder } from '../history/purge/holders.js'
import type { PurgeReport } from '../history/purge/purge.js'
import type { VolumeInfo } from '../volume/api.js'
import type { Host } from './host.js'
import { runJobOn } from './jobs.js'

export interface PurgeOptions {
  /** A directory, with all that was ever in it. */
  recursive?: boolean
  /** The same path of all forks and of what this was forked from, too. */
  allForks?: boolean
  actor?: string
  /** Called between steps. */
  onProgress?: () => void
}

export interface PurgeResult extends PurgeReport {
  volume: string
  /** The same of other volumes, with `allForks`. */
  forks: Array<PurgeReport & { volume: string }>
  /** Volumes that still hold files of it. */
  heldBy: Holder[]
  /** What the collection freed in the store, and the packs that it had to leave. */
  collected: { freedBytes: number; waiting: number; problem?: string }
  /** Where bytes of it may remain, as sentences. */
  remains: string[]
}

/** See `Cairn.purge`. */
export async function purgeVolume(host: Host, home: string, name: string, path: string, options: PurgeOptions): Promise<PurgeResult> {
  const report = await purgeOne(host, name, path, options)
  const { id } = (await host.call('info', name)) as VolumeInfo
  const holders = async (): Promise<Holder[]> => (await host.call('holders', name, id, report.inodes, report.path)) as Holder[]
  const forks: PurgeResult['forks'] = []
  let heldBy = await holders()
  if (options.allForks === true) {
    for (const fork of heldBy) {
      const purged = fork.deleted === true ? undefined : await ifKnown(purgeOne(host, fork.volume, path, options))
      if (purged !== undefined) forks.push({ ...purged, volume: fork.volume })
    }
    heldBy = await holders()
  }
  const collected = await collection(host, home, name, id, options)
  return { ...report, volume: name, forks, heldBy, collected, remains: remains(report, heldBy, collected) }
}

/** Beside whoever uses the store. A failure is no failure of the purge: any later collection does the same. */
async function collection(host: Host, home: string, name: string, id: string, { onProgress }: PurgeOptions): Promise<PurgeResult['collected']> {
  try {
    const report = (await runJobOn(host, home, 'gc', {
      name,
      thorough: id,
      ...(onProgress === undefined ? {} : { onProgress: () => onProgress() }),
    })) as GcReport
    return { freedBytes: report.freedBytes, waiting: report.packs.waiting + report.problems.length }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    return { freedBytes: 0, waiting: 0, problem: error.message }
  }
}

async function purgeOne(host: Host, name: string, path: string, { recursive, actor, onProgress }: PurgeOptions): Promise<PurgeReport> {
  const target = (await host.call('beginPurge', name, path, {
    ...(recursive === undefined ? {} : { recursive }),
    ...(actor === undefined ? {} : { actor }),
  })) as number
  try {
    for (;;) {
      const { done, result } = (await host.call('step', target)) as { done: boolean; result?: PurgeReport }
      if (done && result !== undefined) return result
      onProgress?.()
    }
  } finally {
    await host.call('close', target)
  }
}

/** A fork may have it under another path only. */
async function ifKnown<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof CairnError && error.code === 'ERR_PATH_UNKNOWN') return undefined
    throw error
  }
}

function named(volumes: readonly string[], what: string): string {
  return volumes.length === 1 ? `The ${what} ${volumes[0]} shares` : `The ${what}s ${volumes.join(', ')} share`
}

function remains(report: PurgeReport, heldBy: readonly Holder[], collected: PurgeResult['collected']): string[] {
  const live = heldBy.filter(holder => holder.deleted !== true).map(holder => holder.volume)
  const deleted = heldBy.filter(holder => holder.deleted === true).map(holder => holder.volume)
  return [
    ...report.elsewhere.map(({ path, at }) => `${path} (${at}) is the same file under another name; purge it too.`),
    ...(live.length === 0 ? [] : [`${named(live, 'volume')} it: use --all-forks, or purge what it is called there.`]),
    ...(deleted.length === 0 ? [] : [`${named(deleted, 'deleted volume')} it until ${deleted.length === 1 ? 'it is' : 'they are'} gone for good.`]),
    ...(collected.problem === undefined ? [] : [`The packs in the store keep the bytes until the next collection: ${collected.problem}`]),
    ...(collected.waiting > 0
      ? [`${collected.waiting} packs of the store wait for a program that has a volume open; run the purge again when it has ended.`]
      : []),
    'Bundles, backups and exports made before, copies of this host, and free blocks of its disk are beyond reach.',
  ]
}

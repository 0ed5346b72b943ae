import { CairnError } from '../errors.js'
import type { CairnApi, DirectoryUse, StatsReport, VolumeUsage } from '../sdk/types.js'
import { isAway } from '../store/remote-errors.js'
import { ago, fullTime, humanSize, plural, printable, table } from './format.js'
import type { Run } from './spec.js'

const CHECKPOINTS_SHOWN = 10

export const run: Run = async (context, [target]) => {
  const { path, ...side } = target?.includes(':/') === true ? await context.side(target) : { path: undefined }
  if (path !== undefined && 'volume' in side) {
    const { volume, ref } = side
    const of = await context.cairn()
    const found = await context.helped(() => of.directoryUse(volume, path, ref === undefined ? {} : { ref }))
    const atMs = await collectedAt(of, volume)
    await context.result(found, () => [...directoryLines(found), '', sharedAsOf(atMs)])
    return 0
  }
  const name = target === undefined ? undefined : await context.volumeName(target)
  const cairn = await context.cairn()
  const report = await context.helped(() => cairn.stats(name))
  await context.result(report, () => lines(report, name))
  return 0
}

/** Undefined where the volume is newer, or its store is out of reach. */
async function collectedAt(cairn: CairnApi, volume: string): Promise<number | undefined> {
  try {
    return (await cairn.stats(volume)).atMs
  } catch (error) {
    if (isAway(error) || (error instanceof CairnError && error.code === 'ERR_STATS_UNKNOWN')) return undefined
    throw error
  }
}

function sharedAsOf(atMs: number | undefined): string {
  if (atMs === undefined) return 'Shared with forks, and with what it was forked from, as they began; `cairn gc` finds out what they still hold.'
  return `Shared as of the collection of ${fullTime(atMs)}, ${ago(atMs, Date.now())}, and with forks made since.`
}

function lines(report: StatsReport, name: string | undefined): string[] {
  if (report.atMs === undefined) return ['Nothing is known yet: `cairn gc` collects, and tells what holds how much.']
  const head = `as of the collection of ${fullTime(report.atMs)}, ${ago(report.atMs, Date.now())}`
  if (name === undefined) return [head, ...usageLines(report.volumes, report.shared)]
  return [head, ...usageLines(report.volumes), ...report.volumes.flatMap(holders)]
}

/** A table of what volumes hold. */
export function usageLines(volumes: readonly VolumeUsage[], shared?: { liveBytes: number; historyBytes: number }): string[] {
  const size = (bytes: number): string => `${humanSize(bytes)}B`
  const rows = [
    ['VOLUME', 'LIVE', 'SHARED', 'OWN', 'HISTORY'],
    ...volumes
      .filter(volume => volume.name !== '')
      .map(volume => [
        volume.deletedMs === undefined ? volume.name : `${volume.name} (deleted)`,
        ...[volume.liveBytes, volume.sharedBytes, volume.ownBytes, volume.historyBytes].map(size),
      ]),
  ]
  const widths = rows[0].map((_, i) => Math.max(...rows.map(row => row[i].length)))
  const table = rows.map(row => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
  const both = shared === undefined ? 0 : shared.liveBytes + shared.historyBytes
  return both === 0 ? table : [...table, `${size(both)} are held by several volumes together, ${size(shared?.historyBytes ?? 0)} of it by their history`]
}

/** A line for each name, with the sum. */
function directoryLines(found: readonly DirectoryUse[]): string[] {
  const size = (bytes: number): string => `${humanSize(bytes)}B`
  const sum = (of: (use: DirectoryUse) => number): number => found.reduce((total, use) => total + of(use), 0)
  const all = {
    name: 'in all',
    type: 'file' as const,
    files: sum(use => use.files),
    bytes: sum(use => use.bytes),
    sharedBytes: sum(use => use.sharedBytes),
  }
  const rows = [...found, all].map(({ name, type, files, bytes, sharedBytes }) => [
    `${printable(name)}${type === 'directory' ? '/' : ''}`,
    String(files),
    size(bytes),
    size(bytes - sharedBytes),
    size(sharedBytes),
  ])
  return table([['NAME', 'FILES', 'BYTES', 'OWN', 'SHARED'], ...rows], new Set([1, 2, 3, 4]))
}

/** What keeps the history of one volume: largest first. */
function holders(volume: VolumeUsage): string[] {
  const rows = [
    ...volume.checkpoints.map(({ name, bytes }) => ({ what: `checkpoint ${name}`, bytes })),
    { what: plural(volume.commits.count, 'commit'), bytes: volume.commits.bytes },
    { what: 'versions of files', bytes: volume.versions.bytes },
  ].filter(({ bytes }) => bytes > 0)
  const shown = rows.sort((a, b) => b.bytes - a.bytes).slice(0, CHECKPOINTS_SHOWN)
  return shown.map(({ what, bytes }) => `  ${humanSize(bytes)}B held by ${what}`)
}

import type { ServerStatus, StatusReport } from '../sdk/types.js'
import { ago, humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const cairn = await context.cairn()
  const name = target === undefined ? undefined : await context.volumeName(target)
  const report = await context.helped(() => cairn.status(name))
  await context.result(report, () => [`Home: ${report.home}`, serverLine(report.server), ...report.volumes.flatMap(volume => volumeLines(volume))])
  return 0
}

function serverLine(server: ServerStatus): string {
  if (server.restarting === true) return `Server: killed, and being started again by its supervisor (pid ${server.supervisorPid ?? '?'})`
  if (!server.running) return 'Server: not running (it starts on demand)'
  const since = server.sinceMs === undefined ? '' : `, started ${ago(server.sinceMs, Date.now())}`
  return `Server: pid ${server.pid ?? '?'}, supervisor ${server.supervisorPid ?? 'none'}${since}, ${plural(server.mounts.length, 'mount')}`
}

/** A merge that waits for its conflicts to be resolved. */
export function waitingLines({ name, merge }: Pick<StatusReport['volumes'][number], 'name' | 'merge'>): string[] {
  if (merge === undefined) return []
  const command = merge.operation === 'merge' ? `cairn merge ${merge.other} --into ${name}` : `cairn rebase ${name}`
  return [
    `  a ${merge.operation} with ${merge.other} waits: ${plural(merge.conflicts, 'conflict')}; \`${command} --continue\` when they are resolved, or \`--abort\``,
  ]
}

function volumeLines(volume: StatusReport['volumes'][number]): string[] {
  const asOf = volume.servedBy === 'nobody' ? ' when it was last sealed' : ''
  const unsealed = volume.unsealedBytes > 0 ? `${asOf}, ${humanSize(volume.unsealedBytes)}B in the journal` : ''
  const mounts = volume.mounts.map(
    mount =>
      `  at ${mount.mountpoint}${mount.sub === undefined ? '' : ` (${mount.sub})`}${mount.readOnly ? ', read-only' : ''}${mount.stale === true ? ', dead: mount it again, or unmount it' : ''}`,
  )
  const served = volume.servedBy === 'nobody' ? '' : `, open in ${volume.servedBy === 'server' ? 'the server' : 'another program'}`
  if (volume.locked !== undefined) return [`${volume.name}: ${volume.locked}`, ...mounts]
  if (volume.problem !== undefined) return [`${volume.name}: damaged: ${volume.problem}`, ...mounts]
  return [
    `${volume.name}: ${plural(volume.inodes, 'inode')}, ${humanSize(volume.bytes)}B${unsealed}${served}`,
    ...remoteLines(volume),
    ...waitingLines(volume),
    ...mounts,
  ]
}

function remoteLines({ name, store, epoch, remote }: StatusReport['volumes'][number]): string[] {
  if (remote === undefined) return []
  const { durability, unpublishedBytes, maxUnpublishedBytes = 0, isFull, lastPublishMs, refreshedMs, lease, isWriter, problem, setAside, cache } = remote
  const reads = cache.hits + cache.misses
  const published = lastPublishMs === undefined ? '' : `, published ${ago(lastPublishMs, Date.now())}`
  // What no answer of the store says is not known.
  const nobody = problem === undefined ? 'nobody' : 'nobody that is known'
  const writer = isWriter ? 'this host' : (lease?.holder ?? nobody)
  const refreshed = refreshedMs === undefined ? '' : `, read here as published ${ago(refreshedMs, Date.now())}`
  return [
    `  in ${store}${remote.encrypted === true ? ' (encrypted)' : ''}: ${unpublishedBytes === 0 ? 'all is published' : `${humanSize(unpublishedBytes)}B not published`}${published}; written by ${writer}${epoch === 0 ? '' : `, epoch ${epoch}`}${durability === 'remote' ? '; durability remote' : ''}${refreshed}`,
    ...(cache.maxBytes === 0
      ? []
      : [`  cache: ${humanSize(cache.bytes)}B of ${humanSize(cache.maxBytes)}B${reads === 0 ? '' : `, ${Math.round((100 * cache.hits) / reads)} % of reads`}`]),
    ...(problem === undefined ? [] : [`  problem: ${problem}`]),
    ...(isFull === true ? [`  changes fail with ENOSPC: no more than ${humanSize(maxUnpublishedBytes)}B may wait to be published (CAIRN_BACKLOG_SIZE)`] : []),
    ...(setAside === 0 ? [] : [`  ${plural(setAside, 'state')} of this host that another one overtook: \`cairn recover ${name}\``]),
  ]
}

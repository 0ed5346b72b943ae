import type { CairnError } from '../errors.js'
import type { VolumeInfo, VolumeStatus } from '../volume/api.js'
import type { Host } from './host.js'
import { cairnMounts } from './mount-table.js'
import { recordedMounts } from './mounted.js'
import type { MountInfo, ServerStatus, StatusReport } from './types.js'

type Row = StatusReport['volumes'][number]

/** What is true now, from the server, the volumes and the kernel's table of mounts. */
export async function statusOf(home: string, host: Host, name: string | undefined): Promise<StatusReport> {
  const infos = name === undefined ? ((await host.call('volumes')) as VolumeInfo[]) : [(await host.call('info', name)) as VolumeInfo]
  const server = host.isServer ? ((await host.call('server.status')) as ServerStatus) : await nobody(home, host)
  const visible = new Set(cairnMounts().map(mount => mount.path))
  server.mounts = server.mounts.filter(mount => visible.has(mount.mountpoint))
  // Asked before the volumes are, which opens them.
  const open = new Set((await host.call('openVolumes')) as string[])
  const servedBy = (info: VolumeInfo) => (open.has(info.name) ? (host.isServer ? 'server' : 'process') : 'nobody')
  const volumes: Row[] = []
  for (const info of infos) volumes.push(await row(host, info, server.mounts, servedBy(info)))
  return { home, server, volumes }
}

/** Without a server, mounts that are left are dead. */
async function nobody(home: string, host: Host): Promise<ServerStatus> {
  const records = recordedMounts(home)
  if (records.length === 0) return { running: false, mounts: [], open: [] }
  const names = new Map(((await host.call('volumes')) as VolumeInfo[]).map(volume => [volume.id, volume.name]))
  const mounts: MountInfo[] = records.map(({ volumeId, mountpoint, readOnly, sub }) => ({
    name: names.get(volumeId) ?? volumeId,
    mountpoint,
    readOnly,
    ...(sub === undefined ? {} : { sub }),
    stale: true,
  }))
  return { running: false, mounts, open: [] }
}

async function row(host: Host, info: VolumeInfo, all: readonly MountInfo[], servedBy: Row['servedBy']): Promise<Row> {
  const mounts = all.filter(mount => mount.name === info.name)
  try {
    const status = (await host.call('status', info.name)) as VolumeStatus
    return { ...status, mounts, servedBy }
  } catch (error) {
    if ((error as CairnError).code !== 'ERR_VOLUME_BUSY') throw error
    return { ...info, epoch: 0, inodes: 0, bytes: 0, unsealedBytes: 0, pageCacheBytes: 0, overlayBytes: 0, mounts, servedBy: 'process' }
  }
}

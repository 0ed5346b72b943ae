import { livingSupervisor, silentServer } from '../server/connect.js'
import { homePaths } from '../server/home.js'
import { limits } from '../sys/index.js'
import type { VolumeInfo, VolumeStatus } from '../volume/api.js'
import type { Host } from './host.js'
import { isAboutKey } from './keys.js'
import { cairnMounts } from './mount-table.js'
import { recordedMounts } from './mounted.js'
import type { MountInfo, ServerStatus, StatusReport } from './types.js'

type Row = StatusReport['volumes'][number]

/**
 * What is true now, from the server, the volumes and the kernel's table of mounts. One volume that is named is opened for its exact
 * figures where nobody else has it; of all volumes those that are not open are told from their heads.
 */
export async function statusOf(home: string, host: Host, name: string | undefined, heard: () => void): Promise<StatusReport> {
  const infos = name === undefined ? ((await host.call('volumes')) as VolumeInfo[]) : [(await host.call('info', name)) as VolumeInfo]
  const server = host.isServer ? ((await host.call('server.status')) as ServerStatus) : await withoutServer(home, host)
  const visible = new Set(cairnMounts().map(mount => mount.path))
  server.mounts = server.mounts.filter(mount => visible.has(mount.mountpoint))
  const volumes: Row[] = []
  for (const info of infos) {
    volumes.push(await row(host, info, server, name !== undefined))
    heard()
  }
  return { home, server, volumes }
}

/**
 * What `report` has to say, unless the server keeps it waiting: it hangs, or somebody stopped it. What it hears on the way it tells `heard`: a server that asks one
 * store after the other, all of them out of reach, is slow and not silent.
 */
export async function answered<T>(home: string, report: (heard: () => void) => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let giveUp = (): void => {}
  const silence = new Promise<never>((_, reject) => {
    giveUp = () => reject(silentServer(home))
  })
  const heard = (): void => {
    clearTimeout(timer)
    timer = setTimeout(giveUp, limits.statusAnswerMs)
  }
  heard()
  try {
    return await Promise.race([report(heard), silence])
  } finally {
    clearTimeout(timer)
  }
}

/** Mounts that are left are dead, or wait for the server that the supervisor starts. */
async function withoutServer(home: string, host: Host): Promise<ServerStatus> {
  const supervisorPid = livingSupervisor(homePaths(home))
  const state = supervisorPid === undefined ? { running: false } : { running: false, restarting: true, supervisorPid }
  const records = recordedMounts(home)
  if (records.length === 0) return { ...state, mounts: [], open: [] }
  const names = new Map(((await host.call('volumes')) as VolumeInfo[]).map(volume => [volume.id, volume.name]))
  const mounts: MountInfo[] = records.map(({ volumeId, mountpoint, readOnly, sub }) => ({
    name: names.get(volumeId) ?? volumeId,
    mountpoint,
    readOnly,
    ...(sub === undefined ? {} : { sub }),
    ...(supervisorPid === undefined ? { stale: true } : {}),
  }))
  return { ...state, mounts, open: [] }
}

async function row(host: Host, info: VolumeInfo, server: ServerStatus, exact: boolean): Promise<Row> {
  const mounts = server.mounts.filter(mount => mount.name === info.name)
  const nothing = { epoch: 0, inodes: 0, bytes: 0, unsealedBytes: 0, pageCacheBytes: 0, overlayBytes: 0 }
  if (info.problem !== undefined) return { ...info, ...nothing, mounts, servedBy: 'nobody' }
  const found = await (host.call('statusOf', info.name) as Promise<VolumeStatus & { open: 'here' | 'elsewhere' | 'no' }>).catch((error: Error) => {
    // One store whose key is missing does not hide the volumes of others.
    if (exact || !isAboutKey(error)) throw error
    return error
  })
  if (found instanceof Error) return { ...info, ...nothing, mounts, servedBy: 'nobody', locked: found.message }
  const { open, ...known } = found
  const servedBy = open === 'no' ? 'nobody' : open === 'here' && host.isServer ? 'server' : 'process'
  // Beside a server that is being started again nothing is opened: it goes on where the killed one was.
  // One of a store that others write to is not taken from them for that.
  if (open !== 'no' || !exact || server.restarting === true || known.remote !== undefined) return { ...known, mounts, servedBy }
  return { ...((await host.call('status', info.name)) as VolumeStatus), mounts, servedBy }
}

/** What a client does about mounts itself: the server may not touch what it serves. */
import { closeSync, openSync, type Stats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CairnError } from '../errors.js'
import { listFuseMounts, unmountFuse } from '../fuse/index.js'
import { homePaths, readOptional } from '../server/home.js'
import type { MountRecord } from '../server/protocol.js'
import { limits } from '../sys/index.js'
import { syncfs } from '../sys/libc.js'

/** Resolves when the directory shows the volume to this process. @throws CairnError ERR_MOUNT_SILENT, ERR_MOUNT_UNSEEN */
export async function awaitMount(mountpoint: string): Promise<void> {
  if (!listFuseMounts().some(mount => mount.path === mountpoint)) throw unseen(mountpoint)
  await answered(mountpoint)
}

/** The same of a view, without a look at all mounts: its folder lies in one of the home. */
export async function awaitView(mountpoint: string): Promise<void> {
  if ((await answered(mountpoint)).dev === statSync(dirname(mountpoint)).dev) throw unseen(mountpoint)
}

function unseen(mountpoint: string): CairnError {
  return new CairnError(
    'ERR_MOUNT_UNSEEN',
    `${mountpoint} was mounted by the server, but this process does not see it.`,
    'The server runs in another mount namespace: end it with `cairn unmount` there, and start it from here.',
  )
}

async function answered(mountpoint: string): Promise<Stats> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new CairnError('ERR_MOUNT_SILENT', `${mountpoint} does not answer.`, 'See run/server.log in CAIRN_HOME.')),
      limits.mountAnswerMs,
    )
  })
  try {
    return await Promise.race([stat(mountpoint), silence])
  } finally {
    clearTimeout(timer)
  }
}

/** Dirty pages of the mount, such as those of mapped files, reach the server before this returns. Blocks. */
export function syncMount(mountpoint: string): void {
  if (!listFuseMounts().some(mount => mount.path === mountpoint)) return
  const fd = openSync(mountpoint, 'r')
  try {
    syncfs(fd)
  } finally {
    closeSync(fd)
  }
}

/** The mounts that the last server of a home left behind, and that are still there; with a server, those are its mounts. */
export function recordedMounts(home: string): MountRecord[] {
  const records = JSON.parse(readOptional(homePaths(home).mounts) ?? '[]') as MountRecord[]
  const present = new Set(listFuseMounts().map(mount => mount.path))
  return records.filter(record => present.has(record.mountpoint))
}

/** Removes a mount of this home that nobody serves. True when there was one. */
export async function clearStaleMount(home: string, target: string, idOf: (name: string) => Promise<string>): Promise<boolean> {
  const records = recordedMounts(home)
  const id = target.startsWith('/') ? undefined : await idOf(target)
  const record = records.find(one => (id === undefined ? one.mountpoint === target : one.volumeId === id))
  if (record === undefined) return false
  return unmountFuse(record.mountpoint, { lazy: true }) === 0
}

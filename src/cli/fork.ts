import { mkdirSync, rmdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { checkVolumeName, formatAddress } from '../sdk/address.js'
import type { CairnApi, MountInfo } from '../sdk/types.js'
import type { VolumeInfo } from '../volume/api.js'
import { usageError } from './errors.js'
import type { Run } from './spec.js'

const MOST_FORKS = 10_000

export const run: Run = async (context, [source, name], options) => {
  const from = await context.volumeRef(source)
  checkVolumeName(name)
  const count = countOf(options['count'])
  const names = count === undefined ? [name] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`)
  names.forEach(checkVolumeName)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const made = await context.helped(() => cairn.forkAll(from.volume, from.ref, names))
  const at = typeof options['mount'] === 'string' ? resolve(options['mount']) : undefined
  const mounts = at === undefined ? [] : await mountAll(cairn, made, count === undefined ? () => at : volume => join(at, volume.name))
  const shown = made.map((volume, i) => (at === undefined ? volume : { ...volume, mountpoint: mounts[i].mountpoint }))
  await context.result(count === undefined ? shown[0] : shown, () => {
    const what = count === undefined ? name : `${names[0]} … ${names[names.length - 1]}`
    return [`Forked ${formatAddress(from)} to ${what}${at === undefined ? '' : `, mounted ${count === undefined ? 'at' : 'in'} ${at}`}.`]
  })
  return 0
}

function countOf(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = Number(text)
  if (Number.isInteger(count) && count > 0 && count <= MOST_FORKS) return count
  throw usageError(`${text} is no number of forks.`, `Write a whole number from 1 to ${MOST_FORKS}: \`cairn fork work try --count 3\`.`)
}

/** All or nothing: when one cannot be mounted no fork is left. */
async function mountAll(cairn: CairnApi, volumes: readonly VolumeInfo[], pathOf: (volume: VolumeInfo) => string): Promise<MountInfo[]> {
  const mounted: MountInfo[] = []
  const folders: string[] = []
  try {
    for (const volume of volumes) {
      const path = pathOf(volume)
      const first = mkdirSync(path, { recursive: true })
      if (first !== undefined) folders.push(path)
      mounted.push(await cairn.mount({ name: volume.name, path }))
    }
    return mounted
  } catch (error) {
    for (const mount of mounted) await cairn.unmount(mount.mountpoint, { force: true })
    for (const volume of volumes) await cairn.deleteVolume(volume.name, { now: true })
    for (const folder of folders) rmdirSync(folder)
    throw error
  }
}

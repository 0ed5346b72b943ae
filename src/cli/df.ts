import type { Context } from './context.js'
import { humanSize, table } from './format.js'
import type { Run } from './spec.js'

interface Space {
  volume: string
  total: number
  used: number
  free: number
  inodes: number
  mounts: string[]
}

export const run: Run = async (context, args, options) => {
  const cairn = await context.cairn()
  const names = args.length > 0 ? await Promise.all(args.map(text => context.volumeName(text))) : (await cairn.volumes()).map(volume => volume.name)
  const spaces: Space[] = []
  for (const name of names) spaces.push(await spaceOf(context, name))
  const show = (bytes: number) => (options['humanReadable'] === true ? humanSize(bytes) : String(Math.ceil(bytes / 1024)))
  await context.result(spaces, () => {
    const head = ['VOLUME', options['humanReadable'] === true ? 'SIZE' : '1K-BLOCKS', 'USED', 'FREE', 'INODES', 'MOUNTED AT']
    const rows = spaces.map(one => [one.volume, show(one.total), show(one.used), show(one.free), String(one.inodes), one.mounts.join(', ')])
    return table([head, ...rows], new Set([1, 2, 3, 4])).map(line => line.trimEnd())
  })
  return 0
}

async function spaceOf(context: Context, name: string): Promise<Space> {
  const volume = await context.volume(name)
  const { bsize, blocks, bfree, bavail, files, ffree } = await volume.fs.promises.statfs('/')
  const mounts = (await (await context.cairn()).status(name)).volumes[0]?.mounts.map(mount => mount.mountpoint) ?? []
  return { volume: name, total: blocks * bsize, used: (blocks - bfree) * bsize, free: bavail * bsize, inodes: files - ffree, mounts }
}

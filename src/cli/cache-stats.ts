import type { OpenVolume, StoreCache } from '../sdk/types.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const { name, files } = await givenPlace(context, target)
  if (files !== undefined) {
    const found = await files((open, path) => open.cached(path))
    await context.result(found, () => [`${plural(found.files, 'file')} with ${humanSize(found.bytes)}B, of which ${humanSize(found.cachedBytes)}B are here.`])
    return 0
  }
  const cairn = await context.cairn()
  const caches = await context.helped(() => cairn.cache.stats(name))
  await context.result(caches, () => (caches.length === 0 ? [withoutCache(name)] : caches.flatMap(lines)))
  return 0
}

interface GivenPlace {
  /** Without an operand all stores are meant, whatever the default volume is. */
  name?: string
  /** Does something with files of a volume, where the operand has a path. */
  files?: <T>(work: (open: OpenVolume, path: string) => Promise<T>) => Promise<T>
}

export async function givenPlace(context: Context, target: string | undefined): Promise<GivenPlace> {
  if (target === undefined) return {}
  const { volume, ref, path } = await context.side(target)
  // The directory of a mount is its volume.
  if (path === undefined || (path === '/' && !target.endsWith(':/'))) return { name: await context.volumeName(target) }
  if (path.includes('\0')) throw usageError(`${JSON.stringify(target)} is no path.`, 'Write VOLUME:/path.')
  return { files: async work => work(await context.volume(volume, ref), path) }
}

export function withoutCache(name: string | undefined): string {
  return name === undefined
    ? 'No volume of this CAIRN_HOME is in a store elsewhere: there is no cache.'
    : `${name} lies on this host, where no cache is needed.`
}

function lines({ store, volumes, folder, bytes, maxBytes, files, pinned, hits, misses, unpublishedBytes }: StoreCache): string[] {
  const reads = hits + misses
  return [
    `${store}: ${humanSize(bytes)}B of ${humanSize(maxBytes)}B in ${plural(files, 'file')}, for ${volumes.join(', ')}`,
    `  folder       ${folder}`,
    ...(reads === 0 ? [] : [`  answered     ${Math.round((100 * hits) / reads)} % of ${plural(reads, 'read')}`]),
    ...(pinned.files === 0 ? [] : [`  in use       ${plural(pinned.files, 'file')} of programs, ${humanSize(pinned.bytes)}B`]),
    ...(unpublishedBytes === 0 ? [] : [`  unpublished  ${humanSize(unpublishedBytes)}B, which are no cache`]),
  ]
}

import type { StoreCache } from '../sdk/types.js'
import type { Context } from './context.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await givenVolume(context, target)
  const cairn = await context.cairn()
  const caches = await context.helped(() => cairn.cache.stats(name))
  await context.result(caches, () => (caches.length === 0 ? [withoutCache(name)] : caches.flatMap(lines)))
  return 0
}

/** Without an operand all stores are meant, whatever the default volume is. */
export async function givenVolume(context: Context, target: string | undefined): Promise<string | undefined> {
  return target === undefined ? undefined : context.volumeName(target)
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

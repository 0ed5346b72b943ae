import { givenPlace, withoutCache } from './cache-stats.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const { name, files } = await givenPlace(context, target)
  if (files !== undefined) {
    const found = await files((open, path) => open.uncache(path))
    await context.result(found, () => [`${plural(found.files, 'file')}: ${humanSize(found.deletedBytes)}B of ${humanSize(found.bytes)}B deleted.`])
    return 0
  }
  const cairn = await context.cairn()
  const cleared = await context.helped(() => cairn.cache.clear(name))
  await context.result(cleared, () =>
    cleared.length === 0 ? [withoutCache(name)] : cleared.map(({ store, files, bytes }) => `${store}: ${plural(files, 'file')} deleted, ${humanSize(bytes)}B`),
  )
  return 0
}

import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const refreshed = await context.helped(() => cairn.refresh(name))
  await context.result({ volume: name, ...refreshed }, () => {
    if (refreshed.isWriter) return [`This host writes ${name}: nothing is newer than what it has.`]
    return [refreshed.changed ? `${name} shows what was published by now.` : `${name} shows the newest that is published.`]
  })
  return 0
}

import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const now = options['now'] === true
  await context.helped(() => cairn.deleteVolume(name, { now }))
  await context.result({ deleted: name, now }, () => [
    now ? `Deleted ${name} for ever.` : `Deleted ${name}. \`cairn undelete ${name}\` brings it back within 7 days.`,
  ])
  return 0
}

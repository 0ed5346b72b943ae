import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  await context.helped(() => cairn.takeLease(name, { steal: true, ...(options['force'] === true && { force: true }) }))
  await context.result({ volume: name, taken: true }, () => [
    `${name} was taken over. What was not published where it was written before stays on that host, for \`cairn recover ${name}\` there.`,
  ])
  return 0
}

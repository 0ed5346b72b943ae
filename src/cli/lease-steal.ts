import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const [before] = (await context.helped(() => cairn.status(name))).volumes
  await context.helped(() => cairn.takeLease(name, { steal: true, ...(options['force'] === true && { force: true }) }))
  const wasOurs = before.remote?.isWriter === true
  await context.result({ volume: name, taken: !wasOurs }, () => [
    wasOurs
      ? `This host writes ${name} already.`
      : `${name} was taken over. What was not published where it was written before stays on that host, for \`cairn recover ${name}\` there.`,
  ])
  return 0
}

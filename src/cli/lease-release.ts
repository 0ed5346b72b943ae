import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  await context.helped(() => cairn.releaseLease(name))
  await context.result({ volume: name, released: true }, () => [`This host does not write ${name} any more; others may.`])
  return 0
}

import type { Run } from './spec.js'

export const run: Run = async (context, [target, checkpoint]) => {
  const name = await context.volumeName(target)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  await context.helped(() => cairn.deleteCheckpoint(name, checkpoint))
  await context.result({ volume: name, deleted: checkpoint }, () => [`Deleted the checkpoint ${checkpoint} of ${name}.`])
  return 0
}

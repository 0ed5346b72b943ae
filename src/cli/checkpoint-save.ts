import { checkCheckpointName } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target, checkpoint], options) => {
  const name = await context.volumeName(target)
  if (checkpoint !== undefined) checkCheckpointName(checkpoint)
  await context.refuseReadOnly()
  const message = options['message']
  const cairn = await context.cairn()
  const commit = await context.helped(() => cairn.checkpoint(name, checkpoint, typeof message === 'string' ? { message } : {}))
  await context.result(commit, () => [`Saved ${name}@${commit.name ?? commit.id}.`])
  return 0
}

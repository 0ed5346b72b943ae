import { checkVolumeName } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [from, to]) => {
  const old = await context.volumeName(from)
  checkVolumeName(to)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const volume = await context.helped(() => cairn.renameVolume(old, to))
  await context.result(volume, () => [`Renamed ${old} to ${to}.`])
  return 0
}

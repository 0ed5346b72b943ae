import { checkVolumeName } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [name]) => {
  checkVolumeName(name)
  await context.refuseReadOnly()
  const volume = await (await context.cairn()).undeleteVolume(name)
  await context.result(volume, () => [`${name} is back.`])
  return 0
}

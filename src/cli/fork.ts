import { checkVolumeName, formatAddress } from '../sdk/address.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [source, name]) => {
  const from = await context.volumeRef(source)
  checkVolumeName(name)
  const cairn = await context.cairn()
  const volume = await context.helped(() => cairn.fork(from.volume, from.ref, name))
  await context.result(volume, () => [`Forked ${formatAddress(from)} to ${name}.`])
  return 0
}

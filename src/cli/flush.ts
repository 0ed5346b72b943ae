import { humanSize } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const { bytes } = await context.helped(() => cairn.flush(name))
  await context.result({ volume: name, bytes }, () => [`Flushed ${name}: ${humanSize(bytes)}B sealed.`])
  return 0
}

import { parseWait } from './age.js'
import { humanSize } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const timeoutMs = typeof options['timeout'] === 'string' ? parseWait(options['timeout']) : undefined
  const { bytes } = await context.helped(() => cairn.flush(name, timeoutMs === undefined ? {} : { timeoutMs }))
  await context.result({ volume: name, bytes }, () => [`Flushed ${name}: ${humanSize(bytes)}B sealed.`])
  return 0
}

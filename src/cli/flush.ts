import { parseSpan } from '../sdk/config.js'
import { usageError } from './errors.js'
import { humanSize } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const timeoutMs = typeof options['timeout'] === 'string' ? parseSpan(options['timeout']) : undefined
  if (options['timeout'] !== undefined && timeoutMs === undefined)
    throw usageError(`${options['timeout']} is no time.`, 'Write a number of seconds, or a time such as 500ms, 30s or 5m.')
  const { bytes } = await context.helped(() => cairn.flush(name, timeoutMs === undefined ? {} : { timeoutMs }))
  await context.result({ volume: name, bytes }, () => [`Flushed ${name}: ${humanSize(bytes)}B sealed.`])
  return 0
}

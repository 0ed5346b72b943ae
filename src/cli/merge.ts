import { exitCodeOf, mergeLines, resolutionOf, stepOf } from './merge-output.js'
import type { Run } from './spec.js'

/** Exits 1 when conflicts wait to be resolved. */
export const run: Run = async (context, [operand], options) => {
  const fork = await context.volumeName(operand)
  const into = typeof options['into'] === 'string' ? { into: await context.volumeName(options['into']) } : {}
  const message = typeof options['message'] === 'string' ? { message: options['message'] } : {}
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const asked = {
    ...into,
    ...message,
    ...resolutionOf(options),
    ...stepOf(options),
    dryRun: options['dryRun'] === true,
    withPurged: options['withPurged'] === true,
  }
  const result = await context.helped(() => cairn.merge(fork, asked))
  await context.result(result, () => mergeLines(result))
  return exitCodeOf(result)
}

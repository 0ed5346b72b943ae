import { usageError } from './errors.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const from = await context.volumeRef(target)
  const { since } = options
  if (context.streams.stdout.isTTY === true) {
    throw usageError('A bundle is not text, so it is not written to a terminal.', `Write it to a file: cairn bundle ${from.volume} > file.`)
  }
  const cairn = await context.cairn()
  const bundle = await context.helped(() =>
    cairn.bundle(from.volume, { ...(from.ref !== undefined && { ref: from.ref }), ...(typeof since === 'string' && { since }) }),
  )
  const progress = new Progress(context.out, 'bundling')
  try {
    for await (const frame of bundle) {
      await context.out.write(frame)
      progress.set(bundle)
    }
  } finally {
    progress.end()
  }
  return 0
}

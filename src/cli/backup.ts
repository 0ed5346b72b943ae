import { humanSize } from './format.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target, file], options) => {
  const { volume, ref } = await context.volumeRef(target)
  const progress = new Progress(context.out, 'backing up')
  const cairn = await context.cairn()
  try {
    const made = await context.helped(() =>
      cairn.backup(volume, file, {
        ...(ref !== undefined && { ref }),
        ...(typeof options['since'] === 'string' && { since: options['since'] }),
        force: options['force'] === true,
        onProgress: done => progress.set(done),
      }),
    )
    progress.end()
    await context.result(made, () => [`Backed ${volume} up to ${file}, ${humanSize(made.bytes)}B.`])
    return 0
  } finally {
    progress.end()
  }
}

import { usageError } from './errors.js'
import { humanSize, plural } from './format.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'

export const run: Run = async (context, targets) => {
  const total = { files: 0, bytes: 0, fetchedBytes: 0 }
  const progress = new Progress(context.out, 'prefetching')
  try {
    for (const target of targets) {
      const { volume, ref, path = '/' } = await context.side(target)
      if (path.includes('\0')) throw usageError(`${JSON.stringify(target)} is no path.`, 'Write VOLUME:/path.')
      const open = await context.volume(volume, ref)
      const before = { ...total }
      const result = await open.prefetch(path, {
        onProgress: done => progress.set({ files: before.files + done.files, bytes: before.bytes + done.bytes }),
      })
      for (const key of ['files', 'bytes', 'fetchedBytes'] as const) total[key] += result[key]
    }
  } finally {
    progress.end()
  }
  await context.result(total, () => [
    `${plural(total.files, 'file')} with ${humanSize(total.bytes)}B are here; ${humanSize(total.fetchedBytes)}B were read from the store.`,
  ])
  return 0
}

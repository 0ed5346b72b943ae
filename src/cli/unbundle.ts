import { open } from 'node:fs/promises'
import { CairnError } from '../errors.js'
import { checkVolumeName } from '../sdk/address.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { plural } from './format.js'
import { Progress } from './progress.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [file, name]) => {
  checkVolumeName(name)
  await context.refuseReadOnly()
  const progress = new Progress(context.out, 'unbundling')
  try {
    const cairn = await context.cairn()
    const volume = await cairn.unbundle(await bytesOf(context, file), name, { onProgress: done => progress.set(done) })
    const commits = await cairn.checkpoints(name)
    await context.result(volume, () => [`Made ${name} of ${file}, with ${plural(commits.length, 'checkpoint')}.`])
    return 0
  } finally {
    progress.end()
  }
}

/** `-` is stdin, as everywhere. */
async function bytesOf(context: Context, file: string): Promise<AsyncIterable<Uint8Array>> {
  if (file !== '-') return chunksOf(file)
  if (context.streams.stdin.isTTY === true) throw usageError('A bundle on stdin comes from a file or a program.', 'Name the file.')
  return context.streams.stdin as AsyncIterable<Buffer>
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  const remedy = 'Name the file that `cairn bundle` or `cairn backup` wrote.'
  const handle = await open(file, 'r').catch(error => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new CairnError('ENOENT', `There is no file ${file}.`, remedy)
  })
  if ((await handle.stat()).isDirectory()) {
    await handle.close()
    throw new CairnError('EISDIR', `${file} is a directory.`, remedy)
  }
  yield* handle.createReadStream({ highWaterMark: 1024 * 1024 })
}

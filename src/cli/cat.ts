import { nameInVersion } from '../sdk/volume-history.js'
import { parseCount } from './age.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'

/** Read at once; memory stays bounded whatever the file. */
const CHUNK_BYTES = 1024 * 1024

export const run: Run = async (context, args, options) => {
  if (options['version'] !== undefined) return catVersions(context, args, parseCount(String(options['version'])))
  return context.each(args, { stdio: true }, async place => {
    if (place.kind === 'stdio') {
      for await (const chunk of context.streams.stdin) await context.out.write(chunk)
      return
    }
    await copy(context, await place.files.open(place.path, 'r'), place.path)
  })
}

async function catVersions(context: Context, args: string[], number: number): Promise<number> {
  const cairn = await context.cairn()
  for (const operand of args) {
    const { volume, ref, path } = await context.side(operand)
    if (ref !== undefined || path === undefined)
      throw usageError(`${operand} names no file of a volume as it is now.`, 'Write VOLUME:/path; the number says when.')
    const version = await context.helped(() => cairn.openVersion(volume, path, number))
    try {
      await copy(context, await version.fs.promises.open(nameInVersion(path), 'r'), path)
    } finally {
      await version.close()
    }
  }
  return 0
}

async function copy(context: Context, handle: Awaited<ReturnType<Files['open']>>, path: string): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  try {
    if ((await handle.stat()).isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR', syscall: 'read', path })
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, at)
      if (bytesRead === 0) break
      at += bytesRead
      // A slow reader may hold on to the chunk, so the buffer is not used again for it.
      await context.out.write(Buffer.from(buffer.subarray(0, bytesRead)))
    }
  } finally {
    await handle.close()
  }
}

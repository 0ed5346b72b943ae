import { CairnError } from '../errors.js'
import { nameInVersion } from '../sdk/volume-history.js'
import { limits } from '../sys/index.js'
import { parseCount } from './age.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import type { Files } from './places.js'
import type { Run } from './spec.js'

/** Read at once; memory stays bounded whatever the file. */
const CHUNK_BYTES = 1024 * 1024
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Chunks = AsyncIterable<Uint8Array>
/** What a file is called, and its bytes. */
type Take = (path: string, chunks: Chunks) => Promise<void>

export const run: Run = async (context, args, options) => {
  if (!context.json) return files(context, args, options['version'], (_path, chunks) => print(context, chunks))
  const all: unknown[] = []
  const code = await files(context, args, options['version'], async (path, chunks) => {
    all.push(await asJson(path, chunks))
  })
  await context.result(all.length === 1 ? all[0] : all, () => [])
  return code
}

async function files(context: Context, args: string[], version: unknown, take: Take): Promise<number> {
  if (version !== undefined) return versions(context, args, parseCount(String(version)), take)
  return context.each(args, { stdio: true }, async place => {
    if (place.kind === 'stdio') await take('-', context.streams.stdin as Chunks)
    else await take(place.shown, read(await place.files.open(place.path, 'r'), place.path))
  })
}

async function versions(context: Context, args: string[], number: number, take: Take): Promise<number> {
  const cairn = await context.cairn()
  for (const operand of args) {
    const { volume, ref, path } = await context.side(operand)
    if (ref !== undefined || path === undefined)
      throw usageError(`${operand} names no file of a volume as it is now.`, 'Write VOLUME:/path; the number says when.')
    const version = await context.helped(() => cairn.openVersion(volume, path, number))
    try {
      await take(operand, read(await version.fs.promises.open(nameInVersion(path), 'r'), path))
    } finally {
      await version.close()
    }
  }
  return 0
}

async function* read(handle: Awaited<ReturnType<Files['open']>>, path: string): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  try {
    if ((await handle.stat()).isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR', syscall: 'read', path })
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, at)
      if (bytesRead === 0) break
      at += bytesRead
      // A slow reader may hold on to the chunk, so the buffer is not used again for it.
      yield Buffer.from(buffer.subarray(0, bytesRead))
    }
  } finally {
    await handle.close()
  }
}

async function print(context: Context, chunks: Chunks): Promise<void> {
  for await (const chunk of chunks) await context.out.write(chunk)
}

/** A file as a member of the JSON: `text` where it is UTF-8, else `base64`. @throws CairnError when it is too large for that */
async function asJson(path: string, chunks: Chunks): Promise<{ path: string; size: number; text?: string; base64?: string }> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    parts.push(chunk)
    if (size > limits.catJsonBytes)
      throw new CairnError('EFBIG', `${path} is larger than ${limits.catJsonBytes / 1024 / 1024} MiB, too large for JSON.`, 'Leave out --json.')
  }
  const bytes = Buffer.concat(parts)
  try {
    return { path, size, text: utf8.decode(bytes) }
  } catch {
    return { path, size, base64: bytes.toString('base64') }
  }
}

import type { Run } from './spec.js'

/** Read at once; memory stays bounded whatever the file. */
const CHUNK_BYTES = 1024 * 1024

export const run: Run = async (context, args) => {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  return context.each(args, { stdio: true }, async place => {
    if (place.kind === 'stdio') {
      for await (const chunk of context.streams.stdin) await context.out.write(chunk)
      return
    }
    const handle = await place.files.open(place.path, 'r')
    try {
      if ((await handle.stat()).isDirectory()) {
        throw Object.assign(new Error('EISDIR'), { code: 'EISDIR', syscall: 'read', path: place.path })
      }
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
  })
}

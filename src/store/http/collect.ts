/** A stream of bytes that can be given up. */
export type Body = AsyncIterable<Uint8Array> & { destroy(): void }

/**
 * The whole of a body, in one buffer of its own.
 * @param length how long it is, where the answer said so; a shorter one is an error
 * @param into room for it, taken where it fits
 */
export async function collect(body: Body, length: number | undefined, signal?: AbortSignal, into?: Uint8Array): Promise<Buffer> {
  const stop = (): void => body.destroy()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return length === undefined ? await collectAll(body) : await collectExactly(body, length, into)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

async function collectExactly(body: Body, length: number, into: Uint8Array | undefined): Promise<Buffer> {
  const fits = into !== undefined && length <= into.length
  const bytes = fits ? Buffer.from(into.buffer, into.byteOffset, length) : Buffer.allocUnsafeSlow(length)
  let at = 0
  for await (const chunk of body) {
    if (at + chunk.length > length) throw shortRead()
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (at < length) throw shortRead()
  return bytes
}

async function collectAll(body: Body): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function shortRead(): Error {
  return Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' })
}

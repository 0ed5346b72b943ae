/** Small pieces of a stream are gathered to this size before they are written. */
const GATHER_BYTES = 256 * 1024

/** The bytes of a stream in larger pieces. */
export async function* gathered(stream: AsyncIterable<string | Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let length = 0
  for await (const piece of stream) {
    const part = Buffer.from(piece as Buffer)
    parts.push(part)
    length += part.length
    if (length < GATHER_BYTES) continue
    yield Buffer.concat(parts)
    parts = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(parts)
}

/** Messages one after the other on a connection: `[u32 length, little-endian][message]`. */
import type { Writable } from 'node:stream'

const LENGTH_BYTES = 4
/** Less than this is copied into one write: that is cheaper than to write each part. */
const ONE_WRITE_BYTES = 64 * 1024

/** Writes the parts of a message. @param before what stands before it */
export function writeMessage(to: Writable, parts: readonly Uint8Array[], before?: Uint8Array): void {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32LE(bytes, 0)
  const all = before === undefined ? [length, ...parts] : [before, length, ...parts]
  if (bytes < ONE_WRITE_BYTES) {
    to.write(Buffer.concat(all))
    return
  }
  to.cork()
  for (const part of all) to.write(part)
  to.uncork()
}

/** Finds the messages in what a connection brings. */
export class MessageReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #length = 0
  /** Bytes of a message that is too long, which are let go by. */
  #skip = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @returns messages that are whole now, which may point into `chunk`; undefined in place of one that is too long */
  push(chunk: Buffer): Array<Buffer | undefined> {
    const found: Array<Buffer | undefined> = []
    this.#add(chunk)
    for (;;) {
      if (this.#skip > 0) this.#skip -= this.#take(Math.min(this.#skip, this.#length)).length
      if (this.#skip > 0 || this.#length < LENGTH_BYTES) return found
      const bytes = this.#peek()
      if (bytes > this.#maxBytes) {
        this.#skip = LENGTH_BYTES + bytes
        found.push(undefined)
      } else if (this.#length < LENGTH_BYTES + bytes) return found
      else found.push(this.#take(LENGTH_BYTES + bytes).subarray(LENGTH_BYTES))
    }
  }

  #add(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  #peek(): number {
    if (this.#chunks[0].length < LENGTH_BYTES) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0].readUInt32LE(0)
  }

  #take(bytes: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    const rest = all.subarray(bytes)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
    return all.subarray(0, bytes)
  }
}

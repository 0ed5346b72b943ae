/** What is kept of an output that may be endless: its head and its tail, whole bytes, so that binary output stays what it was. */
export class Capture {
  readonly #headBytes: number
  readonly #tailBytes: number
  #head: Buffer[] = []
  #headLength = 0
  #tail: Buffer[] = []
  #tailLength = 0
  #total = 0

  /** @param limitBytes kept in all, half of it from the start and half from the end */
  constructor(limitBytes: number) {
    this.#headBytes = Math.ceil(limitBytes / 2)
    this.#tailBytes = limitBytes - this.#headBytes
  }

  add(chunk: Buffer): void {
    this.#total += chunk.length
    const toHead = Math.min(this.#headBytes - this.#headLength, chunk.length)
    if (toHead > 0) {
      this.#head.push(chunk.subarray(0, toHead))
      this.#headLength += toHead
    }
    if (toHead < chunk.length) this.#addTail(chunk.subarray(toHead))
  }

  #addTail(rest: Buffer): void {
    this.#tail.push(rest)
    this.#tailLength += rest.length
    while (this.#tail.length > 0 && this.#tailLength - this.#tail[0].length >= this.#tailBytes) {
      this.#tailLength -= this.#tail[0].length
      this.#tail.shift()
    }
    // A stream of small pieces would keep as many objects as bytes.
    if (this.#tail.length > MOST_PIECES) this.#tail = [this.#joined()]
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#tail)
    const cut = all.subarray(Math.max(0, all.length - this.#tailBytes))
    this.#tailLength = cut.length
    return cut
  }

  /** Bytes that came in all. */
  get totalBytes(): number {
    return this.#total
  }

  /** Bytes in the middle that were let go. */
  get omittedBytes(): number {
    return Math.max(0, this.#total - this.#headBytes - this.#tailBytes)
  }

  get head(): Buffer {
    return Buffer.concat(this.#head)
  }

  /** Empty while all fits into the head. */
  get tail(): Buffer {
    this.#tail = this.#tail.length === 0 ? [] : [this.#joined()]
    return this.#tail[0] ?? Buffer.alloc(0)
  }

  /** Head and tail; where bytes between them were let go a line says how many. */
  bytes(): Buffer {
    if (this.omittedBytes === 0) return Buffer.concat([this.head, this.tail])
    return Buffer.concat([this.head, Buffer.from(`\n[… ${this.omittedBytes} bytes left out …]\n`), this.tail])
  }
}

const MOST_PIECES = 1024

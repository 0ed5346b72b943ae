/** Bytes of an object that is to be put, which are there only while they are sent. */
export interface Parts {
  readonly size: number
  /** Reads from one offset to another, and has `send` do something with it; waits until there is memory for it. */
  use<T>(from: number, to: number, send: (bytes: Uint8Array) => Promise<T>): Promise<T>
}

/** Bytes in memory as parts. */
export function partsOf(bytes: Uint8Array): Parts {
  return { size: bytes.length, use: (from, to, send) => send(bytes.subarray(from, to)) }
}

/** So many bytes may be in use at once; whoever wants more waits. Who came first goes first. */
export class Budget {
  readonly #most: number
  #used = 0
  readonly #waiting: Array<{ bytes: number; go: () => void }> = []

  constructor(most: number) {
    this.#most = most
  }

  /** Runs `work` when so many bytes are free; more than there are at all count as all. */
  async with<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(bytes, this.#most)
    if (this.#used + share > this.#most || this.#waiting.length > 0) await new Promise<void>(go => this.#waiting.push({ bytes: share, go }))
    else this.#used += share
    try {
      return await work()
    } finally {
      this.#used -= share
      this.#admit()
    }
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#used + first.bytes <= this.#most; first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#used += first.bytes
      first.go()
    }
  }
}

/** Buffers for parts that are sent, used again: made anew for each they would have the whole heap looked through for garbage many times a second. */
export class PartBuffers {
  readonly #bytes: number
  readonly #most: number
  readonly #free: Buffer[] = []

  /** @param most how many are kept */
  constructor(bytes: number, most: number) {
    this.#bytes = bytes
    this.#most = most
  }

  /** Has `work` use `length` bytes of memory. When it fails they are not used again: somebody may be sending them still. */
  async with<T>(length: number, work: (bytes: Buffer) => Promise<T>): Promise<T> {
    if (length > this.#bytes) return work(Buffer.allocUnsafeSlow(length))
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
    const result = await work(buffer.subarray(0, length))
    if (this.#free.length < this.#most) this.#free.push(buffer)
    return result
  }
}

/** Blocks that were verified, least recently used dropped first, bounded in bytes. */
export class BlockCache {
  bytes = 0
  readonly #limitBytes: number
  /** In order of use: a Map keeps the order of insertion. */
  readonly #blocks = new Map<number, Uint8Array>()

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get(key: number): Uint8Array | undefined {
    const block = this.#blocks.get(key)
    if (block === undefined) return undefined
    this.#blocks.delete(key)
    this.#blocks.set(key, block)
    return block
  }

  has(key: number): boolean {
    return this.#blocks.has(key)
  }

  set(key: number, block: Uint8Array): void {
    const before = this.#blocks.get(key)
    if (before !== undefined) {
      this.bytes -= before.length
      this.#blocks.delete(key)
    }
    this.#blocks.set(key, block)
    this.bytes += block.length
    for (const [oldest, old] of this.#blocks) {
      if (this.bytes <= this.#limitBytes) return
      this.#blocks.delete(oldest)
      this.bytes -= old.length
    }
  }

  clear(): void {
    this.#blocks.clear()
    this.bytes = 0
  }
}

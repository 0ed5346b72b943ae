import { POINTER_BYTES } from '../../codec/index.js'
import type { BlockSink, BlockSource } from '../../volume/content.js'

/** Blocks that a dry run writes: in memory, over those that are stored. */
export class TrialBlocks implements BlockSink, BlockSource {
  readonly #stored: BlockSource
  readonly #written = new Map<string, Buffer>()

  constructor(stored: BlockSource) {
    this.#stored = stored
  }

  writeBlock(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
    const pointer = Buffer.alloc(POINTER_BYTES)
    pointer.writeUInt32LE(this.#written.size + 1)
    this.#written.set(pointer.toString('latin1'), Buffer.from(from.subarray(at, at + length)))
    to.set(pointer, toAt)
  }

  readBlock(pointer: Uint8Array, at: number): Uint8Array {
    return this.#find(pointer, at) ?? this.#stored.readBlock(pointer, at)
  }

  readRun(pointers: Uint8Array, at: number, count: number, into: Uint8Array, toAt: number, slot: number): boolean {
    if (this.#find(pointers, at) !== undefined || this.#stored.readRun === undefined) return false
    return this.#stored.readRun(pointers, at, count, into, toAt, slot)
  }

  #find(pointer: Uint8Array, at: number): Buffer | undefined {
    if (this.#written.size === 0) return undefined
    return this.#written.get(Buffer.from(pointer.subarray(at, at + POINTER_BYTES)).toString('latin1'))
  }
}

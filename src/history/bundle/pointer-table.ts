import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { POINTER_BYTES } from '../../codec/index.js'

const PER_CHUNK = 4096
const CHUNK_BYTES = PER_CHUNK * POINTER_BYTES
/** Chunks kept in memory: 8 MB, pointers to 8 GB of blocks. */
const CHUNKS_KEPT = 32

/** Pointers by number, in a file: a bundle may have more of them than memory. */
export class PointerTable {
  count = 0
  readonly #path: string
  readonly #fd: number
  #last = Buffer.alloc(CHUNK_BYTES)
  /** Least recently used first. */
  readonly #chunks = new Map<number, Buffer>()

  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'wx+', 0o600)
  }

  /** Where the next pointer is to be written. */
  next(): Buffer {
    const at = (this.count % PER_CHUNK) * POINTER_BYTES
    if (at === 0 && this.count > 0) this.#close()
    this.count++
    return this.#last.subarray(at, at + POINTER_BYTES)
  }

  #close(): void {
    const number = this.count / PER_CHUNK - 1
    writeSync(this.#fd, this.#last, 0, CHUNK_BYTES, number * CHUNK_BYTES)
    this.#keep(number, this.#last)
    this.#last = Buffer.alloc(CHUNK_BYTES)
  }

  #keep(number: number, chunk: Buffer): void {
    this.#chunks.set(number, chunk)
    const oldest = this.#chunks.keys().next().value
    if (this.#chunks.size > CHUNKS_KEPT && oldest !== undefined) this.#chunks.delete(oldest)
  }

  /** The pointer with this number, a view; undefined when there is none. */
  get(number: number): Buffer | undefined {
    if (number >= this.count) return undefined
    const at = (number % PER_CHUNK) * POINTER_BYTES
    return this.#chunk(Math.floor(number / PER_CHUNK)).subarray(at, at + POINTER_BYTES)
  }

  #chunk(number: number): Buffer {
    if (number === Math.floor((this.count - 1) / PER_CHUNK)) return this.#last
    const known = this.#chunks.get(number)
    const chunk = known ?? Buffer.alloc(CHUNK_BYTES)
    if (known === undefined) readSync(this.#fd, chunk, 0, CHUNK_BYTES, number * CHUNK_BYTES)
    this.#chunks.delete(number)
    this.#keep(number, chunk)
    return chunk
  }

  /** Removes the file. */
  remove(): void {
    closeSync(this.#fd)
    rmSync(this.#path)
  }
}

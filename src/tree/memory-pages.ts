import { createHash } from 'node:crypto'
import { encodePointer, HASH_BYTES, pointerOffset } from '../codec/index.js'
import { CorruptError } from '../errors.js'
import type { PageSink, PageSource } from './tree.js'

/** Pages in an array, for tests of this folder: the offset of a pointer is the index. */
export class MemoryPages implements PageSource, PageSink {
  readonly pages: Uint8Array[] = []
  /** The next write throws. */
  failNext = false
  /** Pages whose hash is not the pointer's are refused. */
  verify = true
  #birth = 0

  readPage(pointer: Uint8Array, at: number): Uint8Array {
    const page = this.pages[pointerOffset(pointer, at)]
    if (page === undefined) throw new CorruptError('a test page', 'it is missing')
    if (
      this.verify &&
      !createHash('sha256')
        .update(page)
        .digest()
        .equals(pointer.subarray(at, at + HASH_BYTES))
    )
      throw new CorruptError('a test page', 'its hash is wrong')
    return page
  }

  writePage(bytes: Uint8Array, to: Uint8Array, at: number): void {
    if (this.failNext) {
      this.failNext = false
      throw new Error('no space')
    }
    const hash = createHash('sha256').update(bytes).digest()
    encodePointer(to, at, { hash, pack: new Uint8Array(16), offset: this.pages.length, length: bytes.length, birth: ++this.#birth })
    this.pages.push(new Uint8Array(bytes))
  }
}

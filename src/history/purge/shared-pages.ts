import { POINTER_BYTES } from '../../codec/index.js'
import { sha256 } from '../../codec/sha256.js'
import { limits } from '../../sys/index.js'
import type { PageSink } from '../../tree/tree.js'

/** Writes each page once: trees that were one but for a little have nearly all their changed pages in common, and pages of equal content have equal bytes. */
export class SharedPages implements PageSink {
  readonly #sink: PageSink
  readonly #written = new Map<string, Buffer>()

  constructor(sink: PageSink) {
    this.#sink = sink
  }

  writePage(bytes: Uint8Array, to: Uint8Array, at: number): void {
    const hash = Buffer.from(sha256(bytes)).toString('latin1')
    const known = this.#written.get(hash)
    if (known !== undefined) {
      to.set(known, at)
      return
    }
    this.#sink.writePage(bytes, to, at)
    if (this.#written.size >= limits.purgePagesShared) this.#written.clear()
    this.#written.set(hash, Buffer.from(to.subarray(at, at + POINTER_BYTES)))
  }
}

import { BATCH_HEADER_BYTES, type BatchWriter } from '../codec/index.js'
import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'

const PART_BYTES = 1024 * 1024

/** Items of many batches, one after another: what becomes one batch in the end. Grows by parts, so that nothing is copied twice. */
export class ItemLog {
  items = 0
  bytes = 0
  #parts: Buffer[] = []
  /** Bytes used of the last part. */
  #used = 0

  /** Appends the items of a batch; its header is not taken over. */
  add(batch: BatchWriter): void {
    const from = batch.start + BATCH_HEADER_BYTES
    const length = batch.end - from
    let part = this.#parts.at(-1)
    if (part === undefined || this.#used + length > part.length) part = this.#newPart(length)
    batch.buffer.copy(part, this.#used, from, batch.end)
    this.#used += length
    this.bytes += length
    this.items += batch.items
  }

  #newPart(length: number): Buffer {
    this.#closePart()
    const part = Buffer.allocUnsafeSlow(Math.max(PART_BYTES, length))
    this.#parts.push(part)
    this.#used = 0
    return part
  }

  #closePart(): void {
    const last = this.#parts.pop()
    if (last !== undefined) this.#parts.push(last.subarray(0, this.#used))
  }

  /** All items, in pieces. Nothing may be added afterwards. */
  take(): readonly Buffer[] {
    this.#closePart()
    return this.#parts
  }

  clear(): void {
    this.#parts = []
    this.#used = 0
    this.items = 0
    this.bytes = 0
  }
}

/** @throws CairnError when so many bytes of items are more than one change may have */
export function checkChangeBytes(bytes: number): void {
  if (bytes <= limits.changeBytes) return
  throw new CairnError(
    'ERR_CHANGE_TOO_LARGE',
    `The change is larger than the ${limits.changeBytes / (1024 * 1024)} MiB of records that are recorded at once; nothing was changed.`,
    'Do it in parts: a directory at a time, or in several transactions. A fork of a state takes no time, whatever its size.',
  )
}

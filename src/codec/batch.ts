import { getIno, putIno } from './keys.js'

/**
 * A batch: the changes of one operation or transaction, as one frame of the journal (docs/format.md, "Batches").
 * The writer collects; `BatchReader` walks the same bytes, at once after the append and again at recovery.
 */
export const Item = { put: 1, del: 2, data: 3, zero: 4, drop: 5, historyPut: 0x11, historyDel: 0x12 } as const

export const BATCH_VERSION = 1
const TAGGED = 1
export const BATCH_HEADER_BYTES = 52

export interface BatchHeader {
  timeMs: number
  nextIno: number
  inodes: number
  bytes: number
}

/** Bytes kept free in front of the batch, for the journal's frame header. */
const INITIAL_BYTES = 4096

export class BatchWriter {
  buffer: Buffer
  /** Where the batch starts in `buffer`. */
  readonly start: number
  end: number
  items = 0
  #tagged = false

  constructor(headroom: number) {
    this.start = headroom
    this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.end = headroom + BATCH_HEADER_BYTES
  }

  get length(): number {
    return this.end - this.start
  }

  reset(): void {
    this.end = this.start + BATCH_HEADER_BYTES
    this.items = 0
    this.#tagged = false
    if (this.buffer.length > 4 * 1024 * 1024) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  #room(bytes: number): number {
    const at = this.end
    const needed = at + bytes
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
      grown.set(this.buffer.subarray(0, at), 0)
      this.buffer = grown
    }
    this.end = needed
    this.items++
    return at
  }

  put(op: number, K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
    let at = this.#room(5 + keyLength + valueLength)
    const b = this.buffer
    b[at] = op
    b[at + 1] = keyLength
    b[at + 2] = keyLength >>> 8
    b[at + 3] = valueLength
    b[at + 4] = valueLength >>> 8
    at += 5
    for (let i = 0; i < keyLength; i++) b[at + i] = K[i]
    at += keyLength
    if (valueLength < 64) for (let i = 0; i < valueLength; i++) b[at + i] = V[i]
    else b.set(V.length === valueLength ? V : V.subarray(0, valueLength), at)
  }

  del(op: number, K: Uint8Array, keyLength: number): void {
    const at = this.#room(3 + keyLength)
    const b = this.buffer
    b[at] = op
    b[at + 1] = keyLength
    b[at + 2] = keyLength >>> 8
    for (let i = 0; i < keyLength; i++) b[at + 3 + i] = K[i]
  }

  data(ino: number, offset: number, from: Uint8Array, fromAt: number, length: number): void {
    const at = this.#room(19 + length)
    const b = this.buffer
    b[at] = Item.data
    putIno(b, at + 1, ino)
    putIno(b, at + 8, offset)
    b.writeUInt32LE(length, at + 15)
    b.set(from.subarray(fromAt, fromAt + length), at + 19)
  }

  zero(ino: number, offset: number, length: number): void {
    this.#triple(Item.zero, ino, offset, length)
  }

  drop(ino: number, first: number, last: number): void {
    this.#triple(Item.drop, ino, first, last)
  }

  #triple(op: number, ino: number, x: number, y: number): void {
    const at = this.#room(22)
    this.buffer[at] = op
    putIno(this.buffer, at + 1, ino)
    putIno(this.buffer, at + 8, x)
    putIno(this.buffer, at + 15, y)
  }

  tag(mount: number, high: number, low: number): void {
    const b = this.buffer
    b.writeUInt32LE(mount, this.start + 40)
    b.writeUInt32LE(high, this.start + 44)
    b.writeUInt32LE(low, this.start + 48)
    this.#tagged = true
  }

  untag(): void {
    this.#tagged = false
  }

  /** Mount, upper and lower word of the request that the batch is tied to. */
  get request(): [number, number, number] | undefined {
    const { buffer: b, start } = this
    return this.#tagged ? [b.readUInt32LE(start + 40), b.readUInt32LE(start + 44), b.readUInt32LE(start + 48)] : undefined
  }

  /** Fills the header in; the batch is `buffer[start, end)`. */
  finish(header: BatchHeader): void {
    const b = this.buffer
    const s = this.start
    b[s] = BATCH_VERSION
    b[s + 1] = this.#tagged ? TAGGED : 0
    b[s + 2] = 0
    b[s + 3] = 0
    b.writeUInt32LE(this.items, s + 4)
    b.writeDoubleLE(header.timeMs, s + 8)
    b.writeDoubleLE(header.nextIno, s + 16)
    b.writeDoubleLE(header.inodes, s + 24)
    b.writeDoubleLE(header.bytes, s + 32)
    if (!this.#tagged) b.fill(0, s + 40, s + 52)
  }
}

/** Walks a batch. Fields of the current item are left in the reader; nothing is copied. */
export class BatchReader implements BatchHeader {
  buffer: Buffer = Buffer.alloc(0)
  timeMs = 0
  nextIno = 0
  inodes = 0
  bytes = 0
  tagged = false
  mount = 0
  uniqueHigh = 0
  uniqueLow = 0

  op = 0
  /** Key at `kp`, `kl` long; value or data at `vp`, `vl` long. */
  kp = 0
  kl = 0
  vp = 0
  vl = 0
  ino = 0
  /** Offset, or first block. */
  x = 0
  /** Length, or last block. */
  y = 0
  #at = 0
  #end = 0
  #left = 0

  /** @returns false when the bytes are no batch of a version we know */
  open(buffer: Buffer, start: number, length: number): boolean {
    if (length < BATCH_HEADER_BYTES || buffer[start] !== BATCH_VERSION) return false
    this.buffer = buffer
    this.tagged = (buffer[start + 1] & TAGGED) !== 0
    this.#left = buffer.readUInt32LE(start + 4)
    this.timeMs = buffer.readDoubleLE(start + 8)
    this.nextIno = buffer.readDoubleLE(start + 16)
    this.inodes = buffer.readDoubleLE(start + 24)
    this.bytes = buffer.readDoubleLE(start + 32)
    this.mount = buffer.readUInt32LE(start + 40)
    this.uniqueHigh = buffer.readUInt32LE(start + 44)
    this.uniqueLow = buffer.readUInt32LE(start + 48)
    this.#at = start + BATCH_HEADER_BYTES
    this.#end = start + length
    return true
  }

  /** Walks items that stand without their header, to the end of the bytes; the header's fields stay as they are. */
  openItems(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.#left = Number.POSITIVE_INFINITY
    this.#at = start
    this.#end = end
  }

  /** False at the end. @throws RangeError when an item runs over the end: the frame's checksum held, so this is our own mistake */
  next(): boolean {
    if (this.#left === 0 || (this.#at === this.#end && this.#left === Number.POSITIVE_INFINITY)) return false
    this.#left--
    const b = this.buffer
    const at = this.#at
    const op = b[at]
    this.op = op
    switch (op) {
      case Item.put:
      case Item.historyPut:
        this.kl = b[at + 1] | (b[at + 2] << 8)
        this.vl = b[at + 3] | (b[at + 4] << 8)
        this.kp = at + 5
        this.vp = this.kp + this.kl
        this.#at = this.vp + this.vl
        break
      case Item.del:
      case Item.historyDel:
        this.kl = b[at + 1] | (b[at + 2] << 8)
        this.kp = at + 3
        this.#at = this.kp + this.kl
        break
      case Item.data:
        this.ino = getIno(b, at + 1)
        this.x = getIno(b, at + 8)
        this.vl = b.readUInt32LE(at + 15)
        this.vp = at + 19
        this.#at = this.vp + this.vl
        break
      case Item.zero:
      case Item.drop:
        this.ino = getIno(b, at + 1)
        this.x = getIno(b, at + 8)
        this.y = getIno(b, at + 15)
        this.#at = at + 22
        break
      default:
        throw new RangeError(`unknown item ${op} in a batch`)
    }
    if (this.#at > this.#end) throw new RangeError('a batch item runs over the end of its batch')
    return true
  }
}

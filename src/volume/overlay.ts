import { limits } from '../sys/index.js'

const GRAIN = 4096

/**
 * Bytes of one block that no pack holds yet, over the stored block (`base`) or over a hole. Redone from the journal
 * after a crash, folded into a block by sealing.
 */
export class Overlay {
  readonly id: number
  readonly ino: number
  readonly block: number
  /** Pointer of the stored block underneath; undefined over a hole. */
  base: Uint8Array | undefined
  bytes: Buffer = Buffer.alloc(0)
  /** Sorted, disjoint, not touching: start, end, start, end … within the block. */
  ranges: number[] = []

  constructor(id: number, ino: number, block: number, base: Uint8Array | undefined) {
    this.id = id
    this.ino = ino
    this.block = block
    this.base = base
  }

  /** True when nothing underneath shows through. */
  get complete(): boolean {
    return this.ranges.length === 2 && this.ranges[0] === 0 && this.ranges[1] === limits.blockBytes
  }

  clone(id: number): Overlay {
    const copy = new Overlay(id, this.ino, this.block, this.base)
    copy.bytes = Buffer.from(this.bytes)
    copy.ranges = this.ranges.slice()
    return copy
  }

  /** Returns by how much `bytes` grew. */
  write(offset: number, from: Uint8Array, at: number, length: number): number {
    const grew = this.#reserve(offset + length)
    this.bytes.set(from.subarray(at, at + length), offset)
    this.#cover(offset, offset + length)
    return grew
  }

  zero(offset: number, length: number): number {
    const grew = this.#reserve(offset + length)
    this.bytes.fill(0, offset, offset + length)
    this.#cover(offset, offset + length)
    return grew
  }

  #reserve(end: number): number {
    const had = this.bytes.length
    if (end <= had) return 0
    const size = Math.min(limits.blockBytes, Math.max(Math.ceil(end / GRAIN) * GRAIN, Math.min(had * 2, limits.blockBytes)))
    const grown = Buffer.allocUnsafeSlow(size)
    grown.set(this.bytes, 0)
    this.bytes = grown
    return size - had
  }

  #cover(start: number, end: number): void {
    const r = this.ranges
    let i = 0
    while (i < r.length && r[i + 1] < start) i += 2
    let j = i
    let from = start
    let to = end
    while (j < r.length && r[j] <= end) {
      if (r[j] < from) from = r[j]
      if (r[j + 1] > to) to = r[j + 1]
      j += 2
    }
    if (j === i + 2) {
      r[i] = from
      r[i + 1] = to
    } else r.splice(i, j - i, from, to)
  }

  /** Fills `into` with `length` bytes at `offset` of the block; `under` is the stored block, if there is one. */
  read(offset: number, into: Uint8Array, at: number, length: number, under: Uint8Array | undefined): void {
    const end = offset + length
    const r = this.ranges
    let position = offset
    for (let i = 0; i < r.length && position < end; i += 2) {
      if (r[i + 1] <= position) continue
      const start = Math.min(Math.max(r[i], position), end)
      if (start > position) copyOrZero(under, position, into, at + position - offset, start - position)
      const stop = Math.min(r[i + 1], end)
      if (stop > start) into.set(this.bytes.subarray(start, stop), at + start - offset)
      position = Math.max(position, stop)
    }
    if (position < end) copyOrZero(under, position, into, at + position - offset, end - position)
  }

  /** Bytes from the start of the block that are worth storing: beyond is zeros. */
  storedLength(under: Uint8Array | undefined): number {
    const last = this.ranges.length === 0 ? 0 : this.ranges[this.ranges.length - 1]
    return Math.max(last, under === undefined ? 0 : under.length)
  }
}

/** A block may be stored shorter than 64 KiB; what is missing reads as zeros. */
export function copyOrZero(from: Uint8Array | undefined, offset: number, into: Uint8Array, at: number, length: number): void {
  const there = from === undefined ? 0 : Math.max(0, Math.min(length, from.length - offset))
  if (there > 0 && from !== undefined) into.set(offset === 0 && there === from.length ? from : from.subarray(offset, offset + there), at)
  if (there < length) into.fill(0, at + there, at + length)
}

/** All overlays of a volume by id, oldest first. */
export class Overlays {
  readonly byId = new Map<number, Overlay>()
  bytes = 0
  #nextId = 1

  add(ino: number, block: number, base: Uint8Array | undefined): Overlay {
    const overlay = new Overlay(this.#nextId++, ino, block, base)
    this.byId.set(overlay.id, overlay)
    return overlay
  }

  /** A private copy of another volume's or transaction's overlay. */
  adopt(from: Overlay): Overlay {
    const copy = from.clone(this.#nextId++)
    this.byId.set(copy.id, copy)
    this.bytes += copy.bytes.length
    return copy
  }

  /** Private copies of all of them, with their ids. */
  copy(): Overlays {
    const copies = new Overlays()
    for (const [id, overlay] of this.byId) {
      const copy = overlay.clone(id)
      copies.byId.set(id, copy)
      copies.bytes += copy.bytes.length
    }
    return copies
  }

  /** Takes over all overlays of others, with their ids; there may be none here. */
  takeOver(others: Overlays): void {
    for (const [id, overlay] of others.byId) this.byId.set(id, overlay)
    this.bytes += others.bytes
    this.#nextId = Math.max(this.#nextId, others.#nextId)
  }

  remove(id: number): void {
    const overlay = this.byId.get(id)
    if (overlay === undefined) return
    this.bytes -= overlay.bytes.length
    this.byId.delete(id)
  }
}

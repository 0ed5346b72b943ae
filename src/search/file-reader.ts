import { closeSync, openSync, readSync } from 'node:fs'
import { Opened, plainCoding } from '../codec/coding.js'
import { SegmentHeader, SegmentKind, segmentProblem } from '../codec/segment.js'
import { BLOCK_FIELDS, type FilesBytes, FileWay } from '../history/contents/file-bytes.js'
import { limits } from '../sys/index.js'

const BLOCK = limits.blockBytes

/** Reads files that an engine told of, where they are: from what it sent, or from packs on this host, past it. What is read is verified as the engine does. */
export class FileReader {
  readonly #files: FilesBytes
  /** Where the bytes of each begin that are here, and its first block. */
  readonly #bytesAt: Float64Array
  readonly #blocksAt: Float64Array
  readonly #descriptors: Array<number | undefined> = []
  #stored = Buffer.allocUnsafeSlow(2 * BLOCK)
  #room: Buffer = Buffer.allocUnsafeSlow(BLOCK)
  readonly #header = new SegmentHeader()
  readonly #opened = new Opened()

  constructor(files: FilesBytes) {
    this.#files = files
    const { sizes, ways } = files
    this.#bytesAt = new Float64Array(sizes.length)
    this.#blocksAt = new Float64Array(sizes.length)
    let [bytes, blocks] = [0, 0]
    for (const [file, way] of ways.entries()) {
      this.#bytesAt[file] = bytes
      this.#blocksAt[file] = blocks
      if (way === FileWay.here) bytes += sizes[file]
      else if (way > 0) blocks += way * BLOCK_FIELDS
    }
  }

  sizeOf(file: number): number {
    return this.#files.sizes[file]
  }

  /** @param offset at the beginning of a block @returns bytes that are valid until the next call @throws when a pack is not there, or damaged */
  read(file: number, offset: number, length: number): Buffer {
    const { ways, bytes } = this.#files
    if (ways[file] === FileWay.here) {
      const at = this.#bytesAt[file] + offset
      return Buffer.from(bytes.buffer, bytes.byteOffset + at, length)
    }
    if (ways[file] === 1 && length <= BLOCK) {
      const only = this.#block(this.#blocksAt[file])
      if (offset === 0 && this.#files.blocks[this.#blocksAt[file]] === 0 && only.length >= length) return Buffer.from(only.buffer, only.byteOffset, length)
    }
    return this.#assembled(file, offset, length)
  }

  #assembled(file: number, offset: number, length: number): Buffer {
    if (length > this.#room.length) this.#room = Buffer.allocUnsafeSlow(length)
    const into = this.#room.subarray(0, length).fill(0)
    const { ways, blocks } = this.#files
    const from = this.#blocksAt[file]
    for (let at = from; at < from + ways[file] * BLOCK_FIELDS; at += BLOCK_FIELDS) {
      const to = blocks[at] * BLOCK - offset
      if (to < 0 || to >= length) continue
      const plain = this.#block(at)
      into.set(plain.subarray(0, Math.min(plain.length, length - to)), to)
    }
    return into
  }

  /** The plain block whose place stands at `at`; maybe shorter than a block. */
  #block(at: number): Uint8Array {
    const { blocks } = this.#files
    const length = blocks[at + 3]
    if (length > this.#stored.length) this.#stored = Buffer.allocUnsafeSlow(length)
    const stored = this.#stored
    let done = 0
    while (done < length) {
      const n = readSync(this.#descriptor(blocks[at + 1]), stored, done, length - done, blocks[at + 2] + done)
      if (n === 0) break
      done += n
    }
    const problem = done < length ? 'the pack ends early' : segmentProblem(stored, 0, length, this.#header)
    const failed =
      problem !== '' || this.#header.kind !== SegmentKind.block ? problem || 'it is no block' : this.#opened.open(stored, 0, length, this.#header, plainCoding)
    if (failed !== '') throw new Error(failed)
    return this.#opened.plain
  }

  #descriptor(pack: number): number {
    const known = this.#descriptors[pack]
    if (known !== undefined) return known
    const fd = openSync(this.#files.packs[pack], 'r')
    this.#descriptors[pack] = fd
    return fd
  }

  close(): void {
    for (const fd of this.#descriptors) if (fd !== undefined) closeSync(fd)
    this.#descriptors.length = 0
  }
}

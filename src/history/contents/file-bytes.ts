import { Attr, ContentKind, extentBlock, getIno, inodeKey, MAX_KEY_BYTES, pointerLength, pointerOffset, Tag } from '../../codec/index.js'
import { PageMiss } from '../../errors.js'
import type { Packs } from '../../store/packs.js'
import { limits, systemClock } from '../../sys/index.js'
import { EXTENT_STORED } from '../../volume/content.js'
import { attrOf, type FileState, readFileBytes } from '../../volume/file-content.js'

/** Where the bytes of a file are; else how many blocks of it stand in `blocks`. */
export const FileWay = {
  /** In `bytes`, all of them. */
  here: -1,
  /** Not in this answer: it is to be asked for again. */
  later: -2,
  /** Too large for an answer; to be read piece by piece. */
  pieces: -3,
  /** There is no such file. */
  gone: -4,
} as const

/** Numbers of each block, in this order: which of its file it is, which of `packs` has it, where its segment stands there, how long that is. */
export const BLOCK_FIELDS = 4

/** Files by what they hold: bytes, or places in files of this host that whoever may read this home's store can read by himself. */
export interface FilesBytes {
  /** By file. */
  sizes: Float64Array
  /** By file: a `FileWay`, or how many blocks. */
  ways: Float64Array
  /** Of those whose way is `here`, one behind the other. */
  bytes: Uint8Array
  /** `BLOCK_FIELDS` for each; a block that is not named is zeros. */
  blocks: Float64Array
  /** Paths. One that is no more has moved, and its blocks are asked for with `whole`. */
  packs: string[]
}

const attr = new Attr()
const K = Buffer.alloc(MAX_KEY_BYTES)
const FILES_PER_LOOK = 32

/**
 * The bytes of files, as far as one answer holds them and a few milliseconds gather them.
 * @param whole only bytes, no places
 * @throws PageMiss before anything is gathered, CorruptError
 */
export function filesBytes(state: FileState, packs: Packs, inodes: Float64Array, whole: boolean): FilesBytes {
  const answer = new Answer(state, packs, inodes, whole)
  const until = systemClock.monotonic() + limits.diffSliceMs
  try {
    for (let at = 0; at < inodes.length; at++) {
      if (at % FILES_PER_LOOK === FILES_PER_LOOK - 1 && systemClock.monotonic() > until) break
      answer.add(at)
    }
  } catch (error) {
    if (!(error instanceof PageMiss) || answer.isEmpty) throw error
  }
  return answer.done()
}

class Answer {
  readonly #state: FileState
  readonly #packs: Packs
  readonly #inodes: Float64Array
  readonly #whole: boolean
  readonly #sizes: Float64Array
  readonly #ways: Float64Array
  readonly #blocks: number[] = []
  readonly #bytes: Uint8Array[] = []
  #length = 0
  readonly #paths = new Map<string, number>()

  constructor(state: FileState, packs: Packs, inodes: Float64Array, whole: boolean) {
    this.#state = state
    this.#packs = packs
    this.#inodes = inodes
    this.#whole = whole
    this.#sizes = new Float64Array(inodes.length)
    this.#ways = new Float64Array(inodes.length).fill(FileWay.later)
  }

  get isEmpty(): boolean {
    return this.#ways.every(way => way === FileWay.later)
  }

  add(at: number): void {
    const ino = this.#inodes[at]
    const found = attrOf(this.#state, ino, attr)
    this.#sizes[at] = found?.size ?? 0
    this.#ways[at] = found === undefined ? FileWay.gone : this.#wayOf(ino, found)
  }

  #wayOf(ino: number, found: Readonly<Attr>): number {
    const { size, kind } = found
    const blocks = kind === ContentKind.blocks && !this.#whole ? this.#blocksOf(ino) : undefined
    if (blocks !== undefined) {
      this.#blocks.push(...blocks)
      return blocks.length / BLOCK_FIELDS
    }
    if (size > limits.rpcChunkBytes) return FileWay.pieces
    if (this.#length + size > limits.rpcChunkBytes) return FileWay.later
    this.#bytes.push(readFileBytes(this.#state, ino, found, 0, size))
    this.#length += size
    return FileWay.here
  }

  /** Undefined where one of them is in no file of this host. */
  #blocksOf(ino: number): number[] | undefined {
    const blocks: number[] = []
    const cursor = this.#state.tree.cursor()
    let more = cursor.seek(K, inodeKey(K, Tag.extent, ino))
    while (more && cursor.buf[cursor.kp] === Tag.extent && getIno(cursor.buf, cursor.kp + 1) === ino) {
      const { buf, kp, vp } = cursor
      const path = buf[vp] === EXTENT_STORED ? this.#packs.fileOf(buf, vp + 1) : undefined
      if (path === undefined) return undefined
      blocks.push(extentBlock(buf, kp), this.#numberOf(path), pointerOffset(buf, vp + 1), pointerLength(buf, vp + 1))
      more = cursor.next()
    }
    return blocks
  }

  #numberOf(path: string): number {
    const known = this.#paths.get(path)
    if (known !== undefined) return known
    this.#paths.set(path, this.#paths.size)
    return this.#paths.size - 1
  }

  done(): FilesBytes {
    return {
      sizes: this.#sizes,
      ways: this.#ways,
      bytes: Buffer.concat(this.#bytes),
      blocks: Float64Array.from(this.#blocks),
      packs: [...this.#paths.keys()],
    }
  }
}

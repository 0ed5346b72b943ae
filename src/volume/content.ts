import {
  BLOCK_INDEX_BYTES,
  extentBlock,
  extentKey,
  HASH_BYTES,
  PACK_ID_BYTES,
  POINTER_BYTES,
  PREFIX_BYTES,
  pointerLength,
  pointerOffset,
  Tag,
} from '../codec/index.js'
import { assert, limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { FileAhead } from './file-ahead.js'
import { copyOrZero, type Overlay, type Overlays } from './overlay.js'
import type { ContentReader } from './session.js'

const BLOCK = limits.blockBytes
/** Blocks read from a pack at once: as much as a request through a mount asks for. */
const RUN_BLOCKS = limits.fuseRequestBytes / BLOCK
/** An extent record: this byte, then the pointer. */
export const EXTENT_STORED = 1
/** Never stored: this byte, then the id of an overlay in memory (6 bytes, little-endian). */
export const EXTENT_OVERLAY = 2
export const EXTENT_BYTES = 1 + POINTER_BYTES

export interface BlockSource {
  /** The plain block that a pointer names, verified; maybe shorter than 64 KiB. Not to be changed. @throws CorruptError */
  readBlock(pointer: Uint8Array, at: number): Uint8Array
  /**
   * The same for `count` blocks that lie one behind the other, into slots of `into`, with zeros behind short ones. False: read them one by one.
   * @param pointers theirs, one behind the other @throws CorruptError
   */
  readRun?(pointers: Uint8Array, at: number, count: number, into: Uint8Array, toAt: number, slot: number): boolean
  /** Where reading takes long: begins to bring a block near, and so many bytes of blocks right behind it. Returns at once, fails never. */
  readonly prefetchBlock?: ((pointer: Uint8Array, at: number, behind: number) => void) | undefined
  /** Where reading takes long: something is changed now, so that no PageMiss may end the operation any more. */
  readonly waitFromNow?: (() => void) | undefined
}

export interface BlockSink {
  /** Stores a block and writes its pointer to `to` at `at`. @throws a Node error with `code` when the disk is full or fails */
  writeBlock(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void
}

/** One that stores many small blocks at once. */
export interface FoldSink extends BlockSink {
  /** The same, but the block is stored only when `flushBlocks` returned; nothing may refer to it before. */
  holdBlock(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void
  /** @throws as `writeBlock`; what was held is stored by none of the pointers given out */
  flushBlocks(): void
}

const K = Buffer.alloc(32)
const V = Buffer.alloc(EXTENT_BYTES)

/** Content of files of kind `blocks`: extents of one tree, blocks of one store, overlays of one volume. */
export class Content implements ContentReader {
  readonly #tree: () => Tree
  readonly #source: BlockSource
  readonly #overlays: Overlays
  /** Where blocks are far away. */
  readonly #ahead: FileAhead | undefined

  constructor(tree: () => Tree, source: BlockSource, overlays: Overlays) {
    this.#tree = tree
    this.#source = source
    this.#overlays = overlays
    if (source.prefetchBlock !== undefined) this.#ahead = new FileAhead((ino, from, to) => this.#prefetch(ino, from, to))
  }

  #prefetch(ino: number, from: number, to: number): void {
    const cursor = this.#tree().cursor()
    const last = Math.ceil(to / BLOCK) - 1
    let more = cursor.seek(K, extentKey(K, ino, Math.floor(from / BLOCK)))
    let behind = -1
    while (more && isExtentOf(cursor.buf, cursor.kp, cursor.kl) && extentBlock(cursor.buf, cursor.kp) <= last) {
      const { buf, vp } = cursor
      const isStored = buf[vp] === EXTENT_STORED
      if (isStored && behind >= 0 && isRightBehind(buf, vp + 1, near, 0, behind)) behind += pointerLength(buf, vp + 1)
      else if (isStored) {
        if (behind >= 0) this.#source.prefetchBlock?.(near, 0, behind)
        near.set(buf.subarray(vp + 1, vp + EXTENT_BYTES))
        behind = 0
      }
      more = cursor.next()
    }
    if (behind >= 0) this.#source.prefetchBlock?.(near, 0, behind)
  }

  read(ino: number, offset: number, into: Uint8Array, at: number, length: number): void {
    if (this.#ahead === undefined) {
      this.#read(ino, offset, into, at, length)
      return
    }
    for (let done = 0; done < length; done += limits.fuseRequestBytes) {
      const n = Math.min(length - done, limits.fuseRequestBytes)
      this.#ahead.reads(ino, offset + done, n)
      this.#read(ino, offset + done, into, at + done, n)
    }
  }

  #read(ino: number, offset: number, into: Uint8Array, at: number, length: number): void {
    let block = Math.floor(offset / BLOCK)
    let within = offset - block * BLOCK
    while (length > 0) {
      if (within === 0 && length >= 2 * BLOCK) {
        const run = this.#readRun(ino, block, Math.min(RUN_BLOCKS, Math.floor(length / BLOCK)), into, at)
        block += run
        at += run * BLOCK
        length -= run * BLOCK
        if (length === 0) return
      }
      const n = Math.min(length, BLOCK - within)
      this.#readBlock(ino, block, within, into, at, n)
      at += n
      length -= n
      block++
      within = 0
    }
  }

  /** Reads as many blocks as lie one behind the other in a pack, at most `limit`, at once. How many: 0 when that is less than two. */
  #readRun(ino: number, block: number, limit: number, into: Uint8Array, at: number): number {
    const source = this.#source
    if (source.readRun === undefined) return 0
    let count = 0
    for (; count < limit; count++) {
      const tree = this.#tree()
      if (!tree.get(K, extentKey(K, ino, block + count)) || tree.vb[tree.vp] !== EXTENT_STORED) break
      if (count > 0 && !followsOn(tree.vb, tree.vp + 1, count)) break
      run.set(tree.vb.subarray(tree.vp + 1, tree.vp + EXTENT_BYTES), count * POINTER_BYTES)
    }
    return count >= 2 && source.readRun(run, 0, count, into, at, BLOCK) ? count : 0
  }

  #readBlock(ino: number, block: number, within: number, into: Uint8Array, at: number, length: number): void {
    const tree = this.#tree()
    if (!tree.get(K, extentKey(K, ino, block))) {
      into.fill(0, at, at + length)
      return
    }
    if (tree.vb[tree.vp] === EXTENT_STORED) {
      copyOrZero(this.#source.readBlock(tree.vb, tree.vp + 1), within, into, at, length)
      return
    }
    const overlay = this.#overlay(tree)
    const under = overlay.base === undefined || overlay.complete ? undefined : this.#source.readBlock(overlay.base, 0)
    overlay.read(within, into, at, length, under)
  }

  #overlay(tree: Tree): Overlay {
    const overlay = this.#overlays.byId.get(overlayId(tree.vb, tree.vp))
    assert(overlay !== undefined, 'an extent names an overlay that is there')
    return overlay
  }

  allocated(ino: number, block: number): boolean {
    return this.#tree().get(K, extentKey(K, ino, block))
  }

  nextBlock(ino: number, block: number): number {
    const cursor = this.#tree().cursor()
    const length = extentKey(K, ino, block)
    if (!cursor.seek(K, length) || !isExtentOf(cursor.buf, cursor.kp, cursor.kl)) return -1
    return extentBlock(cursor.buf, cursor.kp)
  }

  /** Puts bytes over a block that is not stored whole. Never fails: nothing is read from the store. */
  overlayData(ino: number, offset: number, from: Uint8Array, at: number, length: number): void {
    while (length > 0) {
      const block = Math.floor(offset / BLOCK)
      const within = offset - block * BLOCK
      const n = Math.min(length, BLOCK - within)
      this.#overlays.bytes += this.#overlayFor(ino, block).write(within, from, at, n)
      offset += n
      at += n
      length -= n
    }
  }

  overlayZeros(ino: number, offset: number, length: number): void {
    while (length > 0) {
      const block = Math.floor(offset / BLOCK)
      const within = offset - block * BLOCK
      const n = Math.min(length, BLOCK - within)
      if (this.allocated(ino, block)) this.#overlays.bytes += this.#overlayFor(ino, block).zero(within, n)
      offset += n
      length -= n
    }
  }

  #overlayFor(ino: number, block: number): Overlay {
    const tree = this.#tree()
    const length = extentKey(K, ino, block)
    let base: Uint8Array | undefined
    if (tree.get(K, length)) {
      if (tree.vb[tree.vp] === EXTENT_OVERLAY) return this.#overlay(tree)
      base = Uint8Array.prototype.slice.call(tree.vb, tree.vp + 1, tree.vp + EXTENT_BYTES)
    }
    const overlay = this.#overlays.add(ino, block, base)
    V[0] = EXTENT_OVERLAY
    V.writeUIntLE(overlay.id, 1, 6)
    tree.put(K, length, V, 7)
    return overlay
  }

  /** Before an extent is replaced or deleted: lets its overlay go. */
  dropOverlay(ino: number, block: number): void {
    const tree = this.#tree()
    if (tree.get(K, extentKey(K, ino, block)) && tree.vb[tree.vp] === EXTENT_OVERLAY) this.#overlays.remove(overlayId(tree.vb, tree.vp))
  }

  /** Makes blocks `first` to `last` holes. */
  drop(ino: number, first: number, last: number): void {
    const tree = this.#tree()
    for (const block of this.blocksIn(ino, first, last)) {
      this.dropOverlay(ino, block)
      tree.del(K, extentKey(K, ino, block))
    }
  }

  /** Allocated blocks from `first` to `last`, by one walk. */
  blocksIn(ino: number, first: number, last: number): number[] {
    const found: number[] = []
    const cursor = this.#tree().cursor()
    let more = cursor.seek(K, extentKey(K, ino, first))
    while (more && isExtentOf(cursor.buf, cursor.kp, cursor.kl)) {
      const block = extentBlock(cursor.buf, cursor.kp)
      if (block > last) break
      found.push(block)
      more = cursor.next()
    }
    return found
  }

  countBlocks(ino: number, first: number, last: number): number {
    const cursor = this.#tree().cursor()
    let count = 0
    let more = cursor.seek(K, extentKey(K, ino, first))
    while (more && isExtentOf(cursor.buf, cursor.kp, cursor.kl) && extentBlock(cursor.buf, cursor.kp) <= last) {
      count++
      more = cursor.next()
    }
    return count
  }

  /**
   * Writes overlays as blocks, all at once, and puts their pointers in the tree.
   * @throws as `writeBlock`, and nothing changed then; CorruptError where a block underneath is damaged: those before it were folded
   */
  fold(overlays: readonly Overlay[], sink: FoldSink): void {
    const pointers = Buffer.alloc(overlays.length * EXTENT_BYTES)
    let held = 0
    let damage: unknown
    for (; held < overlays.length; held++) {
      const overlay = overlays[held]
      let under: Uint8Array | undefined
      try {
        under = overlay.base === undefined || overlay.complete ? undefined : this.#source.readBlock(overlay.base, 0)
      } catch (error) {
        damage = error
        break
      }
      const length = overlay.storedLength(under)
      overlay.read(0, foldBuffer, 0, length, under)
      const at = held * EXTENT_BYTES
      pointers[at] = EXTENT_STORED
      sink.holdBlock(foldBuffer, 0, length, pointers, at + 1)
    }
    sink.flushBlocks()
    for (let i = 0; i < held; i++) {
      const { id, ino, block } = overlays[i]
      pointers.copy(V, 0, i * EXTENT_BYTES, (i + 1) * EXTENT_BYTES)
      this.#tree().put(K, extentKey(K, ino, block), V, EXTENT_BYTES)
      this.#overlays.remove(id)
    }
    if (damage !== undefined) throw damage
  }
}

/** Pointers of the blocks of a run. */
const run = Buffer.alloc(RUN_BLOCKS * POINTER_BYTES)

/** Pointer of the first block of those that are to be brought near. */
const near = Buffer.alloc(POINTER_BYTES)

/** Whether a pointer names what lies right behind the last of `count` blocks of the run. */
function followsOn(b: Uint8Array, at: number, count: number): boolean {
  return isRightBehind(b, at, run, (count - 1) * POINTER_BYTES, 0)
}

/** Whether a pointer names what lies so many bytes behind the block that another one names. */
function isRightBehind(b: Uint8Array, at: number, other: Uint8Array, otherAt: number, bytes: number): boolean {
  for (let i = HASH_BYTES; i < HASH_BYTES + PACK_ID_BYTES; i++) if (b[at + i] !== other[otherAt + i]) return false
  return pointerOffset(b, at) === pointerOffset(other, otherAt) + pointerLength(other, otherAt) + bytes
}

const foldBuffer = Buffer.allocUnsafeSlow(BLOCK)

export function overlayId(b: Uint8Array, at: number): number {
  return ((b[at + 1] | (b[at + 2] << 8) | (b[at + 3] << 16) | (b[at + 4] << 24)) >>> 0) + (b[at + 5] | (b[at + 6] << 8)) * 4294967296
}

/** Whether a cursor's key is an extent of the inode that the last `extentKey` call named. */
function isExtentOf(b: Uint8Array, at: number, length: number): boolean {
  if (length !== PREFIX_BYTES + BLOCK_INDEX_BYTES || b[at] !== Tag.extent) return false
  for (let i = 1; i < PREFIX_BYTES; i++) if (b[at + i] !== K[i]) return false
  return true
}

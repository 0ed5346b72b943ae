import { createHash } from 'node:crypto'
import {
  BUNDLE_BLOCK_HEADER_BYTES,
  BUNDLE_EXTENT_BYTES,
  BUNDLE_FORMAT,
  BUNDLE_ITEM_HEADER_BYTES,
  BUNDLE_MAGIC,
  BundleFrame,
  BundleItem,
  encodeBundleFrame,
  encodeBundleJson,
  putBundleBlockHeader,
  putBundleExtent,
  putBundleItem,
} from '../../codec/bundle.js'
import { identityOf, plainCoding } from '../../codec/coding.js'
import { encodeCommit, isVersionBlock, MAX_KEY_BYTES, POINTER_BYTES, pointerHash, Tag } from '../../codec/index.js'
import { sha256 } from '../../codec/sha256.js'
import { CorruptError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import { type BTree, diff } from '../../tree/index.js'
import { EXTENT_BYTES, EXTENT_STORED } from '../../volume/content.js'
import type { StoreContext } from '../../volume/volume.js'
import { commitOf, endOf } from '../history-records.js'
import { BlockNumbers } from './block-numbers.js'
import type { BundleSource } from './bundle-source.js'

/** Bytes of items gathered into one frame; at most this many are lost to whoever waits between two frames. */
const FRAME_BYTES = 256 * 1024
/** Blocks of one frame: 1 MiB. */
const BLOCKS_AT_ONCE = 16

/**
 * Everything of one state of a volume and of the history before it, as frames of a bundle. Reads as it is asked for the next frame; each takes a
 * few milliseconds. Memory: 32 bytes for each block of content, and one frame.
 * @throws CorruptError when the volume is damaged
 */
export class BundleWriter {
  /** Files and bytes that were written so far, for whoever shows progress. */
  files = 0
  bytes = 0
  /** Blocks that the receiver has, by the SHA-256 of their plain bytes: they are not read, and come without them. Only for a receiver that knows the same ones. */
  isKnown: (hash: Uint8Array) => boolean = () => false
  readonly #source: BundleSource
  readonly #context: StoreContext
  readonly #hash = createHash('sha256')
  readonly #numbers = new BlockNumbers()
  #trees = 0
  #count = 0
  #items = Buffer.allocUnsafe(FRAME_BYTES + BUNDLE_ITEM_HEADER_BYTES + MAX_KEY_BYTES + limits.valueBytes)
  #itemBytes = 0
  #blocks = Buffer.allocUnsafe(BLOCKS_AT_ONCE * (BUNDLE_BLOCK_HEADER_BYTES + limits.blockBytes))
  #blockBytes = 0
  readonly #extent = Buffer.alloc(BUNDLE_EXTENT_BYTES)

  constructor(source: BundleSource) {
    this.#source = source
    this.#context = source.context
  }

  *frames(): Generator<Buffer> {
    for (const frame of this.#allFrames()) {
      this.#hash.update(frame)
      this.bytes += frame.length
      yield frame
    }
    const { count: blocks } = this.#numbers
    const end = encodeBundleJson(BundleFrame.end, { blocks, trees: this.#trees, items: this.#count, sha256: this.#hash.digest('hex') })
    this.bytes += end.length
    yield end
  }

  *#allFrames(): Generator<Buffer> {
    const source = this.#source
    yield BUNDLE_MAGIC
    yield encodeBundleJson(BundleFrame.header, { format: BUNDLE_FORMAT, ...source.header })
    let before = source.base
    for (const commit of source.commits) {
      const tree = source.treeOf(commit)
      yield encodeBundleJson(BundleFrame.tree, { commit: commit.id })
      yield* this.#difference(before, tree)
      before = tree
    }
    yield encodeBundleJson(BundleFrame.tree, {})
    yield* this.#difference(before, source.live)
    yield encodeBundleJson(BundleFrame.history, {})
    yield* this.#history(source.history)
  }

  /** What leads from one tree to the next, in pieces: the walk ends when a frame is full and goes on behind the last key. */
  *#difference(from: BTree, to: BTree): Generator<Buffer> {
    this.#trees++
    let next: Buffer | undefined
    for (let more = true; more; ) {
      more = false
      const visit = (key: Uint8Array, _before: Uint8Array | undefined, after: Uint8Array | undefined): boolean => {
        if (this.#isFull()) {
          next = Buffer.from(key)
          more = true
          return false
        }
        this.#add(key, after)
        return true
      }
      diff(from, to, visit, next === undefined ? {} : { from: next })
      yield* this.#flush(BundleFrame.items)
    }
  }

  #isFull(): boolean {
    return this.#itemBytes >= FRAME_BYTES || this.#blockBytes > this.#blocks.length - BUNDLE_BLOCK_HEADER_BYTES - limits.blockBytes
  }

  *#flush(type: number): Generator<Buffer> {
    if (this.#blockBytes > 0) yield encodeBundleFrame(BundleFrame.blocks, this.#blocks.subarray(0, this.#blockBytes))
    this.#blockBytes = 0
    if (this.#itemBytes > 0) yield encodeBundleFrame(type, this.#items.subarray(0, this.#itemBytes))
    this.#itemBytes = 0
  }

  #add(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#count++
    if (key[0] === Tag.attr && value !== undefined) this.files++
    const kept = value === undefined ? noBytes : this.#isExtent(key, value) ? this.#numbered(value) : value
    this.#itemBytes = putBundleItem(this.#items, this.#itemBytes, value === undefined ? BundleItem.del : BundleItem.put, key, kept)
  }

  #isExtent(key: Uint8Array, value: Uint8Array): boolean {
    return (key[0] === Tag.extent || isVersionBlock(key, 0, key.length)) && value.length === EXTENT_BYTES && value[0] === EXTENT_STORED
  }

  /** The value of an extent as the bundle has it; a block that comes for the first time is added. */
  #numbered(value: Uint8Array): Uint8Array {
    const known = this.#numbers.numberOf(value, 1)
    if (known < 0) this.#addBlock(value.subarray(1, 1 + POINTER_BYTES))
    putBundleExtent(this.#extent, 0, known < 0 ? this.#numbers.count - 1 : known)
    return this.#extent
  }

  #addBlock(pointer: Uint8Array): void {
    const hash = pointerHash(pointer, 0)
    const coding = this.#context.store.coding ?? plainCoding
    if (coding.cipher === undefined && this.isKnown(hash)) {
      putBundleBlockHeader(this.#blocks, this.#blockBytes, hash, 0)
      this.#blockBytes += BUNDLE_BLOCK_HEADER_BYTES
      return
    }
    const plain = this.#context.packs.readBlock(pointer, 0)
    if (Buffer.compare(identityOf(coding, plain), hash) !== 0) throw new CorruptError('a block', 'its hash is not that of its pointer')
    // Nothing in a bundle is encrypted, its hashes neither.
    putBundleBlockHeader(this.#blocks, this.#blockBytes, coding.cipher === undefined ? hash : sha256(plain), plain.length)
    this.#blocks.set(plain, this.#blockBytes + BUNDLE_BLOCK_HEADER_BYTES)
    this.#blockBytes += BUNDLE_BLOCK_HEADER_BYTES + plain.length
  }

  *#history(history: BTree): Generator<Buffer> {
    const cursor = history.cursor()
    for (let more = cursor.seek(lowest, 1); more; more = cursor.next()) {
      const key = cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl)
      const value = this.#historyValue(key, cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
      if (value !== undefined) this.#add(key, value)
      if (this.#isFull()) yield* this.#flush(BundleFrame.historyItems)
    }
    yield* this.#flush(BundleFrame.historyItems)
  }

  /** What goes into the bundle of a record of the history; undefined for none. */
  #historyValue(key: Uint8Array, value: Uint8Array): Uint8Array | undefined {
    switch (key[0]) {
      case Tag.commit: {
        const commit = commitOf(key, value)
        // The receiver knows the root of each tree that it made.
        return this.#source.keepsCommit(commit) ? encodeCommit({ ...commit.record, root: '' }) : undefined
      }
      case Tag.checkpoint:
        return this.#source.keepsCheckpoint(value) ? value : undefined
      case Tag.version:
        if (this.#source.keepsVersion(endOf(key))) return value
        return isVersionBlock(key, 0, key.length) && this.#source.savedSince(key, value) ? value : undefined
      case Tag.pastName:
      case Tag.prunedState:
        return this.#source.keepsPastName(endOf(key)) ? value : undefined
      case Tag.session:
      case Tag.applied:
      case Tag.incarnation:
      case Tag.hidden:
        return undefined
      default:
        return value
    }
  }
}

const noBytes = new Uint8Array(0)
const lowest = Buffer.from([0])

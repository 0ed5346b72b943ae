import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  BUNDLE_BLOCK_HEADER_BYTES,
  BUNDLE_EXTENT,
  BUNDLE_EXTENT_BYTES,
  BUNDLE_FRAME_HEADER_BYTES,
  BUNDLE_ITEM_HEADER_BYTES,
  BUNDLE_MAGIC,
  type BundleEnd,
  BundleFrame,
  type BundleHeader,
  BundleItem,
  type BundleTree,
  bundleBlockLength,
  bundleDamage,
  bundleExtent,
  bundleFrameLength,
  bundlePayload,
  parseBundleHeader,
  parseBundleJson,
} from '../../codec/bundle.js'
import { identityOf, plainCoding } from '../../codec/coding.js'
import { commitIdText, decodeCommit, encodeCommit, isVersionBlock, MAX_KEY_BYTES, POINTER_BYTES, pointerHash, Tag } from '../../codec/index.js'
import { sha256 } from '../../codec/sha256.js'
import { limits, makeFolders } from '../../sys/index.js'
import { BTree } from '../../tree/index.js'
import { EXTENT_BYTES, EXTENT_STORED } from '../../volume/content.js'
import type { StagedVolume } from '../../volume/staging.js'
import { type BundleBase, baseHistory } from './bundle-base.js'
import { IncomingPacks } from './incoming-packs.js'
import type { KnownBlocks } from './known-blocks.js'
import { PointerTable } from './pointer-table.js'

const FLUSH_PAGES = 64
const noBytes = Buffer.alloc(0)

/**
 * Makes a volume of a bundle that comes in pieces of any size. Every frame, block and reference is checked; nothing can be seen of the volume before
 * `publish`, and `discard` leaves nothing behind. Memory: one frame, a budget of dirty pages and of pointers.
 * @throws CorruptError for a bundle that is damaged or cut short; CairnError ERR_FORMAT; errors of the disk
 */
export class BundleReader {
  header: BundleHeader | undefined
  files = 0
  bytes = 0
  readonly #hash = createHash('sha256')
  #buffer: Buffer = noBytes
  /** Pieces behind `#buffer`; put together only when they may make a whole frame. */
  #pieces: Buffer[] = []
  #pieceBytes = 0
  #wanted = 0
  #stage: 'magic' | 'header' | 'waiting' | 'trees' | 'history' | 'ended' = 'magic'
  #building: Building | undefined

  /** Takes the next bytes. Stops behind the header until `begin`. */
  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    // Copied: the next piece may come in the same memory.
    this.#pieces.push(Buffer.from(chunk))
    this.#pieceBytes += chunk.length
    if (this.#buffer.length + this.#pieceBytes < this.#wanted) return
    this.#buffer = Buffer.concat([this.#buffer, ...this.#pieces])
    this.#pieces = []
    this.#pieceBytes = 0
    this.#advance()
  }

  /**
   * Goes on behind the header.
   * @param base what the receiver has of it, for a bundle with `since`
   * @param known blocks that it has, and the number of the first pack to be made
   */
  begin(staged: StagedVolume, base: BundleBase | undefined, known?: { blocks: KnownBlocks; firstPack: number }): void {
    this.#building = new Building(staged, base, known)
    this.#stage = 'trees'
    this.#advance()
  }

  #advance(): void {
    let at = 0
    if (this.#stage === 'magic' && this.#buffer.length >= BUNDLE_MAGIC.length) {
      if (BUNDLE_MAGIC.compare(this.#buffer, 0, BUNDLE_MAGIC.length) !== 0) throw bundleDamage('it does not begin as a bundle does')
      at = this.#take(0, BUNDLE_MAGIC.length)
      this.#stage = 'header'
    }
    while (this.#stage !== 'magic' && this.#stage !== 'waiting' && this.#buffer.length - at >= BUNDLE_FRAME_HEADER_BYTES) {
      const length = BUNDLE_FRAME_HEADER_BYTES + bundleFrameLength(this.#buffer, at)
      this.#wanted = length
      if (this.#buffer.length - at < length) break
      this.#frame(this.#buffer[at], bundlePayload(this.#buffer, at), this.#buffer.subarray(at, at + length))
      at += length
    }
    if (this.#stage === 'ended' && at < this.#buffer.length) throw bundleDamage('there is more behind its end')
    if (this.#buffer.length - at < BUNDLE_FRAME_HEADER_BYTES) this.#wanted = BUNDLE_FRAME_HEADER_BYTES
    this.#buffer = this.#buffer.subarray(at)
  }

  #take(at: number, length: number): number {
    this.#hash.update(this.#buffer.subarray(at, at + length))
    return at + length
  }

  #frame(type: number, payload: Uint8Array, whole: Uint8Array): void {
    if (type === BundleFrame.end) {
      this.#end(parseBundleJson<BundleEnd>(payload))
      return
    }
    this.#hash.update(whole)
    if (this.#stage === 'header') {
      if (type !== BundleFrame.header) throw bundleDamage('its header is missing')
      this.header = parseBundleHeader(payload)
      this.#stage = 'waiting'
      return
    }
    const building = this.#built()
    if (type === BundleFrame.blocks) building.blocks(payload)
    else if (type === BundleFrame.tree && this.#stage === 'trees') building.tree(parseBundleJson<BundleTree>(payload))
    else if (type === BundleFrame.items && this.#stage === 'trees') this.files += building.items(payload)
    else if (type === BundleFrame.history && this.#stage === 'trees') {
      building.beginHistory()
      this.#stage = 'history'
    } else if (type === BundleFrame.historyItems && this.#stage === 'history') building.historyItems(payload)
    else throw bundleDamage(`a record of kind ${type} stands where none belongs`)
  }

  #end(end: BundleEnd): void {
    if (this.#stage !== 'history') throw bundleDamage('it ends before its history')
    if (this.#hash.digest('hex') !== end.sha256) throw bundleDamage('its SHA-256 is not the one at its end')
    this.#built().checkCounts(end)
    this.#stage = 'ended'
  }

  #built(): Building {
    if (this.#building === undefined) throw bundleDamage('its header is missing')
    return this.#building
  }

  /** There are no more bytes. @throws CorruptError when the end is missing */
  finish(): void {
    if (this.#stage !== 'ended') throw bundleDamage(this.bytes === 0 ? 'it is empty' : `it is cut short after ${this.bytes} bytes`)
  }

  /** Makes the volume. Blocks for syncs. @throws CairnError ERR_VOLUME_EXISTS */
  publish(name: string): void {
    const { live } = this.header ?? { live: { inodes: 0, bytes: 0 } }
    this.#built().publish(name, live)
    this.#building = undefined
  }

  /** The store has packs of it, which another attempt can take up. */
  get hasStored(): boolean {
    return this.#building?.hasStored === true
  }

  /** Gives up, and leaves there what the store has. */
  leave(): void {
    this.#building?.leave()
    this.#building = undefined
  }

  /** Nothing of it stays. Again, or after `publish`, is no error. */
  discard(): void {
    this.#building?.discard()
    this.#building = undefined
  }
}

/** The trees and packs of the volume that is being made. */
class Building {
  readonly #staged: StagedVolume
  readonly #packs: IncomingPacks
  readonly #pointers: PointerTable
  /** Roots of commits by id, in hex. */
  readonly #roots: Map<string, string>
  readonly #base: BundleBase | undefined
  readonly #known: KnownBlocks | undefined
  #tree: BTree
  #history: BTree | undefined
  #root = ''
  /** The commit whose tree is being read; null for the live one, undefined before the first. */
  #commit: string | null | undefined
  #trees = 0
  #count = 0
  #lastKey: Buffer = noBytes
  readonly #extent = Buffer.alloc(EXTENT_BYTES, EXTENT_STORED)

  constructor(staged: StagedVolume, base: BundleBase | undefined, known: { blocks: KnownBlocks; firstPack: number } | undefined) {
    this.#staged = staged
    this.#base = base
    // Without any, nothing is hashed twice.
    this.#known = known?.blocks.count === 0 ? undefined : known?.blocks
    makeFolders(staged.dir)
    this.#packs = new IncomingPacks(staged.context, join(staged.dir, 'incoming'), staged.id, known?.firstPack)
    this.#pointers = new PointerTable(join(staged.dir, 'pointers'))
    this.#tree = base?.tree ?? BTree.empty(staged.context.pages)
    this.#roots = new Map(base?.roots)
  }

  blocks(payload: Uint8Array): void {
    for (let at = 0; at < payload.length; ) {
      if (at + BUNDLE_BLOCK_HEADER_BYTES > payload.length) throw bundleDamage('a block is cut short')
      const length = bundleBlockLength(payload, at)
      const from = at + BUNDLE_BLOCK_HEADER_BYTES
      if (length > limits.blockBytes || from + length > payload.length) throw bundleDamage('a block is cut short')
      this.#block(payload.subarray(at, at + POINTER_HASH_BYTES), payload.subarray(from, from + length))
      at = from + length
    }
  }

  #block(said: Uint8Array, plain: Uint8Array): void {
    const coding = this.#staged.context.store.coding ?? plainCoding
    const pointer = this.#pointers.next()
    const omitted = plain.length === 0 ? this.#known?.get(said) : undefined
    if (omitted !== undefined) {
      pointer.set(omitted)
      return
    }
    const known = this.#known?.get(identityOf(coding, plain))
    if (known === undefined) this.#packs.writeBlock(plain, pointer)
    else pointer.set(known)
    // What an encrypted store calls it is another hash.
    const hash = coding.cipher === undefined ? pointerHash(pointer, 0) : sha256(plain)
    if (Buffer.compare(hash, said) !== 0) throw bundleDamage('the hash of a block does not match')
  }

  tree(next: BundleTree): void {
    this.#endTree()
    if (this.#commit === null) throw bundleDamage('there is a tree behind the last one')
    this.#commit = next.commit ?? null
    this.#lastKey = noBytes
    this.#trees++
  }

  #endTree(): void {
    if (this.#commit === undefined) return
    this.#root = this.#seal(this.#tree)
    if (this.#commit !== null) this.#roots.set(this.#commit, this.#root)
  }

  #seal(tree: BTree): string {
    const sealing = tree.seal(this.#packs)
    while (!sealing.step(FLUSH_PAGES));
    return Buffer.from(sealing.root).toString('hex')
  }

  /** Returns how many attributes of files are in it. */
  items(payload: Uint8Array): number {
    if (this.#commit === undefined) throw bundleDamage('records stand before the first tree')
    let files = 0
    this.#eachItem(payload, Tag.attr, Tag.meta, (key, value) => {
      if (value === undefined) {
        if (!this.#tree.del(key, key.length)) throw bundleDamage('a record that is to be removed is not there')
        return
      }
      if (key[0] === Tag.attr) files++
      const stored = key[0] === Tag.extent ? this.#pointed(value) : value
      this.#tree.put(key, key.length, stored, stored.length)
    })
    if (this.#tree.dirtyBytes > limits.sealDirtyBytes) this.#seal(this.#tree)
    return files
  }

  #pointed(value: Uint8Array): Buffer {
    const pointer = value.length === BUNDLE_EXTENT_BYTES && value[0] === BUNDLE_EXTENT ? this.#pointers.get(bundleExtent(value, 0)) : undefined
    if (pointer === undefined) throw bundleDamage('a record names a block that is not in it')
    pointer.copy(this.#extent, 1, 0, POINTER_BYTES)
    return this.#extent
  }

  beginHistory(): void {
    if (this.#commit !== null) throw bundleDamage('its last tree is missing')
    this.#endTree()
    this.#lastKey = noBytes
    this.#history = this.#base === undefined ? BTree.empty(this.#staged.context.pages) : baseHistory(this.#base)
  }

  historyItems(payload: Uint8Array): void {
    const history = this.#history
    if (history === undefined) throw bundleDamage('its history has no beginning')
    this.#eachItem(payload, Tag.commit, LAST_HISTORY_TAG, (key, value) => {
      if (value === undefined) throw bundleDamage('its history removes something')
      const stored = this.#historyValue(key, value)
      if (stored !== undefined) history.put(key, key.length, stored, stored.length)
    })
    if (history.dirtyBytes > limits.sealDirtyBytes) this.#seal(history)
  }

  #historyValue(key: Uint8Array, value: Uint8Array): Uint8Array | undefined {
    if (isVersionBlock(key, 0, key.length) && value.length === BUNDLE_EXTENT_BYTES) return this.#pointed(value)
    if (key[0] !== Tag.commit) return value
    const root = this.#roots.get(commitIdText(key.subarray(1)))
    if (root !== undefined) return encodeCommit({ ...decodeCommit(value, 0, value.length), root })
    // The receiver of a difference may have pruned what lies before it.
    if (this.#base === undefined) throw bundleDamage('a commit has no tree')
    return undefined
  }

  #eachItem(payload: Uint8Array, first: number, last: number, visit: (key: Uint8Array, value: Uint8Array | undefined) => void): void {
    for (let at = 0; at < payload.length; ) {
      const op = payload[at]
      const keyLength = payload[at + 1] | (payload[at + 2] << 8)
      const valueLength = payload[at + 3] | (payload[at + 4] << 8)
      const from = at + BUNDLE_ITEM_HEADER_BYTES
      at = from + keyLength + valueLength
      const isWhole = at <= payload.length && keyLength > 0 && keyLength <= MAX_KEY_BYTES && valueLength <= limits.valueBytes
      if (!isWhole || (op !== BundleItem.put && op !== BundleItem.del)) throw bundleDamage('a record is malformed')
      const key = payload.subarray(from, from + keyLength)
      if (key[0] < first || key[0] > last || Buffer.compare(this.#lastKey, key) >= 0) throw bundleDamage('its records are out of order')
      this.#lastKey = Buffer.from(key)
      this.#count++
      visit(key, op === BundleItem.put ? payload.subarray(from + keyLength, at) : undefined)
    }
  }

  checkCounts(end: BundleEnd): void {
    const isAll = end.blocks === this.#pointers.count && end.trees === this.#trees && end.items === this.#count
    if (!isAll) throw bundleDamage('it does not hold as much as its end says')
  }

  publish(name: string, live: BundleHeader['live']): void {
    const history = this.#seal(this.#history ?? BTree.empty(this.#staged.context.pages))
    this.#packs.publish()
    this.#staged.publish(name, { root: this.#root, history, ...live })
    this.#pointers.remove()
  }

  get hasStored(): boolean {
    return this.#packs.hasStored
  }

  leave(): void {
    this.#packs.leave()
    this.#pointers.remove()
    this.#staged.leave()
  }

  discard(): void {
    this.#packs.discard()
    this.#staged.discard()
  }
}

const POINTER_HASH_BYTES = 32
/** History may have kinds of records that this version does not read. */
const LAST_HISTORY_TAG = 0x1f

import { closeSync, openSync, readSync } from 'node:fs'
import { type Coding, identityOf, Opened, plainCoding } from '../codec/coding.js'
import { isCopy, packIdOf } from '../codec/pack.js'
import { HASH_BYTES, PACK_ID_BYTES, POINTER_BYTES, packKey, pointerHash, pointerLength, pointerOffset, sameHash } from '../codec/pointer.js'
import { SegmentCodec, SegmentHeader, SegmentKind, segmentProblem } from '../codec/segment.js'
import { CorruptError } from '../errors.js'
import { BlockCache } from './block-cache.js'
import type { LocalStore } from './contract.js'
import { packProblem } from './pack-scan.js'
import { Relocations } from './relocations.js'

export { PackWriter, peekPack } from './pack-writer.js'

export interface PacksOptions {
  /** Bound of the cache of verified blocks. */
  blockCacheBytes: number
  /** Also compare the hash of everything read with its pointer's; for fsck. */
  verify?: boolean
}

/** One pack, as far as this process knows it. */
interface Source {
  /** Small number for keys of the cache. */
  ordinal: number
  key: string
  /** Descriptor of the local file that holds it, while it is no object of the store; else -1. */
  fd: number
  /** Of that file. */
  path: string
  /** It was not in the store: what it held has most likely moved. */
  gone: boolean
}

/** Offsets in a pack stay below this: an ordinal and an offset make one safe integer. */
const OFFSET_SPAN = 2 ** 36
const MAX_SOURCES = 2 ** 16
const ANY_KIND = 0
/** Runs remembered, to tell what is read again from what is read through once. */
const RUNS_SEEN = 4096

/**
 * Reads pages and blocks by pointer, for all volumes of one store. Everything returned was verified against its checksum.
 * Synchronous; one thread.
 */
export class Packs {
  pagesRead = 0
  blocksRead = 0
  blockHits = 0
  bytesRead = 0
  /** Reads that went through the relocation index. */
  relocated = 0
  readonly #store: LocalStore
  readonly #verify: boolean
  readonly #cache: BlockCache
  #sources = new Map<string, Source>()
  #nextOrdinal = 0
  /** The pack of the last read, which is mostly that of the next. */
  readonly #lastId = Buffer.alloc(PACK_ID_BYTES)
  #last: Source | undefined
  /** Where the last read of the store began. */
  #lastKey = ''
  #lastOffset = 0
  readonly #relocations: Relocations
  #scratch = Buffer.allocUnsafeSlow(128 * 1024)
  readonly #runsSeen = new Set<number>()
  readonly #header = new SegmentHeader()
  /** See `PageSource`; only over a store that is elsewhere. */
  readonly prefetchPage: ((pointer: Uint8Array, at: number, lead: number) => void) | undefined
  /** The same of a block. */
  readonly prefetchBlock: ((pointer: Uint8Array, at: number, behind: number) => void) | undefined
  /** See `BlockSource`. */
  readonly waitFromNow: (() => void) | undefined
  readonly #opened = new Opened()
  readonly #coding: Coding

  constructor(store: LocalStore, options: PacksOptions) {
    this.#store = store
    this.#coding = store.coding ?? plainCoding
    this.#verify = options.verify ?? false
    this.#relocations = new Relocations(store)
    this.#cache = new BlockCache(options.blockCacheBytes)
    if (store.prefetch === undefined) return
    this.prefetchPage = (pointer, at, lead) => this.#prefetch(pointer, at, lead, 0)
    this.prefetchBlock = (pointer, at, behind) => this.#prefetch(pointer, at, 0, behind)
    this.waitFromNow = () => {
      store.mayMiss = false
    }
  }

  /** Of a pack that was moved nothing is brought near: that happens seldom. */
  #prefetch(pointer: Uint8Array, at: number, lead: number, behind: number): void {
    const source = this.#source(pointer, at + HASH_BYTES)
    if (source.fd >= 0 || source.gone) return
    this.#store.prefetch?.(source.key, pointerOffset(pointer, at) - lead, pointerLength(pointer, at) + lead + behind)
  }

  /** Reads of this pack go to a local file, until `removeSpool`. */
  addSpool(packId: Uint8Array, path: string): void {
    const fd = openSync(path, 'r')
    const source = this.#source(packId, 0)
    if (source.fd >= 0) closeSync(source.fd)
    source.fd = fd
    source.path = path
    source.gone = false
  }

  /** The pack is an object of the store now, or gone. */
  removeSpool(packId: Uint8Array): void {
    const source = this.#source(packId, 0)
    if (source.fd >= 0) closeSync(source.fd)
    source.fd = -1
  }

  isSpooled(packId: Uint8Array): boolean {
    return this.#source(packId, 0).fd >= 0
  }

  /**
   * Path of the file of this host that has the segment which the pointer names, as it is, at the pointer's offset. It may have moved by the time that it is opened.
   * Undefined where there is none, or what is in it is sealed.
   */
  fileOf(pointer: Uint8Array, at: number): string | undefined {
    const source = this.#source(pointer, at + HASH_BYTES)
    if (source.gone || this.#coding.cipher !== undefined) return undefined
    return source.fd >= 0 ? source.path : this.#store.fileOf?.(source.key)
  }

  get blockCacheBytes(): number {
    return this.#cache.bytes
  }

  /** Key of the pack that the last read segment stands in. */
  get lastPack(): string {
    return this.#last?.key ?? ''
  }

  /** Drops the cached blocks, which the next reads bring back. */
  clearCache(): void {
    this.#cache.clear()
  }

  /**
   * The plain page that the pointer names; valid until the next read.
   * @throws CorruptError naming the pack and the offset
   */
  readPage(pointer: Uint8Array, at: number): Uint8Array {
    this.pagesRead++
    return this.#loadPlain(pointer, at, SegmentKind.page)
  }

  /**
   * The plain block that the pointer names, through the cache. It is shared: not to be changed.
   * @throws CorruptError naming the pack and the offset
   */
  readBlock(pointer: Uint8Array, at: number): Uint8Array {
    const key = this.#source(pointer, at + HASH_BYTES).ordinal * OFFSET_SPAN + pointerOffset(pointer, at)
    const cached = this.#cache.get(key)
    if (cached !== undefined) {
      this.blockHits++
      return cached
    }
    this.blocksRead++
    const plain = this.#loadPlain(pointer, at, SegmentKind.block)
    this.#cache.set(key, plain)
    return plain
  }

  /**
   * Reads `count` plain blocks that lie one behind the other in a pack, in one read of the disk. The cache takes them when they come a second time: what is
   * read through once would only push others out.
   * @param pointers theirs, one behind the other from `at` on
   * @param slot bytes that each block has in `into`; zeros behind one that is shorter
   * @returns false, and nothing is read, where blocks one by one do better: cached, moved
   * @throws CorruptError naming the pack and the offset
   */
  readRun(pointers: Uint8Array, at: number, count: number, into: Uint8Array, toAt: number, slot: number): boolean {
    const source = this.#source(pointers, at + HASH_BYTES)
    const offset = pointerOffset(pointers, at)
    const key = source.ordinal * OFFSET_SPAN
    if (this.#verify || source.gone || this.#cache.has(key + offset)) return false
    const last = at + (count - 1) * POINTER_BYTES
    const length = pointerOffset(pointers, last) + pointerLength(pointers, last) - offset
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(length)
    if (this.#read(pointers, at + HASH_BYTES, offset, length) !== length) return false
    const keep = this.#seenBefore(key + offset)
    let from = 0
    for (let i = 0; i < count; i++) {
      const pointer = at + i * POINTER_BYTES
      const stored = pointerLength(pointers, pointer)
      const problem = this.#openRun(pointers, pointer, from, stored)
      // One by one they are read again where a cache was at fault.
      if (problem !== '' && this.#store.discardSync?.(source.key, offset, length) === true) return false
      if (problem !== '') throw new CorruptError(`${source.key} at ${offset + from}`, problem)
      const { plain } = this.#opened
      into.set(plain, toAt + i * slot)
      if (plain.length < slot) into.fill(0, toAt + i * slot + plain.length, toAt + (i + 1) * slot)
      if (keep) this.#cache.set(key + offset + from, this.#isView ? copyOf(plain) : plain)
      from += stored
    }
    this.blocksRead += count
    this.bytesRead += length
    return true
  }

  /** Opens the block at `from` of the scratch buffer. Why it does not open; else ''. */
  #openRun(pointers: Uint8Array, pointer: number, from: number, stored: number): string {
    const problem = segmentProblem(this.#scratch, from, stored, this.#header)
    if (problem !== '') return problem
    if (this.#header.kind !== SegmentKind.block) return `it is a segment of kind ${this.#header.kind}, not ${SegmentKind.block}`
    return this.#open(pointers, pointer, from, stored)
  }

  /** Opens the segment at `from` of the scratch buffer, which verified, into `#opened`. Why it does not open; else ''. */
  #open(pointer: Uint8Array, at: number, from: number, length: number): string {
    const opened = this.#opened
    const problem = opened.open(this.#scratch, from, length, this.#header, this.#coding)
    if (problem !== '' || opened.identity === undefined) return problem
    return sameHash(opened.identity, 0, pointer, at) ? '' : 'it is not what its pointer names'
  }

  /** What was opened last is a part of the scratch buffer. */
  get #isView(): boolean {
    return this.#header.codec === SegmentCodec.plain && this.#header.flags === 0
  }

  #seenBefore(key: number): boolean {
    const runs = this.#runsSeen
    if (runs.delete(key)) return true
    runs.add(key)
    const oldest = runs.values().next().value
    if (runs.size > RUNS_SEEN && oldest !== undefined) runs.delete(oldest)
    return false
  }

  /**
   * Checks the page or block that the pointer names, down to the hash of its plain bytes, past all caches.
   * @returns its stored length
   * @throws CorruptError naming the pack and the offset
   */
  verify(pointer: Uint8Array, at: number): number {
    const plain = this.#loadPlain(pointer, at, ANY_KIND)
    this.#checkHash(plain, pointer, at)
    return pointerLength(pointer, at)
  }

  /** What is wrong with header, index or the segments of a pack of the store; undefined when nothing is, or it has moved. Reads all of it. */
  checkPack(key: string): string | undefined {
    const id = packIdOf(key)
    if (id === undefined) return 'its name is not that of a pack'
    // What a crash left in a local file has no footer yet; its segments are checked through their pointers.
    if (this.isSpooled(id)) return undefined
    const problem = packProblem(this.#store, id)
    // A collection may take it away before it was read to its end.
    const hasMoved = problem !== undefined && this.#store.headSync(key) === undefined && this.#relocations.explains(id, isCopy(id))
    return hasMoved ? undefined : problem
  }

  /** What a cache has damaged is read again, where the object is. */
  #loadPlain(pointer: Uint8Array, at: number, kind: number): Uint8Array {
    try {
      return this.#loadOnce(pointer, at, kind)
    } catch (error) {
      const isCached = error instanceof CorruptError && this.#store.discardSync?.(this.#lastKey, this.#lastOffset, pointerLength(pointer, at)) === true
      if (!isCached) throw error
      return this.#loadOnce(pointer, at, kind)
    }
  }

  #loadOnce(pointer: Uint8Array, at: number, kind: number): Uint8Array {
    const length = this.#load(pointer, at)
    const header = this.#header
    const problem = segmentProblem(this.#scratch, 0, length, header)
    if (problem !== '') throw this.#corrupt(pointer, at, problem)
    if (kind !== ANY_KIND && header.kind !== kind) throw this.#corrupt(pointer, at, `it is a segment of kind ${header.kind}, not ${kind}`)
    const failed = this.#open(pointer, at, 0, length)
    if (failed !== '') throw this.#corrupt(pointer, at, failed)
    const { plain } = this.#opened
    if (this.#verify) this.#checkHash(plain, pointer, at)
    return kind === SegmentKind.block && this.#isView ? copyOf(plain) : plain
  }

  #checkHash(plain: Uint8Array, pointer: Uint8Array, at: number): void {
    if (Buffer.compare(identityOf(this.#coding, plain), pointerHash(pointer, at)) !== 0) throw this.#corrupt(pointer, at, 'its hash is not that of the pointer')
  }

  /** Reads the stored segment into the scratch buffer; returns its length. */
  #load(pointer: Uint8Array, at: number): number {
    const length = pointerLength(pointer, at)
    const offset = pointerOffset(pointer, at)
    if (length > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(length)
    const n = this.#readMoved(pointer, at + HASH_BYTES, offset, length)
    if (n < 0) throw this.#corrupt(pointer, at, 'the pack is missing', true)
    if (n < length) throw this.#corrupt(pointer, at, `the pack ends after ${n} of ${length} bytes`)
    this.bytesRead += n
    return length
  }

  /** Reads a segment where it stands now; -1 when it is nowhere. A collection may move it once more while it is looked for. */
  #readMoved(id: Uint8Array, at: number, offset: number, length: number): number {
    if (!this.#source(id, at).gone) {
      const n = this.#read(id, at, offset, length)
      if (n >= 0) return n
    }
    do {
      const moved = this.#relocations.find(id, at, offset)
      const n = moved === undefined ? -1 : this.#read(moved.newPack, 0, moved.newOffset, length)
      if (n >= 0) this.relocated++
      if (n >= 0) return n
    } while (this.#relocations.refresh())
    return this.#read(id, at, offset, length)
  }

  #read(id: Uint8Array, at: number, offset: number, length: number): number {
    const source = this.#source(id, at)
    if (source.fd >= 0) return readSync(source.fd, this.#scratch, 0, length, offset)
    // Where it stands now, which may be another pack than the pointer names.
    this.#lastKey = source.key
    this.#lastOffset = offset
    const n = this.#store.readSync(source.key, offset, this.#scratch, 0, length)
    source.gone = n < 0
    return n
  }

  /** Where a segment stands that a collection has moved; undefined when none has. */
  movedTo(pointer: Uint8Array, at: number, looksAnew = true): { key: string; offset: number } | undefined {
    const find = (): { key: string; offset: number } | undefined => {
      const moved = this.#relocations.find(pointer, at + HASH_BYTES, pointerOffset(pointer, at))
      return moved === undefined ? undefined : { key: packKey(moved.newPack), offset: moved.newOffset }
    }
    return find() ?? (looksAnew && this.#relocations.refresh() ? find() : undefined)
  }

  #source(id: Uint8Array, at: number): Source {
    if (this.#last !== undefined && sameBytes(this.#lastId, id, at)) return this.#last
    const name = Buffer.from(id.buffer, id.byteOffset + at, PACK_ID_BYTES)
    const hex = name.toString('latin1')
    let source = this.#sources.get(hex)
    if (source === undefined) {
      if (this.#sources.size >= MAX_SOURCES) this.#forgetSources()
      source = { ordinal: this.#nextOrdinal++, key: packKey(name), fd: -1, path: '', gone: false }
      this.#sources.set(hex, source)
    }
    name.copy(this.#lastId)
    this.#last = source
    return source
  }

  /** Starts numbering again; packs in local files keep their descriptors. */
  #forgetSources(): void {
    this.#cache.clear()
    this.#runsSeen.clear()
    this.#nextOrdinal = 0
    const kept = [...this.#sources].filter(([, source]) => source.fd >= 0)
    for (const [, source] of kept) source.ordinal = this.#nextOrdinal++
    this.#sources = new Map(kept)
  }

  #corrupt(pointer: Uint8Array, at: number, what: string, isGone = false): CorruptError {
    const source = this.#source(pointer, at + HASH_BYTES)
    return new CorruptError(`${source.key} at ${pointerOffset(pointer, at)}`, what, undefined, isGone)
  }

  /** Closes the descriptors of local files. */
  close(): void {
    for (const source of this.#sources.values()) if (source.fd >= 0) closeSync(source.fd)
    this.#sources.clear()
    this.#last = undefined
    this.#cache.clear()
  }
}

/** A Buffer that shares its memory with no other: a view of the scratch buffer would change with the next read. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

function sameBytes(a: Uint8Array, b: Uint8Array, at: number): boolean {
  for (let i = PACK_ID_BYTES - 1; i >= 0; i--) if (a[i] !== b[at + i]) return false
  return true
}

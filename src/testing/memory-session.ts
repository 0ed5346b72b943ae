import { ATTR_BYTES, Attr, DirHash, encodeAttr, inodeKey, MAX_KEY_BYTES, Tag } from '../codec/index.js'
import { EROFS } from '../errors.js'
import { type Clock, limits, systemClock } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import type { ContentReader, Session, Usage } from '../volume/session.js'
import { SortedTree } from './sorted-tree.js'

const BLOCK = limits.blockBytes

export interface MemorySessionOptions {
  /** Default: a sorted array. */
  tree?: Tree
  clock?: Clock
  /** Default: keyed with zeros. Tests bring one that collides. */
  dirHash?: DirHash
  readOnly?: boolean
}

/** A session in memory, for tests of what stands above it: one batch, applied at commit. Starts with an empty root directory. */
export class MemorySession implements Session, ContentReader {
  readonly tree: Tree
  readonly dirHash: DirHash
  readonly rootIno = 1
  readonly usage: Usage = { inodes: 1, bytes: 0 }
  readOnly: boolean
  nowS = 0
  nowNs = 0
  /** Batches committed. */
  changes = 0
  /** Answers of the next commits, such as `-ENOSPC`; each fails one. */
  readonly failures: number[] = []
  /** Requests done: `mount/high/low`. */
  readonly applied = new Set<string>()
  readonly #clock: Clock
  /** Blocks by inode, then by index. */
  readonly #blocks = new Map<number, Map<number, Buffer>>()
  #batch: Array<() => void> = []
  #fresh = new Set<string>()
  #nextIno = 2

  constructor(options: MemorySessionOptions = {}) {
    this.tree = options.tree ?? new SortedTree()
    this.#clock = options.clock ?? systemClock
    this.dirHash = options.dirHash ?? new DirHash(Buffer.alloc(8))
    this.readOnly = options.readOnly ?? false
    this.#makeRoot()
  }

  #makeRoot(): void {
    this.tick()
    const root = new Attr()
    root.mode = 0o040755
    root.nlink = 2
    root.size = 4096
    root.parent = this.rootIno
    root.atimeS = root.mtimeS = root.ctimeS = root.btimeS = this.nowS
    root.atimeNs = root.mtimeNs = root.ctimeNs = root.btimeNs = this.nowNs
    const K = Buffer.alloc(MAX_KEY_BYTES)
    const V = Buffer.alloc(ATTR_BYTES)
    encodeAttr(root, V, 0)
    this.tree.put(K, inodeKey(K, Tag.attr, this.rootIno), V, ATTR_BYTES)
  }

  get content(): ContentReader {
    return this
  }

  look(): void {
    this.tick()
  }

  tick(): void {
    const now = this.#clock.now()
    this.nowS = Math.floor(now / 1000)
    this.nowNs = Math.floor((now % 1000) * 1e6)
  }

  put(K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void {
    if (keyLength > MAX_KEY_BYTES || valueLength > limits.valueBytes) throw new RangeError('a record is too long for a page')
    const key = Buffer.from(K.subarray(0, keyLength))
    const value = Buffer.from(V.subarray(0, valueLength))
    this.#batch.push(() => this.tree.put(key, key.length, value, value.length))
  }

  del(K: Uint8Array, keyLength: number): void {
    const key = Buffer.from(K.subarray(0, keyLength))
    this.#batch.push(() => this.tree.del(key, key.length))
  }

  writeData(ino: number, offset: number, from: Uint8Array, at: number, length: number): number {
    let fresh = 0
    eachPart(offset, length, (block, within, count, done) => {
      const bytes = Buffer.from(from.subarray(at + done, at + done + count))
      const id = `${ino}/${block}`
      if (!this.#has(ino, block) && !this.#fresh.has(id)) {
        fresh++
        this.#fresh.add(id)
      }
      this.#batch.push(() => this.#blockOf(ino, block).set(bytes, within))
    })
    return fresh
  }

  zeroData(ino: number, offset: number, length: number): void {
    eachPart(offset, length, (block, within, count) => {
      this.#batch.push(() =>
        this.#blocks
          .get(ino)
          ?.get(block)
          ?.fill(0, within, within + count),
      )
    })
  }

  dropBlocks(ino: number, first: number, last: number): number {
    const blocks = this.#blocks.get(ino)
    const dropped = blocks === undefined ? [] : [...blocks.keys()].filter(block => block >= first && block <= last)
    for (const block of dropped) this.#batch.push(() => blocks?.delete(block))
    return dropped.length
  }

  addUsage(inodes: number, bytes: number): void {
    this.#batch.push(() => {
      this.usage.inodes += inodes
      this.usage.bytes += bytes
    })
  }

  allocIno(): number {
    return this.#nextIno++
  }

  tagRequest(mount: number, uniqueHigh: number, uniqueLow: number): void {
    this.#batch.push(() => this.applied.add(`${mount}/${uniqueHigh}/${uniqueLow}`))
  }

  wasApplied(mount: number, uniqueHigh: number, uniqueLow: number): boolean {
    return this.applied.has(`${mount}/${uniqueHigh}/${uniqueLow}`)
  }

  commit(): number {
    const batch = this.#batch
    this.discard()
    if (this.readOnly) return -EROFS
    if (batch.length === 0) return 0
    const failure = this.failures.shift() ?? 0
    if (failure < 0) return failure
    for (const apply of batch) apply()
    this.changes++
    return 0
  }

  discard(): void {
    this.#batch = []
    this.#fresh.clear()
  }

  /** Changes collected and not committed. */
  get pending(): number {
    return this.#batch.length
  }

  syncNow(): number {
    return 0
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }

  read(ino: number, offset: number, into: Uint8Array, at: number, length: number): void {
    eachPart(offset, length, (block, within, count, done) => {
      const bytes = this.#blocks.get(ino)?.get(block)
      if (bytes === undefined) into.fill(0, at + done, at + done + count)
      else into.set(bytes.subarray(within, within + count), at + done)
    })
  }

  nextBlock(ino: number, block: number): number {
    let next = -1
    for (const index of this.#blocks.get(ino)?.keys() ?? []) if (index >= block && (next < 0 || index < next)) next = index
    return next
  }

  /** How many blocks of an inode are not holes. */
  allocated(ino: number): number {
    return this.#blocks.get(ino)?.size ?? 0
  }

  /** Inodes with blocks. */
  inosWithBlocks(): number[] {
    return [...this.#blocks].filter(([, blocks]) => blocks.size > 0).map(([ino]) => ino)
  }

  /** Everything there is, as lines: two sessions with equal dumps hold the same bytes. */
  dump(): string[] {
    const lines: string[] = []
    const cursor = this.tree.cursor()
    for (let more = cursor.seek(Buffer.alloc(1), 0); more; more = cursor.next()) {
      lines.push(`${hex(cursor.buf, cursor.kp, cursor.kl)}=${hex(cursor.buf, cursor.vp, cursor.vl)}`)
    }
    for (const [ino, blocks] of this.#blocks) for (const [block, bytes] of blocks) lines.push(`${ino}/${block}=${hex(bytes, 0, bytes.length)}`)
    lines.push(JSON.stringify(this.usage))
    return lines.sort()
  }

  #has(ino: number, block: number): boolean {
    return this.#blocks.get(ino)?.has(block) ?? false
  }

  #blockOf(ino: number, block: number): Buffer {
    let blocks = this.#blocks.get(ino)
    if (blocks === undefined) {
      blocks = new Map()
      this.#blocks.set(ino, blocks)
    }
    let bytes = blocks.get(block)
    if (bytes === undefined) {
      bytes = Buffer.alloc(BLOCK)
      blocks.set(block, bytes)
    }
    return bytes
  }
}

function hex(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('hex')
}

/** The parts of a range that fall into different blocks: block, offset within it, bytes, bytes before. */
function eachPart(offset: number, length: number, visit: (block: number, within: number, count: number, done: number) => void): void {
  for (let done = 0; done < length; ) {
    const block = Math.floor((offset + done) / BLOCK)
    const within = offset + done - block * BLOCK
    const count = Math.min(length - done, BLOCK - within)
    visit(block, within, count, done)
    done += count
  }
}

import { BatchWriter, type DirHash, extentKey, Item } from '../codec/index.js'
import { CairnError, EDQUOT, EIO, ENOSPC, EROFS, errnoName } from '../errors.js'
import { type Clock, limits } from '../sys/index.js'
import type { Tree } from '../tree/tree.js'
import { type BlockSink, EXTENT_BYTES, EXTENT_STORED } from './content.js'
import type { ContentReader, Session, Usage } from './session.js'
import type { VolumeState } from './state.js'
import type { ChangeWatch } from './versions/watch.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(32)
const V = Buffer.alloc(EXTENT_BYTES)

/** Collects the batch of the current operation; what `commit` does with it is the subclass's. */
export abstract class Collector implements Session {
  abstract readonly readOnly: boolean
  abstract readonly tree: Tree
  readonly rootIno = 1
  readonly dirHash: DirHash
  nowS = 0
  nowNs = 0
  protected readonly batch: BatchWriter
  protected readonly state: VolumeState
  protected readonly clock: Clock
  protected nowMs = 0
  protected inodesDelta = 0
  protected bytesDelta = 0
  /** Set when a block could not be stored: the batch must not be committed. */
  protected failed = 0
  /** Saves what the batch replaces. */
  protected readonly watch: ChangeWatch | undefined
  readonly #sink: BlockSink
  /** Blocks that this batch allocates: inode, block, inode, block … */
  #allocated: number[] = []

  /** @param watch made over the batch, which it may add to */
  constructor(state: VolumeState, dirHash: DirHash, sink: BlockSink, clock: Clock, headroom: number, watch?: (batch: BatchWriter) => ChangeWatch) {
    this.state = state
    this.dirHash = dirHash
    this.clock = clock
    this.#sink = sink
    this.batch = new BatchWriter(headroom)
    this.watch = watch?.(this.batch)
  }

  get content(): ContentReader {
    return this.state.content
  }

  get usage(): Readonly<Usage> {
    return this.state.usage
  }

  /** Commits that this session's tree has seen. */
  get changes(): number {
    return 0
  }

  tick(): void {
    this.look()
  }

  look(): void {
    const now = this.clock.now()
    this.nowMs = now
    const seconds = Math.floor(now / 1000)
    this.nowS = seconds
    this.nowNs = Math.floor((now - seconds * 1000) * 1e6)
  }

  put(key: Uint8Array, keyLength: number, value: Uint8Array, valueLength: number): void {
    this.watch?.put(key, keyLength, value, valueLength)
    this.batch.put(Item.put, key, keyLength, value, valueLength)
  }

  del(key: Uint8Array, keyLength: number): void {
    this.watch?.del(key, keyLength)
    this.batch.del(Item.del, key, keyLength)
  }

  writeData(ino: number, offset: number, from: Uint8Array, at: number, length: number): number {
    this.watch?.range(ino, offset, length, false)
    let fresh = 0
    while (length > 0) {
      const block = Math.floor(offset / BLOCK)
      const within = offset - block * BLOCK
      const n = Math.min(length, BLOCK - within)
      if (this.#isFresh(ino, block)) fresh++
      if (n === BLOCK) this.#storeBlock(ino, block, from, at)
      else this.batch.data(ino, offset, from, at, n)
      offset += n
      at += n
      length -= n
    }
    return fresh
  }

  #isFresh(ino: number, block: number): boolean {
    if (this.state.content.allocated(ino, block)) return false
    const seen = this.#allocated
    for (let i = 0; i < seen.length; i += 2) if (seen[i] === ino && seen[i + 1] === block) return false
    seen.push(ino, block)
    return true
  }

  /** A whole block goes into its final pack at once; the journal then holds only the reference. */
  #storeBlock(ino: number, block: number, from: Uint8Array, at: number): void {
    if (this.failed !== 0) return
    try {
      V[0] = EXTENT_STORED
      this.#sink.writeBlock(from, at, BLOCK, V, 1)
      this.batch.put(Item.put, K, extentKey(K, ino, block), V, EXTENT_BYTES)
    } catch (error) {
      this.failed = diskErrno(error)
    }
  }

  zeroData(ino: number, offset: number, length: number): void {
    this.watch?.range(ino, offset, length, true)
    this.batch.zero(ino, offset, length)
  }

  dropBlocks(ino: number, first: number, last: number): number {
    const count = this.state.content.countBlocks(ino, first, last)
    if (count > 0) {
      this.watch?.drop(ino, first, last)
      this.batch.drop(ino, first, last)
    }
    return count
  }

  addUsage(inodes: number, bytes: number): void {
    this.inodesDelta += inodes
    this.bytesDelta += bytes
  }

  tagRequest(mount: number, uniqueHigh: number, uniqueLow: number): void {
    this.batch.tag(mount, uniqueHigh, uniqueLow)
  }

  wasApplied(mount: number, uniqueHigh: number, uniqueLow: number): boolean {
    return this.state.wasApplied(mount, uniqueHigh, uniqueLow)
  }

  waitFromNow(): void {
    this.state.waitFromNow()
  }

  discard(): void {
    this.watch?.discard()
    this.batch.reset()
    this.inodesDelta = 0
    this.bytesDelta = 0
    this.failed = 0
    if (this.#allocated.length > 0) this.#allocated = []
  }

  abstract allocIno(): number
  abstract commit(): number
  abstract syncNow(): number
  abstract sync(): Promise<void>
}

/** The negated errno of a failed write: a full disk is ENOSPC (EDQUOT alike), anything else EIO. @throws what is no system error */
export function diskErrno(error: unknown): number {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT') return -ENOSPC
  // Of a journal that another process writes by now.
  if (code === 'EROFS') return -EROFS
  if (typeof (error as NodeJS.ErrnoException).syscall === 'string') return -EIO
  throw error
}

/** What a caller is told when the journal refused a change. @param result negated errno */
export function refusedByDisk(what: string, result: number): CairnError {
  const name = errnoName(-result)
  if (result === -EROFS) return new CairnError('EROFS', `${what}: the volume is open read-only here.`, 'Open it to write it, where no other host does.')
  if (result === -EDQUOT)
    return new CairnError('EDQUOT', `${what}: the quota of the volume is reached.`, 'Delete files, or raise it with `cairn quota VOL set`.')
  return new CairnError(`ERR_${name}`, `${what}: ${name}.`, 'Make room on the disk of CAIRN_HOME and try again.')
}

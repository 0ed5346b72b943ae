import type { DirHash } from '../codec/index.js'
import type { Tree } from '../tree/tree.js'
import type { Quota } from './quota.js'

/**
 * What the POSIX layer sees of a volume: a tree to read and one batch of changes to commit.
 *
 * An operation reads all that it needs through `tree` and `content`, then adds its changes with `put`, `del`, `writeData` …,
 * then calls `commit`. Nothing of a batch is visible before `commit` returns 0; a batch that fails, or is discarded,
 * leaves no trace. Everything is synchronous; keys and values are copied, so scratch buffers may be used again.
 * A live volume, a transaction and a read-only view of a commit all implement it.
 */
export interface Session {
  readonly readOnly: boolean
  /** The current state. Never write to it directly. Its `vb/vp/vl` are valid until the next call of any kind. */
  readonly tree: Tree
  readonly dirHash: DirHash
  readonly content: ContentReader
  /** Inode of the root directory, always 1. */
  readonly rootIno: 1
  /** Inodes in use and bytes of content allocated, as committed. */
  readonly usage: Readonly<Usage>
  /** What may be in use; without it all that there is room for. */
  readonly quota?: Quota
  /** Wall clock of the current operation: whole seconds and nanoseconds. Call `tick()` once at the start of an operation. */
  nowS: number
  nowNs: number
  tick(): void
  /** As `tick`, for what is nobody's change: an operation that only reads, a record of the history. */
  look(): void

  put(K: Uint8Array, keyLength: number, V: Uint8Array, valueLength: number): void
  del(K: Uint8Array, keyLength: number): void
  /** Bytes of a file whose content kind is `blocks`. Returns how many 64 KiB blocks this allocates that were holes. */
  writeData(ino: number, offset: number, from: Uint8Array, at: number, length: number): number
  /** A range of such a file, within allocated blocks, will read as zeros; holes stay holes. */
  zeroData(ino: number, offset: number, length: number): void
  /** Blocks `first` to `last` inclusive become holes. Returns how many were allocated. */
  dropBlocks(ino: number, first: number, last: number): number
  /** Changes `usage` with the batch. */
  addUsage(inodes: number, bytes: number): void
  /**
   * Raised by whatever changes the tree: a commit of this session, of a transaction, a restore. Caches above compare it to
   * notice changes that they did not make. Without it they must be told.
   */
  readonly changes?: number
  /**
   * Raised when the volume goes to another state in which this inode has other content or does not exist, while somebody may have it open.
   * A handle opened in another incarnation than the present one is stale. Without it there is only one.
   */
  incarnation?(ino: number): number
  /**
   * The open handle (a number from `newHandle`) through which the batch being collected comes; 0, as after each `commit` and
   * `discard`: through none, so that what it changes is closed when it returns. Without it nobody keeps versions by handles.
   */
  handle?: number
  /** A number for a handle that is being opened for writing; `created`: its file was made for it. */
  newHandle?(created: boolean): number
  /** A handle was closed. */
  released?(ino: number, handle: number): void
  /** A fresh inode number; never handed out again, even when the batch is discarded. */
  allocIno(): number
  /** Marks the batch with the id of a request that must not run twice; see `wasApplied`. */
  tagRequest(mount: number, uniqueHigh: number, uniqueLow: number): void
  /** True when a batch with this tag was committed: after a crash, a resent request has been done already. */
  wasApplied(mount: number, uniqueHigh: number, uniqueLow: number): boolean

  /** Journals and applies the batch. 0, or a negative errno (`-ENOSPC`, `-EROFS`, `-EIO`) and no trace of it. Survives SIGKILL once it returned 0. */
  commit(): number
  discard(): void
  /** What is done from now on ends by no PageMiss: something was made that is no batch, such as a handle. Without it nothing is far away. */
  waitFromNow?(): void

  /** Makes everything committed so far durable against power loss. Blocks. 0 or a negative errno. */
  syncNow(): number
  /** The same without blocking: concurrent calls share one fdatasync. */
  sync(): Promise<void>
}

export interface Usage {
  inodes: number
  bytes: number
}

/** Reads of files whose content kind is `blocks`. Callers cut ranges to the file's size. */
export interface ContentReader {
  /** Fills `into` with `length` bytes at `offset`, holes as zeros. @throws CorruptError */
  read(ino: number, offset: number, into: Uint8Array, at: number, length: number): void
  /** The first allocated block at or after `block`; -1 when there is none. */
  nextBlock(ino: number, block: number): number
}

import { FRAME_HEADROOM } from '../codec/frame.js'
import { Attr, BatchReader, commitKey, decodeAttr, encodeAttr, Item, MAX_KEY_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { CairnError, EIO, EROFS, posixError } from '../errors.js'
import { assert, type Clock } from '../sys/index.js'
import { type BTree, diff } from '../tree/index.js'
import type { Tree } from '../tree/tree.js'
import type { TransactionSession } from './api.js'
import { Collector } from './collector.js'
import type { NewCommit, PreparedCommit } from './history.js'
import { ItemLog } from './item-log.js'
import type { LiveSession } from './live-session.js'
import type { Quota } from './quota.js'
import { ReadSet, TrackedTree } from './read-set.js'
import type { Spool } from './spool.js'
import { VolumeState } from './state.js'
import { TreeChanges } from './tree-changes.js'
import type { StoreContext } from './volume.js'

/** Overlays folded between two looks at how many are left. */
const FOLDS_AT_ONCE = 64

/**
 * An optimistic transaction: a private copy-on-write state on the tree as it was at the start. Reads see the start and its own
 * writes. At the end, what others changed meanwhile is compared with what was read or written here; without a conflict all
 * changes become one batch of the journal. It blocks nobody and costs nothing when dropped.
 */
export class TransactionLive extends Collector implements TransactionSession {
  readonly tree: Tree
  readonly #live: LiveSession
  readonly #spool: Spool
  readonly #liveState: VolumeState
  readonly #base: BTree
  readonly #startSequence: number
  readonly #reads = new ReadSet()
  readonly #all = new ItemLog()
  readonly #firstIno: number
  readonly #startSeals: number
  readonly #reader = new BatchReader()
  #inodes = 0
  #bytes = 0
  #over = false
  /** A damaged page kept half of a batch out of the private state. */
  #halfApplied = false
  #commits = 0
  /** Told when it has ended. */
  onEnd: () => void = () => {}

  constructor(live: LiveSession, liveState: VolumeState, context: StoreContext, spool: Spool, clock: Clock) {
    const base = liveState.tree.fork()
    const state = new VolumeState(base.fork(), base, context.packs)
    state.nextIno = liveState.nextIno
    state.usage.inodes = liveState.usage.inodes
    state.usage.bytes = liveState.usage.bytes
    super(state, live.dirHash, spool, clock, FRAME_HEADROOM)
    this.#live = live
    this.#spool = spool
    this.#firstIno = liveState.nextIno
    this.#liveState = liveState
    this.#base = base
    this.#startSequence = live.sequence
    this.#startSeals = liveState.tree.seals
    this.tree = new TrackedTree(state.tree, this.#reads)
  }

  /** Found out at the end: what others delete meanwhile makes room. */
  get quota(): Quota {
    const { fileSize } = this.#live.quota
    return fileSize === undefined ? {} : { fileSize }
  }

  get readOnly(): boolean {
    return this.#live.readOnly
  }

  override get changes(): number {
    return this.#commits
  }

  allocIno(): number {
    return this.#live.allocIno()
  }

  /** Applies an operation's batch to the private state. */
  commit(): number {
    const problem = this.#over ? -EROFS : this.failed
    if (problem !== 0) {
      this.discard()
      return problem
    }
    const { usage } = this.state
    this.batch.finish({ timeMs: this.nowMs, nextIno: this.state.nextIno, inodes: usage.inodes + this.inodesDelta, bytes: usage.bytes + this.bytesDelta })
    this.#bringNear()
    this.#inodes += this.inodesDelta
    this.#bytes += this.bytesDelta
    this.#reader.open(this.batch.buffer, this.batch.start, this.batch.length)
    this.#noteWrites()
    this.#reader.open(this.batch.buffer, this.batch.start, this.batch.length)
    this.#halfApplied = true
    this.state.apply(this.#reader)
    this.#halfApplied = false
    this.#all.add(this.batch)
    this.#commits++
    this.discard()
    return 0
  }

  /**
   * Changes made straight to a tree, as one operation.
   * @param change gets a copy of what the transaction sees, with stored blocks only, and leaves it as it is to be
   * @returns what changed. @throws what `change` throws, and a POSIX error of a full disk; nothing changed then
   */
  edit(change: (tree: BTree) => void): TreeChanges {
    while (!this.state.foldOldest(FOLDS_AT_ONCE, this.#spool));
    const { tree } = this.state
    const target = tree.fork()
    change(target)
    const changes = new TreeChanges()
    this.tick()
    diff(tree, target, (key, before, after) => {
      changes.note(key, before, after)
      if (after === undefined) this.del(key, key.length)
      else this.put(key, key.length, after, after.length)
      return true
    })
    this.addUsage(changes.inodesDelta, changes.bytesDelta)
    const result = this.commit()
    if (result !== 0) throw posixError(-result, 'restore')
    return changes
  }

  /** What cannot be read now is a failure of the operation; later it would be one of the transaction. */
  #bringNear(): void {
    try {
      this.#reader.open(this.batch.buffer, this.batch.start, this.batch.length)
      this.state.bringNear(this.#reader)
    } catch (error) {
      this.discard()
      throw error
    }
  }

  #noteWrites(): void {
    const r = this.#reader
    while (r.next()) if (r.op === Item.put || r.op === Item.del) this.#reads.write(r.buffer, r.kp, r.kl)
  }

  commitTransaction(record?: (after: Pick<NewCommit, 'inodes' | 'bytes' | 'nextIno'>) => PreparedCommit): number {
    assert(!this.#over, 'a transaction ends once')
    this.#end()
    if (this.#halfApplied) return -EIO
    if (this.#all.items === 0) return 0
    // First: what somebody else changed may get a commit of its own now.
    this.#live.tick()
    const alone = this.#live.sequence === this.#startSequence
    if (!alone) this.#validate()
    if (record !== undefined) this.#addRecord(record(this.#after()))
    const become = alone && this.#isUnsealed() ? this.state : undefined
    const result = this.#live.commitItems(this.#all, { tree: this.state.tree, firstIno: this.#firstIno }, become, this.#inodes, this.#bytes)
    this.#all.clear()
    return result
  }

  #after(): Pick<NewCommit, 'inodes' | 'bytes' | 'nextIno'> {
    const { usage, nextIno } = this.#liveState
    return { inodes: usage.inodes + this.#inodes, bytes: usage.bytes + this.#bytes, nextIno }
  }

  /** The commit stands behind the changes: its tree is the one that they made. */
  #addRecord(commit: PreparedCommit): void {
    const K = Buffer.alloc(MAX_KEY_BYTES)
    this.batch.put(Item.historyPut, K, commitKey(K, commit.id), commit.value, commit.value.length)
    for (const { key, value } of commit.audit) {
      if (value === undefined) this.batch.del(Item.historyDel, key, key.length)
      else this.batch.put(Item.historyPut, key, key.length, value, value.length)
    }
    this.#all.add(this.batch)
    this.batch.reset()
  }

  /** No seal of the live tree ran at any time since the start: pages that it froze would be counted wrong. */
  #isUnsealed(): boolean {
    const { tree } = this.#liveState
    return tree.seals === this.#startSeals && !tree.beingSealed && this.#liveState.overlays.byId.size === 0
  }

  /** Compares what changed since the start with what was read or written here. */
  #validate(): void {
    const merged: Array<{ key: Buffer; value: Buffer }> = []
    diff(this.#base, this.#liveState.tree, (key, before, after) => {
      if (!this.#reads.has(key)) return true
      const own = this.#mergeDirectory(key, before, after)
      if (own === undefined) throw conflict()
      merged.push({ key: Buffer.from(key), value: own })
      return true
    })
    for (const { key, value } of merged) this.batch.put(Item.put, key, key.length, value, value.length)
    this.#all.add(this.batch)
    this.batch.reset()
  }

  /**
   * Two changes of different entries of one directory both touch its times and link count; that is no conflict.
   * Returns the merged attributes, or undefined where more than that was changed.
   */
  #mergeDirectory(key: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): Buffer | undefined {
    if (key[0] !== Tag.attr || before === undefined || after === undefined) return undefined
    const b = decodeAttr(before, 0, new Attr())
    const a = decodeAttr(after, 0, new Attr())
    if (!onlyTouched(b, a) || !this.state.tree.get(key, key.length)) return undefined
    const own = decodeAttr(this.state.tree.vb, this.state.tree.vp, new Attr())
    if (!onlyTouched(b, own)) return undefined
    own.nlink += a.nlink - b.nlink
    if (a.mtimeS > own.mtimeS || (a.mtimeS === own.mtimeS && a.mtimeNs > own.mtimeNs)) {
      own.mtimeS = a.mtimeS
      own.mtimeNs = a.mtimeNs
      own.ctimeS = a.ctimeS
      own.ctimeNs = a.ctimeNs
    }
    const value = Buffer.alloc(this.state.tree.vl)
    value.set(this.state.tree.vb.subarray(this.state.tree.vp, this.state.tree.vp + value.length))
    encodeAttr(own, value, 0)
    return value
  }

  #end(): void {
    this.#over = true
    this.onEnd()
  }

  abort(): void {
    this.#end()
    this.#all.clear()
  }

  syncNow(): number {
    return 0
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }
}

/** True when both are one directory and differ in times and link count at most. */
function onlyTouched(a: Attr, b: Attr): boolean {
  return (
    isDirectory(a.mode) &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.flags === b.flags &&
    a.parent === b.parent &&
    a.nameHigh === b.nameHigh &&
    a.nameLow === b.nameLow
  )
}

function conflict(): CairnError {
  return new CairnError(
    'ERR_CONFLICT',
    'Another change touched what this transaction read or wrote.',
    'Run the transaction again; nothing of it was applied.',
    { retry: 'reopen' },
  )
}

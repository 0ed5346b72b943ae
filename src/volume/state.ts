import {
  type BatchReader,
  commitIdText,
  commitIdTime,
  decodeCommit,
  getIno,
  Item,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  pastNameEnd,
  SEQUENCE_BYTES,
  Tag,
} from '../codec/index.js'
import { CorruptError } from '../errors.js'
import { assert, limits } from '../sys/index.js'
import type { BTree } from '../tree/index.js'
import { type BlockSource, Content, EXTENT_OVERLAY, type FoldSink, overlayId } from './content.js'
import { Incarnations } from './incarnations.js'
import { type Overlay, Overlays } from './overlay.js'
import type { Usage } from './session.js'
import { readSetting, settingRecord } from './versions/settings.js'

/** Tags of requests that were applied, kept for requests that the kernel sends again after a crash of the server. */
const APPLIED_KEPT = 1024
/** Of those, the ones that a seal keeps: more than a kernel has in flight for one that was killed. */
const APPLIED_SAVED = 128
const APPLIED_BYTES = 12
const APPLIED_KEY = Buffer.from([Tag.applied])

const FOLDS_AT_ONCE = 64
/** Setting in the history: the largest sequence of a version. */
const VERSION_SEQUENCE = 'version-sequence'

const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)

/** A commit whose tree no seal has written yet: its record has no root until one does. */
export interface PendingCommit {
  /** Key of its record in the history tree. */
  key: Buffer
  /** The tree as it was; nobody changes it. */
  tree: BTree
  /** What could not be folded when it was frozen: recovery on a full disk, or over a damaged block. Folded before anything else is. */
  overlays?: Overlays
}

/** What a batch changes: the trees, the overlays, the counters. Live volumes, recovery and transactions apply batches alike. */
export class VolumeState {
  tree: BTree
  history: BTree
  readonly overlays = new Overlays()
  readonly content: Content
  readonly #blocks: BlockSource
  readonly usage: Usage = { inodes: 0, bytes: 0 }
  readonly incarnations = new Incarnations()
  nextIno = 0
  /** Counts changes of commits and checkpoints, for whoever keeps what was read from them. */
  historyChanges = 0
  /** How often the trees of commits were rewritten since this state was opened, by id: something was purged from them. */
  readonly rewritten = new Map<string, number>()
  /** Largest sequence of a version. */
  versionSequence = 0
  #versionSequenceSaved = 0
  /** Oldest first. */
  pendingCommits: PendingCommit[] = []
  /** Where overlays are folded to when a commit freezes the tree; a live volume has one. */
  sink: FoldSink | undefined
  /** Ring of (mount, high, low) of tagged batches. */
  readonly #applied = new Float64Array(APPLIED_KEPT * 2)
  #appliedAt = 0
  #appliedChanged = false

  constructor(tree: BTree, history: BTree, blocks: BlockSource) {
    this.tree = tree
    this.history = history
    this.#blocks = blocks
    this.content = new Content(() => this.tree, blocks, this.overlays)
  }

  /** Applies an opened batch. Cannot fail for reasons of the caller: all was validated before it was journaled. */
  apply(batch: BatchReader): void {
    while (batch.next()) this.#applyItem(batch)
    this.nextIno = batch.nextIno
    this.usage.inodes = batch.inodes
    this.usage.bytes = batch.bytes
    if (batch.tagged) this.remember(batch.mount, batch.uniqueHigh, batch.uniqueLow)
  }

  /**
   * Where reading takes long, and may fail: reads what applying these items will read, so that they are journaled only if they can be applied. Elsewhere it
   * does nothing. @throws CorruptError, PageMiss; what the store says
   */
  bringNear(items: BatchReader): void {
    if (this.#blocks.prefetchBlock === undefined) return
    while (items.next()) {
      if (items.op !== Item.data && items.op !== Item.zero && items.op !== Item.drop) copyKey(items)
      this.#bringNear(items)
    }
    this.#blocks.waitFromNow?.()
  }

  /** Something is changed now: no PageMiss ends the operation any more. */
  waitFromNow(): void {
    this.#blocks.waitFromNow?.()
  }

  #bringNear({ op, ino, x, y, vl, kl }: BatchReader): void {
    const BLOCK = limits.blockBytes
    if (op === Item.data || op === Item.zero) {
      const length = op === Item.zero ? y : vl
      if (length > 0) this.content.countBlocks(ino, Math.floor(x / BLOCK), Math.floor((x + length - 1) / BLOCK))
    } else if (op === Item.drop) this.content.countBlocks(ino, x, y)
    else if (isOfHistory(op)) this.history.get(K, kl)
    else this.tree.get(K, kl)
  }

  /** Applies items of a large batch whose header the caller sees to. @param historyOnly the tree has become what they make of it already */
  applyItems(items: BatchReader, historyOnly: boolean): void {
    while (items.next()) if (!historyOnly || isOfHistory(items.op)) this.#applyItem(items)
  }

  /**
   * Becomes what `other`, a private state of this lineage that nobody uses any more, has become; a copy of this one must have been made after its last change.
   * The same result as applying the same batches again, in O(1).
   */
  takeOver(other: VolumeState): void {
    assert(this.overlays.byId.size === 0, 'a state that has overlays of its own is not replaced')
    this.tree.takeOver(other.tree)
    this.overlays.takeOver(other.overlays)
  }

  /**
   * Another state that is stored, in which nothing is left of this one. For those that only read.
   * @param rewritten commits whose tree is another one there
   */
  goTo({ tree, history }: { tree: BTree; history: BTree }, counts: Usage & { nextIno: number }, rewritten: readonly string[]): void {
    assert(this.overlays.byId.size === 0 && this.pendingCommits.length === 0, 'what somebody else wrote is taken only where nothing was written')
    this.tree.takeOver(tree)
    this.history.takeOver(history)
    this.usage.inodes = counts.inodes
    this.usage.bytes = counts.bytes
    this.nextIno = counts.nextIno
    this.historyChanges++
    for (const id of rewritten) this.rewritten.set(id, (this.rewritten.get(id) ?? 0) + 1)
    this.loadVersionSequence()
  }

  #applyItem(batch: BatchReader): void {
    const b = batch.buffer
    switch (batch.op) {
      case Item.put:
        copyKey(batch)
        if (K[0] === Tag.extent) this.#freeOverlayAt(batch.kl)
        b.copy(V, 0, batch.vp, batch.vp + batch.vl)
        this.tree.put(K, batch.kl, V, batch.vl)
        break
      case Item.del:
        copyKey(batch)
        if (K[0] === Tag.extent) this.#freeOverlayAt(batch.kl)
        this.tree.del(K, batch.kl)
        break
      case Item.data:
        this.content.overlayData(batch.ino, batch.x, b, batch.vp, batch.vl)
        break
      case Item.zero:
        this.content.overlayZeros(batch.ino, batch.x, batch.y)
        break
      case Item.drop:
        this.content.drop(batch.ino, batch.x, batch.y)
        break
      case Item.historyPut:
        copyKey(batch)
        b.copy(V, 0, batch.vp, batch.vp + batch.vl)
        if (K[0] === Tag.commit) this.#noteRewritten(batch.kl, decodeCommit(V, 0, batch.vl).root)
        this.history.put(K, batch.kl, V, batch.vl)
        if (K[0] === Tag.incarnation) this.incarnations.applied(K, V.subarray(0, batch.vl))
        if (K[0] === Tag.commit || K[0] === Tag.checkpoint) this.historyChanges++
        if (K[0] === Tag.version || K[0] === Tag.pastName) this.#noteSequence(batch.kl)
        // What ends after a commit ends in a later millisecond: commits tell no less apart.
        if (K[0] === Tag.commit) this.versionSequence = Math.max(this.versionSequence, commitIdTime(K, 1) * 1000 + 999)
        if (K[0] === Tag.commit && decodeCommit(V, 0, batch.vl).root === '') this.#freezeCommit(Buffer.from(K.subarray(0, batch.kl)))
        break
      case Item.historyDel:
        copyKey(batch)
        this.history.del(K, batch.kl)
        if (K[0] === Tag.incarnation) this.incarnations.applied(K, undefined)
        if (K[0] === Tag.commit || K[0] === Tag.checkpoint) this.historyChanges++
        break
    }
  }

  #noteRewritten(keyLength: number, root: string): void {
    const { history } = this
    if (!history.get(K, keyLength) || decodeCommit(history.vb, history.vp, history.vl).root === root) return
    const id = commitIdText(K.subarray(1, keyLength))
    this.rewritten.set(id, (this.rewritten.get(id) ?? 0) + 1)
  }

  /** The journal stands where the commit was made, now and in recovery: the tree is the commit's. O(1) when no overlay is left. */
  #freezeCommit(key: Buffer): void {
    const overlays = this.#isFoldable() ? undefined : this.overlays.copy()
    this.pendingCommits.push({ key, tree: this.tree.fork(), ...(overlays === undefined ? {} : { overlays }) })
  }

  /** Folds everything. False when storage refuses: whoever commits has folded before, so that only recovery meets that, and goes on. */
  #isFoldable(): boolean {
    try {
      if (this.sink !== undefined) while (!this.foldOldest(FOLDS_AT_ONCE, this.sink));
      return true
    } catch (error) {
      if (error instanceof CorruptError || typeof (error as NodeJS.ErrnoException).syscall === 'string') return false
      throw error
    }
  }

  /** No overlay is left here, nor in a commit that waits for its root. */
  get isFolded(): boolean {
    return this.overlays.byId.size === 0 && this.pendingCommits.every(commit => commit.overlays === undefined)
  }

  #freeOverlayAt(keyLength: number): void {
    if (this.overlays.byId.size === 0 || !this.tree.get(K, keyLength)) return
    const { vb, vp } = this.tree
    if (vb[vp] === EXTENT_OVERLAY) this.overlays.remove(overlayId(vb, vp))
  }

  /** Folds the oldest overlays into blocks; true when none is left. @throws on a full or failing disk; what was folded stays */
  foldOldest(count: number, sink: FoldSink): boolean {
    for (const commit of this.pendingCommits) {
      if (commit.overlays === undefined) continue
      if (!foldSome(commit.overlays, new Content(() => commit.tree, this.#blocks, commit.overlays), count, sink)) return false
      delete commit.overlays
    }
    return foldSome(this.overlays, this.content, count, sink)
  }

  /** A batch with this tag was applied. */
  remember(mount: number, high: number, low: number): void {
    const at = this.#appliedAt * 2
    this.#applied[at] = mount
    this.#applied[at + 1] = high * 4294967296 + low
    this.#appliedAt = (this.#appliedAt + 1) % APPLIED_KEPT
    this.#appliedChanged = true
  }

  /** Puts the last tags into the history, where they outlive the journal that a seal releases. */
  saveApplied(): void {
    if (!this.#appliedChanged) return
    this.#appliedChanged = false
    const value = Buffer.alloc(APPLIED_SAVED * APPLIED_BYTES)
    for (let i = 0; i < APPLIED_SAVED; i++) {
      const at = ((this.#appliedAt + APPLIED_KEPT - APPLIED_SAVED + i) % APPLIED_KEPT) * 2
      value.writeUInt32LE(this.#applied[at], i * APPLIED_BYTES)
      value.writeUInt32LE(Math.floor(this.#applied[at + 1] / 4294967296), i * APPLIED_BYTES + 4)
      value.writeUInt32LE(this.#applied[at + 1] % 4294967296, i * APPLIED_BYTES + 8)
    }
    this.history.put(APPLIED_KEY, 1, value, value.length)
  }

  #noteSequence(keyLength: number): void {
    const end = K[0] === Tag.version ? PREFIX_BYTES : pastNameEnd(K, 0, keyLength) + 1
    if (end + SEQUENCE_BYTES <= keyLength) this.versionSequence = Math.max(this.versionSequence, getIno(K, end))
  }

  /** So that sequences go up although the clock goes back; by a seal, with what follows in the journal. */
  saveVersionSequence(): void {
    if (this.versionSequence === this.#versionSequenceSaved) return
    this.#versionSequenceSaved = this.versionSequence
    const { key, value } = settingRecord(VERSION_SEQUENCE, this.versionSequence)
    this.history.put(key, key.length, value, value.length)
  }

  loadVersionSequence(): void {
    this.versionSequence = this.#versionSequenceSaved = readVersionSequence(this.history)
  }

  /** The tags that a seal saved; before the journal is replayed. */
  loadApplied(): void {
    if (!this.history.get(APPLIED_KEY, 1)) return
    const { vb, vp, vl } = this.history
    const value = Buffer.from(vb.subarray(vp, vp + vl))
    for (let at = 0; at + APPLIED_BYTES <= value.length; at += APPLIED_BYTES) {
      this.remember(value.readUInt32LE(at), value.readUInt32LE(at + 4), value.readUInt32LE(at + 8))
    }
    this.#appliedChanged = false
  }

  wasApplied(mount: number, high: number, low: number): boolean {
    const unique = high * 4294967296 + low
    for (let i = 0; i < this.#applied.length; i += 2) if (this.#applied[i + 1] === unique && this.#applied[i] === mount) return true
    return false
  }
}

/** The largest sequence of a version, as the last seal saved it. */
export function readVersionSequence(history: BTree): number {
  return (readSetting(history, VERSION_SEQUENCE) as number | undefined) ?? 0
}

function isOfHistory(op: number): boolean {
  return op === Item.historyPut || op === Item.historyDel
}

function copyKey(batch: BatchReader): void {
  const b = batch.buffer
  const from = batch.kp
  const length = batch.kl
  if (length < 48) for (let i = 0; i < length; i++) K[i] = b[from + i]
  else b.copy(K, 0, from, from + length)
}

/** Folds the oldest of these overlays; true when none is left. */
function foldSome(overlays: Overlays, content: Content, count: number, sink: FoldSink): boolean {
  let group: Overlay[] = []
  let bytes = 0
  let all = true
  for (const overlay of overlays.byId.values()) {
    if (count-- === 0) {
      all = false
      break
    }
    group.push(overlay)
    bytes += overlay.bytes.length
    if (bytes < limits.packHoldBytes) continue
    content.fold(group, sink)
    group = []
    bytes = 0
  }
  if (group.length > 0) content.fold(group, sink)
  return all
}

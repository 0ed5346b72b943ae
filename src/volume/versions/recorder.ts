import {
  ATTR_BYTES,
  Attr,
  type BatchReader,
  type BatchWriter,
  BLOCK_HOLE,
  ContentKind,
  DIRENT_NAME_AT,
  decodeAttr,
  Ended,
  encodeVersion,
  extentBlock,
  extentKey,
  getIno,
  Item,
  inodeKey,
  MAX_KEY_BYTES,
  PREFIX_BYTES,
  pastNameKey,
  putPastName,
  Tag,
  VERSION_HEAD_BYTES,
  versionBlockKey,
  versionContentKey,
  versionKey,
  versionXattrKey,
  withSequence,
} from '../../codec/index.js'
import { isDirectory, S_IFDIR } from '../../codec/mode.js'
import { limits } from '../../sys/index.js'
import { diskErrno } from '../collector.js'
import type { FoldSink } from '../content.js'
import { EXTENT_BYTES, EXTENT_OVERLAY, overlayId } from '../content.js'
import { hintedName, pathOfInode } from '../paths.js'
import type { VolumeState } from '../state.js'
import { type HiddenWindow, windowsIn } from '../windows.js'
import { Exclusion } from './exclusion.js'
import { hasVersions, newestVersion } from './newest.js'
import { readRetention } from './settings.js'
import type { ChangeWatch } from './watch.js'

const BLOCK = limits.blockBytes
const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)
/** Of `replay`. */
const R = Buffer.alloc(MAX_KEY_BYTES)
const S = Buffer.alloc(limits.valueBytes)
const X = Buffer.alloc(MAX_KEY_BYTES)
const HOLE = Buffer.from([BLOCK_HOLE])
const ACTOR_BYTES = 255
/** Looked through one by one. */
const FEW = 16

/** The newest saved state of an inode. Its blocks that change are saved with it, each once. */
interface Newest {
  sequence: number
  /** Beyond it nothing needs saving: reading cuts the state to its size. */
  size: number
  hasBlocks: boolean
  /** From this block on it has nothing but holes, and what it has parts for. */
  holesFrom: number
  /** Blocks that are saved, or need not be looked for. */
  saved: Set<number> | undefined
  /** This session saved it, so that `saved` is all there is. */
  isOwn: boolean
}

/** A file that is being written: from the first change through a handle until one of the handles that wrote is closed. */
interface Writing {
  /** Number of the newest handle when it was last written: a later handle means that a close lay between. */
  lastWrite: number
  writers: number[]
  newest: Newest | undefined
}

/** An inode whose content this batch changes. */
export interface Touch {
  ino: number
  /** Its state was closed, or ends here: it is saved with this batch. */
  cut: boolean
  /** No writer goes on from before. */
  isBoundary: boolean
  ended: Ended
  newest: Newest | undefined
}

/** A name that means something else after this batch. */
interface NameEnd {
  parent: number
  name: string
  ino: number
  /** What it means then; 0: nothing. */
  next: number
}

/**
 * Saves versions: what a batch replaces goes into the history in the same batch. The state of a file is saved when the first
 * change after a close begins, so that creating a file costs nothing, and appending only a record: blocks are saved when they
 * change, and a state that misses one finds it in the next later state.
 *
 * What a close is: the return of a change without a handle, a transaction's commit, `released` of a handle that wrote, and a handle opened
 * after the last write, because it may come through a kernel that tells of closes late. Whatever state a volume is opened in is closed.
 */
export class VersionRecorder implements ChangeWatch {
  fresh = 0
  /** The handle that the batch being collected comes through; 0: none. */
  handle = 0
  #actor = ''
  #actorBytes: Uint8Array = new Uint8Array(0)
  readonly #state: VolumeState
  readonly #batch: BatchWriter
  readonly #sink: FoldSink
  readonly #nowMs: () => number
  /** Number of the last handle; numbers of earlier sessions are below `#firstHandle`. */
  #handles: number
  readonly #firstHandle: number
  readonly #writing = new Map<number, Writing>()
  #exclusion: Exclusion
  #hidden: readonly HiddenWindow[] | undefined

  #last: Touch | undefined
  readonly #others = new Map<number, Touch>()
  #ends: NameEnd[] = []
  /** Places in `#ends`, once there are many. */
  #endsByName: Map<string, number> | undefined
  readonly #gained = new Map<number, { parent: number; name: string; replaces: boolean }>()
  readonly #linked: number[] = []
  readonly #links: number[] = []
  #savedNow: Array<{ saved: Set<number>; block: number }> = []
  #sequence = 0
  /** Attributes as the tree has them, of the inode looked at last. */
  readonly #attr = new Attr()
  #attrIno = 0
  /** A block could not be stored: the batch must not be committed. */
  #failed = 0

  constructor(state: VolumeState, batch: BatchWriter, sink: FoldSink, nowMs: () => number) {
    this.#state = state
    this.#batch = batch
    this.#sink = sink
    this.#nowMs = nowMs
    this.#handles = this.#firstHandle = Math.floor(nowMs() * 1000)
    this.#exclusion = new Exclusion(readRetention(state.history).exclude)
  }

  /** Who changes things; empty: not known. */
  get actor(): string {
    return this.#actor
  }

  set actor(actor: string) {
    if (actor === this.#actor) return
    this.#actor = actor
    this.#actorBytes = Buffer.from(actor, 'utf8').subarray(0, ACTOR_BYTES)
  }

  /** After the settings were changed. */
  exclude(globs: readonly string[]): void {
    this.#exclusion = new Exclusion(globs)
  }

  /** A number for a handle that is being opened, larger than all before, also those of earlier sessions. */
  newHandle(created: boolean): number {
    this.#handles++
    return this.#handles * 2 + (created ? 1 : 0)
  }

  /** A handle was closed: if it wrote, the state of the file is a version. */
  released(ino: number, handle: number): void {
    if (this.#writing.get(ino)?.writers.includes(handle) === true) this.#writing.delete(ino)
  }

  /** What is known of saved states is not true any more: some were pruned. */
  forgetSaved(): void {
    for (const [ino, writing] of this.#writing) writing.newest = this.#newest(ino)
  }

  put(key: Uint8Array, keyLength: number, value: Uint8Array, valueLength: number): void {
    switch (key[0]) {
      case Tag.attr:
        this.#attrPut(getIno(key, 1), value, valueLength)
        break
      case Tag.dirent: {
        const ino = getIno(value, 0)
        if (ino !== this.fresh) this.#entryPut(key, keyLength, ino)
        break
      }
      case Tag.content:
        this.touch(getIno(key, 1))
        break
      case Tag.extent:
        this.#extent(key)
        break
    }
  }

  del(key: Uint8Array, keyLength: number): void {
    switch (key[0]) {
      case Tag.attr:
        this.#linked.push(getIno(key, 1))
        this.#links.push(0)
        break
      case Tag.dirent:
        this.#entryEnds(key, keyLength, 0)
        break
      case Tag.content:
        this.touch(getIno(key, 1))
        break
      case Tag.extent:
        this.#extent(key)
        break
    }
  }

  range(ino: number, offset: number, length: number, allocatedOnly: boolean): void {
    const newest = this.touch(ino)?.newest
    if (newest === undefined || !newest.hasBlocks || offset >= newest.size) return
    const last = Math.floor((Math.min(offset + length, newest.size) - 1) / BLOCK)
    for (let block = Math.floor(offset / BLOCK); block <= last; block++) {
      if (!allocatedOnly || this.#state.content.allocated(ino, block)) this.#saveBlock(newest, ino, block)
    }
  }

  drop(ino: number, first: number, last: number): void {
    const newest = this.touch(ino)?.newest
    if (newest === undefined || !newest.hasBlocks) return
    const end = Math.min(last, Math.ceil(newest.size / BLOCK) - 1, newest.holesFrom - 1)
    for (const block of this.#state.content.blocksIn(ino, first, end)) this.#saveBlock(newest, ino, block)
  }

  /** Items of a transaction, or of another tree that the volume becomes; what has numbers from `firstIno` on is new. */
  replay(items: BatchReader, firstIno: number): void {
    while (items.next()) {
      const { buffer: b, kl, vl } = items
      switch (items.op) {
        case Item.put:
          b.copy(R, 0, items.kp, items.kp + kl)
          if (isNew(R, firstIno)) break
          b.copy(S, 0, items.vp, items.vp + vl)
          if (R[0] !== Tag.dirent || getIno(S, 0) < firstIno) this.put(R, kl, S, vl)
          else this.#entryEnds(R, kl, getIno(S, 0))
          break
        case Item.del:
          b.copy(R, 0, items.kp, items.kp + kl)
          if (!isNew(R, firstIno)) this.del(R, kl)
          break
        case Item.data:
          if (items.ino < firstIno) this.range(items.ino, items.x, vl, false)
          break
        case Item.zero:
          if (items.ino < firstIno) this.range(items.ino, items.x, items.y, true)
          break
        case Item.drop:
          if (items.ino < firstIno) this.drop(items.ino, items.x, items.y)
          break
      }
    }
  }

  #extent(key: Uint8Array): void {
    const ino = getIno(key, 1)
    const newest = this.touch(ino)?.newest
    if (newest?.hasBlocks) this.#saveBlock(newest, ino, extentBlock(key, 0))
  }

  #saveBlock(newest: Newest, ino: number, block: number): void {
    if (block * BLOCK >= newest.size || block >= newest.holesFrom || newest.saved?.has(block) === true) return
    newest.saved ??= new Set()
    const length = versionBlockKey(K, ino, newest.sequence, block)
    if (newest.isOwn || !this.#state.history.get(K, length)) this.#putBlock(ino, block, length)
    newest.saved.add(block)
    this.#savedNow.push({ saved: newest.saved, block })
  }

  #putBlock(ino: number, block: number, keyLength: number): void {
    const { tree, overlays, content } = this.#state
    const length = extentKey(X, ino, block)
    if (!tree.get(X, length)) {
      this.#put(keyLength, HOLE, 1)
      return
    }
    if (tree.vb[tree.vp] === EXTENT_OVERLAY) {
      const overlay = overlays.byId.get(overlayId(tree.vb, tree.vp))
      try {
        if (overlay !== undefined) content.fold([overlay], this.#sink)
      } catch (error) {
        this.#failed = diskErrno(error)
        return
      }
      tree.get(X, length)
    }
    V.set(tree.vb.subarray(tree.vp, tree.vp + EXTENT_BYTES), 0)
    this.#put(keyLength, V, EXTENT_BYTES)
  }

  /** The page of the history is read first: what is damaged must fail before the batch is journaled. */
  #put(keyLength: number, value: Uint8Array, length: number): void {
    this.#state.history.get(K, keyLength)
    this.#batch.put(Item.historyPut, K, keyLength, value, length)
  }

  /** Inline content, and sizes alone, change with the attributes. */
  #attrPut(ino: number, value: Uint8Array, length: number): void {
    if (ino === this.fresh) return
    this.#linked.push(ino)
    this.#links.push((value[8] | (value[9] << 8) | (value[10] << 16) | (value[11] << 24)) >>> 0)
    if (value[5] >>> 4 === S_IFDIR >>> 12 || this.#touched(ino) !== undefined) return
    const { tree } = this.#state
    if (!tree.get(X, inodeKey(X, Tag.attr, ino))) return
    if (length !== tree.vl || !sameContent(tree.vb, tree.vp, value, 0, length)) this.touch(ino)
  }

  #entryPut(key: Uint8Array, keyLength: number, ino: number): void {
    const replaces = this.#entryEnds(key, keyLength, ino)
    this.#gained.set(ino, { parent: getIno(key, 1), name: latin1(key, DIRENT_NAME_AT, keyLength), replaces })
  }

  /** False when the name meant nothing before. */
  #entryEnds(key: Uint8Array, keyLength: number, next: number): boolean {
    const { tree } = this.#state
    if (!tree.get(key, keyLength)) return false
    this.#nameEnds(getIno(key, 1), latin1(key, DIRENT_NAME_AT, keyLength), getIno(tree.vb, tree.vp), next)
    return true
  }

  /** After this batch `name` means `next` (0: nothing) and no longer `ino`. */
  #nameEnds(parent: number, name: string, ino: number, next: number): void {
    const at = this.#findEnd(parent, name)
    if (at >= 0) this.#ends[at].next = next
    else if (next !== ino) {
      this.#ends.push({ parent, name, ino, next })
      this.#endsByName?.set(`${parent}/${name}`, this.#ends.length - 1)
    }
  }

  #findEnd(parent: number, name: string): number {
    if (this.#ends.length < FEW) return this.#ends.findIndex(end => end.name === name && end.parent === parent)
    this.#endsByName ??= new Map(this.#ends.map((end, i) => [`${end.parent}/${end.name}`, i]))
    return this.#endsByName.get(`${parent}/${name}`) ?? -1
  }

  #touched(ino: number): Touch | undefined {
    if (this.#last?.ino === ino) return this.#last
    return this.#others.size === 0 ? undefined : this.#others.get(ino)
  }

  /** The content of an inode changes in this batch. Undefined for one that was not there. */
  touch(ino: number): Touch | undefined {
    if (ino === this.fresh) return undefined
    const known = this.#touched(ino)
    if (known !== undefined) return known
    const touch = this.#begin(ino)
    if (touch === undefined) return undefined
    if (this.#last !== undefined) this.#others.set(this.#last.ino, this.#last)
    this.#last = touch
    return touch
  }

  #begin(ino: number): Touch | undefined {
    const touch: Touch = { ino, cut: false, isBoundary: false, ended: Ended.modified, newest: undefined }
    const { handle } = this
    const writing = this.#writing.get(ino)
    if (writing !== undefined && handle !== 0 && Math.floor(handle / 2) <= writing.lastWrite) {
      touch.newest = writing.newest
      return touch
    }
    touch.isBoundary = true
    const a = this.#attrOf(ino)
    if (a === undefined) return undefined
    if (isDirectory(a.mode)) return touch
    if (a.nlink > 0 && !this.#isBeingMade(a) && !this.#isExcluded(ino, a)) this.#cut(touch, a)
    else touch.newest = this.#newest(ino)
    return touch
  }

  #cut(touch: Touch, a: Attr): void {
    touch.cut = true
    touch.newest = {
      sequence: this.#now(),
      size: a.size,
      hasBlocks: a.kind === ContentKind.blocks,
      holesFrom: Number.POSITIVE_INFINITY,
      saved: undefined,
      isOwn: true,
    }
  }

  /** Empty, and written through the handle that made it: nobody closed it. */
  #isBeingMade(a: Attr): boolean {
    const { handle } = this
    return handle % 2 === 1 && Math.floor(handle / 2) > this.#firstHandle && a.size === 0 && a.mtimeS === a.btimeS && a.mtimeNs === a.btimeNs
  }

  #isExcluded(ino: number, a: Attr): boolean {
    const end = this.#ends.length === 1 ? this.#ends[0] : undefined
    if (end?.ino === ino) return this.#hasNone(end)
    const { tree } = this.#state
    const name = hintedName(tree, ino, a.parent, a.nameHigh, a.nameLow)
    return name !== undefined && this.#exclusion.has(name, () => pathOfInode(tree, ino))
  }

  #newest(ino: number): Newest | undefined {
    const found = newestVersion(this.#state.history, ino, this.#windows)
    return found === undefined ? undefined : { ...found, saved: undefined, isOwn: false }
  }

  /** The sequence of this batch: the time in microseconds, but larger than any before, and behind what is hidden. */
  #now(): number {
    if (this.#sequence !== 0) return this.#sequence
    const hiddenMs = this.#windows.at(-1)?.toMs ?? 0
    this.#sequence = Math.max(Math.floor(this.#nowMs() * 1000), this.#state.versionSequence + 1, hiddenMs * 1000 + 1)
    return this.#sequence
  }

  /** A volume gets them when it is made, before anything is changed in it. */
  get #windows(): readonly HiddenWindow[] {
    this.#hidden ??= windowsIn(this.#state.history)
    return this.#hidden
  }

  /**
   * Adds to the batch what it replaces; called when it is complete and before it is journaled.
   * @param linksAfter the links of an inode after the batch; default: what was put
   * @returns 0, or a negated errno: then the batch must not be committed
   */
  end(linksAfter: (ino: number) => number = ino => this.#linksAfter(ino)): number {
    if (this.#failed !== 0) return this.#failed
    for (const end of this.#ends) if (end.next !== end.ino) this.#endName(end, linksAfter)
    if (this.#last?.cut) this.#putRecord(this.#last)
    if (this.#others.size > 0) for (const touch of this.#others.values()) if (touch.cut && touch !== this.#last) this.#putRecord(touch)
    return 0
  }

  /** As the tree still has them; valid until the next call for another inode. */
  #attrOf(ino: number): Attr | undefined {
    if (ino === this.#attrIno) return this.#attr
    const { tree } = this.#state
    if (!tree.get(X, inodeKey(X, Tag.attr, ino))) return undefined
    decodeAttr(tree.vb, tree.vp, this.#attr)
    this.#attrIno = ino
    return this.#attr
  }

  #linksAfter(ino: number): number {
    const at = this.#linked.lastIndexOf(ino)
    if (at >= 0) return this.#links[at]
    return this.#attrOf(ino)?.nlink ?? 0
  }

  #endName(end: NameEnd, linksAfter: (ino: number) => number): void {
    const { ino, next } = end
    const isLast = linksAfter(ino) === 0
    const a = this.#attrOf(ino)
    if (a === undefined) return
    const isFolder = isDirectory(a.mode)
    const to = isLast ? undefined : this.#gained.get(ino)
    const ended = isLast ? (next === 0 ? Ended.deleted : Ended.replaced) : to !== undefined ? Ended.renamed : next === 0 ? Ended.unlinked : Ended.replaced
    if (!isFolder && this.#hasNone(end)) return
    if (isLast) this.#endLast(end, a, ended, isFolder)
    else if (!isFolder && ended !== Ended.replaced && this.#isTemporary(ino, a, to?.replaces === true)) return
    const length = withSequence(K, pastNameKey(K, end.parent, end.name), this.#now())
    this.#put(length, V, putPastName(V, { ended, ino, isDirectory: isFolder, skipped: 0, dropped: false, actor: this.actor, to }))
  }

  #hasNone(end: NameEnd): boolean {
    return this.#exclusion.has(end.name, () => this.#pathOf(end))
  }

  #pathOf({ parent, name }: NameEnd): string | undefined {
    const above = pathOfInode(this.#state.tree, parent)
    return above === undefined ? undefined : `${above === '/' ? '' : above}/${name}`
  }

  /** The last name goes: the state is saved, whoever may be writing still. */
  #endLast(end: NameEnd, a: Attr, ended: Ended, isFolder: boolean): void {
    const touch = this.touch(end.ino)
    if (touch === undefined) return
    if (!touch.cut && a.nlink > 0) this.#cut(touch, a)
    touch.ended = ended
    if (isFolder && touch.newest !== undefined) touch.newest.hasBlocks = false
  }

  /** The name of a young file that goes on under another name is forgotten: it took another's place, or nothing was kept under this one. */
  #isTemporary(ino: number, a: Attr, replaces: boolean): boolean {
    const ageMs = this.#nowMs() - a.btimeS * 1000
    return ageMs >= 0 && ageMs < limits.versionTemporaryMs && (replaces || !hasVersions(this.#state.history, ino))
  }

  /** The record of a state as the tree still has it, with small content and extended attributes. */
  #putRecord(touch: Touch): void {
    const { ino } = touch
    const a = this.#attrOf(ino)
    if (a === undefined) return
    const hasBirth = touch.ended !== Ended.modified
    const head = { ended: touch.ended, actor: this.actor, skipped: 0, gap: false, holesFrom: Number.POSITIVE_INFINITY, hasBirth, apart: false }
    const hasContent = a.kind === ContentKind.inline || a.kind === ContentKind.small
    head.apart = a.kind === ContentKind.small && a.size + VERSION_HEAD_BYTES > limits.valueBytes
    let length = encodeVersion(V, a, head, this.#actorBytes)
    if (hasContent) length += this.#putContent(ino, a, head.apart, length)
    this.#put(versionKey(K, ino, this.#now()), V, length)
    if ((a.flags & 2) !== 0) this.#putXattrs(ino)
  }

  /** Small content behind the record in `V`, or as a part. Returns how many bytes came into the record. */
  #putContent(ino: number, { kind, size }: Attr, apart: boolean, length: number): number {
    const { tree } = this.#state
    const isInline = kind === ContentKind.inline
    if (!tree.get(X, inodeKey(X, isInline ? Tag.attr : Tag.content, ino))) return 0
    const at = tree.vp + (isInline ? ATTR_BYTES : 0)
    const content = new Uint8Array(tree.vb.buffer, tree.vb.byteOffset + at, size)
    if (!apart) {
      V.set(content, length)
      return size
    }
    this.#batch.put(Item.historyPut, K, versionContentKey(K, ino, this.#now()), content, size)
    return 0
  }

  #putXattrs(ino: number): void {
    const cursor = this.#state.tree.cursor()
    let more = cursor.seek(X, inodeKey(X, Tag.xattr, ino))
    while (more && cursor.buf[cursor.kp] === Tag.xattr && getIno(cursor.buf, cursor.kp + 1) === ino) {
      const length = versionXattrKey(K, ino, this.#now(), cursor.buf, cursor.kp + PREFIX_BYTES, cursor.kl - PREFIX_BYTES)
      this.#put(length, cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl), cursor.vl)
      more = cursor.next()
    }
  }

  /** The batch is in the journal. */
  committed(): void {
    if (this.#last !== undefined) {
      this.#wrote(this.#last)
      for (const touch of this.#others.values()) if (touch !== this.#last) this.#wrote(touch)
    }
    if (this.#writing.size > 0) for (const end of this.#ends) this.#writing.delete(end.ino)
    this.#savedNow = []
    this.#reset()
  }

  #wrote(touch: Touch): void {
    const { handle } = this
    if (handle === 0) {
      if (this.#writing.size > 0) this.#writing.delete(touch.ino)
      return
    }
    let writing = this.#writing.get(touch.ino)
    if (writing === undefined) {
      writing = { lastWrite: 0, writers: [], newest: undefined }
      this.#writing.set(touch.ino, writing)
    }
    if (touch.isBoundary) {
      writing.writers = [handle]
      writing.newest = touch.newest
    } else if (!writing.writers.includes(handle)) writing.writers.push(handle)
    writing.lastWrite = this.#handles
  }

  discard(): void {
    for (const { saved, block } of this.#savedNow) saved.delete(block)
    if (this.#savedNow.length > 0) this.#savedNow = []
    this.#reset()
  }

  #reset(): void {
    this.fresh = 0
    this.handle = 0
    this.#sequence = 0
    this.#attrIno = 0
    this.#failed = 0
    this.#last = undefined
    this.#linked.length = 0
    this.#links.length = 0
    if (this.#others.size > 0) this.#others.clear()
    if (this.#ends.length > 0) this.#ends = []
    this.#endsByName = undefined
    if (this.#gained.size > 0) this.#gained.clear()
  }
}

/** Whether a record's inode, or the directory of an entry, is new. */
function isNew(key: Uint8Array, firstIno: number): boolean {
  return getIno(key, 1) >= firstIno
}

/** Kind, size and inline content of two attribute records of equal length. */
export function sameContent(a: Uint8Array, at: number, b: Uint8Array, bAt: number, length: number): boolean {
  if (a[at] !== b[bAt]) return false
  for (let i = 24; i < 32; i++) if (a[at + i] !== b[bAt + i]) return false
  for (let i = ATTR_BYTES; i < length; i++) if (a[at + i] !== b[bAt + i]) return false
  return true
}

function latin1(b: Uint8Array, from: number, to: number): string {
  return Buffer.prototype.latin1Slice.call(b, from, to)
}

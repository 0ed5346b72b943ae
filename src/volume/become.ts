import { BatchWriter, commitKey, getIno, Item, inodeKey, MAX_KEY_BYTES, PREFIX_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { crashPoint, limits } from '../sys/index.js'
import { type BTree, diff } from '../tree/index.js'
import type { CommitInfo } from './api.js'
import { refusedByDisk } from './collector.js'
import type { BlockSource } from './content.js'
import { staleTogether } from './database-files.js'
import type { History, NewCommit } from './history.js'
import type { HistoryItem } from './incarnations.js'
import { checkChangeBytes, ItemLog } from './item-log.js'
import type { LiveSession } from './live-session.js'
import { readAttr } from './paths.js'
import { VolumeState } from './state.js'
import { TreeChanges } from './tree-changes.js'

/** Items are collected in batches of this size. */
const FLUSH_BYTES = 1024 * 1024
/** Every kind of record that belongs to an inode. */
const inodeTags = [Tag.attr, Tag.content, Tag.extent, Tag.xattr, Tag.orphan]
const K = Buffer.alloc(MAX_KEY_BYTES)
const V = Buffer.alloc(limits.valueBytes)

/** What the caller says of the commit; the rest follows from the tree. */
export type BecomeCommit = Omit<NewCommit, 'root' | 'inodes' | 'bytes' | 'nextIno'>

/** Who looks at the live state from outside: open handles, and a kernel's caches. */
export interface Onlookers {
  /** True when a handle of this inode may be open. */
  mayHold(ino: number): boolean
  isMounted(): boolean
}

export interface Became {
  commit: CommitInfo
  changes: TreeChanges
}

/**
 * Makes `target` the live tree: the difference, key by key, and the record of the commit are one batch of the journal. No overlay
 * may be left in either tree; `target` is nobody else's and is used up.
 *
 * Files that have no name any more but are open live on: they are no part of what a commit remembers. Those that the target
 * holds are not brought back.
 * @param more records of the history that change with it; without a value they go
 * @throws CairnError when the journal does not take it, ERR_CHANGE_TOO_LARGE beyond `limits.changeBytes`; nothing changed then
 */
export function becomeTree(
  parts: { session: LiveSession; state: VolumeState; history: History; blocks: BlockSource; onlookers: Onlookers | undefined },
  target: BTree,
  commit: BecomeCommit,
  more: readonly HistoryItem[] = [],
): Became {
  const { session, state, history } = parts
  carryOrphans(state.tree, target)
  const changes = new TreeChanges()
  const collected = new Collected()
  diff(state.tree, target, (key, before, after) => {
    changes.note(key, before, after)
    if (after === undefined) collected.del(key)
    else collected.put(Item.put, key, after)
    return true
  })
  const { onlookers } = parts
  if (onlookers !== undefined) staleTogether(changes, state.tree, target, session.dirHash, ino => onlookers.mayHold(ino))
  const record = history.prepare({
    ...commit,
    root: '',
    inodes: state.usage.inodes + changes.inodesDelta,
    bytes: state.usage.bytes + changes.bytesDelta,
    nextIno: state.nextIno,
  })
  if (onlookers !== undefined) beginIncarnations(onlookers, state, target, changes, record.id, collected)
  for (const item of [...more, ...record.audit]) collected.putHistory(item)
  collected.put(Item.historyPut, K.subarray(0, commitKey(K, record.id)), record.value)
  crashPoint('become.before-journal')
  session.look()
  const become = state.tree.beingSealed ? undefined : new VolumeState(target, state.history, parts.blocks)
  const result = session.commitItems(collected.finish(), { tree: target, firstIno: Number.POSITIVE_INFINITY }, become, changes.inodesDelta, changes.bytesDelta)
  if (result !== 0) throw refusedByDisk('The change could not be recorded', result)
  crashPoint('become.after-journal')
  return { commit: history.recorded(record), changes }
}

/** What was opened before means something else now: that must be known as long as somebody holds it, also to the next server. */
function beginIncarnations(onlookers: Onlookers, state: VolumeState, target: BTree, changes: TreeChanges, commit: Buffer, into: Collected): void {
  const { incarnations } = state
  for (const ino of changes.stale) {
    const mode = (readAttr(state.tree, ino) ?? readAttr(target, ino))?.mode ?? 0
    if (isDirectory(mode) || !onlookers.mayHold(ino)) continue
    changes.replaced.set(ino, incarnations.of(ino))
    into.putHistory(incarnations.next(ino))
  }
  if (onlookers.isMounted()) into.putHistory(incarnations.tell(commit))
}

/** Gathers items into one large batch without copying them twice. */
class Collected {
  readonly #log = new ItemLog()
  readonly #batch = new BatchWriter(0)

  put(op: number, key: Uint8Array, value: Uint8Array): void {
    this.#batch.put(op, key, key.length, value, value.length)
    this.#flush(FLUSH_BYTES)
  }

  del(key: Uint8Array, op: number = Item.del): void {
    this.#batch.del(op, key, key.length)
    this.#flush(FLUSH_BYTES)
  }

  putHistory({ key, value }: HistoryItem): void {
    if (value !== undefined) this.put(Item.historyPut, key, value)
    else this.del(key, Item.historyDel)
  }

  #flush(from: number): void {
    if (this.#batch.length < from || this.#batch.items === 0) return
    this.#log.add(this.#batch)
    this.#batch.reset()
    // Not only at the end: it is all in memory.
    checkChangeBytes(this.#log.bytes)
  }

  finish(): ItemLog {
    this.#flush(0)
    return this.#log
  }
}

/** Takes the orphans out of `target` and puts in those of `live` that have no name there. */
function carryOrphans(live: BTree, target: BTree): void {
  for (const ino of orphansOf(target)) for (const tag of inodeTags) removeAll(target, tag, ino)
  for (const ino of orphansOf(live)) {
    if (readAttr(target, ino) !== undefined) continue
    for (const tag of inodeTags) copyAll(live, target, tag, ino)
  }
}

function orphansOf(tree: BTree): number[] {
  const found: number[] = []
  const cursor = tree.cursor()
  let more = cursor.seek(K, inodeKey(K, Tag.orphan, 0))
  while (more && cursor.buf[cursor.kp] === Tag.orphan) {
    found.push(getIno(cursor.buf, cursor.kp + 1))
    more = cursor.next()
  }
  return found
}

function removeAll(tree: BTree, tag: number, ino: number): void {
  for (;;) {
    const cursor = tree.cursor()
    if (!cursor.seek(K, inodeKey(K, tag, ino)) || !isOf(cursor.buf, cursor.kp)) return
    const key = Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
    tree.del(key, key.length)
  }
}

function copyAll(from: BTree, to: BTree, tag: number, ino: number): void {
  const cursor = from.cursor()
  let more = cursor.seek(K, inodeKey(K, tag, ino))
  while (more && isOf(cursor.buf, cursor.kp)) {
    const key = Buffer.from(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl))
    V.set(cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
    to.put(key, key.length, V, cursor.vl)
    more = cursor.next()
  }
}

/** Whether a key belongs to the tag and inode that stand in `K`. */
function isOf(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < PREFIX_BYTES; i++) if (b[at + i] !== K[i]) return false
  return true
}

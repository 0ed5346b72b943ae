import { commitIdText, getIno, inodeKey, PREFIX_BYTES, Tag } from '../codec/index.js'
import type { Tree } from '../tree/tree.js'

/** Stands for no inode: its record names a commit that the kernel has not heard of. */
const UNTOLD_INO = 0
const K = Buffer.alloc(PREFIX_BYTES)

/** A change of the history tree. Without a value: a deletion. */
export interface HistoryItem {
  key: Buffer
  value?: Buffer
}

/**
 * How often what a handle of an inode means was changed by going to another state: a handle that was opened in another incarnation
 * of its inode is stale. Only of inodes that somebody may have had open then; all others are in incarnation 0. Kept in the history tree,
 * because the handles of a mount survive the server, until the volume is opened when nobody can hold any.
 */
export class Incarnations {
  readonly #counts = new Map<number, number>()
  #untold: string | undefined

  of(ino: number): number {
    return this.#counts.size === 0 ? 0 : (this.#counts.get(ino) ?? 0)
  }

  /** Id of the last commit of whose changes the kernel may not have heard. */
  get untold(): string | undefined {
    return this.#untold
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0 && this.#untold === undefined
  }

  /** All that the history tree has, when a volume is opened. */
  load(history: Tree): void {
    const cursor = history.cursor()
    K[0] = Tag.incarnation
    let more = cursor.seek(K, 1)
    while (more && cursor.buf[cursor.kp] === Tag.incarnation) {
      this.applied(cursor.buf.subarray(cursor.kp, cursor.kp + cursor.kl), cursor.buf.subarray(cursor.vp, cursor.vp + cursor.vl))
      more = cursor.next()
    }
  }

  /** An item with this tag was put into the history tree, or deleted from it. */
  applied(key: Uint8Array, value: Uint8Array | undefined): void {
    const ino = getIno(key, 1)
    if (ino === UNTOLD_INO) this.#untold = value === undefined ? undefined : commitIdText(value)
    else if (value === undefined) this.#counts.delete(ino)
    else this.#counts.set(ino, Buffer.from(value).readUInt32LE(0))
  }

  /** The record that begins the next incarnation of an inode. */
  next(ino: number): HistoryItem {
    const value = Buffer.alloc(4)
    value.writeUInt32LE(this.of(ino) + 1, 0)
    return { key: keyOf(ino), value }
  }

  /** The record that says that the kernel must hear of a commit. */
  tell(commit: Buffer): HistoryItem {
    return { key: keyOf(UNTOLD_INO), value: commit }
  }

  /** Deletes that record. */
  told(): HistoryItem[] {
    return this.#untold === undefined ? [] : [{ key: keyOf(UNTOLD_INO) }]
  }

  /** Deletes all records: nobody holds a handle. */
  forget(): HistoryItem[] {
    return [...this.#counts.keys()].map(ino => ({ key: keyOf(ino) })).concat(this.told())
  }
}

function keyOf(ino: number): Buffer {
  const key = Buffer.alloc(PREFIX_BYTES)
  inodeKey(key, Tag.incarnation, ino)
  return key
}

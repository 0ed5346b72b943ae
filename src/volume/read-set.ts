import type { Cursor, PageSink, Sealer, Tree } from '../tree/tree.js'
import { KeyHashes } from './key-hashes.js'

/** Both ends belong to it. */
export interface KeyRange {
  from: Buffer
  to: Buffer
}

/** What a transaction read or wrote: single keys, and the ranges that its cursors passed. */
export class ReadSet {
  readonly #keys = new KeyHashes()
  readonly #ranges: KeyRange[] = []

  read(K: Uint8Array, at: number, length: number): void {
    this.#keys.add(K, at, length)
  }

  write(K: Uint8Array, at: number, length: number): void {
    this.#keys.add(K, at, length)
  }

  /** Adds a range; its end may be moved on later. */
  range(from: Buffer): KeyRange {
    const range = { from, to: from }
    this.#ranges.push(range)
    return range
  }

  has(key: Uint8Array): boolean {
    if (this.#keys.has(key, 0, key.length)) return true
    return this.#ranges.some(range => Buffer.compare(range.from, key) <= 0 && Buffer.compare(key, range.to) <= 0)
  }
}

const END = Buffer.alloc(1, 0xff)

/** A tree that notes what is read through it. */
export class TrackedTree implements Tree {
  vb: Uint8Array = END
  vp = 0
  vl = 0
  readonly #tree: Tree
  readonly #reads: ReadSet

  constructor(tree: Tree, reads: ReadSet) {
    this.#tree = tree
    this.#reads = reads
  }

  get(K: Uint8Array, keyLength: number): boolean {
    this.#reads.read(K, 0, keyLength)
    if (!this.#tree.get(K, keyLength)) return false
    this.vb = this.#tree.vb
    this.vp = this.#tree.vp
    this.vl = this.#tree.vl
    return true
  }

  cursor(): Cursor {
    return new TrackedCursor(this.#tree.cursor(), this.#reads)
  }

  put(): void {
    throw new Error('a session is read through its tree and written through its batch')
  }

  del(): boolean {
    throw new Error('a session is read through its tree and written through its batch')
  }

  fork(): Tree {
    return this.#tree.fork()
  }

  seal(sink: PageSink): Sealer {
    return this.#tree.seal(sink)
  }

  get dirtyBytes(): number {
    return this.#tree.dirtyBytes
  }
}

/** Notes every key it stands on, and the gaps it passed: an insertion there would have been seen. */
class TrackedCursor implements Cursor {
  buf: Uint8Array = END
  kp = 0
  kl = 0
  vp = 0
  vl = 0
  readonly #cursor: Cursor
  readonly #reads: ReadSet
  #range: KeyRange = { from: END, to: END }

  constructor(cursor: Cursor, reads: ReadSet) {
    this.#cursor = cursor
    this.#reads = reads
  }

  seek(K: Uint8Array, keyLength: number): boolean {
    this.#range = this.#reads.range(Buffer.from(K.subarray(0, keyLength)))
    return this.#moved(this.#cursor.seek(K, keyLength))
  }

  next(): boolean {
    return this.#moved(this.#cursor.next())
  }

  #moved(found: boolean): boolean {
    if (!found) {
      this.#range.to = END
      return false
    }
    const c = this.#cursor
    this.buf = c.buf
    this.kp = c.kp
    this.kl = c.kl
    this.vp = c.vp
    this.vl = c.vl
    this.#range.to = Buffer.from(c.buf.subarray(c.kp, c.kp + c.kl))
    return true
  }
}

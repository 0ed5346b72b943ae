import { ATTR_BYTES, Attr, ContentKind, decodeAttr, encodeAttr, inodeKey, MAX_KEY_BYTES, Tag } from '../codec/index.js'
import { isDirectory } from '../codec/mode.js'
import { CorruptError, ENOENT } from '../errors.js'
import { limits } from '../sys/index.js'
import type { Cursor, Tree } from '../tree/tree.js'
import type { Session } from '../volume/session.js'
import type { ChangeListener } from './filesystem.js'
import { NameCache } from './names.js'

export interface FileSystemOptions {
  /**
   * Inodes whose last link goes stay as orphans until `forget`, although nobody opened them here: a kernel may hold any
   * inode that it has seen. A function says for which.
   */
  keepUnlinked?: boolean | ((ino: number) => boolean)
  /** Directory entries kept in memory; default 262,144 (about 25 MB). */
  nameCacheEntries?: number
}

const NAME_CACHE_ENTRIES = 262144

/** A record being read and rewritten: attributes and the inline content behind them. One is used again and again. */
export class Inode {
  ino = 0
  readonly attr = new Attr()
  readonly inline = Buffer.alloc(limits.inlineBytes)
  /** `attr.blocks` as stored, so that `store` knows what changed. */
  blocksBefore = 0

  /** A record of zeros for a new inode. */
  reset(ino: number): void {
    this.ino = ino
    this.attr.copyFrom(zeroAttr)
    this.blocksBefore = 0
  }

  get isDirectory(): boolean {
    return isDirectory(this.attr.mode)
  }
}

const zeroAttr = new Attr()

/** What all operations share: the session, scratch records and buffers, caches, and the fields that results are left in. */
export class Context {
  readonly session: Session
  keepUnlinked: boolean | ((ino: number) => boolean)
  readonly cache: NameCache
  /** Opens by inode. */
  readonly holds = new Map<number, number>()
  /** Forgotten by the kernel while still open here. */
  readonly forgotten = new Set<number>()
  listener: ChangeListener | undefined

  readonly K = Buffer.alloc(MAX_KEY_BYTES)
  readonly V = Buffer.alloc(limits.valueBytes)
  /** Content of one small file. */
  readonly small = Buffer.alloc(limits.smallBytes)
  #block: Buffer | undefined

  /** Scratch records of an operation: two directories, the inode concerned and a second one. */
  readonly dir = new Inode()
  readonly toDir = new Inode()
  readonly node = new Inode()
  readonly other = new Inode()
  /** For checks on the way. */
  readonly probe = new Attr()

  /** Results. */
  readonly attr = new Attr()
  text = ''
  trailingSlash = false
  value: Uint8Array = new Uint8Array(0)
  names: string[] = []
  /** d_type of the entry found last. */
  type = 0

  #changesSeen: number | undefined
  #cursor: Cursor | undefined
  #cursorTree: Tree | undefined
  #cursorTaken = false

  constructor(session: Session, options: FileSystemOptions) {
    this.session = session
    this.keepUnlinked = options.keepUnlinked ?? false
    this.cache = new NameCache(options.nameCacheEntries ?? NAME_CACHE_ENTRIES)
    this.#changesSeen = session.changes
  }

  /** Reads attributes only. */
  readAttr(ino: number, into: Attr): number {
    const tree = this.session.tree
    if (!tree.get(this.K, inodeKey(this.K, Tag.attr, ino))) return -ENOENT
    decodeAttr(tree.vb, tree.vp, into)
    return 0
  }

  /** Reads a record in order to write it again. */
  load(ino: number, into: Inode): number {
    const tree = this.session.tree
    if (!tree.get(this.K, inodeKey(this.K, Tag.attr, ino))) return -ENOENT
    const attr = decodeAttr(tree.vb, tree.vp, into.attr)
    into.ino = ino
    into.blocksBefore = attr.blocks
    if (attr.kind === ContentKind.inline) {
      if (tree.vl !== ATTR_BYTES + attr.size || attr.size > limits.inlineBytes)
        throw new CorruptError(`inode ${ino}`, 'its inline content is not as long as its size')
      copyBytes(tree.vb, tree.vp + ATTR_BYTES, into.inline, 0, attr.size)
    }
    return 0
  }

  /** Adds a record to the batch, and to the usage what its blocks changed by. */
  store(n: Inode): void {
    const attr = n.attr
    attr.changed++
    encodeAttr(attr, this.V, 0)
    let length = ATTR_BYTES
    if (attr.kind === ContentKind.inline) {
      copyBytes(n.inline, 0, this.V, ATTR_BYTES, attr.size)
      length += attr.size
    }
    if (attr.blocks !== n.blocksBefore) this.session.addUsage(0, (attr.blocks - n.blocksBefore) * 512)
    this.session.put(this.K, inodeKey(this.K, Tag.attr, n.ino), this.V, length)
  }

  /** Begins a change that comes through an open handle; 0: through none. */
  begin(handle: number): void {
    this.session.tick()
    if (handle !== 0) this.session.handle = handle
  }

  commit(): number {
    this.refresh()
    const result = this.session.commit()
    this.#changesSeen = this.session.changes
    return result
  }

  /** Forgets cached names when anything but this file system changed the tree since it last looked. */
  refresh(): void {
    if (this.session.changes !== this.#changesSeen) {
      this.cache.clear()
      this.#changesSeen = this.session.changes
    }
  }

  /** ctime now. */
  stampChange(attr: Attr): void {
    attr.ctimeS = this.session.nowS
    attr.ctimeNs = this.session.nowNs
  }

  /** mtime and ctime now. */
  stampModify(attr: Attr): void {
    attr.mtimeS = attr.ctimeS = this.session.nowS
    attr.mtimeNs = attr.ctimeNs = this.session.nowNs
  }

  /** Scratch of one block, made when first needed. */
  get block(): Buffer {
    this.#block ??= Buffer.alloc(limits.blockBytes)
    return this.#block
  }

  /** A cursor over the tree: the kept one, or another while that is in use (a visitor may read directories itself). */
  takeCursor(): Cursor {
    const tree = this.session.tree
    if (this.#cursorTaken) return tree.cursor()
    if (this.#cursor === undefined || this.#cursorTree !== tree) {
      this.#cursor = tree.cursor()
      this.#cursorTree = tree
    }
    this.#cursorTaken = true
    return this.#cursor
  }

  giveCursor(cursor: Cursor): void {
    if (cursor === this.#cursor) this.#cursorTaken = false
  }
}

/** Below this a loop beats the view that `set` needs. */
const LOOP_BYTES = 48

export function copyBytes(from: Uint8Array, at: number, to: Uint8Array, toAt: number, length: number): void {
  if (length < LOOP_BYTES) for (let i = 0; i < length; i++) to[toAt + i] = from[at + i]
  else to.set(viewOf(from, at, length), toAt)
}

/** A plain view: a Buffer's own `subarray` makes a Buffer, which takes twice as long. */
export function viewOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
}

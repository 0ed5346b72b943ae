import { Attr, getIno, Tag } from '../../codec/index.js'
import { isRegular } from '../../codec/mode.js'
import { CorruptError, ENOENT, posixError } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { BTree, TreeDiff } from '../../tree/index.js'
import { attrOf, type FileState, readFileBytes } from '../../volume/file-content.js'
import { PagesOf } from '../../volume/near-pages.js'
import { near, type Slices } from '../../volume/near-reads.js'
import { inodeAt, pathOfInode } from '../../volume/paths.js'
import { openTree } from '../../volume/recovery.js'
import type { Volume } from '../../volume/volume.js'
import { type FilesBytes, filesBytes } from './file-bytes.js'
import { contentIdentity } from './identity.js'
import { TreeWalk, type WalkOptions, type WalkPage } from './tree-walk.js'

/** A file of a state, by what it holds. */
export interface FoundContent {
  ino: number
  /** Its content's name within the store (`contentIdentity`), 32 bytes. */
  content: Uint8Array
  size: number
}

/** Where a file is in a state, and its bytes. */
export interface FilePlace {
  /** One of its names, UTF-8. */
  path: string
  size: number
  nlink: number
}

/** A file by its number. */
export interface FileEntry {
  ino: number
  /** One of its names, UTF-8. */
  path: string
  mode: number
  size: number
  nlink: number
}

/** What the state is that is read, so that it need not be read again. */
export interface ContentsOf {
  volumeId: string
  /** Undefined: the home's own store. */
  storeId?: string
  isEncrypted: boolean
  /** The tree, where it is stored; a later reading can say `since` it. */
  root?: string
  timeMs?: number
  /** Of the state as it is now: another number after each change. */
  sequence?: number
  /** Of the state as it is now: the newest tree before it that is stored. */
  stored?: string
}

/** Instead of a ref; no name of a checkpoint. */
export const SEALED = { sealed: true } as const

const attr = new Attr()
/** Steps of the comparison between two looks at the clock. */
const STEPS = 500

/** The files of a state by content, in pages of a few milliseconds; only those that an earlier state does not have alike. The state stays as it was when this began. */
export class ContentsRead {
  readonly of: ContentsOf
  readonly #volume: Volume
  readonly #state: FileState
  #since: string | undefined
  readonly #pages: PagesOf<FoundContent>
  #walk: TreeWalk | undefined

  /**
   * @param ref default now; `SEALED`: the newest state whose tree is stored
   * @param storeId undefined: the home's own store
   * @throws CairnError ERR_REF_UNKNOWN
   */
  constructor(volume: Volume, ref: string | typeof SEALED | undefined, storeId: string | undefined) {
    this.#volume = volume
    const { volume: volumeId, root: sealed } = volume.head.value
    const isEncrypted = volume.context.store.coding?.cipher !== undefined
    const of = { volumeId, ...(storeId === undefined ? {} : { storeId }), isEncrypted }
    if (ref === undefined) {
      this.#state = volume.stateAt()
      this.of = { ...of, sequence: volume.session.sequence, ...(sealed === '' ? {} : { stored: sealed }) }
    } else if (typeof ref === 'string') {
      const commit = volume.history.resolve(ref)
      this.#state = volume.stateAt(commit)
      this.of = { ...of, ...(commit.root === '' ? {} : { root: commit.root, timeMs: commit.timeMs }) }
    } else {
      this.#state = volume.sealedState()
      this.of = { ...of, root: sealed, timeMs: systemClock.now() }
    }
    this.#pages = new PagesOf(this.#contents(), limits.diffPageChanges)
  }

  /** Leaves out what a stored tree of an earlier reading has alike; one that was collected counts for nothing. Before the first `next`. */
  since(root: string | undefined): void {
    this.#since = root
  }

  /** Undefined at the end. A page may be empty. @throws PageMiss: when it is here, call again */
  next(): FoundContent[] | undefined {
    return this.#pages.next()
  }

  /** Bytes of a file from `offset`, at most a megabyte. @throws CorruptError, ENOENT */
  read(ino: number, offset: number): Uint8Array {
    const found = attrOf(this.#state, ino, attr)
    if (found === undefined) throw posixError(ENOENT, 'read')
    return readFileBytes(this.#state, ino, found, offset, limits.rpcChunkBytes)
  }

  /**
   * Begins a walk, which ends the one before.
   * @param path UTF-8; symbolic links in it are not followed @throws ENOENT
   */
  walk(path: string, options: WalkOptions): void {
    const { dirHash } = this.#volume.session
    const from = inodeAt(this.#state.tree, dirHash, Buffer.from(path, 'utf8').toString('latin1'))
    if (from === 0) throw posixError(ENOENT, 'lstat', path)
    this.#walk = new TreeWalk(this.#state, dirHash, from, options)
  }

  /** See `TreeWalk`. */
  walkNext(skip: readonly number[]): WalkPage | undefined {
    return this.#walk?.next(skip)
  }

  /** See `filesBytes`. */
  files(inodes: Float64Array, whole: boolean): FilesBytes {
    return filesBytes(this.#state, this.#volume.context.packs, inodes, whole)
  }

  /** Of each of these what a look at it would show; undefined for what has no name in the state. */
  entries(inodes: Float64Array): Array<FileEntry | undefined> {
    return Array.from(inodes, ino => {
      const found = attrOf(this.#state, ino, attr)
      if (found === undefined) return undefined
      const { mode, size, nlink } = found
      const path = pathOfInode(this.#state.tree, ino)
      return path === undefined ? undefined : { ino, path: Buffer.from(path, 'latin1').toString('utf8'), mode, size, nlink }
    })
  }

  /** Where a file is in the state; undefined where it does not hold this content there. */
  place({ ino, content }: Pick<FoundContent, 'ino' | 'content'>): FilePlace | undefined {
    const found = attrOf(this.#state, ino, attr)
    if (found === undefined || !isFile(found) || !Buffer.from(contentIdentity(this.#state, ino, found)).equals(content)) return undefined
    const { size, nlink } = found
    const path = pathOfInode(this.#state.tree, ino)
    return path === undefined ? undefined : { path: Buffer.from(path, 'latin1').toString('utf8'), size, nlink }
  }

  *#contents(): Slices<FoundContent> {
    const earlier = yield* near(() => this.#earlier())
    if (earlier !== undefined) {
      try {
        yield* this.#unlike(earlier)
        return
      } catch (error) {
        // Pages of it were collected: then all counts.
        if (!(error instanceof CorruptError)) throw error
      }
    }
    yield* this.#unlike(BTree.empty(this.#volume.context.pages))
  }

  #earlier(): BTree | undefined {
    return this.#since === undefined ? undefined : openTree(this.#volume.context.pages, this.#since)
  }

  *#unlike(earlier: BTree): Slices<FoundContent> {
    const touched = new Set<number>()
    const note = (key: Uint8Array, _: Uint8Array | undefined, after: Uint8Array | undefined): void => {
      const isOfFile = key[0] === Tag.attr || key[0] === Tag.content || key[0] === Tag.extent
      if (isOfFile && (after !== undefined || key[0] !== Tag.attr)) touched.add(getIno(key, 1))
    }
    const walk = yield* near(() => new TreeDiff(earlier, this.#state.tree, note))
    while (!(yield* near(() => walk.step(STEPS)))) yield undefined
    for (const ino of touched) {
      const found = yield* near(() => this.#contentOf(ino))
      if (found !== undefined) yield found
    }
  }

  #contentOf(ino: number): FoundContent | undefined {
    const found = attrOf(this.#state, ino, attr)
    if (found === undefined || !isFile(found) || found.size === 0 || found.nlink === 0) return undefined
    const { size } = found
    return { ino, content: contentIdentity(this.#state, ino, found), size }
  }
}

function isFile({ mode }: Readonly<Attr>): boolean {
  return isRegular(mode)
}

import { Attr, ContentKind, type DirHash, direntKey, getIno, inodeKey, MAX_KEY_BYTES, Tag } from '../../codec/index.js'
import { isDirectory, isRegular } from '../../codec/mode.js'
import { PageMiss } from '../../errors.js'
import { limits, systemClock } from '../../sys/index.js'
import { attrOf, type FileState, readFileBytes } from '../../volume/file-content.js'
import { nameAt } from '../../volume/paths.js'
import { SortedNames } from './sorted-names.js'

export interface WalkOptions {
  /** Directories this deep are not gone into; that where the walk begins is 0 deep. */
  maxDepth?: number
  /** With each directory comes the file of this name in it, where there is one. */
  withFile?: string
}

/** Numbers of each entry of a page, in this order. */
export const WalkField = { ino: 0, depth: 1, mode: 2, size: 3, mtimeMs: 4, isEmpty: 5, hasFile: 6 } as const
export const WALK_FIELDS = 7

/** Entries in the order of find(1): a directory before what is in it, names of one directory in the order of their bytes. */
export interface WalkPage {
  /** Names one behind the other, each with a NUL behind it; that of the beginning is empty. */
  names: Uint8Array
  /** `WALK_FIELDS` for each entry. `isEmpty` is of directories: nothing is in them. `hasFile`: the next of `files` belongs to it. */
  numbers: Float64Array
  files: Uint8Array[]
}

/** A page that says only that there are more. */
export const noNames: WalkPage = { names: new Uint8Array(0), numbers: new Float64Array(0), files: [] }

interface Folder {
  readonly ino: number
  readonly depth: number
  readonly names: SortedNames
  /** Where to go on reading them. */
  after: Uint8Array | undefined
  isRead: boolean
}

/** Entries that are read between two looks at the clock, and of which a page that is missing costs a second reading. */
const AT_ONCE = 512
/** Entries that are shown between two looks at the clock. */
const STEPS = 32
const NANOSECONDS = 1e6

const K = Buffer.alloc(MAX_KEY_BYTES + 1)
const attr = new Attr()

/** The names below an inode with what `find` asks of each, in pages of a few milliseconds. In memory are the names of the directories on the way down. */
export class TreeWalk {
  readonly #state: FileState
  readonly #dirHash: DirHash
  readonly #options: WalkOptions
  readonly #stack: Folder[] = []
  readonly #skipped = new Set<number>()
  #begin: number | undefined

  /** @param from the inode where it begins */
  constructor(state: FileState, dirHash: DirHash, from: number, options: WalkOptions = {}) {
    this.#state = state
    this.#dirHash = dirHash
    this.#options = options
    this.#begin = from
  }

  /**
   * Undefined at the end. A page may be empty.
   * @param skip directories that were in earlier pages: what of them was not shown yet is left out
   * @throws PageMiss, and nothing is lost
   */
  next(skip: readonly number[] = []): WalkPage | undefined {
    for (const ino of skip) this.#skipped.add(ino)
    if (this.#begin === undefined && this.#stack.length === 0) return undefined
    const page = new PageWriter()
    const until = systemClock.monotonic() + limits.diffSliceMs
    try {
      do for (let i = 0; i < STEPS && this.#step(page); i++);
      while (!this.#isOver && page.count < limits.diffPageChanges && systemClock.monotonic() < until)
    } catch (error) {
      if (!(error instanceof PageMiss) || page.count === 0) throw error
    }
    return page.done()
  }

  get #isOver(): boolean {
    return this.#begin === undefined && this.#stack.length === 0
  }

  /** Reads first, changes then: it can be done again when a page is missing. @returns false when there is nothing more, or it took long already */
  #step(page: PageWriter): boolean {
    if (this.#begin !== undefined) {
      this.#show(page, '', this.#begin, 0)
      this.#begin = undefined
      return true
    }
    const folder = this.#stack.at(-1)
    if (folder === undefined) return false
    if (this.#skipped.has(folder.ino)) this.#leave(folder)
    else if (!folder.isRead) return this.#read(folder)
    else {
      const entry = folder.names.first
      if (entry === undefined) this.#leave(folder)
      else this.#show(page, entry.name, entry.ino, folder.depth + 1, folder)
    }
    return true
  }

  #leave(folder: Folder): void {
    this.#skipped.delete(folder.ino)
    this.#stack.pop()
  }

  #show(page: PageWriter, name: string, ino: number, depth: number, inside?: Folder): void {
    const found = attrOf(this.#state, ino, attr)
    const isFolder = found !== undefined && isDirectory(found.mode)
    let isEmpty = false
    let file: Uint8Array | undefined
    if (isFolder) {
      const { mode, size, mtimeS, mtimeNs } = found
      isEmpty = this.#isEmpty(ino)
      if (this.#options.withFile !== undefined && !isEmpty) file = this.#fileIn(ino, this.#options.withFile)
      Object.assign(attr, { mode, size, mtimeS, mtimeNs })
    }
    inside?.names.removeFirst()
    if (found === undefined) return
    page.add(name, [ino, depth, attr.mode, attr.size, attr.mtimeS * 1000 + attr.mtimeNs / NANOSECONDS, isEmpty ? 1 : 0, file === undefined ? 0 : 1], file)
    const isEntered = isFolder && !isEmpty && depth < (this.#options.maxDepth ?? Number.POSITIVE_INFINITY)
    if (isEntered) this.#stack.push({ ino, depth, names: new SortedNames(), after: undefined, isRead: false })
  }

  #isEmpty(ino: number): boolean {
    const cursor = this.#state.tree.cursor()
    return !(cursor.seek(K, inodeKey(K, Tag.dirent, ino)) && isEntryOf(cursor.buf, cursor.kp, ino))
  }

  /** Reads some of a directory's names. @returns false: that was enough for now */
  #read(folder: Folder): boolean {
    const cursor = this.#state.tree.cursor()
    const { after } = folder
    if (after !== undefined) K.set(after)
    let more = cursor.seek(K, after === undefined ? inodeKey(K, Tag.dirent, folder.ino) : after.length)
    const entries = []
    let last: Uint8Array | undefined
    while (more && isEntryOf(cursor.buf, cursor.kp, folder.ino) && entries.length < AT_ONCE) {
      const { buf, kp, kl, vp } = cursor
      entries.push({ name: nameAt(buf, kp, kl), ino: getIno(buf, vp) })
      if (entries.length === AT_ONCE) last = buf.slice(kp, kp + kl)
      more = cursor.next()
    }
    folder.names.add(entries)
    // The least key behind that one.
    folder.after = last === undefined ? undefined : Buffer.concat([last, Buffer.alloc(1)])
    folder.isRead = last === undefined
    if (folder.isRead) folder.names.end()
    return folder.isRead
  }

  /** The file of this name in a directory, when it is one that can be read at once. */
  #fileIn(directory: number, name: string): Uint8Array | undefined {
    const ino = this.#entry(directory, name)
    const found = ino === undefined ? undefined : attrOf(this.#state, ino, attr)
    if (ino === undefined || found === undefined || !isRegular(found.mode) || found.kind === ContentKind.none) return undefined
    return readFileBytes(this.#state, ino, found, 0, limits.ignoreFileBytes)
  }

  #entry(directory: number, name: string): number | undefined {
    const { tree } = this.#state
    this.#dirHash.of(name)
    return tree.get(K, direntKey(K, directory, this.#dirHash.high, this.#dirHash.low, name)) ? getIno(tree.vb, tree.vp) : undefined
  }
}

function isEntryOf(b: Uint8Array, at: number, directory: number): boolean {
  return b[at] === Tag.dirent && getIno(b, at + 1) === directory
}

class PageWriter {
  #names = ''
  readonly #numbers: number[] = []
  readonly #files: Uint8Array[] = []
  count = 0

  add(name: string, numbers: readonly number[], file: Uint8Array | undefined): void {
    this.#names += `${name}\0`
    this.#numbers.push(...numbers)
    if (file !== undefined) this.#files.push(file)
    this.count++
  }

  done(): WalkPage {
    return { names: Buffer.from(this.#names, 'latin1'), numbers: Float64Array.from(this.#numbers), files: this.#files }
  }
}

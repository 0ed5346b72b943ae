import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ContentsOf, type FoundContent, SEALED } from '../history/contents/contents-read.js'
import { FileWay } from '../history/contents/file-bytes.js'
import { looksBinary } from '../history/diff/looks-binary.js'
import { limits } from '../sys/index.js'
import { type Contents, wholeFile } from './contents.js'
import { ContentState, type NewContent } from './index-file.js'
import type { SearchMode } from './query.js'
import { SearchIndex } from './search-index.js'

/** What an index took up for a search. */
export interface Indexed {
  files: number
  /** Not searched: they hold NUL bytes, or are larger than 4 MiB. */
  binary: number
  large: number
}

export type OpenContents = (volume: string, ref: string | typeof SEALED | undefined) => Promise<Contents>

/** The indexes of a home, one for each store and kind of query, each brought up to date with a state before it is asked about it. */
export class Indexes {
  readonly #folder: string
  readonly #open: OpenContents
  readonly #indexes = new Map<string, SearchIndex>()
  /** Of volumes as they are now: the last state that an index has all of. */
  readonly #fresh = new Map<string, number>()

  constructor(home: string, open: OpenContents) {
    this.#folder = join(home, 'search')
    this.#open = open
  }

  /** An index of this kind was made before, and is there. */
  isThere(of: ContentsOf, mode: SearchMode): boolean {
    const path = this.#pathOf(of, mode)
    return this.#indexes.has(path) || existsSync(path)
  }

  /** What is known of states counts no more: an index was damaged, and is gone. */
  forget(): void {
    this.#fresh.clear()
  }

  /** The index, with all contents of the state. @throws CairnError ERR_SEARCH_INDEX, ERR_DRIVER_MISSING, INDEX_DAMAGED */
  async with(
    volume: string,
    contents: Contents,
    mode: SearchMode,
    onProgress?: (progress: Indexed) => void,
  ): Promise<{ index: SearchIndex; indexed: Indexed }> {
    const index = this.#indexOf(contents.of, mode)
    return { index, indexed: await this.#update(volume, contents, index, mode, onProgress) }
  }

  async close(): Promise<void> {
    const indexes = [...this.#indexes.values()]
    this.#indexes.clear()
    this.#fresh.clear()
    for (const index of indexes) await index.close()
  }

  /** What a store encrypts is not left in plain text beside it: its index is in memory, and made anew by the next process. */
  #indexOf(of: ContentsOf, mode: SearchMode): SearchIndex {
    const path = this.#pathOf(of, mode)
    let index = this.#indexes.get(path)
    if (index === undefined) {
      index = new SearchIndex({ mode, ...(of.isEncrypted ? {} : { path }) })
      this.#indexes.set(path, index)
    }
    return index
  }

  #pathOf({ storeId }: ContentsOf, mode: SearchMode): string {
    return join(this.#folder, `${storeId ?? 'dev'}.${mode}.sqlite`)
  }

  async #update(volume: string, contents: Contents, index: SearchIndex, mode: SearchMode, onProgress?: (progress: Indexed) => void): Promise<Indexed> {
    const indexed: Indexed = { files: 0, binary: 0, large: 0 }
    const { volumeId, root, timeMs, sequence, stored } = contents.of
    const work = new Update(index, indexed, onProgress)
    if (sequence === undefined) {
      const near = await index.nearestTree(volumeId, root, timeMs ?? 0)
      if (root !== undefined && near === root) return indexed
      await work.take(contents, near)
      if (root !== undefined) await index.addTree(volumeId, root, timeMs ?? 0)
      return indexed
    }
    const key = `${volumeId}.${mode}`
    if (this.#fresh.get(key) === sequence) return indexed
    // A stored tree is what the next search begins from; the present state may never be one.
    const sealed = stored === undefined ? undefined : await this.#updateSealed(volume, stored, index, work)
    await work.take(contents, sealed)
    this.#fresh.set(key, sequence)
    return indexed
  }

  /** @returns the stored tree of which the index has all now */
  async #updateSealed(volume: string, stored: string, index: SearchIndex, work: Update): Promise<string | undefined> {
    const contents = await this.#open(volume, SEALED)
    const { volumeId, root = stored, timeMs = 0 } = contents.of
    try {
      const near = await index.nearestTree(volumeId, root, timeMs)
      if (near === root) return root
      await work.take(contents, near)
      await index.addTree(volumeId, root, timeMs)
      return root
    } finally {
      await contents.close()
    }
  }
}

/** Files whose contents are asked for at once. */
const FILES_ASKED = 1024

/** Takes the contents of states into an index. */
class Update {
  readonly #index: SearchIndex
  readonly #indexed: Indexed
  readonly #onProgress: ((progress: Indexed) => void) | undefined

  constructor(index: SearchIndex, indexed: Indexed, onProgress: ((progress: Indexed) => void) | undefined) {
    this.#index = index
    this.#indexed = indexed
    this.#onProgress = onProgress
  }

  /** What differs from the tree `since`, of which the index has all. */
  async take(contents: Contents, since: string | undefined): Promise<void> {
    await contents.since(since)
    for (let page = await contents.next(); page !== undefined; page = await contents.next()) {
      if (page.length === 0) continue
      const unknown = await this.#index.place(page.map(({ ino, content }) => ({ ino, content })))
      await this.#add(
        contents,
        unknown.map(at => page[at]),
      )
    }
  }

  async #add(contents: Contents, files: readonly FoundContent[]): Promise<void> {
    let batch: NewContent[] = []
    let bytes = 0
    let rest = files.filter(file => file.size <= limits.searchFileBytes)
    for (const { ino, content, size } of files) {
      if (size <= limits.searchFileBytes) continue
      this.#indexed.large++
      batch.push({ ino, content, state: ContentState.large })
    }
    while (rest.length > 0) {
      const { found, later } = await this.#read(contents, rest)
      rest = later
      batch.push(...found)
      for (const { text } of found) bytes += text?.length ?? 0
      if (bytes < limits.searchBatchBytes) continue
      await this.#index.add(batch)
      batch = []
      bytes = 0
      this.#onProgress?.(this.#indexed)
    }
    if (batch.length > 0) await this.#index.add(batch)
    if (files.length > 0) this.#onProgress?.(this.#indexed)
  }

  /** As many of them as one answer holds, at least the first. */
  async #read(contents: Contents, files: readonly FoundContent[]): Promise<{ found: NewContent[]; later: FoundContent[] }> {
    const { sizes, ways, bytes } = await contents.files(
      Float64Array.from(files.slice(0, FILES_ASKED), ({ ino }) => ino),
      true,
    )
    const found: NewContent[] = []
    const later: FoundContent[] = []
    let at = 0
    for (const [i, file] of files.entries()) {
      if (ways[i] === FileWay.here) {
        found.push(this.#content(file, Buffer.from(bytes.buffer, bytes.byteOffset + at, sizes[i])))
        at += sizes[i]
      } else if (ways[i] === FileWay.pieces) found.push(this.#content(file, await wholeFile(contents, file.ino)))
      else if (ways[i] !== FileWay.gone) later.push(file)
    }
    return { found, later }
  }

  #content({ ino, content }: FoundContent, bytes: Buffer): NewContent {
    if (looksBinary(bytes)) {
      this.#indexed.binary++
      return { ino, content, state: ContentState.binary }
    }
    this.#indexed.files++
    return { ino, content, state: ContentState.indexed, text: bytes.toString('utf8') }
  }
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import { type ContentsOf, type FilePlace, type FoundContent, SEALED } from '../history/contents/contents-read.js'
import { looksBinary } from '../history/diff/looks-binary.js'
import { limits } from '../sys/index.js'
import { type GrepFile, type GrepOptions, type GrepSkipped, grep, indexable, linePattern } from './grep.js'
import { ContentState, INDEX_DAMAGED, type NewContent } from './index-file.js'
import { parseSubstring, parseWords, type Query, type SearchMode } from './query.js'
import { SearchIndex } from './search-index.js'
import { bestLine, firstPlace, type Snippet } from './snippet.js'

/** The files of a state, as `ContentsRead` gives them, wherever the volume is. */
export interface Contents {
  readonly of: ContentsOf
  since(root: string | undefined): Promise<void>
  next(): Promise<FoundContent[] | undefined>
  read(ino: number, offset: number): Promise<Uint8Array>
  places(files: ReadonlyArray<{ ino: number; content: Uint8Array }>): Promise<Array<FilePlace | undefined>>
  close(): Promise<void>
}

export interface SearchOptions {
  /** Matches at most; default 20, the most 10,000. */
  limit?: number
  /** As it was at a checkpoint, commit, `~n` or time; default now. */
  ref?: string
  /** Only in this directory, or this file. */
  path?: string
  /** `words` (default): all words and "phrases"; `substring`: the text as it stands in files, whatever it means. */
  mode?: SearchMode
  /** Called now and then while the index takes up what is new. */
  onProgress?: (progress: Indexed) => void
}

export interface SearchMatch extends Partial<Snippet> {
  path: string
  /** How well it matches, against others of the same search; 0 for all in the mode `substring`. */
  score: number
}

/** What an index took up for a search. */
export interface Indexed {
  files: number
  /** Not searched: they hold NUL bytes, or are larger than 4 MiB. */
  binary: number
  large: number
}

export interface SearchResult {
  /** The best first. `line` and `column` are absent where a phrase goes over several lines. */
  matches: SearchMatch[]
  /** There are more than were asked for. */
  more: boolean
  indexed: Indexed
}

const DEFAULT_LIMIT = 20
/** Hits asked for at once. */
const HITS = 200
/** Files that are read at the same time. */
const TOGETHER = 16

/** Searches volumes of a home by indexes that it keeps up to date as it goes. */
export class Searcher {
  readonly #folder: string
  readonly #open: (volume: string, ref: string | typeof SEALED | undefined) => Promise<Contents>
  readonly #indexes = new Map<string, SearchIndex>()
  /** Of volumes as they are now: the last state that an index has all of. */
  readonly #fresh = new Map<string, number>()

  constructor(home: string, open: (volume: string, ref: string | typeof SEALED | undefined) => Promise<Contents>) {
    this.#folder = join(home, 'search')
    this.#open = open
  }

  /** @throws CairnError ERR_SEARCH_QUERY, ERR_SEARCH_INDEX, ERR_DRIVER_MISSING, ERR_REF_UNKNOWN */
  async search(volume: string, text: string, options: SearchOptions = {}): Promise<SearchResult> {
    try {
      return await this.#search(volume, text, options)
    } catch (error) {
      if ((error as { code?: unknown }).code !== INDEX_DAMAGED) throw error
      this.#fresh.clear()
      return this.#search(volume, text, options)
    }
  }

  async #search(volume: string, text: string, options: SearchOptions): Promise<SearchResult> {
    const mode = options.mode ?? 'words'
    const query = mode === 'words' ? parseWords(text) : parseSubstring(text)
    const limit = checkedLimit(options.limit)
    const contents = await this.#open(volume, options.ref)
    try {
      const index = this.#indexOf(contents.of, mode)
      const indexed = await this.#update(volume, contents, index, mode, options)
      const search = new OneSearch(contents, index, query, { text, mode, limit, ...(options.path === undefined ? {} : { path: options.path }) })
      return { ...(await search.run()), indexed }
    } finally {
      await contents.close()
    }
  }

  /**
   * Files with lines that match a regular expression (that of JavaScript, with Unicode).
   * @param skipped counts what is not looked at
   * @throws CairnError ERR_GREP_PATTERN; ERR_GREP_TIMEOUT: the pattern takes too long
   */
  async *grep(volume: string, text: string, options: GrepOptions = {}, skipped: GrepSkipped = { binary: 0, large: 0 }): AsyncGenerator<GrepFile> {
    const pattern = linePattern(text, options)
    const plain = options.index === false ? undefined : indexable(text, options)
    const contents = await this.#open(volume, options.ref)
    try {
      const isThere = options.index === true || existsSync(this.#pathOf(contents.of, 'substring'))
      if (plain === undefined || !isThere) yield* grep(contents, pattern, options, skipped)
      else {
        const index = this.#indexOf(contents.of, 'substring')
        await this.#update(volume, contents, index, 'substring', {})
        yield* grep(contents, pattern, options, skipped, { found: index, text: plain })
      }
    } finally {
      await contents.close()
    }
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

  async #update(volume: string, contents: Contents, index: SearchIndex, mode: SearchMode, { onProgress }: SearchOptions): Promise<Indexed> {
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

function checkedLimit(limit = DEFAULT_LIMIT): number {
  if (Number.isSafeInteger(limit) && limit > 0 && limit <= limits.searchMatches) return limit
  throw new CairnError('ERR_SEARCH_LIMIT', `A search gives 1 to ${limits.searchMatches} matches, not ${limit}.`, 'Ask for fewer, or narrow the search.', {
    exitCode: 2,
  })
}

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
    for (let at = 0; at < files.length; at += TOGETHER) {
      const found = await Promise.all(files.slice(at, at + TOGETHER).map(file => this.#content(contents, file)))
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

  async #content(contents: Contents, { ino, content, size }: FoundContent): Promise<NewContent> {
    if (size > limits.searchFileBytes) {
      this.#indexed.large++
      return { ino, content, state: ContentState.large }
    }
    const bytes = await wholeFile(contents, ino)
    if (looksBinary(bytes)) {
      this.#indexed.binary++
      return { ino, content, state: ContentState.binary }
    }
    this.#indexed.files++
    return { ino, content, state: ContentState.indexed, text: bytes.toString('utf8') }
  }
}

/** All bytes of a file. */
export async function wholeFile(contents: Contents, ino: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let part: Uint8Array
  let at = 0
  do {
    part = await contents.read(ino, at)
    parts.push(part)
    at += part.length
  } while (part.length === limits.rpcChunkBytes)
  return parts.length === 1 ? Buffer.from(parts[0].buffer, parts[0].byteOffset, parts[0].length) : Buffer.concat(parts)
}

interface Wanted {
  text: string
  mode: SearchMode
  limit: number
  path?: string
}

/** One query against one state. */
class OneSearch {
  readonly #contents: Contents
  readonly #index: SearchIndex
  readonly #query: Query
  readonly #wanted: Wanted

  constructor(contents: Contents, index: SearchIndex, query: Query, wanted: Wanted) {
    this.#contents = contents
    this.#index = index
    this.#query = query
    this.#wanted = wanted
  }

  async run(): Promise<{ matches: SearchMatch[]; more: boolean }> {
    const { limit } = this.#wanted
    const matches: SearchMatch[] = []
    for (let offset = 0; offset < limits.searchHits; offset += HITS) {
      const hits = await this.#index.find(this.#query.match, offset, HITS)
      const candidates = hits.flatMap(({ content, inodes, score }) => inodes.map(ino => ({ ino, content, score })))
      const places = candidates.length === 0 ? [] : await this.#contents.places(candidates.map(({ ino, content }) => ({ ino, content })))
      const files = places.flatMap((place, at) => (place !== undefined && isBelow(place.path, this.#wanted.path) ? [{ ...candidates[at], ...place }] : []))
      for (let at = 0; at < files.length; at += TOGETHER) {
        const found = await Promise.all(files.slice(at, at + TOGETHER).map(file => this.#match(file)))
        matches.push(...found.filter(match => match !== undefined))
        if (matches.length > limit) return { matches: matches.slice(0, limit), more: true }
      }
      if (hits.length < HITS) break
    }
    return { matches, more: false }
  }

  /** Undefined: the index took it for one, and it is none. */
  async #match({ ino, score, path }: { ino: number; score: number; path: string }): Promise<SearchMatch | undefined> {
    const text = (await wholeFile(this.#contents, ino)).toString('utf8')
    const { mode, text: wanted } = this.#wanted
    const place = mode === 'words' ? bestLine(text, this.#query.terms) : firstPlace(text, wanted)
    if (mode === 'substring' && place === undefined) return undefined
    return { path, score, ...place }
  }
}

/** Whether a path is that folder or file, or in it. */
export function isBelow(path: string, folder: string | undefined): boolean {
  const below = (folder ?? '/').replace(/\/+$/, '')
  return path === below || path.startsWith(`${below}/`)
}

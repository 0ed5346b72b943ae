import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import { type Contents, normalPath } from './contents.js'
import { type GrepFile, type GrepOptions, type GrepSkipped, grep, indexable } from './grep.js'
import { INDEX_DAMAGED } from './index-file.js'
import { type Indexed, Indexes, type OpenContents } from './indexes.js'
import { linePattern } from './line-pattern.js'
import { MatchThreads } from './match-threads.js'
import { OneSearch, type SearchMatch } from './one-search.js'
import { parseSubstring, parseWords, type SearchMode } from './query.js'

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

export interface SearchResult {
  /** The best first. `line` and `column` are absent where a phrase goes over several lines. */
  matches: SearchMatch[]
  /** There are more than were asked for. */
  more: boolean
  indexed: Indexed
}

const DEFAULT_LIMIT = 20

/** Searches the volumes of a home: by indexes that it keeps up to date as it goes, and by looking at files. */
export class Searcher {
  readonly #open: OpenContents
  readonly #indexes: Indexes
  readonly #threads = new MatchThreads()

  constructor(home: string, open: OpenContents) {
    this.#open = open
    this.#indexes = new Indexes(home, open)
  }

  /** @throws CairnError ERR_SEARCH_QUERY, ERR_SEARCH_INDEX, ERR_DRIVER_MISSING, ERR_REF_UNKNOWN; ENOENT */
  async search(volume: string, text: string, options: SearchOptions = {}): Promise<SearchResult> {
    const { mode = 'words', path, ref, onProgress } = options
    const query = mode === 'words' ? parseWords(text) : parseSubstring(text)
    const limit = checkedLimit(options.limit)
    const contents = await this.#open(volume, ref)
    try {
      if (path !== undefined) await contents.walk(normalPath(path), { maxDepth: 0 })
      return await this.#undamaged(async () => {
        const { index, indexed } = await this.#indexes.with(volume, contents, mode, onProgress)
        const search = new OneSearch(contents, index, query, { text, mode, limit, ...(path === undefined ? {} : { path }) })
        return { ...(await search.run()), indexed }
      })
    } finally {
      await contents.close()
    }
  }

  /**
   * Files with lines that match a regular expression (that of JavaScript, with Unicode).
   * @param skipped counts what is not looked at
   * @throws CairnError ERR_GREP_PATTERN, ERR_GREP_GLOB; ERR_GREP_TIMEOUT: the pattern takes too long; ENOENT
   */
  async *grep(volume: string, text: string, options: GrepOptions = {}, skipped: GrepSkipped = { binary: 0, large: 0 }): AsyncGenerator<GrepFile> {
    const pattern = linePattern(text, options)
    const contents = await this.#open(volume, options.ref)
    try {
      const inodes = await this.#undamaged(() => this.#inodesWith(volume, contents, text, options))
      yield* grep({ contents, threads: this.#threads, pattern, options, skipped, ...(inodes === undefined ? {} : { only: inodes }) })
    } finally {
      await contents.close()
    }
  }

  /** The files that can have matches, as far as the index of substrings tells: undefined where it cannot, or is not there. */
  async #inodesWith(volume: string, contents: Contents, text: string, options: GrepOptions): Promise<Float64Array | undefined> {
    const plain = options.index === false ? undefined : indexable(text, options)
    if (plain === undefined || (options.index !== true && !this.#indexes.isThere(contents.of, 'substring'))) return undefined
    try {
      const { index } = await this.#indexes.with(volume, contents, 'substring')
      return await index.inodes(parseSubstring(plain).match)
    } catch (error) {
      // Who did not ask for the index does without one that cannot be written, or is kept locked.
      if (options.index === true || (error as { code?: unknown }).code === INDEX_DAMAGED) throw error
      return undefined
    }
  }

  /** An index that turns out to be damaged is gone then, and what needed it begins again: nothing was shown yet. */
  async #undamaged<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if ((error as { code?: unknown }).code !== INDEX_DAMAGED) throw error
      this.#indexes.forget()
      return work()
    }
  }

  async close(): Promise<void> {
    await this.#threads.close()
    await this.#indexes.close()
  }
}

function checkedLimit(limit = DEFAULT_LIMIT): number {
  if (Number.isSafeInteger(limit) && limit > 0 && limit <= limits.searchMatches) return limit
  throw new CairnError('ERR_SEARCH_LIMIT', `A search gives 1 to ${limits.searchMatches} matches, not ${limit}.`, 'Ask for fewer, or narrow the search.', {
    exitCode: 2,
  })
}

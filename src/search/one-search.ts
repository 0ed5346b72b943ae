import { limits } from '../sys/index.js'
import { type Contents, isBelow, wholeFile } from './contents.js'
import { namesOf, type Place } from './names-of.js'
import type { Query, SearchMode } from './query.js'
import type { SearchIndex } from './search-index.js'
import { bestLine, firstPlace, type Snippet } from './snippet.js'

export interface SearchMatch extends Partial<Snippet> {
  path: string
  /** How well it matches, against others of the same search; 0 for all in the mode `substring`. */
  score: number
}

/** Hits asked for at once. */
const HITS = 200
/** Files that are read at the same time. */
const TOGETHER = 16

export interface Wanted {
  text: string
  mode: SearchMode
  limit: number
  path?: string
}

/** One query against one state. */
export class OneSearch {
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
      const files = await this.#named(places.flatMap((place, at) => (place === undefined ? [] : [{ ...candidates[at], ...place }])))
      for (let at = 0; at < files.length; at += TOGETHER) {
        const found = await Promise.all(files.slice(at, at + TOGETHER).map(file => this.#match(file)))
        matches.push(...found.flat())
        if (matches.length > limit) return { matches: matches.slice(0, limit), more: true }
      }
      if (hits.length < HITS) break
    }
    return { matches, more: false }
  }

  /** Those with a name where it is searched, with all names there. */
  async #named<T extends Place>(files: readonly T[]): Promise<Array<T & { paths: string[] }>> {
    const { path: folder } = this.#wanted
    const names = await namesOf(this.#contents, files, folder)
    const pathsOf = ({ ino, path }: T): string[] => {
      const known = names.get(ino) ?? []
      return known.length > 0 || !isBelow(path, folder) ? known : [path]
    }
    return files.map(file => ({ ...file, paths: pathsOf(file) })).filter(({ paths }) => paths.length > 0)
  }

  /** One for each name; none: the index took it for one, and it is none. */
  async #match({ ino, score, paths }: { ino: number; score: number; paths: string[] }): Promise<SearchMatch[]> {
    const text = (await wholeFile(this.#contents, ino)).toString('utf8')
    const { mode, text: wanted } = this.#wanted
    const place = mode === 'words' ? bestLine(text, this.#query.terms) : firstPlace(text, wanted)
    if (mode === 'substring' && place === undefined) return []
    return paths.map(path => ({ path, score, ...place }))
  }
}

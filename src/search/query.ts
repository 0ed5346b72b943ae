import { CairnError } from '../errors.js'

/** What is searched for: words and phrases, or a text as it stands in files. */
export type SearchMode = 'words' | 'substring'

/** A word, or several in a row; of a prefix the last is the beginning of one. Folded as the index folds them. */
export interface Term {
  words: readonly string[]
  isPrefix: boolean
}

export interface Query {
  /** For SQLite's MATCH. */
  match: string
  /** What a hit has at least one of, to be shown. */
  terms: readonly Term[]
}

/** Shortest text that an index of trigrams can look up. */
export const TRIGRAM = 3
const LETTERS = /[\p{L}\p{N}_]+/gu

/** Case and diacritics make no difference. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

/** The words of a text with where they stand, folded. */
export function* wordsIn(text: string): Generator<{ word: string; at: number }> {
  for (const { 0: word, index } of text.matchAll(LETTERS)) yield { word: fold(word), at: index }
}

/**
 * Reads a query of words: all of them must occur; `"a phrase"`; `begin*`; `-not`; `OR` between alternatives.
 * @throws CairnError ERR_SEARCH_QUERY
 */
export function parseWords(text: string): Query {
  const terms: Term[] = []
  const groups = alternatives(text).map(parts => {
    const wanted = parts.filter(part => !part.isNot).map(part => part.term)
    if (wanted.length === 0) throw wrong(text, 'nothing in it says what a file must have', 'Write at least one word without a minus.')
    terms.push(...wanted)
    const all = wanted.map(expression).join(' AND ')
    return parts.filter(part => part.isNot).reduce((so, { term }) => `(${so}) NOT ${expression(term)}`, all)
  })
  return { match: groups.map(group => `(${group})`).join(' OR '), terms }
}

interface Part {
  term: Term
  isNot: boolean
}

function alternatives(text: string): Part[][] {
  if ((text.match(/"/g)?.length ?? 0) % 2 === 1) throw wrong(text, 'a quotation mark has no second one', 'Close the phrase.')
  const groups: Part[][] = [[]]
  for (const [all, minus, phrase, word, star] of text.matchAll(/(-)?(?:"([^"]*)"|([^\s"]+?))(\*)?(?=\s|"|$)/g)) {
    if (all === 'OR') groups.push([])
    else groups[groups.length - 1].push({ isNot: minus !== undefined, term: termOf(text, phrase ?? word, star !== undefined) })
  }
  if (groups.some(group => group.length === 0))
    throw wrong(text, text.trim() === '' ? 'it is empty' : 'OR stands between nothing', 'Write words or a "phrase".')
  return groups
}

function termOf(query: string, text: string, isPrefix: boolean): Term {
  const words = [...wordsIn(text)].map(({ word }) => word)
  if (words.length === 0) throw wrong(query, `${text} has no letters and no digits`, 'Search for it with --substring, or use `cairn grep`.')
  return { words, isPrefix }
}

function expression({ words, isPrefix }: Term): string {
  return `"${words.join(' ')}"${isPrefix ? ' *' : ''}`
}

/**
 * A text of three characters or more, whatever it means; case makes no difference. The index finds files that have all its trigrams: whether they have it is
 * for the caller to see.
 * @throws CairnError ERR_SEARCH_QUERY
 */
export function parseSubstring(text: string): Query {
  const characters = [...text]
  if (characters.length < TRIGRAM)
    throw wrong(text, `a text of fewer than ${TRIGRAM} characters is in no index`, 'Search for a longer one, or use `cairn grep`.')
  const trigrams = new Set(characters.slice(TRIGRAM - 1).map((_, at) => characters.slice(at, at + TRIGRAM).join('')))
  const match = [...trigrams].map(trigram => `"${trigram.replaceAll('"', '""')}"`).join(' AND ')
  return { match, terms: [] }
}

function wrong(query: string, why: string, remedy: string): CairnError {
  return new CairnError('ERR_SEARCH_QUERY', `The query ${JSON.stringify(query)} cannot be searched for: ${why}.`, remedy, { exitCode: 2 })
}

import { limits } from '../sys/index.js'
import { type Term, wordsIn } from './query.js'

/** A place in a file, to be shown. */
export interface Snippet {
  /** Counted from 1; `column` in characters (UTF-16). */
  line: number
  column: number
  /** The line, cut around the place where it is long. */
  text: string
}

/** The line that has most of these terms, the first of several; undefined when none has any (a phrase that goes over lines). */
export function bestLine(text: string, terms: readonly Term[]): Snippet | undefined {
  let best: { line: number; at: number; text: string; terms: number } | undefined
  let line = 0
  for (const content of linesOf(text)) {
    line++
    const found = placesOf(content, terms)
    if (found.length > (best?.terms ?? 0)) best = { line, at: Math.min(...found), text: content, terms: found.length }
    if (found.length === terms.length) break
  }
  return best && shown(best.line, best.at, best.text)
}

/** Where a text stands first; case makes no difference. */
export function firstPlace(text: string, wanted: string): Snippet | undefined {
  const needle = wanted.toLowerCase()
  if (!needle.includes('\n')) {
    let line = 0
    for (const content of linesOf(text)) {
      line++
      const at = content.toLowerCase().indexOf(needle)
      if (at >= 0) return shown(line, at, content)
    }
    return undefined
  }
  const at = text.toLowerCase().indexOf(needle)
  if (at < 0) return undefined
  const before = text.slice(0, at).split('\n')
  const start = at - before[before.length - 1].length
  return shown(before.length, at - start, text.slice(start).split('\n', 1)[0])
}

function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    if (end < 0) {
      yield text.slice(at)
      return
    }
    yield text.slice(at, text[end - 1] === '\r' && end > at ? end - 1 : end)
    at = end + 1
  }
}

/** Where each term that a line has stands in it. */
function placesOf(line: string, terms: readonly Term[]): number[] {
  const words = [...wordsIn(line)]
  return terms.flatMap(term => {
    const at = words.findIndex((_, from) => standsAt(words, from, term))
    return at < 0 ? [] : [words[at].at]
  })
}

function standsAt(words: ReadonlyArray<{ word: string }>, from: number, { words: wanted, isPrefix }: Term): boolean {
  return wanted.every((word, i) => {
    const here = words[from + i]?.word
    return here !== undefined && (isPrefix && i === wanted.length - 1 ? here.startsWith(word) : here === word)
  })
}

function shown(line: number, at: number, text: string): Snippet {
  const most = limits.searchSnippetChars
  if (text.length <= most) return { line, column: at + 1, text }
  const from = Math.max(0, Math.min(at - Math.floor(most / 4), text.length - most))
  const cut = text.slice(from, from + most)
  return { line, column: at + 1, text: `${from > 0 ? '…' : ''}${cut}${from + most < text.length ? '…' : ''}` }
}

import type { DoubleQuotedChild, Word, WordPart } from 'unbash'
import type { Arg } from '../item.js'

/** Characters that make words of one that is written without quotes, or names of files. */
const GLOB = /[*?]|\[.*\]/

/**
 * What a word becomes, where that is known: variables, substitutions and names of files are not looked at. Of what shells differ in ($'…', braces) nothing is
 * said to be known either.
 */
export function argOf(word: Pick<Word, 'value' | 'text' | 'parts'>): Arg {
  const { parts, text } = word
  if (parts === undefined) return text.startsWith('~') || GLOB.test(text) ? { prefix: '', isMany: true } : word.value
  let prefix = ''
  let isMany = false
  let isKnown = true
  for (const part of parts) {
    const known = textOf(part)
    if (known === undefined) isKnown = false
    else if (isKnown) prefix += known
    isMany ||= splits(part)
  }
  if (text.startsWith('~')) return { prefix: '', isMany: false }
  return isKnown ? prefix : { prefix, isMany }
}

function textOf(part: WordPart): string | undefined {
  switch (part.type) {
    case 'Literal':
      return part.value
    case 'SingleQuoted':
      return part.value
    case 'DoubleQuoted':
      return part.parts.every(child => child.type === 'Literal') ? part.parts.map(child => (child as { value: string }).value).join('') : undefined
    default:
      return undefined
  }
}

/** It may become several words, or none. */
function splits(part: WordPart): boolean {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
    case 'ProcessSubstitution':
      return false
    case 'DoubleQuoted':
    case 'LocaleString':
      return part.parts.some(holdsAll)
    default:
      return true
  }
}

/** `"$@"` and its like are many words even in quotes. */
function holdsAll(part: DoubleQuotedChild): boolean {
  if (part.type === 'SimpleExpansion') return part.text === '$@'
  return part.type === 'ParameterExpansion' && (part.parameter === '@' || part.text.includes('[@]') || part.prefix === '!')
}

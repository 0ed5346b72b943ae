import { CairnError } from '../errors.js'
import { limits } from '../sys/index.js'
import type { LinePattern } from './line-scan.js'
import { classEnd, requiredText } from './literal.js'

export interface PatternOptions {
  /** Case makes no difference. */
  ignoreCase?: boolean
  /** The pattern is a text. */
  fixed?: boolean
  /** Whole words only. */
  word?: boolean
  /** Lines that do not match. */
  invert?: boolean
  /** Lines shown before and behind a match; most 1,000. */
  before?: number
  after?: number
  /** Matching lines of one file at most. */
  maxCount?: number
}

/** @throws CairnError ERR_GREP_PATTERN */
export function linePattern(text: string, options: PatternOptions): LinePattern {
  const { fixed = false, word = false, ignoreCase = false, invert = false, maxCount } = options
  const plain = fixed ? escaped(text) : text
  const source = word ? `(?<![\\p{L}\\p{N}_])(?:${plain})(?![\\p{L}\\p{N}_])` : plain
  const flags = ignoreCase ? 'iu' : 'u'
  check(plain, flags, text)
  const scan = invert ? undefined : scanSource(plain)
  const required = invert || ignoreCase ? undefined : fixed ? text : requiredText(text)
  return {
    source,
    flags,
    invert,
    ...(scan === undefined ? {} : { scan }),
    ...(required === undefined || required === '' ? {} : { text: required }),
    ...(maxCount === undefined ? {} : { maxCount }),
    before: Math.min(options.before ?? 0, limits.grepContextLines),
    after: Math.min(options.after ?? 0, limits.grepContextLines),
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, character => (character === '-' ? '\\x2d' : `\\${character}`))
}

function check(source: string, flags: string, text: string): void {
  try {
    new RegExp(source, flags)
  } catch (error) {
    const why = (error as Error).message.replace(/^Invalid regular expression: /, '').replace(/^\/.*\/[a-z]*: /s, '')
    const remedy = 'Escape what is meant as it stands with \\, or use -F.'
    throw new CairnError('ERR_GREP_PATTERN', `${JSON.stringify(text)} is no regular expression: ${why.toLowerCase()}.`, remedy, { exitCode: 2 })
  }
}

/**
 * A pattern for many lines at once that finds at least what this one finds in each: undefined where something in it sees what stands around a line. Nothing in it
 * may go over the ends of lines for long, or a search in a large text would never end.
 */
export function scanSource(source: string): string | undefined {
  let scan = ''
  for (let at = 0; at < source.length; at++) {
    const two = source.slice(at, at + 2)
    if (two === '(?' && source[at + 2] !== ':') return undefined
    if (two[0] === '\\') {
      if (/[DWP]/.test(two[1] ?? '')) return undefined
      scan += two
      at++
    } else if (two[0] === '[') {
      const end = classEnd(source, at)
      const members = source.slice(at, end + 1)
      if (/\\[DWPS]/.test(members)) return undefined
      scan += members.startsWith('[^') ? `[^\\n${members.slice(2)}` : members
      at = end
    } else scan += two[0] === '.' ? '[^\\n]' : two[0]
  }
  return scan
}

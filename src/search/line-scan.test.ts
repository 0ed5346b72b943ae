import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linePattern } from './line-pattern.js'
import { type GrepLines, type LinePattern, LinePick, LineScan, numbersAround } from './line-scan.js'

/** All at once, for a text that is there. */
function grepLines(text: string, pattern: LinePattern): GrepLines {
  const scan = new LineScan(pattern)
  scan.feed(text)
  const { matches } = scan
  const { before = 0, after = 0 } = pattern
  if (before + after === 0 || matches.length === 0) return { matches }
  const pick = new LinePick(numbersAround(matches, before, after))
  pick.feed(text)
  return { matches, context: pick.lines }
}

/** Each line by itself. */
function plainly(text: string, source: string, flags: string, invert: boolean): number[] {
  const lines = text.split(/\r?\n/)
  if (text.endsWith('\n')) lines.pop()
  if (text === '') return []
  return lines.flatMap((line, at) => (new RegExp(source, `${flags}s`).test(line) !== invert ? [at + 1] : []))
}

const pieces = [
  'a',
  'b',
  'foo',
  '.',
  'a*',
  '[^a]',
  '[^ab]+',
  '\\s',
  '\\s*',
  '\\S',
  '\\w+',
  '\\b',
  '\\B',
  '^',
  '$',
  '(a|b)',
  '(?:b)',
  '(?=a)',
  '(?!b)',
  '(?<=a)',
  '\\D',
  '\\n?',
  '\\r?',
  '[\\s\\S]',
  '|',
]

describe('lines that match', () => {
  it('are those that match by themselves, however the text is looked through', () => {
    const source = fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 4 }).map(all => all.join(''))
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'f', 'o', 'foo', ' ', '1', '\n', '\n', '\r\n', '\r', '\u2028'), maxLength: 30 })
    fc.assert(
      fc.property(source, text, fc.boolean(), fc.boolean(), fc.boolean(), (source, text, ignoreCase, invert, word) => {
        const pattern = tried(() => linePattern(source, { ignoreCase, invert, word }))
        if (pattern === undefined) return
        expect(grepLines(text, pattern).matches.map(({ line }) => line)).toEqual(plainly(text, pattern.source, pattern.flags, invert))
      }),
      { numRuns: 400 },
    )
  })

  it('are the same when a text comes in parts', () => {
    const pattern = linePattern('foo', {})
    const whole = 'one\nfoo\n\nx foo\r\nlast\nfoo'
    const scan = new LineScan(pattern)
    for (const part of ['one\nfoo\n', '\n', 'x foo\r\n', 'last\n', 'foo']) scan.feed(part)
    expect(scan.matches).toEqual(grepLines(whole, pattern).matches)
    expect(scan.matches).toEqual([
      { line: 2, column: 1, text: 'foo' },
      { line: 4, column: 3, text: 'x foo' },
      { line: 6, column: 1, text: 'foo' },
    ])
  })

  it('come with the lines around them, each once', () => {
    const { matches, context } = grepLines('a\nb\nX\nc\nX\nX\nd\ne\nf\n', linePattern('X', { before: 1, after: 2 }))
    expect(matches.map(({ line }) => line)).toEqual([3, 5, 6])
    expect(context).toEqual([
      { line: 2, text: 'b' },
      { line: 4, text: 'c' },
      { line: 7, text: 'd' },
      { line: 8, text: 'e' },
    ])
  })

  it('are found past lines on which the pattern alone would never end', () => {
    const text = `${'a'.repeat(200_000)}\na.prototype.b\n`
    expect(grepLines(text, linePattern('\\w+\\.prototype\\.', {})).matches).toMatchObject([{ line: 2 }])
  })
})

function tried<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

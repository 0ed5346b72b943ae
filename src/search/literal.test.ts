import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { requiredText } from './literal.js'

describe('what every match of a pattern has', () => {
  it.each([
    ['hello', 'hello'],
    ['^import .* from', 'import '],
    ['foo\\.bar\\(', 'foo.bar('],
    ['colou?r', 'colo'],
    ['colou*rs', 'colo'],
    ['abcd{2,3}efgh', 'efgh'],
    ['abc+def', 'abc'],
    ['(foo|bar)bazaar', 'bazaar'],
    ['needle(?!s) more', 'needle'],
    ['[abc]defg', 'defg'],
    ['[^]xyz', 'xyz'],
    ['\\bword\\b', 'word'],
    ['\\u{1F600}smile', 'smile'],
    ['\\x41bcdefgh', 'defgh'],
    ['one|two', undefined],
    ['a.b.c', undefined],
    ['', undefined],
    ['ab', undefined],
  ])('%s', (pattern, text) => {
    expect(requiredText(pattern)).toBe(text)
  })

  it('is in all that matches', () => {
    const piece = fc.constantFrom('abc', 'foo', '.', 'x?', 'y*', '(abc|d)', '[a-c]', '\\.', '\\d', 'foo+', '{1}', '\\w', 'barbar')
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'f', 'o', 'r', '.', 'x', 'y', '1'), maxLength: 30 })
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), text, text, (pieces, before, after) => {
        const source = pieces.join('').replace(/^\{1\}/, '')
        let pattern: RegExp
        try {
          pattern = new RegExp(source, 'u')
        } catch {
          return
        }
        const subject = `${before}abcfoobarbar.x1${after}`
        const required = requiredText(source)
        const found = pattern.exec(subject)
        if (required !== undefined && found !== null) expect(found[0]).toContain(required)
      }),
      { numRuns: 1000 },
    )
  })
})

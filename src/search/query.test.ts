import { describe, expect, it } from 'vitest'
import { parseSubstring, parseWords } from './query.js'

describe('a query of words', () => {
  it.each([
    ['one two', '("one" AND "two")'],
    ['"one two" three', '("one two" AND "three")'],
    ['Straße ÉTÉ', '("straße" AND "ete")'],
    ['pars*', '("pars" *)'],
    ['"begin of*"', '("begin of")'],
    ['"begin of"*', '("begin of" *)'],
    ['one -two -"three four"', '((("one") NOT "two") NOT "three four")'],
    ['-two one', '(("one") NOT "two")'],
    ['one OR two three', '("one") OR ("two" AND "three")'],
    ['or AND NEAR', '("or" AND "and" AND "near")'],
    ['foo-bar.baz()', '("foo bar baz")'],
    ['snake_case', '("snake_case")'],
    ['日本語 テキスト', '("日本語" AND "テキスト")'],
  ])('%s', (text, match) => {
    expect(parseWords(text).match).toBe(match)
  })

  it.each([
    ['', 'it is empty'],
    ['   ', 'it is empty'],
    ['"open', 'a quotation mark has no second one'],
    ['-only', 'nothing in it says what a file must have'],
    ['++', '++ has no letters and no digits'],
    ['""', 'has no letters and no digits'],
    ['OR one', 'OR stands between nothing'],
    ['one OR', 'OR stands between nothing'],
  ])('refuses %j', (text, why) => {
    expect(() => parseWords(text)).toThrow(expect.objectContaining({ code: 'ERR_SEARCH_QUERY', message: expect.stringContaining(why) }))
  })

  it('says what is to be shown: not what must be absent', () => {
    expect(parseWords('One "two three" fo* -five').terms).toEqual([
      { words: ['one'], isPrefix: false },
      { words: ['two', 'three'], isPrefix: false },
      { words: ['fo'], isPrefix: true },
    ])
  })
})

describe('a text as it stands', () => {
  it('is looked up by its trigrams, each once', () => {
    expect(parseSubstring('aaaab').match).toBe('"aaa" AND "aab"')
    expect(parseSubstring('a"b').match).toBe('"a""b"')
    expect(parseSubstring('日本語').match).toBe('"日本語"')
  })

  it('needs three characters', () => {
    for (const text of ['', 'ab', '👍👍']) expect(() => parseSubstring(text)).toThrow(expect.objectContaining({ code: 'ERR_SEARCH_QUERY' }))
  })
})

import { describe, expect, it } from 'vitest'
import { parseWords } from './query.js'
import { bestLine, firstPlace } from './snippet.js'

const best = (text: string, query: string) => bestLine(text, parseWords(query).terms)

describe('the line that is shown', () => {
  it('has most of the terms, and is the first of several', () => {
    expect(best('one\ntwo one\none two\n', 'one two')).toEqual({ line: 2, column: 1, text: 'two one' })
    expect(best('none\r\nthe ONE\r\n', 'one')).toEqual({ line: 2, column: 5, text: 'the ONE' })
    expect(best('no\nle café noir', '"cafe no" cafe*')).toEqual({ line: 2, column: 4, text: 'le café noir' })
  })

  it('is none where a phrase goes over lines', () => {
    expect(best('one\ntwo', '"one two"')).toBeUndefined()
  })

  it('is cut around the place', () => {
    const found = best(`${'x '.repeat(1000)}needle${' y'.repeat(1000)}`, 'needle')
    expect(found).toMatchObject({ line: 1, column: 2001 })
    expect(found?.text).toMatch(/^….*needle.*…$/)
    expect(found?.text.length).toBe(242)
  })

  it('of a text is where it stands first, over lines too', () => {
    expect(firstPlace('a\nb this.#Lock(x)\n', 'this.#lock(')).toEqual({ line: 2, column: 3, text: 'b this.#Lock(x)' })
    expect(firstPlace('a\nbc\nde', 'C\nD')).toEqual({ line: 2, column: 2, text: 'bc' })
    expect(firstPlace('abc', 'abd')).toBeUndefined()
  })
})

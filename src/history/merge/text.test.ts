import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isText, mergeAdded, mergeText } from './text.js'

const labels = { ours: 'A', theirs: 'B' }
const lines = (...all: string[]): string => all.map(line => `${line}\n`).join('')

describe('mergeText', () => {
  it('takes what one side changed', () => {
    const base = lines('a', 'b', 'c', 'd', 'e')
    expect(mergeText(base, lines('A', 'b', 'c', 'd', 'e'), lines('a', 'b', 'c', 'd', 'E'), labels)).toEqual({
      text: lines('A', 'b', 'c', 'd', 'E'),
      conflicts: 0,
    })
    expect(mergeText(base, base, lines('x'), labels)).toEqual({ text: lines('x'), conflicts: 0 })
    expect(mergeText(base, lines('a', 'c', 'd', 'e'), `${base}f`, labels)).toEqual({ text: `${lines('a', 'c', 'd', 'e')}f`, conflicts: 0 })
  })

  it('marks what both changed, on lines of its own', () => {
    expect(mergeText('a', 'b', 'c', labels)).toEqual({ text: lines('<<<<<<< A', 'b', '=======', 'c', '>>>>>>> B'), conflicts: 1 })
    expect(mergeText('a\r\nb\r\n', 'a\r\nx\r\n', 'a\r\ny\r\n', labels)?.text).toBe('a\r\n<<<<<<< A\nx\r\n=======\ny\r\n>>>>>>> B\n')
  })

  it('decides for a side', () => {
    const three = [lines('a', 'b', 'c', 'd'), lines('a', 'o', 'c', 'O'), lines('T', 'x', 'c', 'd')] as const
    expect(mergeText(...three, labels, 'ours')).toEqual({ text: lines('a', 'o', 'c', 'O'), conflicts: 1 })
    expect(mergeText(...three, labels, 'theirs')).toEqual({ text: lines('T', 'x', 'c', 'O'), conflicts: 1 })
  })

  it('merges a long file of lines that repeat', () => {
    const base = lines('x', 'y', 'z').repeat(10_000)
    expect(mergeText(base, `first\n${base}`, `${base}last\n`, labels)).toEqual({ text: `first\n${base}last\n`, conflicts: 0 })
    const other = lines('p', 'q').repeat(10_000)
    expect(mergeText(base, other, lines('p', 'r').repeat(10_000), labels)).toBeUndefined()
  })

  const file = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', ''), { maxLength: 12 }).map(all => all.join('\n'))

  it('gives back what only one side has, and does not care which side is ours', () => {
    fc.assert(
      fc.property(file, file, file, (base, x, y) => {
        expect(mergeText(base, x, base, labels)).toEqual({ text: x, conflicts: 0 })
        expect(mergeText(base, base, x, labels)).toEqual({ text: x, conflicts: 0 })
        expect(mergeText(base, x, x, labels)).toEqual({ text: x, conflicts: 0 })
        const one = mergeText(base, x, y, labels)
        const two = mergeText(base, y, x, labels)
        expect(one?.conflicts).toBe(two?.conflicts)
        if (one?.conflicts === 0) expect(one.text).toBe(two?.text)
        expect(mergeText(base, x, y, labels, 'ours')?.text).toBe(mergeText(base, y, x, labels, 'theirs')?.text)
      }),
      { numRuns: 500 },
    )
  })
})

describe('mergeAdded', () => {
  it('keeps what both have at both ends', () => {
    expect(mergeAdded(lines('a', 'b', 'c'), lines('a', 'x', 'y', 'c'), labels).text).toBe(lines('a', '<<<<<<< A', 'b', '=======', 'x', 'y', '>>>>>>> B', 'c'))
  })
})

describe('isText', () => {
  it('is what has no NUL', () => {
    expect(isText(Buffer.from('ä\n'))).toBe(true)
    expect(isText(Buffer.from([97, 0]))).toBe(false)
  })
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedNames } from './sorted-names.js'

function taken(names: SortedNames): string[] {
  const all: string[] = []
  for (let first = names.first; first !== undefined; first = names.first) {
    all.push(first.name)
    names.removeFirst()
  }
  return all
}

it('gives names in the order of their bytes, however many runs they make', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 3 }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 60 }),
      (all, copies) => {
        const wanted = all.flatMap(name => Array.from({ length: copies }, (_, i) => `${name}${i}`))
        const names = new SortedNames()
        names.add(wanted.map((name, ino) => ({ name, ino })))
        names.end()
        expect(taken(names)).toEqual(wanted.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
      },
    ),
    { numRuns: 50 },
  )
})

it('has none of no names', () => {
  const names = new SortedNames()
  names.end()
  expect(names.first).toBeUndefined()
})

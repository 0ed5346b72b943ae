import { expect, test } from 'vitest'
import { explore, type Model } from './explore.js'

/** Two counters up to a limit, moved one at a time. */
function counters(limit: number, forbidden: (a: number, b: number) => boolean): Model<[number, number]> {
  return {
    initial: [0, 0],
    steps([a, b], emit) {
      if (a < limit) emit('a', [a + 1, b])
      if (b < limit) emit('b', [a, b + 1])
    },
    encode([a, b], into) {
      into[0] = a
      into[1] = b
      return 2
    },
    violation: ([a, b]) => (forbidden(a, b) ? `a = ${a}, b = ${b}` : undefined),
    stuck: ([a, b]) => (a === limit && b === limit ? undefined : 'stopped early'),
  }
}

test('visits every state once, by every step', () => {
  expect(
    explore(
      counters(200, () => false),
      1e6,
    ),
  ).toEqual({ states: 201 * 201, transitions: 2 * 200 * 201, depth: 400, complete: true, violation: undefined, trace: [] })
})

test('finds a violation by the shortest way', () => {
  const found = explore(
    counters(50, (a, b) => a === 2 && b >= 1),
    1e6,
  )
  expect(found.violation).toBe('a = 2, b = 1')
  expect(found.trace.sort()).toEqual(['a', 'a', 'b'])
})

test('a state that no step leaves is judged', () => {
  const model = counters(3, () => false)
  expect(explore({ ...model, stuck: ([a, b]) => `stuck at ${a}, ${b}` }, 1e6).violation).toBe('stuck at 3, 3')
})

test('says so when the budget ends the search', () => {
  expect(
    explore(
      counters(200, () => false),
      1000,
    ).complete,
  ).toBe(false)
})

import { describe, expect, test } from 'vitest'
import { type Exploration, explore } from './explore.js'
import { protocol } from './protocol.js'
import type { Bounds } from './rules.js'
import { badRules } from './rules.js'
import { deepScenarios, failures, scenarios } from './scenarios.js'

/** `report` prints states and traces, `deep` explores the wider bounds as well. */
const mode = process.env['CAIRN_SPEC'] ?? ''
const maxStates = mode === 'deep' ? 20_000_000 : 1_000_000
const timeoutMs = mode === 'deep' ? 7_200_000 : 600_000

function say(text: string): void {
  if (mode !== '') process.stdout.write(`${text}\n`)
}

const explored = new Map<string, Exploration>()

/** What the protocol with no bad rule does in these bounds: several tests ask for the same. */
function good(bounds: Bounds): Exploration {
  const key = JSON.stringify(Object.entries(bounds).sort())
  const result = explored.get(key) ?? explore(protocol(bounds), maxStates)
  explored.set(key, result)
  return result
}

describe('the protocol keeps its promises', () => {
  test.each(mode === 'deep' ? [...scenarios, ...deepScenarios] : scenarios)(
    '$name',
    ({ name, bounds }) => {
      const result = good(bounds)
      say(`${name}: ${result.states} states, ${result.transitions} steps, depth ${result.depth}`)
      expect(result.violation, result.trace.join('\n')).toBeUndefined()
      expect(result.complete).toBe(true)
    },
    timeoutMs,
  )
})

describe('a bad rule is found', () => {
  test('every one has its setting', () => {
    expect(failures.map(failure => failure.rule).sort()).toEqual([...badRules].sort())
  })

  test.each(failures)(
    '$rule',
    ({ rule, bounds, because }) => {
      const result = explore(protocol(bounds, [rule]), maxStates)
      say(`\n${rule}: ${result.violation}, after ${result.states} states\n${result.trace.map((step, at) => `  ${at + 1}. ${step}`).join('\n')}`)
      expect(result.violation).toBe(because)
      expect(result.trace.length).toBeGreaterThan(0)
    },
    timeoutMs,
  )

  test.each(failures)(
    'and in the same setting the protocol holds: $rule',
    ({ bounds }) => {
      const result = good(bounds)
      expect(result.violation, result.trace.join('\n')).toBeUndefined()
      expect(result.complete).toBe(true)
    },
    timeoutMs,
  )
})

test('bounds that the state has no room for are refused', () => {
  const { bounds } = scenarios[0]
  expect(() => protocol({ ...bounds, commits: 9 })).toThrow(RangeError)
})

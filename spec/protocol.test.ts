import { describe, expect, test } from 'vitest'
import { explore } from './explore.js'
import { protocol } from './protocol.js'
import { badRules } from './rules.js'
import { deepScenarios, failures, scenarios } from './scenarios.js'

/** `report` prints states and traces, `deep` explores the wider bounds as well. */
const mode = process.env['CAIRN_SPEC'] ?? ''
const maxStates = mode === 'deep' ? 20_000_000 : 1_000_000
const timeoutMs = mode === 'deep' ? 1_800_000 : 120_000

function say(text: string): void {
  if (mode !== '') process.stdout.write(`${text}\n`)
}

describe('the protocol keeps its promises', () => {
  test.each(mode === 'deep' ? [...scenarios, ...deepScenarios] : scenarios)(
    '$name',
    ({ name, bounds }) => {
      const result = explore(protocol(bounds), maxStates)
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

  test.each(failures)('and in the same setting the protocol holds: $rule', ({ bounds }) => {
    const result = explore(protocol(bounds), maxStates)
    expect(result.violation, result.trace.join('\n')).toBeUndefined()
    expect(result.complete).toBe(true)
  })
})

test('bounds that the state has no room for are refused', () => {
  const { bounds } = scenarios[0]
  expect(() => protocol({ ...bounds, commits: 9 })).toThrow(RangeError)
})

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parsePolicy, tryExamples } from '../src/policy/index.js'
import { policySchema, wants } from '../src/policy/schema.js'

const page = readFileSync(fileURLToPath(new URL('../docs/policy.md', import.meta.url)), 'utf8')
const policies = [...page.matchAll(/^## (.*)\n\n```yaml\n([\s\S]*?)```/gm)].map(([, title, text]) => ({ title, text }))

describe('docs/policy.md', () => {
  test('has policies for a reviewer, a coding agent and an installer', () => {
    expect(policies.map(one => one.title)).toEqual(['A reviewer that changes nothing', 'A coding agent without a network', 'A package installer'])
  })

  test.each(policies)('$title: every example comes out as it says', async ({ text }) => {
    const tried = await tryExamples(await parsePolicy(text))
    expect(tried.length).toBeGreaterThan(5)
    expect(tried.filter(one => !one.ok).map(one => `${one.run}: ${one.decision.effect} ${one.decision.reason}`)).toEqual([])
  })

  test('has every key of the schema in its table, and no other', () => {
    type Shape = { properties?: Record<string, Shape>; items?: Shape }
    const { properties: all = {} } = z.toJSONSchema(policySchema, { io: 'input', unrepresentable: 'any' }) as Shape
    const keys = (shape: Shape | undefined): string[] => Object.keys(shape?.properties ?? {}).sort()
    const table = (after: string): string[] => {
      const rows = page
        .slice(page.indexOf('| key | |', page.indexOf(after)))
        .split('\n')
        .slice(2)
      const [, ...cells] = rows
        .slice(0, rows.indexOf(''))
        .map(row => row.split('|')[1])
        .join('`')
        .split('`')
      return cells.filter(cell => /^\w+$/.test(cell)).sort()
    }
    const rule = all['rules'].items
    expect(keys({ properties: all })).toHaveLength(7)
    expect(table('## Keys')).toEqual(keys({ properties: all }))
    expect(table('\nA rule:')).toEqual(keys(rule))
    expect(table('What is in `match`')).toEqual(keys(rule?.properties?.['match']))
    expect(table('\n`limits`:')).toEqual(keys(all['limits']))
    expect(keys(rule?.properties?.['limits'])).toEqual(keys(all['limits']))
    const line = (start: string): string => page.split('\n\n').find(one => one.includes(start)) ?? ''
    for (const key of keys(all['examples'].items)) expect(line('An example: ')).toContain(`\`${key}\``)
    for (const key of keys(all['ask'])) expect(/\| `ask` \|(.*)/.exec(page)?.[1]).toContain(`\`${key}\``)
    // What a mistake is told.
    for (const [map, shape] of [
      ['limits', all['limits']],
      ['match', rule?.properties?.['match']],
    ] as const)
      for (const key of keys(shape)) expect(wants[map]).toMatch(new RegExp(`\\b${key}\\b`))
  })
})

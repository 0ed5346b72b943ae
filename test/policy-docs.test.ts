import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parsePolicy, tryExamples } from '../src/policy/index.js'
import { wants } from '../src/policy/schema.js'

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

  test('names every key', () => {
    for (const key of Object.keys(wants)) expect(page, key).toMatch(new RegExp(`\`${key}\`|${key}:`))
  })
})

import { expect, test } from 'vitest'
import { allowAlways } from './always.js'
import { decide, parsePolicy } from './index.js'
import type { Approval, Asked } from './types.js'

const policy = `# what agents may do
version: 1
default: deny
rules:
  - match: {program: ls}
    effect: allow
  - name: new packages # a person looks
    match: {program: npm, args: 'install **', network: true}
    effect: ask
    limits: {network: allow, writable: [node_modules]}
  - {name: rest, match: {program: npm}, effect: deny}
`

function approval(asks: Asked[]): Approval {
  return { id: 'ask-0', volume: 'w', command: 'x', asks, cwd: '/app', actor: 'robot [1]', reason: '', askedMs: 0, untilMs: 1, state: 'pending' }
}

const install: Asked = { text: 'npm install a*b', program: 'npm', args: ['install', 'a*b'], network: true, rule: 'new packages', reason: '' }

test('a rule for just this stands before the one that asked, with its limits; comments stay', async () => {
  const text = allowAlways(policy, approval([install]))
  expect(text).toContain('# what agents may do')
  expect(text).toContain('# a person looks')
  const compiled = await parsePolicy(text)
  expect(compiled.rules.map(rule => rule.name)).toEqual(['rule 1', 'approved npm', 'new packages', 'rest'])
  const ask = async (args: string[], more = {}) =>
    decide(compiled, { command: { program: 'npm', args }, cwd: '/app/sub', actor: 'robot [1]', network: true, ...more })
  expect(await ask(['install', 'a*b'])).toMatchObject({ effect: 'checkpoint', rule: 'approved npm', limits: { network: 'allow', writable: ['node_modules'] } })
  expect((await ask(['install', 'axb'])).effect).toBe('ask')
  expect((await ask(['install', 'a*b', 'c'])).effect).toBe('ask')
  expect((await ask(['install', 'a*b'], { cwd: '/' })).effect).toBe('ask')
  expect((await ask(['install', 'a*b'], { actor: 'robot 1' })).effect).toBe('ask')
  expect((await ask(['install', 'a*b'], { network: false })).effect).toBe('deny')
})

test('names do not collide, and a policy without rules gets some', async () => {
  const twice = allowAlways(allowAlways(policy, approval([install])), approval([{ ...install, args: ['install', 'c'] }]))
  expect((await parsePolicy(twice)).rules.map(rule => rule.name)).toEqual(['rule 1', 'approved npm', 'approved npm 2', 'new packages', 'rest'])
  const { rule: _, ...byDefault } = install
  const made = await parsePolicy(allowAlways('version: 1\ndefault: ask\n', approval([byDefault])))
  expect(made.rules.map(rule => rule.name)).toEqual(['approved npm'])
})

test('what is not known cannot be allowed for ever', () => {
  expect(() => allowAlways(policy, approval([{ text: 'npm install $x', network: true, reason: '' }]))).toThrow(
    expect.objectContaining({ code: 'ERR_APPROVAL_ALWAYS' }),
  )
})

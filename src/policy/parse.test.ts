import { describe, expect, test } from 'vitest'
import { PolicyError, parsePolicy } from './parse.js'

async function problem(text: string): Promise<{ at: [number, number]; message: string }> {
  const error = await parsePolicy(text).then(
    () => undefined,
    error => error,
  )
  expect(error).toBeInstanceOf(PolicyError)
  expect(error.code).toBe('ERR_POLICY')
  expect(error.message).toContain(`line ${error.line}, column ${error.column}:`)
  return { at: [error.line, error.column], message: error.message }
}

const start = 'version: 1\ndefault: deny\n'

describe('a policy that is broken is refused with its line and column', () => {
  test.each([
    ['', [1, 1], 'version is missing'],
    ['version: 1\n', [1, 1], 'default is missing'],
    ['just text', [1, 1], 'no keys and values'],
    ['version: 2\ndefault: deny\n', [1, 10], 'version is 2'],
    [`${start}rules: [`, [3, 9], 'not YAML'],
    [`${start}default: allow\n`, [3, 1], 'not YAML: Map keys must be unique'],
    [`${start}rulez: []\n`, [3, 1], 'there is no key "rulez" in a policy'],
    [`${start}rules:\n  - effect: alow\n`, [4, 13], 'rules[0].effect is "alow"'],
    [`${start}rules:\n  - match: {program: git}\n`, [4, 5], 'effect is missing'],
    [`${start}rules:\n  - match: {prog: git}\n    effect: deny\n`, [4, 13], 'there is no key "prog" in rules[0].match'],
    [`${start}rules:\n  - effect: deny\n    match:\n      program: [git, 3]\n`, [6, 22], 'program[1] is 3'],
    [`${start}limits: {timeout: 0}\n`, [3, 19], 'limits.timeout is 0'],
    [`${start}limits: {timeout: soon}\n`, [3, 19], 'limits.timeout is "soon"'],
    [`${start}limits: {processes: 1.5}\n`, [3, 21], 'limits.processes is 1.5'],
    [`${start}limits:\n  writable: ['[a']\n`, [4, 14], 'a [ in it is not closed'],
    [`${start}limits:\n  hidden: ['!a']\n`, [4, 12], 'a glob cannot begin with !'],
    [`${start}ask: {webhook: 'https://user:word@host/'}\n`, [3, 16], 'ask.webhook'],
    [`${start}rules:\n  - match:\n      anyArg: {regex: '(a'}\n    effect: deny\n`, [5, 15], 'is no pattern'],
    [`${start}rules:\n  - match:\n      anyArg: {regex: '(a)\\1'}\n    effect: deny\n`, [5, 15], 'is no pattern'],
    [`${start}rules:\n  - match:\n      anyArg: {regex: '((a{900}){900}){900}'}\n    effect: deny\n`, [5, 15], 'is no pattern'],
    [`${start}rules:\n  - match: {program: '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}'}\n    effect: deny\n`, [4, 22], 'more than 64 patterns'],
    [`${start}rules:\n  - {name: x, effect: deny}\n  - {name: x, effect: allow}\n`, [5, 12], 'there is a rule "x" before this one'],
    [`${start}examples:\n  - {run: ls, expect: allow, rule: none}\n`, [4, 36], 'there is no rule "none"'],
    [`${start}rules: ${'x'.repeat(70_000)}\n`, [1, 1], 'at most 65536 are read'],
  ] as const)('%j', async (text, at, message) => {
    const told = await problem(text)
    expect(told.at).toEqual(at)
    expect(told.message).toContain(message)
  })

  test.each([
    ['program: git', 'It belongs into match: `match: {program: …}`.'],
    ['timeout: 5m', 'It belongs into limits: `limits: {timeout: …}`.'],
    ['permission: yes', 'The keys of a rule are name, match, effect, reason and limits.'],
  ])('a rule with the key %s says where it belongs', async (key, remedy) => {
    await expect(parsePolicy(`${start}rules:\n  - effect: deny\n    ${key}\n`)).rejects.toMatchObject({ remedy })
  })

  test('aliases that stand for very much', async () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)]
    await problem(`${start}${bomb.join('\n')}\n`)
  })
})

test('what it says is read in its units', async () => {
  const policy = await parsePolicy(`version: 1
default: allow-with-checkpoint
unknown: ask
ask: {timeout: 2m, webhook: https://example.org/ask}
limits: {timeout: 5m, output: 1M, hidden: [.env]}
rules:
  - name: tests
    match: {program: npm, args: test}
    effect: allow
    limits: {timeout: 30s, memory: 2G, cpu: 1500ms, processes: 64, hidden: [secrets/**], writable: [], network: allow, control: true}
`)
  expect(policy).toMatchObject({ fallback: 'checkpoint', unknown: 'ask', ask: { timeoutMs: 120_000, webhook: 'https://example.org/ask' } })
  expect(policy.limits).toEqual({ timeoutMs: 300_000, outputBytes: 1024 ** 2, hidden: ['.env'] })
  expect(policy.rules[0]).toMatchObject({ name: 'tests', line: 7, effect: 'allow' })
  expect(policy.rules[0].limits).toEqual({
    timeoutMs: 30_000,
    outputBytes: 1024 ** 2,
    memoryBytes: 2 * 1024 ** 3,
    cpuSeconds: 2,
    processes: 64,
    hidden: ['.env', 'secrets/**'],
    writable: [],
    network: 'allow',
    control: true,
  })
})

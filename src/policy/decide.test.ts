import { describe, expect, test } from 'vitest'
import { decide, parsePolicy } from './index.js'
import type { CommandRequest, Decision } from './types.js'

async function ask(policy: string, run: string | readonly string[], more: Partial<CommandRequest> = {}): Promise<Decision> {
  const command = typeof run === 'string' ? { shell: run } : { program: run[0], args: run.slice(1) }
  return decide(await parsePolicy(`version: 1\n${policy}`), { command, cwd: '/', actor: 'agent', network: false, ...more })
}

const effectOf = async (...args: Parameters<typeof ask>) => (await ask(...args)).effect

test('what cannot be determined is told as that, whatever else the rule that decides is about', async () => {
  const rules = 'default: allow\nrules: [{name: no removing, match: {program: rm}, effect: deny, reason: Removing is not for you.}]'
  const { effect, rule, reason } = await ask(rules, 'echo "a')
  expect({ effect, rule }).toEqual({ effect: 'deny', rule: 'no removing' })
  expect(reason).toMatch(/^It cannot be determined what runs: .+\. Removing is not for you\.$/)
  expect((await ask(rules, 'rm x')).reason).toBe('Removing is not for you.')
})

describe('rules', () => {
  const rules = `default: deny
rules:
  - {name: no force, match: {program: git, args: 'push **', anyArg: ['--force*', -f]}, effect: deny, reason: Never rewrite what others have.}
  - {name: push, match: {program: git, args: 'push **'}, effect: ask}
  - {name: git, match: {program: git, noArg: '--output*'}, effect: allow}
  - {name: tests, match: {program: npm, args: [test, '**'], cwd: /app}, effect: allow-with-checkpoint}
  - {name: own tools, match: {program: ./tools/*}, effect: allow}
  - {name: robot, match: {program: make, actor: 'robot-*'}, effect: allow}
  - {name: net, match: {program: curl, network: true}, effect: ask}
  - {name: regex, match: {program: cargo, args: {regex: '^(build|test)( --release)?$'}}, effect: allow}
`
  test.each([
    [['git', 'push', '--force'], {}, 'deny', 'no force'],
    [['git', 'push'], {}, 'ask', 'push'],
    [['git', 'status'], {}, 'allow', 'git'],
    [['/usr/bin/git', 'status'], {}, 'allow', 'git'],
    [['git', 'diff', '--output=x'], {}, 'deny', undefined],
    [['npm', 'test'], { cwd: '/app/sub' }, 'checkpoint', 'tests'],
    [['npm', 'test'], { cwd: '/other' }, 'deny', undefined],
    [['./tools/x'], {}, 'allow', 'own tools'],
    [['../tools/x'], { cwd: '/app' }, 'allow', 'own tools'],
    [['/ws/tools/x'], { workspace: '/ws' }, 'allow', 'own tools'],
    [['/tools/x'], { workspace: '/ws' }, 'deny', undefined],
    [['./tools/sub/x'], {}, 'deny', undefined],
    [['make'], { actor: 'robot-1' }, 'allow', 'robot'],
    [['make'], {}, 'deny', undefined],
    [['curl', 'x'], { network: true }, 'ask', 'net'],
    [['curl', 'x'], {}, 'deny', undefined],
    [['cargo', 'build', '--release'], {}, 'allow', 'regex'],
    [['cargo', 'install'], {}, 'deny', undefined],
    // One that only is called so is refused like it, and not allowed like it.
    [['./git', 'status'], {}, 'deny', undefined],
    [['/opt/git', 'push', '--force'], {}, 'deny', 'no force'],
  ] as const)('%j %j: %s by %s', async (run, more, effect, rule) => {
    expect(await ask(rules, run, more)).toMatchObject({ effect, ...(rule === undefined ? {} : { rule }) })
    if (rule === undefined) expect((await ask(rules, run, more)).rule).toBeUndefined()
  })

  test('say why', async () => {
    expect((await ask(rules, ['git', 'push', '-f'])).reason).toBe('Never rewrite what others have.')
    expect((await ask(rules, 'rm -r x')).reason).toBe('No rule is about rm -r, and the policy denies what no rule is about.')
  })

  test('an argument that is not known is judged as each it may be', async () => {
    expect(await effectOf(rules, 'git push "$x"')).toBe('deny')
    expect(await effectOf(rules, 'git status "$x"')).toBe('deny')
    expect(await effectOf(rules, 'cd /app && npm test $x', { workspace: '/' })).toBe('checkpoint')
    expect(await effectOf('default: deny\nrules: [{match: {program: ls}, effect: allow}]', 'ls $x *')).toBe('allow')
  })
})

describe('arguments', () => {
  const allowed = async (args: string, run: readonly string[]) =>
    (await effectOf(`default: deny\nrules: [{match: {args: ${args}}, effect: allow}]`, run)) === 'allow'
  test.each([
    ["''", ['x'], true],
    ["''", ['x', 'a'], false],
    ['a b', ['x', 'a', 'b'], true],
    ['a b', ['x', 'a b'], false],
    ["'a *'", ['x', 'a', 'b'], true],
    ["'a *'", ['x', 'a'], false],
    ["'a **'", ['x', 'a'], true],
    ["'** z'", ['x', 'a', 'z', 'z'], true],
    ["'** a ** b'", ['x', '1', 'a', '2', '3', 'b'], true],
    ["['a b']", ['x', 'a b'], true],
    ["[{regex: '^-+v'}]", ['x', '--verbose'], true],
    ["{regex: '^a$'}", ['x', 'a'], true],
  ] as const)('%s and %j: %j', async (args, run, expected) => {
    expect(await allowed(args, run)).toBe(expected)
  })
})

describe('what bounds a command', () => {
  const policy = `default: deny
limits: {timeout: 1h, hidden: [.env]}
rules:
  - {match: {program: a}, effect: allow, limits: {timeout: 5m, writable: [src/**, out/x], network: allow}}
  - {match: {program: b}, effect: allow, limits: {timeout: 2m, memory: 1G, writable: [src/gen/**, out], readOnly: [src/gen/keep]}}
  - {match: {program: c}, effect: allow, limits: {network: allow, control: true}}
`
  test('is what its rule says', async () => {
    expect((await ask(policy, 'a')).limits).toEqual({ timeoutMs: 300_000, hidden: ['.env'], writable: ['src/**', 'out/x'], network: 'allow' })
  })

  test('is the strictest of those that run together', async () => {
    expect((await ask(policy, 'cd x; a | b')).limits).toEqual({
      timeoutMs: 120_000,
      memoryBytes: 1024 ** 3,
      hidden: ['.env'],
      readOnly: ['src/gen/keep'],
      writable: ['src/gen/**'],
      network: 'none',
    })
    expect((await ask(policy, 'a; c')).limits).toMatchObject({ network: 'allow', writable: ['src/**', 'out/x'] })
    expect((await ask(policy, 'a; c')).limits.control).toBeUndefined()
  })

  test.each([
    ['a > src/x', 'allow'],
    ['a > ../x', 'allow'],
    ['a > x', 'deny'],
    ['cd src && a > x', 'allow'],
    ['{ a; } > x', 'deny'],
    ['b > src/gen/keep', 'deny'],
    ['c > .env', 'deny'],
    ['c > /dev/null', 'allow'],
  ])('of a redirection: %s', async (run, effect) => {
    expect(await effectOf(policy, run)).toBe(effect)
  })
})

test('a policy that is broken denies everything', async () => {
  const policy = { ...(await parsePolicy('version: 1\ndefault: allow\n')), broken: 'The policy is broken.' }
  const decision = await decide(policy, { command: { program: 'true', args: [] }, cwd: '/', actor: 'a', network: false })
  expect(decision).toMatchObject({ effect: 'deny', reason: 'The policy is broken.', limits: { network: 'none', writable: [] } })
})

test('an argument that is too long for an expression is denied', async () => {
  const rules = "default: allow\nrules: [{match: {anyArg: {regex: '(x+x+)+y'}}, effect: deny}]"
  expect(await effectOf(rules, ['a', 'x'.repeat(16_000)])).toBe('allow')
  expect(await ask(rules, ['a', 'x'.repeat(17_000)])).toMatchObject({ effect: 'deny', reason: 'An argument is too long to be looked through.' })
})

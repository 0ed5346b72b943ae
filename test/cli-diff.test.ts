import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliRun } from './cli-run.js'

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
  await run.ok('mkdir', 'work:/src')
  await run.fed('one\ntwo\n', 'write', 'work:/src/f.txt')
  await run.fed('old\n', 'write', 'work:/gone.md')
  await run.ok('checkpoint', 'save', 'work', 'first')
  await run.ok('fork', 'work', 'try')
  await run.fed('one\n2\n', 'write', 'work:/src/f.txt')
  await run.ok('rm', 'work:/gone.md')
  await run.fed('new\n', 'write', 'work:/new.md')
  await run.ok('mv', 'work:/src', 'work:/lib')
  await run.fed('in the fork\n', 'write', 'try:/fork.md')
})
afterAll(() => run.remove())

describe('cairn diff', () => {
  test('lists what changed since a ref, and since the newest checkpoint when none is named', async () => {
    const expected = ['D /gone.md', 'R /src/ -> /lib/', 'M /lib/f.txt  (8 -> 6 bytes)', 'A /new.md', '']
    for (const operands of [['work@first'], ['work@first', 'work'], ['work']]) {
      const { code, out, err } = await run.cairn('diff', ...operands)
      expect([code, err, out]).toEqual([1, '', expected.join('\n')])
    }
  })

  test('exits 0 when nothing differs, 2 on trouble', async () => {
    expect(await run.cairn('diff', 'work', '--', 'nothing.here')).toEqual({ code: 0, out: '', err: '' })
    for (const [argv, words] of [
      [['diff', 'nope'], /no volume|nope/],
      [['diff', 'work@nope'], /no checkpoint or commit 'nope'/],
      [['diff', 'work@first', 'work', '*.md'], /Write `--` before globs/],
      [['diff', 'work', '--stat', '--patch'], /Only one of/],
      [['diff', 'work@first:/none', 'work:/none'], /has \/none/],
      [['diff'], /needs A/],
    ] as const) {
      const { code, out, err } = await run.cairn(...argv)
      expect([code, out]).toEqual([2, ''])
      expect(err).toMatch(words)
    }
    const { code, out, err } = await run.cairn('diff', 'work@nope', '--json')
    expect([code, err, (JSON.parse(out) as { error: { code: string } }).error.code]).toEqual([2, '', 'ERR_REF_UNKNOWN'])
  })

  test('of a fork is from where it was forked, and between volumes either way', async () => {
    expect((await run.cairn('diff', 'try')).out).toBe('A /fork.md\n')
    expect((await run.cairn('diff', 'work@first', 'try', '--name-only')).out).toBe('/fork.md\n')
    expect((await run.cairn('diff', 'try', 'work', '--name-status')).out).toBe('D\t/fork.md\nD\t/gone.md\nR\t/src\t/lib\nM\t/lib/f.txt\nA\t/new.md\n')
  })

  test('--stat and --patch', async () => {
    expect((await run.cairn('diff', 'work', '--stat')).out.split('\n')).toEqual([
      ' /gone.md                 | 1 -',
      ' /src/f.txt -> /lib/f.txt | 2 +-',
      ' /new.md                  | 1 +',
      ' 3 files changed, 2 insertions(+), 2 deletions(-)',
      '',
    ])
    const patch = (await run.cairn('diff', 'work', '-p')).out
    expect(patch).toContain('rename from src/f.txt\nrename to lib/f.txt\n')
    expect(patch).toContain('@@ -1,2 +1,2 @@\n one\n-two\n+2\n')
    expect(patch).toContain('deleted file mode 100644\n')
  })

  test('one directory, one file, and globs', async () => {
    expect((await run.cairn('diff', 'work', '--name-only', '--', '*.md')).out).toBe('/gone.md\n/new.md\n')
    expect((await run.cairn('diff', 'work', '--name-status', '--', 'lib', 'new.*')).out).toBe('A\t/lib\nA\t/lib/f.txt\nA\t/new.md\n')
    expect((await run.cairn('diff', 'work@first:/src', 'work:/lib', '--name-status')).out).toBe('M\t/lib/f.txt\n')
    expect((await run.cairn('diff', 'work@first:/src/f.txt', 'work:/lib/f.txt', '--name-status')).out).toBe('M\t/lib/f.txt\n')
    expect((await run.cairn('diff', 'work:/new.md', '--name-status')).out).toBe('A\t/new.md\n')
  })

  test('--json has all of it, and what it is compared with', async () => {
    const { a, since, related, changes } = await run.json<{
      a: string
      since: { name: string }
      related: boolean
      changes: Array<{ kind: string; path: string; patch?: string; added?: number }>
    }>('diff', 'work', '--patch')
    expect([related, since.name]).toEqual([true, 'first'])
    expect(a).toMatch(/^work@/)
    const file = changes.find(change => change.path === '/lib/f.txt')
    expect(file).toMatchObject({ kind: 'renamed', from: '/src/f.txt', also: ['modified'], added: 1, removed: 1 })
    expect(file?.patch).toContain('-two\n+2\n')
  })

  test('volumes without a common past are compared by path and content', async () => {
    await run.ok('init', 'alone')
    await run.ok('cp', '-r', 'work:/lib', 'alone:/')
    await run.fed('other\n', 'write', 'alone:/new.md')
    expect((await run.cairn('diff', 'work', 'alone', '--name-status')).out).toBe('M\t/new.md\n')
    expect((await run.json<{ related: boolean }>('diff', 'work', 'alone')).related).toBe(false)
  })
})

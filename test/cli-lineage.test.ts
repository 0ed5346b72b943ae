import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mountSupport } from '../src/sdk/doctor.js'
import { CliRun } from './cli-run.js'

let run: CliRun
beforeAll(async () => {
  run = new CliRun()
  await run.ok('init', 'work')
  await run.fed('one\n', 'write', 'work:/f')
  await run.ok('checkpoint', 'save', 'work', 'first', '-m', 'the start')
  await run.fed('two, changed\n', 'write', 'work:/f')
  await run.ok('mkdir', 'work:/d')
  await run.ok('snapshot', 'save', 'work', 'second')
})
afterAll(() => run.remove())

const names = async () => (await run.json<Array<{ name: string }>>('volumes')).map(volume => volume.name)

describe('cairn checkpoint show', () => {
  test('tells what it is and what changed since the one before', async () => {
    const lines = (await run.ok('checkpoint', 'show', 'work', 'second')).split('\n')
    expect(lines[0]).toBe('second')
    expect(lines).toContain('  changes  +1 ~1 since first')
    expect(lines).toContain('    A /d/')
    expect(lines).toContain('    M /f  (4 -> 13 bytes)')
    expect(await run.ok('checkpoint', 'show', 'work', 'first')).toMatch(/message +the start\n[\s\S]*since the beginning\n/)
    const json = await run.json<{ name: string; since: { name: string }; counts: object; changes: object[] }>('snapshot', 'show', 'work', 'second')
    expect(json).toMatchObject({ name: 'second', since: { name: 'first' }, counts: { created: 1, modified: 1 } })
    expect(json.changes).toHaveLength(2)
    expect(await run.cairn('checkpoint', 'show', 'work', 'none')).toMatchObject({ code: 1, err: expect.stringContaining('There is second, first') })
  })
})

describe('cairn fork --count', () => {
  test('makes all of one state, or none', async () => {
    expect(await run.ok('fork', 'work@first', 'many', '--count', '3')).toBe('Forked work@first to many-1 … many-3.\n')
    for (const i of [1, 2, 3]) expect(await run.ok('cat', `many-${i}:/f`)).toBe('one\n')
    expect(await run.json<Array<{ name: string }>>('fork', 'work', 'one', '--count', '1')).toMatchObject([{ name: 'one-1' }])
    await run.ok('init', 'some-3')
    expect(await run.cairn('fork', 'work', 'some', '--count', '4')).toMatchObject({ code: 1, err: expect.stringContaining('some-3') })
    expect((await names()).filter(name => name.startsWith('some'))).toEqual(['some-3'])
    expect(await run.cairn('fork', 'work', 'x', '--count', '0')).toMatchObject({ code: 2, err: expect.stringContaining('no number of forks') })
    expect((await run.cairn('fork', 'work@nope', 'x', '--count', '2')).err).toMatch(/no checkpoint or commit 'nope'/)
    expect(await names()).not.toContain('x-1')
  })

  test.skipIf(mountSupport().some(check => !check.ok))('--mount', async () => {
    const tries = run.path('tries')
    try {
      await run.ok('fork', 'work', 'mounted', '--count', '2', '--mount', tries)
      expect(readFileSync(`${tries}/mounted-2/f`, 'utf8')).toBe('two, changed\n')
      // One of them cannot be mounted: none is left, and no folder.
      mkdirSync(`${tries}/full-2`)
      writeFileSync(`${tries}/full-2/something`, '')
      expect((await run.cairn('fork', 'work', 'full', '--count', '3', '--mount', tries)).code).toBe(1)
      expect((await names()).filter(name => name.startsWith('full'))).toEqual([])
      expect(existsSync(`${tries}/full-1`)).toBe(false)
    } finally {
      for (const i of [1, 2]) await run.cairn('unmount', `mounted-${i}`)
      rmSync(tries, { recursive: true, force: true })
    }
  })
})

test('cairn volumes --tree shows lineage, deleted parents too', async () => {
  const other = new CliRun()
  try {
    await other.ok('init', 'base')
    await other.ok('checkpoint', 'save', 'base', 'start')
    await other.ok('fork', 'base@start', 'left')
    await other.ok('fork', 'left', 'leaf')
    await other.ok('fork', 'base', 'right')
    await other.ok('init', 'alone')
    await other.ok('delete', 'left')
    const tree = (await other.ok('volumes', '--tree')).replace(/from [0-9a-z]{10}/g, 'from ID').replace(/deleted \d.*\d/, 'deleted THEN')
    expect(tree).toBe('alone\nbase\n├── left  from ID  (deleted THEN)\n│   └── leaf  from ID\n└── right  from ID\n')
    await other.ok('delete', 'base', '--now')
    await other.ok('delete', 'leaf', '--now')
    expect(await other.ok('volumes', '--tree')).toMatch(/^alone\nbase {2}\(deleted\)\n└── right {2}from [0-9a-z]{10}\n$/)
    expect(await other.json<unknown>('volumes', '--tree')).toMatchObject([{ name: 'alone' }, { name: 'base', gone: true, forks: [{ name: 'right' }] }])
  } finally {
    other.remove()
  }
})

test('cairn checkout brings a whole state of the past to the host', async () => {
  await run.ok('checkout', 'work@first', run.path('then'))
  expect(readFileSync(run.path('then', 'f'), 'utf8')).toBe('one\n')
  expect(existsSync(run.path('then', 'd'))).toBe(false)
})

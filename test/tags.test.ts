import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { CliRun } from './cli-run.js'

let cli: CliRun

beforeEach(async () => {
  cli = new CliRun()
  await cli.ok('init', 'w')
  await cli.ok('mkdir', 'w:/src')
  for (const name of ['a', 'b']) await cli.fed('x', 'write', `w:/src/${name}`)
})

afterEach(() => cli.remove())

describe('tags', () => {
  it('are given, listed, found and taken away', async () => {
    await cli.ok('tag', 'w:/src/a', 'reviewed', 'für-alle')
    await cli.ok('tag', 'w:/src/a', 'reviewed')
    await cli.ok('tag', 'w:/src', 'reviewed')
    expect(await cli.ok('tag', 'w:/src/a')).toBe('für-alle\nreviewed\n')
    expect(await cli.ok('tag', 'w', '--list', 'reviewed')).toBe('/src\n/src/a\n')
    expect(await cli.json('tag', 'w')).toEqual([
      { path: '/src', tags: ['reviewed'] },
      { path: '/src/a', tags: ['für-alle', 'reviewed'] },
    ])
    expect(await cli.ok('tag', 'w', '--list', 'review')).toBe('')
    expect(await cli.cairn('untag', 'w:/src/a', 'reviewed', 'none')).toMatchObject({ code: 0, err: expect.stringContaining('had no tag none') })
    expect(await cli.ok('tag', 'w:/src/a')).toBe('für-alle\n')
    await cli.ok('untag', 'w:/src/a')
    expect(await cli.ok('tag', 'w')).toBe('/src  reviewed\n')
  })

  it('go with the tree: renamed, forked, as it was, and back', async () => {
    await cli.ok('tag', 'w:/src/a', 'one')
    await cli.ok('checkpoint', 'save', 'w', 'then')
    await cli.ok('mv', 'w:/src/a', 'w:/c')
    await cli.ok('tag', 'w:/c', 'two')
    expect(await cli.ok('tag', 'w')).toBe('/c  one two\n')
    expect(await cli.ok('tag', 'w@then')).toBe('/src/a  one\n')
    await cli.ok('fork', 'w@then', 'f')
    expect(await cli.ok('tag', 'f', '--list', 'one')).toBe('/src/a\n')
    await cli.ok('restore', 'w@then')
    expect(await cli.ok('tag', 'w')).toBe('/src/a  one\n')
  })

  it('say what is no tag', async () => {
    for (const wrong of ['', 'a b', 'a,b', 'x'.repeat(201), 'a\u0007'])
      expect(await cli.cairn('tag', 'w:/src/a', wrong)).toMatchObject({ code: 2, err: expect.stringContaining('is no tag') })
    expect(await cli.cairn('tag', 'w:/none', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('none') })
    expect(await cli.cairn('tag', 'w@~0:/src/a', 'x')).toMatchObject({ code: 1 })
    expect(await cli.cairn('tag', 'w:/src/a', '--list', 'x')).toMatchObject({ code: 2 })
    expect(await cli.cairn('untag', 'w')).toMatchObject({ code: 2 })
  })
})

describe('values under keys', () => {
  it('are set, shown and taken away', async () => {
    await cli.ok('meta', 'w:/src/a', 'source', 'https://example.org/a?b=c')
    await cli.ok('meta', 'w:/src/a', 'empty', '')
    await cli.ok('meta', 'w:/src/a', '__proto__', 'a word')
    expect(await cli.ok('meta', 'w:/src/a', 'source')).toBe('https://example.org/a?b=c\n')
    expect(await cli.ok('meta', 'w:/src/a')).toBe('__proto__  a word\nempty      \nsource     https://example.org/a?b=c\n')
    expect(await cli.json('meta', 'w:/src/a', 'source')).toEqual({ volume: 'w', path: '/src/a', key: 'source', value: 'https://example.org/a?b=c' })
    await cli.ok('meta', 'w:/src/a', 'source', '--remove')
    expect(await cli.cairn('meta', 'w:/src/a', 'source')).toMatchObject({ code: 1, err: expect.stringContaining('nothing under the key source') })
    expect(await cli.cairn('meta', 'w:/src/a', 'a b', 'c')).toMatchObject({ code: 2 })
    expect(await cli.cairn('meta', 'w:/src/a', '--remove')).toMatchObject({ code: 2 })
  })
})

it('thousands of tags come in pages, and no tag of a file is left out', async () => {
  const cairn = await Cairn.open({ home: cli.home, via: 'process' })
  const volume: OpenVolume = await cairn.open('w')
  await volume.transaction(async tx => {
    for (let i = 0; i < 700; i++) await tx.writeFile(`/f${i}`, '')
  })
  for (let i = 0; i < 700; i++) await volume.tag(`/f${i}`, 'one', 'two', `n${i % 7}`)
  const found: Array<{ path: string; tags: string[] }> = []
  for await (const one of volume.tagged()) found.push(one)
  expect(found).toHaveLength(700)
  expect(found.every(({ tags }) => tags.length === 3)).toBe(true)
  let some = 0
  for await (const { tags } of volume.tagged('n3')) some += tags.length
  expect(some).toBe(100)
  await volume.close()
  await cairn.close()
})

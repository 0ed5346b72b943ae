import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { GrepFile, GrepOptions, GrepSkipped, OpenVolume } from '../src/sdk/types.js'
import { limits } from '../src/sys/index.js'
import { CliRun } from './cli-run.js'

describe('grep', () => {
  let home: string
  let cairn: Cairn
  let volume: OpenVolume

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cairn-grep-'))
    cairn = await Cairn.open({ home, via: 'process' })
    await cairn.createVolume({ name: 'w' })
    volume = await cairn.open('w')
    const { promises: fs } = volume.fs
    await fs.mkdir('/src/deep', { recursive: true })
    await fs.writeFile('/src/a.ts', 'one\nTwo words\nthree\r\nfour one\n')
    await fs.writeFile('/src/deep/b.ts', 'zero\none two\n')
    await fs.writeFile('/notes.md', 'one without an end')
    await fs.writeFile('/binary', Buffer.from('one\0one\n'))
    await fs.writeFile('/empty', '')
  })

  afterEach(async () => {
    await cairn.close()
    rmSync(home, { recursive: true, force: true })
  })

  async function lines(pattern: string, options: GrepOptions = {}, skipped?: GrepSkipped): Promise<string[]> {
    const files: GrepFile[] = []
    for await (const file of cairn.grep('w', pattern, options, skipped)) files.push(file)
    return files.flatMap(({ path, matches }) => matches.map(({ line, column, text }) => `${path}:${line}:${column}:${text}`)).sort()
  }

  const all = ['/notes.md:1:1:one without an end', '/src/a.ts:1:1:one', '/src/a.ts:4:6:four one', '/src/deep/b.ts:2:1:one two']

  it('finds lines as grep does', async () => {
    const skipped: GrepSkipped = { binary: 0, large: 0 }
    expect(await lines('one', {}, skipped)).toEqual(all)
    expect(skipped).toEqual({ binary: 1, large: 0 })
    expect(await lines('^one$')).toEqual(['/src/a.ts:1:1:one'])
    expect(await lines('^three$')).toEqual(['/src/a.ts:3:1:three'])
    expect(await lines('two', { ignoreCase: true })).toEqual(['/src/a.ts:2:1:Two words', '/src/deep/b.ts:2:5:one two'])
    expect(await lines('wo', { word: true })).toEqual([])
    expect(await lines('two', { word: true })).toEqual(['/src/deep/b.ts:2:5:one two'])
    expect(await lines('o.e', { fixed: true })).toEqual([])
    expect(await lines('one', { invert: true, path: '/src/a.ts' })).toEqual(['/src/a.ts:2:1:Two words', '/src/a.ts:3:1:three'])
    expect(await lines('one', { maxCount: 1, path: '/src' })).toEqual(['/src/a.ts:1:1:one', '/src/deep/b.ts:2:1:one two'])
    expect(await lines('one', { globs: ['*.ts', '!deep/**', '!/src/deep/**'] })).toEqual(all.slice(1, 3))
  })

  it('shows lines around a match once', async () => {
    const found: GrepFile[] = []
    for await (const file of volume.grep('Two|four', { before: 1, after: 1, path: '/src/a.ts' })) found.push(file)
    expect(found).toMatchObject([
      {
        matches: [{ line: 2 }, { line: 4 }],
        context: [
          { line: 1, text: 'one' },
          { line: 3, text: 'three' },
        ],
      },
    ])
  })

  it('finds the same with the index, which leaves out files that cannot match', async () => {
    for (const [pattern, options] of [
      ['one', {}],
      ['\\bone\\b', {}],
      ['two words', { ignoreCase: true }],
      ['o.e', {}],
      ['one', { invert: true }],
      ['nowhere', {}],
    ] as const) {
      expect(await lines(pattern, { ...options, index: true })).toEqual(await lines(pattern, { ...options, index: false }))
    }
    await volume.fs.promises.writeFile('/src/late.ts', 'one more\n')
    await volume.fs.promises.rm('/notes.md')
    expect(await lines('one')).toEqual([...all.slice(1), '/src/late.ts:1:1:one more'])
    await volume.fs.promises.writeFile('/large', `${'x'.repeat(limits.searchFileBytes)}\nhere is one\n`)
    expect(await lines('here is one')).toEqual(['/large:2:1:here is one'])
  })

  it('looks into the past', async () => {
    await cairn.checkpoint('w', 'before')
    await volume.fs.promises.rm('/src', { recursive: true })
    expect(await lines('one')).toEqual(all.slice(0, 1))
    expect(await lines('one', { ref: 'before' })).toEqual(all)
  })

  it('cuts off a pattern that never ends, and says what is none', async () => {
    const { grepMatchMs } = limits
    Object.assign(limits, { grepMatchMs: 300 })
    try {
      await volume.fs.promises.writeFile('/evil', `${'a'.repeat(50)}!`)
      await expect(lines('^(a+)+$')).rejects.toMatchObject({ code: 'ERR_GREP_TIMEOUT', message: expect.stringContaining('/evil') })
    } finally {
      Object.assign(limits, { grepMatchMs })
    }
    await expect(lines('(')).rejects.toMatchObject({ code: 'ERR_GREP_PATTERN', message: '"(" is no regular expression: unterminated group.' })
    expect(await lines('one')).toEqual(all)
  })
})

describe('cairn grep', () => {
  it('prints as grep does, with its exit codes', async () => {
    const cli = new CliRun()
    try {
      await cli.cairn('init', 'w')
      await cli.fed('one\ntwo\nthree\nfour\nfive\none\n', 'write', 'w:/a.ts')
      await cli.fed('no match\n', 'write', 'w:/b.ts')
      expect(await cli.cairn('grep', 'one', 'w')).toMatchObject({ code: 0, out: '/a.ts:one\n/a.ts:one\n' })
      expect((await cli.cairn('grep', '-n', '-C', '1', 'one|two', 'w:/')).out).toBe('/a.ts:1:one\n/a.ts:2:two\n/a.ts-3-three\n--\n/a.ts-5-five\n/a.ts:6:one\n')
      expect((await cli.cairn('grep', '-c', 'one', 'w')).out).toBe('/a.ts:2\n')
      expect((await cli.cairn('grep', '-il', 'ONE|NO', 'w', '--', '*.ts', '!b*')).out).toBe('/a.ts\n')
      const json = await cli.cairn('grep', '-F', 'one', 'w', '--json')
      expect(JSON.parse(json.out)).toMatchObject({
        volume: 'w',
        matches: 2,
        files: [{ path: '/a.ts', matches: [{ line: 1, column: 1, text: 'one' }, { line: 6 }] }],
      })
      expect((await cli.cairn('grep', '-e', 'one', 'w', '--', '*.ts')).out).toBe('/a.ts:one\n/a.ts:one\n')
      expect(await cli.cairn('grep', '-e', '-one', 'w')).toMatchObject({ code: 1, out: '', err: '' })
      expect(await cli.cairn('grep')).toMatchObject({ code: 2, err: expect.stringContaining('No pattern is given.') })
      expect(await cli.cairn('grep', 'nothing', 'w')).toMatchObject({ code: 1, out: '', err: '' })
      expect(await cli.cairn('grep', '(', 'w')).toMatchObject({ code: 2, err: expect.stringContaining('is no regular expression') })
      expect(await cli.cairn('grep', 'x', 'nosuch')).toMatchObject({ code: 2, err: expect.stringContaining('There is no volume') })
      expect(await cli.cairn('grep', 'x', 'w', '-C', 'many')).toMatchObject({ code: 2 })
      expect(await cli.cairn('grep', 'x', 'w:/nothing')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('w:/nothing does not exist') })
      const refused = await cli.cairn('grep', 'x', 'w:/nothing', '--json')
      expect({ ...JSON.parse(refused.out), code: refused.code }).toMatchObject({ code: 2, error: { code: 'ENOENT' } })
      for (const [glob, why] of [
        ['[a-', 'a [ in it is not closed'],
        ['', 'it is empty'],
      ])
        expect(await cli.cairn('grep', 'x', 'w', '--glob', glob)).toMatchObject({ code: 2, err: expect.stringContaining(why) })
      expect((await cli.cairn('grep', '-l', 'one', 'w', '--glob', '[!b].ts')).out).toBe('/a.ts\n')
      await cli.fed('a.ts\n', 'write', 'w:/.gitignore')
      expect(await cli.cairn('grep', 'one', 'w', '--gitignore')).toMatchObject({ code: 1, out: '' })
      expect((await cli.cairn('find', 'w', '-gitignore', '-type', 'f')).out).toBe('/.gitignore\n/b.ts\n')
      expect((await cli.cairn('find', 'w:/../a.ts')).out).toBe('/a.ts\n')
    } finally {
      cli.remove()
    }
  })
})

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { GrepOptions, GrepSkipped, OpenVolume } from '../src/sdk/types.js'
import { limits } from '../src/sys/index.js'

/** What grep is told of files, and where it reads them. */
describe('the files of grep', () => {
  let home: string
  let cairn: Cairn
  let volume: OpenVolume
  let fs: OpenVolume['fs']['promises']

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cairn-grep-'))
    cairn = await Cairn.open({ home, via: 'process' })
    await cairn.createVolume({ name: 'w' })
    volume = await cairn.open('w')
    fs = volume.fs.promises
  })

  afterEach(async () => {
    await cairn.close()
    rmSync(home, { recursive: true, force: true })
  })

  async function lines(pattern: string, options: GrepOptions = {}, name = 'w', skipped?: GrepSkipped): Promise<string[]> {
    const found: string[] = []
    for await (const { path, matches } of cairn.grep(name, pattern, options, skipped))
      found.push(...matches.map(({ line, column }) => `${path}:${line}:${column}`))
    return found.sort()
  }

  it('are read wherever their bytes are: in the tree, in packs that are sealed and that are not, with holes', async () => {
    await fs.writeFile('/inline', 'foo\n')
    await fs.writeFile('/small', `${'x'.repeat(1000)}\nfoo\n`)
    await fs.writeFile('/sealed', `${'line\n'.repeat(50_000)}foo\n`)
    await cairn.flush('w')
    await fs.writeFile('/open', `${'line\n'.repeat(50_000)}foo\n`)
    await fs.writeFile('/rewritten', 'line\n'.repeat(50_000))
    const handle = await fs.open('/rewritten', 'r+')
    await handle.write('\nfoo\n', 100_000)
    await handle.close()
    await fs.writeFile('/holes', 'foo\n')
    await fs.truncate('/holes', 300_000)
    const skipped = { binary: 0, large: 0 }
    expect(await lines('^foo$', {}, 'w', skipped)).toEqual(['/inline:1:1', '/open:50001:1', '/rewritten:20002:1', '/sealed:50001:1', '/small:2:1'])
    expect(skipped).toEqual({ binary: 1, large: 0 })
    await cairn.gc()
    expect(await lines('^foo$')).toHaveLength(5)
  })

  it('are read in windows when they are large, with lines of any length', async () => {
    const window = limits.grepWindowBytes
    const long = `${'y'.repeat(window + 100_000)} foo ${'z'.repeat(window)}`
    await fs.writeFile('/large', `foo\n${'line\n'.repeat(window / 4)}foo\n${long}\nlast foo`)
    const [second, third, last] = [window / 4 + 2, window / 4 + 3, window / 4 + 4]
    expect(await lines('\\bfoo\\b')).toEqual(['/large:1:1', `/large:${second}:1`, `/large:${third}:${window + 100_002}`, `/large:${last}:6`].sort())
    for await (const { context } of cairn.grep('w', 'last foo', { before: 3 })) expect(context?.map(({ line }) => line)).toEqual([last - 3, last - 2, last - 1])
  })

  it('have each of their names, with the index too', async () => {
    await fs.mkdir('/d')
    await fs.writeFile('/d/one', 'planted text\n')
    await fs.link('/d/one', '/two')
    expect(await lines('planted text', { index: false })).toEqual(['/d/one:1:1', '/two:1:1'])
    expect(await lines('planted text', { index: true })).toEqual(['/d/one:1:1', '/two:1:1'])
    expect(await lines('planted text', { index: true, path: '/d' })).toEqual(['/d/one:1:1'])
  })

  it('are found again when the index turns out to be damaged', async () => {
    await fs.writeFile('/a', 'planted text\n')
    expect(await lines('planted', { index: true })).toEqual(['/a:1:1'])
    for (const index of [true, undefined]) {
      await cairn.close()
      for (const name of readdirSync(join(home, 'search'))) writeFileSync(join(home, 'search', name), 'x'.repeat(9000))
      cairn = await Cairn.open({ home, via: 'process' })
      expect(await lines('planted', index === undefined ? {} : { index })).toEqual(['/a:1:1'])
    }
  })

  it('are found without an index where none can be kept, and a search says why it cannot', async () => {
    await fs.writeFile('/a', 'planted text\n')
    writeFileSync(join(home, 'search'), '')
    await expect(cairn.search('w', 'planted')).rejects.toMatchObject({ code: 'ERR_SEARCH_INDEX', message: expect.stringContaining(join(home, 'search')) })
    await expect(lines('planted', { index: true })).rejects.toMatchObject({ code: 'ERR_SEARCH_INDEX' })
    expect(await lines('planted')).toEqual(['/a:1:1'])
    rmSync(join(home, 'search'))
    expect((await cairn.search('w', 'planted')).matches).toHaveLength(1)
  })

  it('are there, or grep says that they are not', async () => {
    await expect(lines('x', { path: '/nothing' })).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(lines('long text', { path: '/nothing', index: true })).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(cairn.search('w', 'x', { path: '/nothing' })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('come without what .gitignore files leave out, when that is asked for', async () => {
    const files: Record<string, string> = {
      '/.gitignore': '# comment\n*.log\n!keep.log\n/build/\nnode_modules\ndocs/*.tmp\na*a*a*a*a*b\n',
      '/one.log': '',
      '/keep.log': '',
      '/build/out': '',
      '/src/build/in': '',
      '/src/node_modules/pack/index.js': '',
      '/src/.gitignore': '!one.log\n*.gen\n',
      '/src/one.log': '',
      '/src/two.log': '',
      '/src/x.gen': '',
      '/docs/a.tmp': '',
      '/docs/deep/a.tmp': '',
      '/x.gen': '',
      '/.git/config': '',
    }
    for (const [path, text] of Object.entries(files)) {
      await fs.mkdir(join(path, '..'), { recursive: true })
      await fs.writeFile(path, text || 'planted\n')
    }
    const kept = ['/docs/deep/a.tmp', '/keep.log', '/src/build/in', '/src/one.log', '/x.gen']
    const shown = kept.map(path => `${path}:1:1`)
    expect(await lines('planted', { gitignore: true })).toEqual(shown)
    expect(await lines('planted', { gitignore: true, index: true })).toEqual(shown)
    expect(await lines('planted', { gitignore: true, path: '/src' })).toEqual(shown.slice(2, 4))
    // Who names it means it.
    expect(await lines('planted', { gitignore: true, path: '/src/node_modules' })).toEqual(['/src/node_modules/pack/index.js:1:1'])
    expect(await lines('planted')).toHaveLength(12)
    const found: string[] = []
    for await (const { path } of volume.find({ gitignore: true, types: ['file'] })) found.push(path)
    expect(found).toEqual([...kept, '/.gitignore', '/src/.gitignore'].sort())
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { FindOptions, OpenVolume } from '../src/sdk/types.js'
import { CliRun } from './cli-run.js'

describe('find', () => {
  let home: string
  let cairn: Cairn
  let volume: OpenVolume

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cairn-find-'))
    cairn = await Cairn.open({ home, via: 'process' })
    await cairn.createVolume({ name: 'w' })
    volume = await cairn.open('w')
    const { promises: fs } = volume.fs
    await fs.mkdir('/src/.hidden', { recursive: true })
    await fs.mkdir('/empty')
    for (const [path, size] of [
      ['/src/a.ts', 1000],
      ['/src/B.TS', 1024],
      ['/src/.hidden/c.ts', 1025],
      ['/zero', 0],
    ] as const)
      await fs.writeFile(path, Buffer.alloc(size, 'x'))
    await fs.symlink('a.ts', '/src/link.ts')
    await fs.utimes('/src/a.ts', 1000, 1000)
    await volume.tag('/src/a.ts', 'one', 'two')
    await volume.tag('/src', 'one')
  })

  afterEach(async () => {
    await cairn.close()
    rmSync(home, { recursive: true, force: true })
  })

  it.each<[string, FindOptions, string[]]>([
    [
      'all, a directory before what is in it',
      {},
      ['/', '/empty', '/src', '/src/.hidden', '/src/.hidden/c.ts', '/src/B.TS', '/src/a.ts', '/src/link.ts', '/zero'],
    ],
    ['a name', { names: ['*.ts'] }, ['/src/.hidden/c.ts', '/src/a.ts', '/src/link.ts']],
    ['a name without some letters', { names: ['[!a-y]*'], types: ['file'] }, ['/src/B.TS', '/zero']],
    ['a name that begins with a bracket', { names: ['['] }, []],
    ['either of two names', { names: ['a.*', 'zero'] }, ['/src/a.ts', '/zero']],
    ['case aside', { names: ['*.ts'], ignoreCase: true, types: ['file'] }, ['/src/.hidden/c.ts', '/src/B.TS', '/src/a.ts']],
    ['a path, over slashes', { paths: ['/src/*.ts'] }, ['/src/.hidden/c.ts', '/src/a.ts', '/src/link.ts']],
    ['types', { types: ['symlink', 'directory'] }, ['/', '/empty', '/src', '/src/.hidden', '/src/link.ts']],
    ['sizes', { minSize: 1024, maxSize: 1024 }, ['/src/B.TS']],
    ['times', { olderMs: 2_000_000 }, ['/src/a.ts']],
    ['later', { newerMs: 1_000_000, names: ['a.ts'] }, []],
    ['depths', { minDepth: 1, maxDepth: 1 }, ['/empty', '/src', '/zero']],
    ['below a directory', { path: 'src/', maxDepth: 0 }, ['/src']],
    ['empty', { empty: true }, ['/empty', '/zero']],
    ['tags', { tags: ['one'] }, ['/src', '/src/a.ts']],
    ['several tags', { tags: ['one', 'two'] }, ['/src/a.ts']],
  ])('%s', async (_, options, paths) => {
    const found: string[] = []
    for await (const { path } of volume.find(options)) found.push(path)
    expect(found).toEqual(paths)
  })

  it('refuses what is not there', async () => {
    await expect(async () => {
      for await (const _ of volume.find({ path: '/nothing' }));
    }).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('cairn find', () => {
  it('takes tests as find(1) does', async () => {
    const cli = new CliRun()
    try {
      await cli.cairn('init', 'w')
      await cli.cairn('mkdir', '-p', 'w:/src/deep')
      await cli.fed('x'.repeat(2000), 'write', 'w:/src/a.ts')
      await cli.fed('y', 'write', 'w:/src/deep/b.ts')
      expect((await cli.cairn('find', 'w', '-name', '*.ts')).out).toBe('/src/a.ts\n/src/deep/b.ts\n')
      expect((await cli.cairn('find', 'w:/src', '-type', 'f', '-size', '+1k')).out).toBe('/src/a.ts\n')
      expect((await cli.cairn('find', 'w:/src', '-type', 'f', '-size', '-2k')).out).toBe('/src/deep/b.ts\n')
      expect((await cli.cairn('find', 'w', '-size', '2k')).out).toBe('/src/a.ts\n')
      await cli.cairn('touch', '-d', '2001-01-01T00:00:00Z', 'w:/src/a.ts')
      expect((await cli.cairn('find', 'w', '-type', 'f', '-newer', '/src/a.ts')).out).toBe('/src/deep/b.ts\n')
      expect((await cli.cairn('find', 'w', '-type', 'f', '-newer', '-1h')).out).toBe('/src/deep/b.ts\n')
      await cli.cairn('tag', 'w:/src/deep', 'reviewed')
      const json = await cli.cairn('find', 'w', '--tag', 'reviewed', '--json')
      expect(JSON.parse(json.out)).toMatchObject([{ path: '/src/deep', type: 'directory' }])
      await cli.cairn('checkpoint', 'save', 'w', 'one')
      await cli.cairn('rm', '-r', 'w:/src')
      expect((await cli.cairn('find', 'w@one', '-iname', 'B.ts')).out).toBe('/src/deep/b.ts\n')
      for (const [words, why] of [
        [['-size', 'big'], "'big' is no size"],
        [['-type', 'x'], "'x' is no type"],
        [['-frobnicate', '1'], 'knows no test -frobnicate'],
        [['-frobnicate'], 'knows no test -frobnicate'],
        [['-name'], '-name needs a value'],
        [['-newer', 'tomorrow'], 'tomorrow is no time'],
        [['w:/other'], 'a second place to look in'],
      ] as const)
        expect(await cli.cairn('find', 'w', ...words)).toMatchObject({ code: 2, err: expect.stringContaining(why) })
    } finally {
      cli.remove()
    }
  })
})

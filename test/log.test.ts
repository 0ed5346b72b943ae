import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Cairn, type LogEntry, type LogOptions, type OpenVolume, type VolumeFs } from '../src/index.js'
import { CliRun } from './cli-run.js'

let home: string
let cairn: Cairn
let volume: OpenVolume
let fs: VolumeFs
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-log-'))
  cairn = await Cairn.open({ home, via: 'process' })
  await cairn.createVolume({ name: 'w' })
  volume = await cairn.open('w')
  fs = volume.fs
})
afterEach(async () => {
  await cairn.close()
  rmSync(home, { recursive: true, force: true })
})

async function log(options: LogOptions = {}): Promise<LogEntry[]> {
  const found: LogEntry[] = []
  for await (const entry of volume.log(options)) found.push(entry)
  return found
}

/** Makes a commit of each piece of work, under its name. */
async function commits(steps: Record<string, () => void>): Promise<void> {
  for (const [name, work] of Object.entries(steps)) {
    work()
    await volume.checkpoint(name)
  }
}

async function trail(path: string): Promise<string[]> {
  return (await log({ path })).map(({ name, change, path: at, from }) => [name, change, from === undefined ? at : `${from} -> ${at}`].join(' '))
}

describe('a log', () => {
  test('is newest first, with what each commit changed', async () => {
    await commits({
      one: () => fs.writeFileSync('/a', '1'),
      two: () => fs.writeFileSync('/a', '2'),
      none: () => {},
      three: () => {
        fs.renameSync('/a', '/b')
        fs.mkdirSync('/d')
      },
    })
    const found = await log({ counts: true })
    expect(found.map(entry => [entry.name, entry.counts])).toEqual([
      ['three', { renamed: 1, created: 1 }],
      ['none', {}],
      ['two', { modified: 1 }],
      ['one', { created: 1 }],
    ])
    expect(found.map(entry => entry.previous)).toEqual([found[1].id, found[2].id, found[3].id, undefined])
    expect((await log({ limit: 2 })).map(entry => entry.name)).toEqual(['three', 'none'])
    expect((await log({ since: 'two', until: 'none' })).map(entry => entry.name)).toEqual(['none'])
    expect(await log({ until: '2001-01-01' })).toEqual([])
    await expect(log({ since: 'nope' })).rejects.toMatchObject({ code: 'ERR_REF_UNKNOWN' })
    const past = await volume.at('two')
    const names: Array<string | undefined> = []
    for await (const entry of past.log()) names.push(entry.name)
    expect(names).toEqual(['two', 'one'])
  })

  test('of a file has the commits that changed it, through renames, save-by-rename and deletion', async () => {
    fs.mkdirSync('/d')
    await commits({
      made: () => fs.writeFileSync('/d/f', '1'),
      other: () => fs.writeFileSync('/other', 'x'),
      edited: () => fs.writeFileSync('/d/f', '2'),
      touched: () => fs.utimesSync('/d/f', 1, 1),
      saved: () => {
        fs.writeFileSync('/d/tmp', '3')
        fs.renameSync('/d/tmp', '/d/f')
      },
      mode: () => fs.chmodSync('/d/f', 0o600),
      'directory-moved': () => fs.renameSync('/d', '/e'),
      moved: () => fs.renameSync('/e/f', '/g'),
      'neighbour-changed': () => fs.writeFileSync('/h', 'x'),
      gone: () => fs.rmSync('/g'),
      again: () => fs.writeFileSync('/g', 'new'),
    })
    expect(await trail('/g')).toEqual([
      'again created /g',
      'gone deleted /g',
      'moved renamed /e/f -> /g',
      'directory-moved renamed /d/f -> /e/f',
      'mode mode /d/f',
      'saved modified /d/f',
      'edited modified /d/f',
      'made created /d/f',
    ])
    expect(await trail('/never')).toEqual([])
    expect((await log({ path: '/g', limit: 1 })).map(entry => entry.name)).toEqual(['again'])
  })

  test('of a directory has the commits that changed anything in it', async () => {
    fs.mkdirSync('/d/sub', { recursive: true })
    fs.mkdirSync('/x')
    await commits({
      one: () => fs.writeFileSync('/d/sub/f', '1'),
      elsewhere: () => fs.writeFileSync('/x/f', '1'),
      in: () => fs.renameSync('/x/f', '/d/f'),
      out: () => fs.renameSync('/d/f', '/x/f'),
      deep: () => fs.writeFileSync('/d/sub/f', '2'),
      renamed: () => fs.renameSync('/d', '/e'),
    })
    expect((await trail('/e')).map(line => line.split(' ')[0])).toEqual(['renamed', 'deep', 'out', 'in', 'one'])
  })

  test('goes on while the volume is changed and sealed', async () => {
    for (let i = 0; i < 40; i++) await commits({ [`c${i}`]: () => fs.writeFileSync('/f', `${i}`) })
    const names: Array<string | undefined> = []
    for await (const entry of volume.log({ path: '/f', counts: true })) {
      names.push(entry.name)
      if (names.length === 1) {
        await commits({ later: () => fs.writeFileSync('/f', 'later') })
        await cairn.flush('w')
      }
    }
    expect(names).toEqual(Array.from({ length: 40 }, (_, i) => `c${39 - i}`))
  })
})

describe('cairn log', () => {
  test('lines, details and JSON', async () => {
    const run = new CliRun()
    try {
      // One program: each that ends commits what it changed.
      const writer = await Cairn.open({ home: run.home, via: 'process', actor: 'alice' })
      await writer.createVolume({ name: 'work' })
      const work = await writer.open('work')
      await work.fs.promises.writeFile('/f', 'one\n')
      await work.checkpoint('first', { message: 'the start' })
      await work.fs.promises.rename('/f', '/g')
      await work.fs.promises.writeFile('/g', 'two\n')
      await work.checkpoint('second')
      await writer.close()
      const lines = (await run.ok('log', 'work')).split('\n')
      expect(lines[0]).toMatch(/^[0-9a-z]{10} {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}checkpoint {2}alice {2}>1 {2}\(second\)$/)
      expect(lines[1]).toMatch(/\+1 {2}\(first\) {2}the start$/)
      for (const option of ['-n', '--limit', '--number']) expect(await run.ok('log', 'work', option, '1')).toBe(`${lines[0]}\n`)
      // The short id is a ref.
      expect(await run.ok('cat', `work@${lines[1].slice(0, 10)}:/f`)).toBe('one\n')
      expect(await run.ok('log', 'work:/g', '--names')).toContain('R /f -> /g  (4 -> 4 bytes)\n')
      expect(await run.ok('log', 'work:/g', '--patch')).toContain('rename from f\nrename to g\n')
      expect(await run.ok('log', 'work:/g', '--stat')).toContain(' /f -> /g | 2 +-\n')
      const json = await run.json<LogEntry[]>('log', 'work:/g', '--names')
      expect(json.map(entry => [entry.name, entry.change, entry.path])).toEqual([
        ['second', 'renamed', '/g'],
        ['first', 'created', '/f'],
      ])
      expect(json[0]).toMatchObject({ from: '/f', changes: [{ kind: 'renamed', path: '/g' }] })
      expect(await run.ok('log', 'work', '--actor', 'bob')).toBe('')
      expect((await run.ok('log', 'work', '--since', 'first', '--actor', 'alice')).split('\n')).toHaveLength(2)
      expect(await run.ok('log', 'work', '--since', 'second')).toBe('')
      expect((await run.cairn('log', 'work', '--stat', '--names')).code).toBe(2)
      expect((await run.cairn('log', 'work', '-n', 'x')).code).toBe(2)
      expect((await run.cairn('log', 'work', '--since', 'nope')).err).toMatch(/no checkpoint or commit 'nope'/)
    } finally {
      run.remove()
    }
  })
})

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume, SearchOptions } from '../src/sdk/types.js'
import { CliRun } from './cli-run.js'

describe('full-text search', () => {
  let home: string
  let cairn: Cairn
  let volume: OpenVolume

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cairn-search-'))
    await start()
    await cairn.createVolume({ name: 'w' })
    volume = await cairn.open('w')
  })

  afterEach(async () => {
    await cairn.close()
    rmSync(home, { recursive: true, force: true })
  })

  async function start(): Promise<void> {
    cairn = await Cairn.open({ home, via: 'process' })
  }

  const write = (path: string, text: string | Buffer) => volume.fs.promises.writeFile(path, text)

  async function found(query: string, options: SearchOptions = {}, name = 'w'): Promise<string[]> {
    return (await cairn.search(name, query, options)).matches.map(({ path }) => path).sort()
  }

  it('finds words, phrases and beginnings in files as they are now', async () => {
    await volume.fs.promises.mkdir('/src')
    await write('/src/retry.ts', '// Makes a request again:\n// exponential backoff with jitter\n')
    await write('/notes.md', `${'# Notes\n'.repeat(2000)}Backoff is exponential, by default.\n`)
    await write('/empty', '')
    expect(await found('exponential backoff')).toEqual(['/notes.md', '/src/retry.ts'])
    expect(await found('"exponential backoff"')).toEqual(['/src/retry.ts'])
    expect(await found('exp* -jitter')).toEqual(['/notes.md'])
    expect(await found('jitter OR default', { path: '/src' })).toEqual(['/src/retry.ts'])
    expect((await volume.search('JITTER')).matches).toMatchObject([{ path: '/src/retry.ts', line: 2, column: 29, text: '// exponential backoff with jitter' }])
    expect(await found('ial, by def', { mode: 'substring' })).toEqual(['/notes.md'])
    expect(await found('missing')).toEqual([])
  })

  it('shows each name of a file that has several', async () => {
    const { promises: fs } = volume.fs
    await fs.mkdir('/a')
    await fs.mkdir('/b')
    await write('/a/one', 'linked words')
    await fs.link('/a/one', '/b/two')
    await write('/a/other', 'words of another')
    expect(await found('words')).toEqual(['/a/one', '/a/other', '/b/two'])
    expect(await found('words', { path: '/b' })).toEqual(['/b/two'])
    expect(await found('nked wo', { mode: 'substring' })).toEqual(['/a/one', '/b/two'])
    expect((await cairn.search('w', 'linked', { limit: 1 })).more).toBe(true)
    await fs.unlink('/a/one')
    expect(await found('linked')).toEqual(['/b/two'])
  })

  it('follows what changes, without reading again what it knows', async () => {
    for (let i = 0; i < 50; i++) await write(`/f${i}`, `content number${i} ${i % 2 === 0 ? 'even' : 'odd'}`)
    const first = await cairn.search('w', 'even', { limit: 100 })
    expect(first.indexed).toEqual({ files: 50, binary: 0, large: 0 })
    expect(first.matches).toHaveLength(25)
    await volume.fs.promises.rm('/f0')
    await volume.fs.promises.rename('/f2', '/renamed')
    await write('/f4', 'now odd')
    await write('/copy', 'content number6 even')
    const second = await cairn.search('w', 'even', { limit: 100 })
    expect(second.indexed).toEqual({ files: 1, binary: 0, large: 0 })
    const paths = second.matches.map(({ path }) => path)
    expect(paths).toHaveLength(24)
    expect(paths).toEqual(expect.arrayContaining(['/renamed', '/f6', '/copy']))
    for (const gone of ['/f0', '/f2', '/f4']) expect(paths).not.toContain(gone)
    expect((await cairn.search('w', 'even')).indexed).toEqual({ files: 0, binary: 0, large: 0 })
  })

  it('searches any state and any fork, of whose contents each is taken up once', async () => {
    await write('/a', 'apple')
    await write('/same', 'unchanged')
    await cairn.checkpoint('w', 'one')
    await write('/a', 'banana')
    await cairn.checkpoint('w', 'two')
    await write('/a', 'cherry')
    expect(await found('cherry OR unchanged')).toEqual(['/a', '/same'])
    const past = await cairn.search('w', 'apple OR unchanged', { ref: 'one' })
    expect(past.matches.map(({ path }) => path).sort()).toEqual(['/a', '/same'])
    expect(past.indexed.files).toBe(1)
    expect(await found('apple OR cherry', { ref: 'two' })).toEqual([])
    const at = await cairn.open('w', { ref: 'two' })
    expect((await at.search('banana')).matches).toMatchObject([{ path: '/a', line: 1 }])
    await cairn.fork('w', 'one', 'f')
    const fork = await cairn.search('f', 'apple')
    expect(fork).toMatchObject({ matches: [{ path: '/a' }], indexed: { files: 0 } })
    await cairn.restore('w', { ref: 'one' })
    expect(await found('apple OR cherry')).toEqual(['/a'])
  })

  it('leaves out what is binary or large, and says so', async () => {
    await write('/text', 'needle')
    await write('/binary', Buffer.concat([Buffer.from('needle'), Buffer.alloc(10)]))
    await write('/large', Buffer.alloc(4 * 1024 * 1024 + 1, 'needle '))
    const { matches, indexed } = await cairn.search('w', 'needle')
    expect(matches.map(({ path }) => path)).toEqual(['/text'])
    expect(indexed).toEqual({ files: 1, binary: 1, large: 1 })
  })

  it('gives as many as were asked for, and says when there are more', async () => {
    for (let i = 0; i < 30; i++) await write(`/f${i}`, `word ${i}`)
    expect(await cairn.search('w', 'word')).toMatchObject({ matches: { length: 20 }, more: true })
    expect(await cairn.search('w', 'word', { limit: 30 })).toMatchObject({ matches: { length: 30 }, more: false })
    await expect(cairn.search('w', 'word', { limit: 0 })).rejects.toMatchObject({ code: 'ERR_SEARCH_LIMIT' })
    await expect(cairn.search('w', 'word', { ref: 'nothing' })).rejects.toMatchObject({ code: 'ERR_REF_UNKNOWN' })
  })

  it('outlives the process, and loses nothing when its index is deleted or damaged', async () => {
    await write('/a', 'apple')
    await cairn.flush('w')
    expect(await found('apple')).toEqual(['/a'])
    const folder = join(home, 'search')
    for (const spoil of [() => {}, () => rmSync(folder, { recursive: true }), () => writeFileSync(join(folder, 'dev.words.sqlite'), 'x'.repeat(9000))]) {
      await cairn.close()
      spoil()
      await start()
      expect(await found('apple')).toEqual(['/a'])
    }
  })

  it('leaves nothing of an encrypted store in plain text', async () => {
    const bucket = mkdtempSync(join(tmpdir(), 'cairn-search-bucket-'))
    const keyFile = join(home, 'key')
    writeFileSync(keyFile, Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
    await cairn.ensureVolume({ name: 'secret', store: `file://${bucket}`, encrypt: true, keyFile })
    const secret = await cairn.open('secret')
    await secret.fs.promises.writeFile('/a', 'planted_word of the secret')
    expect(await found('planted_word', {}, 'secret')).toEqual(['/a'])
    await cairn.close()
    const folder = join(home, 'search')
    for (const name of existsSync(folder) ? readdirSync(folder) : []) expect(readFileSync(join(folder, name)).includes('planted_word')).toBe(false)
    rmSync(bucket, { recursive: true })
  })
})

describe('cairn search', () => {
  it('shows matches, and ends with 1 when there are none', async () => {
    const cli = new CliRun()
    try {
      await cli.cairn('init', 'w')
      await cli.fed('first\n  second line of it\n', 'write', 'w:/notes.md')
      await cli.fed('a\0b second', 'write', 'w:/binary')
      const found = await cli.cairn('search', 'w', 'second', 'line')
      expect(found).toMatchObject({ code: 0, out: '/notes.md:2: second line of it\n', err: expect.stringContaining('not 1 binary file') })
      await cli.cairn('checkpoint', 'save', 'w', 'one')
      await cli.cairn('rm', 'w:/notes.md')
      expect(await cli.cairn('search', 'w', 'second')).toMatchObject({ code: 1, out: '' })
      expect((await cli.cairn('search', 'w', 'second', '--at', 'one')).out).toBe('/notes.md:2: second line of it\n')
      const { code, out } = await cli.cairn('search', 'w@one:/', 'cond l', '--substring', '--json')
      expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, volume: 'w', more: false, matches: [{ path: '/notes.md', line: 2, column: 5 }] })
      expect(await cli.cairn('search', 'w', '"open')).toMatchObject({ code: 2, err: expect.stringContaining('a quotation mark has no second one') })
      for (const address of ['nosuch', 'w:/nothing', 'w@nosuch:/']) expect(await cli.cairn('search', address, 'x')).toMatchObject({ code: 2, out: '' })
      expect(await cli.cairn('search', 'w', 'x', '--limit', 'many')).toMatchObject({ code: 2, err: expect.stringContaining('--limit 50') })
    } finally {
      cli.remove()
    }
  })
})

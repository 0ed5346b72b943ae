import './support/without-syncs.js'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import type { BatchAnswer, BatchOp } from '../src/index.js'
import { Cairn } from '../src/sdk/cairn.js'
import { mountSupport } from '../src/sdk/doctor.js'
import { CliRun } from './cli-run.js'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const lines = (ops: readonly unknown[]): string => ops.map(op => `${JSON.stringify(op)}\n`).join('')

describe('batch in process', () => {
  let run: CliRun
  let cairn: Cairn
  beforeEach(async () => {
    run = new CliRun()
    cairn = await Cairn.open({ home: run.home, via: 'process' })
    await cairn.createVolume({ name: 'work' })
  })
  afterEach(async () => {
    await cairn.close()
    run.remove()
  })

  test('every operation, in order, as one commit', async () => {
    const volume = await cairn.open('work')
    const { promises: fs } = volume.fs
    await fs.writeFile('/old', 'old')
    await fs.mkdir('/tree/sub', { recursive: true })
    await fs.writeFile('/tree/sub/file', 'in the tree')
    await fs.writeFile('/gone', 'x')
    const ops: BatchOp[] = [
      { op: 'put', path: '/a/b/c', text: 'text', parents: true, mode: 0o600 },
      { op: 'put', path: '/a/b/c', text: ' more', append: true },
      { op: 'put', path: '/bytes', base64: Buffer.from([0, 255, 10]).toString('base64') },
      { op: 'put', path: '/large', bytes: Buffer.alloc(300_000, 7) },
      { op: 'move', from: '/old', to: '/new' },
      { op: 'copy', from: '/tree', to: '/copy', recursive: true },
      { op: 'delete', path: '/tree', recursive: true },
      { op: 'delete', path: '/gone' },
      { op: 'delete', path: '/never', force: true },
      { op: 'mkdir', path: '/m/n', parents: true },
      { op: 'link', from: '/new', to: '/second' },
      { op: 'symlink', target: 'a/b/c', path: '/sym' },
      { op: 'chmod', path: '/new', mode: 0o640 },
      { op: 'truncate', path: '/large', size: 100_000 },
      { op: 'setxattr', path: '/new', name: 'user.k', text: 'v' },
    ]
    const { commit, answers } = await volume.batch(ops, { message: 'all at once', actor: 'tester' })
    expect(answers.map(({ op, path }) => [op, path])).toEqual(ops.map(op => [op.op, 'to' in op ? op.to : op.path]))
    expect(answers[1]).toMatchObject({ result: 'done', size: 9 })
    expect(answers[7]).toEqual({ op: 'delete', path: '/gone', result: 'removed' })
    expect(await fs.readFile('/a/b/c', 'utf8')).toBe('text more')
    expect((await fs.stat('/a/b/c')).mode & 0o777).toBe(0o600)
    expect(await fs.readFile('/bytes')).toEqual(Buffer.from([0, 255, 10]))
    expect(await fs.readFile('/large')).toEqual(Buffer.alloc(100_000, 7))
    expect(await fs.readFile('/copy/sub/file', 'utf8')).toBe('in the tree')
    expect(await fs.readdir('/')).toEqual(['a', 'bytes', 'copy', 'large', 'm', 'new', 'second', 'sym'])
    expect(await fs.stat('/new')).toMatchObject({ nlink: 2, mode: 0o100640 })
    expect(commit).toMatchObject({ kind: 'auto', message: 'all at once', actor: 'tester' })
    // What was there before has a commit of its own: between the two lies exactly the batch.
    const before = await cairn.open('work', { ref: commit?.parents[0] })
    expect(await before.fs.promises.readdir('/')).toEqual(['gone', 'old', 'tree'])
    const at = await cairn.open('work', { ref: commit?.id })
    expect(await at.fs.promises.readFile('/copy/sub/file', 'utf8')).toBe('in the tree')
    expect((await cairn.fsck('work')).findings).toEqual([])
  })

  test.each<[string, unknown[], number, string, RegExp]>([
    [
      'an unknown operation',
      [
        { op: 'put', path: '/x', text: '' },
        { op: 'chop', path: '/x' },
      ],
      2,
      'ERR_BATCH_LINE',
      /'op' is not one of put, delete/,
    ],
    ['a missing member', [{ op: 'put', text: 'x' }], 1, 'ERR_BATCH_LINE', /'path' is missing/],
    ['a member too many', [{ op: 'mkdir', path: '/d', recursive: true }], 1, 'ERR_BATCH_LINE', /it has 'recursive', which mkdir does not know/],
    ['no content', [{ op: 'put', path: '/x' }], 1, 'ERR_BATCH_LINE', /it has no 'text' or 'base64'/],
    ['two contents', [{ op: 'put', path: '/x', text: 'a', base64: 'YQ==' }], 1, 'ERR_BATCH_LINE', /both 'text' and 'base64'/],
    ['bad base64', [{ op: 'put', path: '/x', base64: '*' }], 1, 'ERR_BATCH_LINE', /'base64' is not base64/],
    ['a bad mode', [{ op: 'chmod', path: '/x', mode: '999' }], 1, 'ERR_BATCH_LINE', /'mode'/],
    ['no object', [17], 1, 'ERR_BATCH_LINE', /it is not a JSON object/],
    [
      'a missing file',
      [
        { op: 'put', path: '/x', text: '' },
        { op: 'move', from: '/no', to: '/y' },
      ],
      2,
      'ENOENT',
      /Line 2 \(move\): ENOENT/,
    ],
    [
      'a full directory',
      [
        { op: 'put', path: '/d/f', text: '', parents: true },
        { op: 'delete', path: '/d' },
      ],
      2,
      'ENOTEMPTY',
      /Line 2 \(delete\)/,
    ],
    ['a name taken', [{ op: 'put', path: '/kept', text: 'n', ifAbsent: true }], 1, 'ERR_PRECONDITION', /kept is there already/],
    ['other content', [{ op: 'delete', path: '/kept', ifMatch: { sha256: sha256('else') } }], 1, 'ERR_PRECONDITION', /has other content/],
    ['another size', [{ op: 'delete', path: '/kept', ifMatch: { size: 5 } }], 1, 'ERR_PRECONDITION', /has 4 bytes, not 5/],
    ['another time', [{ op: 'move', from: '/kept', to: '/x', ifMatch: { mtimeMs: 5 } }], 1, 'ERR_PRECONDITION', /was changed at/],
  ])('%s: the line is named and nothing applied', async (_, ops, line, code, message) => {
    const volume = await cairn.open('work')
    await volume.fs.promises.writeFile('/kept', 'kept')
    const refused = volume.batch(ops as BatchOp[])
    await expect(refused).rejects.toMatchObject({ line, code, message: expect.stringMatching(message) })
    await expect(refused).rejects.toThrow(/Nothing was applied/)
    expect(await volume.fs.promises.readdir('/')).toEqual(['kept'])
  })

  test('preconditions that hold, with what the batch before answered', async () => {
    const volume = await cairn.open('work')
    const first = await volume.batch([{ op: 'put', path: '/f', text: 'one', ifAbsent: true }])
    const { size, mtimeMs } = first.answers[0]
    await volume.batch([{ op: 'put', path: '/f', text: 'two', ifMatch: { size, mtimeMs } }])
    await volume.batch([{ op: 'copy', from: '/f', to: '/g', ifMatch: { sha256: sha256('two') }, ifAbsent: true }])
    expect(await volume.fs.promises.readFile('/g', 'utf8')).toBe('two')
    await expect(volume.batch([{ op: 'put', path: '/f', text: 'three', ifMatch: { size, mtimeMs } }])).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
  })

  test('a change from elsewhere is a conflict, and retries run an array again', async () => {
    const volume = await cairn.open('work')
    const { promises: fs } = volume.fs
    await fs.writeFile('/counter', '1')
    const batch = await volume.beginBatch()
    await batch.add({ op: 'put', path: '/counter', text: '2' })
    await fs.writeFile('/counter', 'somebody else')
    await expect(batch.commit({})).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await batch.close()
    expect(await fs.readFile('/counter', 'utf8')).toBe('somebody else')
    let runs = 0
    const ops: BatchOp[] = [{ op: 'put', path: '/counter', text: '3' }]
    const interfering = Object.assign([...ops], {
      async *[Symbol.asyncIterator]() {
        yield* ops
        // The first operation must be in the transaction before it is overtaken.
        yield { op: 'copy', from: '/counter', to: `/seen-${runs}` } as const
        if (runs++ === 0) await fs.writeFile('/counter', 'again')
      },
    })
    await volume.batch(interfering, { retries: 1 })
    expect(runs).toBe(2)
    expect(await fs.readdir('/')).toEqual(['counter', 'seen-1'])
    expect(await fs.readFile('/counter', 'utf8')).toBe('3')
  })

  test('restores paths among other operations, and sees what those before it did', async () => {
    const volume = await cairn.open('work')
    const { promises: fs } = volume.fs
    await fs.mkdir('/d')
    await fs.writeFile('/d/large', Buffer.alloc(200_000, 1))
    await fs.writeFile('/d/small', 'then')
    await cairn.checkpoint('work', 'then')
    await fs.writeFile('/d/large', Buffer.alloc(200_000, 2))
    await fs.rm('/d/small')
    const { commit } = await volume.batch([
      { op: 'put', path: '/d/large', bytes: Buffer.alloc(1000, 3), append: true },
      { op: 'restore', path: '/d/small', ref: 'then' },
      { op: 'copy', from: '/d/small', to: '/copy' },
      { op: 'restore', path: '/d/large', ref: 'then' },
      { op: 'put', path: '/d/small', text: ' and now', append: true },
    ])
    expect(await fs.readFile('/d/large')).toEqual(Buffer.alloc(200_000, 1))
    expect(await fs.readFile('/d/small', 'utf8')).toBe('then and now')
    expect(await fs.readFile('/copy', 'utf8')).toBe('then')
    expect((await cairn.fsck('work')).findings).toEqual([])
    const at = await cairn.open('work', { ref: commit?.id })
    expect(await at.fs.promises.readFile('/d/small', 'utf8')).toBe('then and now')
    await expect(volume.batch([{ op: 'restore', path: '/never', ref: 'then' }])).rejects.toMatchObject({ line: 1, code: 'ERR_PATH_UNKNOWN' })
    await expect(volume.batch([{ op: 'restore', path: '/d', ref: 'nope' }])).rejects.toMatchObject({ line: 1, code: 'ERR_REF_UNKNOWN' })
  })

  test('nothing to do makes no commit', async () => {
    const volume = await cairn.open('work')
    expect(await volume.batch([])).toEqual({ commit: undefined, answers: [] })
  })

  test('survives a kill with its commit, as one frame of the journal', async () => {
    const volume = await cairn.open('work')
    await volume.fs.promises.writeFile('/before', 'b')
    const { commit } = await volume.batch([
      { op: 'put', path: '/one', text: '1' },
      { op: 'delete', path: '/before' },
    ])
    const copy = run.path('copy')
    mkdirSync(copy)
    const { cpSync } = await import('node:fs')
    cpSync(run.home, copy, { recursive: true })
    const other = await Cairn.open({ home: copy, via: 'process' })
    try {
      const then = await other.open('work', { ref: commit?.id })
      expect(await then.fs.promises.readdir('/')).toEqual(['one'])
      const now = await other.open('work')
      expect(await now.fs.promises.readdir('/')).toEqual(['one'])
      expect((await other.fsck('work')).findings).toEqual([])
    } finally {
      await other.close()
    }
  })
})

describe('cairn batch', () => {
  let run: CliRun
  beforeEach(async () => {
    run = new CliRun()
    await run.ok('init', 'work')
  })
  afterEach(() => run.remove())

  test('an answer a line; with --json one object', async () => {
    const ops = [
      { op: 'put', path: '/a', text: 'hello' },
      { op: 'mkdir', path: '/d' },
    ]
    const { code, out } = await run.fed(lines(ops), 'batch', 'work', '-m', 'two')
    expect(code).toBe(0)
    const answers = out.trimEnd().split('\n')
    expect(answers.map(line => JSON.parse(line))).toMatchObject([
      { line: 1, op: 'put', path: '/a', result: 'done', size: 5 },
      { line: 2, op: 'mkdir', path: '/d', result: 'done' },
    ])
    const json = JSON.parse((await run.fed(lines([{ op: 'delete', path: '/d' }]), 'batch', 'work', '--json')).out)
    expect(json).toMatchObject({ applied: true, commit: expect.stringMatching(/^[0-9a-z]{26}$/), answers: [{ op: 'delete', path: '/d', result: 'removed' }] })
    expect(await run.ok('ls', 'work')).toBe('a\n')
  })

  test('a bad line: named, nothing applied, exit 1', async () => {
    const bad = `${lines([{ op: 'put', path: '/a', text: 'x' }])}{"op":\n`
    const { code, out, err } = await run.fed(bad, 'batch', 'work')
    expect([code, out]).toEqual([1, ''])
    expect(err).toBe('cairn: Line 2: it is not JSON. Nothing was applied. Correct that line and send all of it again.\n')
    const json = await run.fed(bad, 'batch', 'work', '--json')
    expect(JSON.parse(json.out)).toMatchObject({ applied: false, error: { code: 'ERR_BATCH_LINE', line: 2 } })
    expect(json.code).toBe(1)
    expect(await run.ok('ls', 'work')).toBe('')
  })

  test('refuses a terminal, a state of the past and an unknown volume', async () => {
    expect((await run.fed('', 'batch', 'work@~1')).code).toBe(2)
    expect((await run.fed('', 'batch', 'nope')).err).toMatch(/no volume 'nope'/)
  })
})

describe.skipIf(mountSupport().some(check => !check.ok))('batch of a mounted volume', () => {
  let run: CliRun
  beforeAll(async () => {
    run = new CliRun()
    await run.ok('init', 'work')
    await run.ok('mount', 'work', run.path('mnt'))
  })
  afterAll(async () => {
    await cleanUp(run.home, run.folder)
  })

  test('through the server, seen in the mount at once', async () => {
    const at = run.path('mnt')
    const ops = [...Array(600).keys()].map(n => ({ op: 'put', path: `/many/${n}`, text: `file ${n}`, parents: true }))
    const tree = [
      { op: 'copy', from: '/many', to: '/copied', recursive: true },
      { op: 'delete', path: '/many', recursive: true },
    ]
    const { code, out, err } = await run.fed(lines([...ops, ...tree]), 'batch', 'work')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const answers = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as BatchAnswer)
    expect(answers.length).toBe(602)
    expect(readFileSync(`${at}/copied/599`, 'utf8')).toBe('file 599')
    expect(() => readFileSync(`${at}/many/1`)).toThrow(/ENOENT/)
    const failed = await run.fed(
      lines([
        { op: 'put', path: '/copied/1', text: 'changed' },
        { op: 'mkdir', path: '/copied' },
      ]),
      'batch',
      'work',
    )
    expect(failed.err).toMatch(/^cairn: Line 2 \(mkdir\): EEXIST/)
    expect(readFileSync(`${at}/copied/1`, 'utf8')).toBe('file 1')
  }, 300_000)

  test('content that one request does not hold', async () => {
    const bytes = Buffer.from(Array.from({ length: 10_000_000 }, (_, i) => (i * 31) % 253))
    const ops = [
      { op: 'put', path: '/long/file', base64: bytes.toString('base64'), parents: true, mode: '0640' },
      { op: 'put', path: '/long/file', text: 'and more', append: true },
    ]
    const { code, out, err } = await run.fed(lines(ops), 'batch', 'work')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const answers = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as BatchAnswer)
    expect(answers).toMatchObject([
      { op: 'put', path: '/long/file', size: bytes.length },
      { op: 'put', path: '/long/file', size: bytes.length + 8 },
    ])
    const at = `${run.path('mnt')}/long/file`
    expect(readFileSync(at).equals(Buffer.concat([bytes, Buffer.from('and more')]))).toBe(true)
    expect(statSync(at).mode & 0o777).toBe(0o640)
  }, 300_000)
})

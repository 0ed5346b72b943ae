import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../src/sys/index.js'
import { CliRun } from './cli-run.js'

let cli: CliRun

beforeEach(async () => {
  cli = new CliRun()
  await cli.ok('init', 'v')
  await cli.ok('write', 'v:/f', 'one')
})
afterEach(() => cli.remove())

interface Refusal {
  exit: number
  code: string
  message: string | RegExp
  remedy: string
}

/** The command says exactly this, as one line on stderr and as JSON on stdout, and the volume is what it was. */
async function refuses(argv: string[], { exit, code, message, remedy }: Refusal, input = ''): Promise<void> {
  const before = [await cli.ok('log', 'v', '--json'), await cli.ok('ls', 'v', '--json')]
  const plain = await cli.fed(input, ...argv)
  expect(plain).toMatchObject({ code: exit, out: '' })
  const line = /^cairn: (.*)\n$/.exec(plain.err)?.[1] ?? ''
  expect(line.endsWith(` ${remedy}`)).toBe(true)
  const said = line.slice(0, -remedy.length - 1)
  if (typeof message === 'string') expect(said).toBe(message)
  else expect(said).toMatch(message)
  const json = await cli.fed(input, ...argv, '--json')
  expect(json).toMatchObject({ code: exit, err: '' })
  expect(JSON.parse(json.out)).toEqual({ error: { code, message: said, remedy } })
  expect([await cli.ok('log', 'v', '--json'), await cli.ok('ls', 'v', '--json')]).toEqual(before)
}

describe('what is recorded, found and tagged', () => {
  test('two questions to the audit at once', async () => {
    const remedy = 'Give one of them.'
    await refuses(['audit', 'v', '--head', '--verify'], { exit: 2, code: 'ERR_USAGE', message: '--head and --verify are two questions.', remedy })
    await refuses(['audit', 'v', '--verify', '--follow'], { exit: 2, code: 'ERR_USAGE', message: '--verify and --follow are two questions.', remedy })
  })

  test('operands behind an option that takes several words', async () => {
    const { code, err } = await cli.cairn('grep', '--glob', '*.txt', 'one', 'v')
    expect(code).toBe(2)
    expect(err).toContain('What stands behind --glob belongs to it: write it last.')
    expect((await cli.cairn('exec', '--env', 'A=1', 'v', '--', 'true')).err).toBe(
      'cairn: v sets no variable. Write --env NAME=VALUE, and the volume before it.\n',
    )
  })

  test('a value that is too long', async () => {
    const { code, err } = await cli.cairn('meta', 'v:/f', 'key', 'x'.repeat(100_000))
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/takes no value of that length\. Write a shorter one, or keep it in a file\.\n$/) })
    expect(await cli.json('meta', 'v:/f')).toMatchObject({ meta: {} })
  })
})

describe('a ref', () => {
  test('that is unknown: what there is', async () => {
    const unknown = { exit: 1, code: 'ERR_REF_UNKNOWN', message: "There is no checkpoint or commit 'nope'." }
    await refuses(['restore', 'v@nope'], { ...unknown, remedy: 'Make a checkpoint with `cairn checkpoint save`.' })
    await cli.ok('checkpoint', 'save', 'v', 'good')
    await cli.ok('checkpoint', 'save', 'v', 'better')
    const remedy = 'There is better, good; see `cairn checkpoint list`.'
    for (const argv of [
      ['restore', 'v@nope'],
      ['cat', 'v@nope:/f'],
      ['undo', 'v', '--since', 'nope'],
      ['fork', 'v@nope', 'w'],
      ['log', 'v@nope'],
    ])
      await refuses(argv, { ...unknown, remedy })
    await refuses(['restore', 'v@~9'], {
      ...unknown,
      message: "'~9' goes back further than the 3 commits there are.",
      remedy: 'See `cairn log` or `cairn checkpoint list` for what there is.',
    })
  })

  test('that could be several: which', async () => {
    await cli.ok('checkpoint', 'save', 'v', 'good')
    const commits = await cli.json<Array<{ id: string; name?: string; kind: string }>>('log', 'v')
    const candidates = commits.reverse().map(({ id, name, kind }) => `${id} (${name ?? kind})`)
    expect(candidates).toHaveLength(2)
    await refuses(['restore', 'v@01'], {
      exit: 1,
      code: 'ERR_REF_AMBIGUOUS',
      message: `'01' could be ${candidates.join(', ')}.`,
      remedy: 'Write more characters of the id.',
    })
  })
})

test('a name that is taken, of a volume or a checkpoint', async () => {
  await cli.ok('init', 'w')
  await cli.ok('checkpoint', 'save', 'v', 'good')
  await cli.ok('backup', 'v', cli.path('b'))
  const volume = { exit: 1, code: 'ERR_VOLUME_EXISTS', message: "There is a volume 'v' already.", remedy: 'Choose another name, or see `cairn volumes`.' }
  for (const argv of [
    ['fork', 'v', 'v'],
    ['rename', 'w', 'v'],
    ['unbundle', cli.path('b'), 'v'],
  ])
    await refuses(argv, volume)
  await refuses(['checkpoint', 'save', 'v', 'good'], {
    exit: 1,
    code: 'ERR_CHECKPOINT_EXISTS',
    message: "There is a checkpoint 'good' already.",
    remedy: 'Choose another name, or delete that checkpoint first.',
  })
})

describe('a merge', () => {
  test('of what is not related, of a volume into itself, and of no fork', async () => {
    await cli.ok('init', 'w')
    await cli.ok('write', 'w:/f', 'other')
    await refuses(['merge', 'w', '--into', 'v'], {
      exit: 1,
      code: 'ERR_MERGE_UNRELATED',
      message: 'w and v have no state in common.',
      remedy: 'Only forks of one volume can be merged; `cairn cp -r` copies files.',
    })
    await refuses(['merge', 'v', '--into', 'v'], {
      exit: 1,
      code: 'ERR_MERGE_SELF',
      message: 'v cannot be merged into itself.',
      remedy: 'Name two volumes: a fork and the one that it comes from.',
    })
    await refuses(['merge', 'w'], {
      exit: 1,
      code: 'ERR_NO_PARENT',
      message: 'w is no fork.',
      remedy: 'Say with --into which volume it is to be merged into.',
    })
  })

  test('says why the content of two files was not merged by lines', async () => {
    const lines = (bytes: number, last: string): string => `${`${'x'.repeat(1023)}\n`.repeat(bytes / 1024 - 1)}${last.padEnd(1023)}\n`
    const files: Record<string, number> = { '/at-limit': limits.mergeTextBytes, '/over': limits.mergeTextBytes + 1024 }
    for (const [path, bytes] of Object.entries(files)) await cli.fed(lines(bytes, ''), 'write', `v:${path}`)
    await cli.fed('\0', 'write', 'v:/bytes')
    await cli.ok('fork', 'v', 'w')
    for (const volume of ['v', 'w']) {
      for (const [path, bytes] of Object.entries(files)) await cli.fed(lines(bytes, volume), 'write', `${volume}:${path}`)
      await cli.fed(`\0${volume}`, 'write', `${volume}:/bytes`)
    }
    const trial = await cli.cairn('merge', 'w', '--dry-run')
    expect(trial).toMatchObject({ code: 1, err: '' })
    expect(trial.out.split('\n').slice(0, 3)).toEqual([
      'conflict text /at-limit: ours modified, theirs modified',
      'conflict binary /bytes (no text): ours modified, theirs modified',
      'conflict binary /over (larger than 4 MiB, so not merged by lines): ours modified, theirs modified',
    ])
    const merged = await cli.cairn('merge', 'w')
    expect(merged.out.split('\n').slice(0, 3)).toEqual([
      'conflict text /at-limit: ours modified, theirs modified; marked in the file',
      'conflict binary /bytes (no text): ours modified, theirs modified; theirs is /bytes.theirs-w',
      'conflict binary /over (larger than 4 MiB, so not merged by lines): ours modified, theirs modified; theirs is /over.theirs-w',
    ])
    await cli.ok('merge', 'w', '--abort')
    expect((await cli.json<{ conflicts: object[] }>('merge', 'w', '--dry-run')).conflicts).toMatchObject([
      { path: '/at-limit', kind: 'text' },
      { path: '/bytes', kind: 'binary', reason: 'no-text' },
      { path: '/over', kind: 'binary', reason: 'too-large' },
    ])
  })
})

test('an undo that later changes are in the way of changes nothing, and names them', async () => {
  await cli.ok('checkpoint', 'save', 'v', 'good')
  await cli.ok('write', 'v:/f', 'two')
  const [{ id }] = await cli.json<Array<{ id: string }>>('log', 'v')
  await cli.ok('write', 'v:/f', 'three')
  const undone = await cli.cairn('undo', 'v', '--commit', id)
  expect(undone).toEqual({
    code: 1,
    err: '',
    out:
      'conflict text /f: ours modified, theirs modified\n' +
      `Nothing was changed: later changes touched what ${id} of v did. Decide with --ours (keep what is now), --theirs (take back) or --keep-both.\n`,
  })
  const json = await cli.cairn('undo', 'v', '--commit', id, '--json')
  expect(json.code).toBe(1)
  expect(JSON.parse(json.out)).toMatchObject({ volume: 'v', state: 'conflicts', undone: [{ id }], conflicts: [{ kind: 'text', path: '/f' }], changes: [] })
  expect(await cli.ok('cat', 'v:/f')).toBe('three\n')
})

test('a version that was purged, of restore and cat', async () => {
  await cli.ok('write', 'v:/f', 'two')
  await cli.ok('purge', 'v:/f', '--yes')
  for (const argv of [
    ['restore', 'v:/f', '--version', '1'],
    ['cat', 'v:/f', '--version', '1'],
  ])
    await refuses(argv, {
      exit: 1,
      code: 'ERR_PURGED',
      message: /^\/f was purged at \d{4}-\d\d-\d\dT[\d:.]+Z: what it held before is gone for good\.$/,
      remedy: 'Look for it in a bundle or an export made before that.',
    })
})

test('a version that never was, of restore', async () => {
  await cli.ok('write', 'v:/f', 'two')
  await refuses(['restore', 'v:/f', '--version', '7'], {
    exit: 1,
    code: 'ERR_VERSION_UNKNOWN',
    message: 'There is no version 7 of /f.',
    remedy: 'There are versions 1 to 2; `cairn versions` lists those that are kept.',
  })
})

test('a purge without --yes, where nobody can be asked', async () => {
  for (const command of ['purge', 'purge-prefix'])
    await refuses([command, 'v:/f'], {
      exit: 2,
      code: 'ERR_USAGE',
      message: 'A purge cannot be taken back, and nobody can be asked here.',
      remedy: 'Say --yes when you mean it.',
    })
})

test.each([
  ['{"op":', 'Line 2: it is not JSON.'],
  [
    '{"op":"chop","path":"/f"}',
    "Line 2: 'op' is not one of put, delete, move, copy, mkdir, link, symlink, chmod, chown, truncate, setxattr, removexattr, restore.",
  ],
  ['{"op":"delete","path":"/nope"}', "Line 2 (delete): ENOENT: no such file or directory, lstat '/nope'."],
])('a batch with the bad line %s: nothing is applied, the line is named', async (bad, said) => {
  const before = await cli.ok('log', 'v', '--json')
  const input = `{"op":"put","path":"/a","text":"x"}\n${bad}\n`
  const plain = await cli.fed(input, 'batch', 'v')
  expect(plain).toEqual({ code: 1, out: '', err: `cairn: ${said} Nothing was applied. Correct that line and send all of it again.\n` })
  const json = await cli.fed(input, 'batch', 'v', '--json')
  expect(json).toMatchObject({ code: 1, err: '' })
  expect(JSON.parse(json.out)).toMatchObject({ applied: false, error: { line: 2, message: expect.stringContaining(said) } })
  expect(await cli.ok('ls', 'v')).toBe('f\n')
  expect(await cli.ok('log', 'v', '--json')).toBe(before)
})

test('a symbolic link into a folder that is not there: the folder is what is missing, not what the link says', async () => {
  await refuses(['ln', '-s', 'anything', 'v:/none/link'], {
    exit: 1,
    code: 'ENOENT',
    message: 'The directory of v:/none/link does not exist.',
    remedy: 'Check the path with `cairn ls`; `cairn mkdir -p` makes directories.',
  })
})

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliRun, launcher } from './cli-run.js'

let cli: CliRun

beforeEach(async () => {
  cli = new CliRun()
  await cli.cairn('init', 'v')
})

afterEach(() => cli.remove())

describe('a merge that waits', () => {
  beforeEach(async () => {
    await cli.fed('base\n', 'write', 'v:/f')
    for (const fork of ['one', 'two']) {
      await cli.cairn('fork', 'v', fork)
      await cli.fed(`${fork}\n`, 'write', `${fork}:/f`)
    }
    await cli.fed('ours\n', 'write', 'v:/f')
    expect((await cli.cairn('merge', 'one')).code).toBe(1)
  })

  test.each(['--abort', '--continue'])('is not ended by %s of another fork', async step => {
    await cli.fed('resolved\n', 'write', 'v:/f')
    const refused = await cli.cairn('merge', 'two', '--into', 'v', step)
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('The merge that waits in v is with one, not with two.') })
    expect((await cli.cairn('cat', 'v:/f')).out).toBe('resolved\n')
    expect((await cli.cairn('merge', 'one', '--continue')).code).toBe(0)
  })

  test.each(['v', 'renamed'])('is given up by the name %s, too', async name => {
    await cli.cairn('rename', 'one', 'renamed')
    expect((await cli.cairn('merge', name, '--into', 'v', '--abort')).code).toBe(0)
    expect((await cli.cairn('cat', 'v:/f')).out).toBe('ours\n')
  })
})

describe('a restore while a merge waits', () => {
  beforeEach(async () => {
    await cli.fed('base\n', 'write', 'v:/f')
    await cli.cairn('checkpoint', 'save', 'v', 'base')
    await cli.cairn('fork', 'v', 't')
    await cli.fed('theirs\n', 'write', 't:/f')
    await cli.fed('theirs\n', 'write', 't:/only-theirs')
    await cli.fed('ours\n', 'write', 'v:/f')
    expect((await cli.cairn('merge', 't')).code).toBe(1)
  })

  test('of all is refused: the end of the merge would say that it has what is gone', async () => {
    expect(await cli.cairn('restore', 'v@base')).toMatchObject({ code: 1, err: expect.stringContaining('A merge with t waits in v, with 1 conflict.') })
    expect((await cli.cairn('cat', 'v:/only-theirs')).out).toBe('theirs\n')
    await cli.cairn('merge', 't', '--abort')
    expect((await cli.cairn('restore', 'v@base')).code).toBe(0)
    expect(await cli.ok('merge', 't')).toContain('Merged t into v')
    expect((await cli.cairn('cat', 'v:/only-theirs')).out).toBe('theirs\n')
  })

  test('of one path resolves a conflict', async () => {
    expect((await cli.cairn('restore', 'v@base:/f')).code).toBe(0)
    expect((await cli.cairn('merge', 't', '--continue')).code).toBe(0)
    expect((await cli.cairn('cat', 'v:/f')).out).toBe('base\n')
    expect((await cli.cairn('cat', 'v:/only-theirs')).out).toBe('theirs\n')
  })
})

describe('what there is nothing of', () => {
  test('is said by log and undo', async () => {
    expect(await cli.cairn('log', 'v')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('v has no commits yet') })
    expect(await cli.cairn('log', 'v:/mistyped')).toMatchObject({ code: 0, out: '', err: 'No commit changed /mistyped of v.\n' })
    expect(await cli.cairn('log', 'v', '--json')).toMatchObject({ code: 0, out: '[]\n', err: '' })
    expect(await cli.cairn('undo', 'v')).toMatchObject({ code: 1, err: expect.stringContaining('Nothing was changed in v yet') })
  })
})

test('a path where a whole volume is meant is told so', async () => {
  const { code, err } = await cli.cairn('checkpoint', 'save', 'v:/d', 'name')
  expect({ code, err }).toEqual({ code: 2, err: 'cairn: "v:/d" names a path, and a whole volume is meant here. Write v.\n' })
})

test('a damaged bundle is to be copied again, not checked with fsck', async () => {
  writeFileSync(cli.path('cut'), '')
  expect((await cli.cairn('unbundle', cli.path('cut'), 'w')).err).toMatch(/it is empty\. Copy it again/)
})

test('an output that takes nothing more is an error with words', () => {
  const { status, stderr } = spawnSync('bash', ['-c', '"$0" volumes > /dev/full', launcher], { env: cli.env, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('Standard output could not be written (ENOSPC).') })
})

describe('who made a change', () => {
  const log = async () => JSON.parse((await cli.cairn('log', 'v', '--json')).out).map((commit: { actor: string }) => commit.actor)
  const versions = async () => JSON.parse((await cli.cairn('versions', 'v:/f', '--json')).out).versions.map((v: { endedBy?: string }) => v.endedBy)

  test('is in commits and versions as --actor says it, of commands that only write, too', async () => {
    await cli.fed('1', 'write', 'v:/f', '--actor', 'alice')
    await cli.fed('2', 'write', 'v:/f', '--actor', 'bob')
    expect(await log()).toEqual(['bob', 'alice'])
    expect(await versions()).toEqual(['bob', undefined])
    const undone = await cli.cairn('undo', 'v', '--actor', 'bob')
    expect(undone.code).toBe(0)
    expect((await cli.cairn('cat', 'v:/f')).out).toBe('1')
  })

  test('is known of first states, too, from the commits that have them', async () => {
    const written = async () => JSON.parse((await cli.cairn('versions', 'v:/f', '--json')).out).versions.map((v: { writtenBy?: string }) => v.writtenBy)
    await cli.fed('1', 'write', 'v:/f', '--actor', 'alice')
    await cli.fed('2', 'write', 'v:/f', '--actor', 'bob')
    await cli.cairn('rm', 'v:/f', '--actor', 'carol')
    await cli.fed('3', 'write', 'v:/f', '--actor', 'dave')
    expect(await written()).toEqual(['alice', 'bob', 'dave'])
    expect(await versions()).toEqual(['bob', 'carol', undefined])
    expect((await cli.cairn('versions', 'v:/f')).out).toMatch(
      /^NUMBER +WRITTEN +BY +SIZE +ENDED +BY\n +1 .* alice +1 +modified .* bob\n +2 .* bob +1 +deleted .* carol\n +3 .* dave +1 +current\n$/,
    )
    // Nobody is named for what others may have done.
    const [newest] = JSON.parse((await cli.cairn('log', 'v', '--json')).out) as Array<{ id: string }>
    await cli.cairn('prune', 'v', '--keep', '0')
    expect(await written()).toEqual([undefined])
    expect(JSON.parse((await cli.cairn('blame', 'v:/f', '--json')).out)).toMatchObject([{ actor: 'dave', commit: newest.id }])
  })

  test('of a restore is in the versions that it ends', async () => {
    await cli.fed('1', 'write', 'v:/f', '--actor', 'alice')
    await cli.cairn('checkpoint', 'save', 'v', 'first')
    await cli.fed('2', 'write', 'v:/f', '--actor', 'bob')
    await cli.cairn('restore', 'v@first', '--actor', 'carol')
    expect(await versions()).toEqual(['bob', 'carol', undefined])
  })
})

describe('paths', () => {
  beforeEach(async () => {
    await cli.cairn('mkdir', 'v:/d')
    await cli.fed('1\n', 'write', 'v:/f')
  })

  test.each([['versions'], ['blame'], ['diff'], ['log'], ['restore']])('with `..` are refused by %s', async command => {
    const { code, err } = await cli.cairn(command, 'v:/d/../f')
    expect({ code, err }).toEqual({ code: 2, err: "cairn: /d/../f has '..' in it. Write the path from the root of the volume.\n" })
  })

  test('that neither state has are told with the states', async () => {
    await cli.cairn('checkpoint', 'save', 'v', 'c')
    expect(await cli.cairn('diff', 'v@c:/no', 'v:/no')).toMatchObject({ code: 2, err: expect.stringContaining('Neither v@c nor v has /no.') })
  })
})

test('what is compared with itself does not differ, as for diff(1)', async () => {
  await cli.fed('1\n', 'write', 'v:/f')
  await cli.cairn('checkpoint', 'save', 'v', 'c')
  expect(await cli.cairn('diff', 'v@c', 'v@c')).toEqual({ code: 0, out: '', err: '' })
  expect(await cli.cairn('diff', 'v', 'v')).toEqual({ code: 0, out: '', err: '' })
})

test('cat --json tells text from other bytes', async () => {
  await cli.fed('é\n', 'write', 'v:/t')
  await cli.fed(Buffer.from([0xff, 0]), 'write', 'v:/b')
  await cli.fed('2', 'write', 'v:/t')
  expect(await cli.json('cat', 'v:/t')).toEqual({ path: 'v:/t', size: 1, text: '2' })
  expect(await cli.json('cat', 'v:/t', '--version', '1')).toEqual({ path: 'v:/t', size: 3, text: 'é\n' })
  expect(await cli.json('cat', 'v:/t', 'v:/b')).toEqual([
    { path: 'v:/t', size: 1, text: '2' },
    { path: 'v:/b', size: 2, base64: '/wA=' },
  ])
})

test('a volume without commits has nothing to go back to', async () => {
  expect(await cli.cairn('restore', 'v')).toMatchObject({ code: 1, err: expect.stringContaining('v has no commit yet that it could go back to.') })
})

test('a rebase of what is no fork does not speak of options that it has not', async () => {
  expect((await cli.cairn('rebase', 'v')).err).toBe('cairn: v is no fork. Only a fork can be rebased; `cairn volumes --tree` shows them.\n')
})

test('a folder is no bundle', async () => {
  expect((await cli.cairn('unbundle', cli.folder, 'w')).err).toMatch(/is a directory\. Name the file/)
})

test('a time that is still to come is no state', async () => {
  await cli.fed('1', 'write', 'v:/f')
  await cli.cairn('checkpoint', 'save', 'v', 'c')
  expect(await cli.cairn('restore', 'v@2999-01-01')).toMatchObject({ code: 1, err: expect.stringContaining("The time '2999-01-01' is still to come.") })
})

test('an undo of an undo is a redo in the log, to and fro', async () => {
  await cli.fed('1', 'write', 'v:/f')
  for (let i = 0; i < 3; i++) await cli.cairn('undo', 'v')
  const [third, second, first, made] = await cli.json<Array<{ id: string; message: string }>>('log', 'v')
  expect([third, second, first].map(({ message }) => message)).toEqual([`undo ${made.id}`, `redo ${made.id}`, `undo ${made.id}`])
})

test('what stands for the history is told so, not as a matter of rights', async () => {
  const { code, err } = await cli.cairn('mkdir', 'v:/.cairn')
  expect({ code, err }).toEqual({
    code: 1,
    err: 'cairn: v:/.cairn stands for the history of the volume in its mounts; nothing can have that name. Choose another name.\n',
  })
})

test('a plain name is of the host where only the host is meant', async () => {
  await cli.fed('1', 'write', 'v:/f')
  expect((await cli.spawned(['export', 'v', 'out'])).code).toBe(0)
  expect((await cli.spawned(['import', 'out', 'v:/in'])).code).toBe(0)
  expect(await cli.ok('cat', 'v:/in/f')).toBe('1')
})

test.each([[['checkpoint', 'save', 'v', 'c']], [['fork', 'v', 'f']], [['undelete', 'v']]])('settings that allow no change are named by %j', async argv => {
  cli.env = { ...cli.env, CAIRN_READ_ONLY: '1' }
  const { code, err } = await cli.cairn(...argv)
  expect({ code, err }).toEqual({ code: 1, err: 'cairn: The settings allow no change of volumes (readOnly). Change that in CAIRN_READ_ONLY.\n' })
})

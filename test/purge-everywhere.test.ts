import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cleanUp } from '../src/cli/demo-cleanup.js'
import { CliRun } from './cli-run.js'
import { filesWith } from './support/plain-bytes.js'

const SECRET = 'hunter2-is-the-secret'
const NAME = 'password-of-alice'
/** In blocks, and compressible: the secret in its second block. */
const large = `${'a'.repeat(100_000)}${SECRET}${'b'.repeat(50_000)}`

describe('after a purge of all forks and its collection no byte of it is in CAIRN_HOME', () => {
  let shell: CliRun
  const write = async (at: string, content: string): Promise<void> => {
    expect((await shell.fed(content, 'write', at)).code).toBe(0)
  }
  const expectGone = async (): Promise<void> => {
    // Journal files that are superfluous are removed on another thread.
    for (const text of [SECRET, NAME]) await vi.waitFor(() => expect(filesWith(shell.home, text)).toEqual([]), { timeout: 200_000 })
    for (const { name } of (await shell.json('volumes')) as Array<{ name: string }>) await shell.ok('fsck', name)
  }
  beforeEach(async () => {
    shell = new CliRun()
    await shell.ok('init', 'w')
    await shell.ok('mkdir', `w:/${NAME}`)
    await write(`w:/${NAME}/inline`, SECRET)
    await write(`w:/${NAME}/large`, large)
    await write('w:/other', 'other')
    await shell.ok('checkpoint', 'save', 'w', 'one')
  })
  afterEach(() => cleanUp(shell.home, shell.folder))

  test('with forks that were merged, that changed it, and of the state before', async () => {
    await shell.ok('fork', 'w', 'changed')
    await write(`changed:/${NAME}/inline`, `changed ${SECRET}`)
    await shell.ok('fork', 'w@one', 'before')
    await shell.ok('rm', `w:/${NAME}/large`)
    await shell.ok('merge', 'changed')
    await write('changed:/other', 'other still')
    await shell.ok('merge', 'changed')
    const done = (await shell.json('purge', '-r', `w:/${NAME}`, '--yes', '--all-forks')) as { heldBy: unknown[]; forks: unknown[] }
    expect(done).toMatchObject({ heldBy: [], forks: [{}, {}] })
    await expectGone()
  })

  test('with a merge that waits because of it, and a fork made while it does', async () => {
    await shell.ok('fork', 'w', 'changed')
    await write(`changed:/${NAME}/inline`, `theirs ${SECRET}`)
    await write(`changed:/${NAME}/large`, `theirs ${large}`)
    await write('changed:/other', 'theirs')
    await write(`w:/${NAME}/inline`, `ours ${SECRET}`)
    await shell.ok('rm', `w:/${NAME}/large`)
    await write('w:/other', 'ours')
    expect((await shell.cairn('merge', 'changed')).code).toBe(1)
    await shell.ok('fork', 'w', 'meanwhile')
    await shell.ok('purge', '-r', `w:/${NAME}`, '--yes', '--all-forks')
    await expectGone()
    await write('w:/other', 'resolved')
    await shell.ok('merge', 'changed', '--continue')
    expect(await shell.ok('cat', 'w:/other')).toBe('resolved')
  })

  test('of one file whose other state a merge put beside it', async () => {
    await shell.ok('fork', 'w', 'changed')
    await write(`changed:/${NAME}/large`, `theirs\0${large}`)
    await write(`w:/${NAME}/large`, `ours\0${large}`)
    await write(`w:/${NAME}/inline`, 'nothing of that kind')
    await shell.ok('purge', `w:/${NAME}/inline`, '--yes', '--all-forks')
    expect((await shell.cairn('merge', 'changed')).code).toBe(1)
    expect(await shell.ok('ls', `w:/${NAME}`)).toMatch(/large\.theirs-changed/)
    await shell.ok('purge', `w:/${NAME}/large`, '--yes', '--all-forks')
    await vi.waitFor(() => expect(filesWith(shell.home, SECRET)).toEqual([]), { timeout: 200_000 })
    expect(await shell.ok('ls', `w:/${NAME}`)).toBe('')
    await shell.ok('merge', 'changed', '--continue')
  })
})

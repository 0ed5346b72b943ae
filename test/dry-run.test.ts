import './support/without-syncs.js'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Cairn, type OpenVolume } from '../src/index.js'

let home: string
let cairn: Cairn
let work: OpenVolume
let fork: OpenVolume

/** What a dry run may change nothing of: all that is stored and journaled, and the log. Content that is folded meanwhile goes to the spool all the same. */
interface State {
  files: Record<string, string>
  log: string[]
}

async function state(): Promise<State> {
  const files: Record<string, string> = {}
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const isStored = entry.isFile() && !entry.name.endsWith('lock') && !entry.parentPath.endsWith('spool')
    if (isStored) files[path] = createHash('sha256').update(readFileSync(path)).digest('hex')
  }
  const log: string[] = []
  for (const volume of [work, fork]) for await (const commit of volume.log()) log.push(commit.id)
  return { files, log }
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-dry-'))
  cairn = await Cairn.open({ home, via: 'process' })
  await cairn.createVolume({ name: 'work' })
  work = await cairn.open('work')
  const fs = work.fs.promises
  await fs.writeFile('/a', 'one\n')
  await fs.writeFile('/big', Buffer.alloc(300_000, 1))
  await work.checkpoint('good')
  await work.fork('fork')
  fork = await cairn.open('fork')
  await fork.fs.promises.writeFile('/a', 'theirs\n')
  await fork.fs.promises.writeFile('/theirs', Buffer.alloc(300_000, 2))
  // In no commit yet, and a conflict with the fork.
  await fs.writeFile('/a', 'two\n')
  await fs.writeFile('/a', 'three\n')
  await fs.rm('/big')
  await cairn.flush('work')
})

afterEach(async () => {
  await cairn.close()
  rmSync(home, { recursive: true, force: true })
})

describe('a dry run changes nothing:', () => {
  test.each<[string, () => Promise<unknown>, object]>([
    ['undo', () => cairn.undo('work', { dryRun: true }), { state: 'trial', undone: [{ id: '', kind: 'auto' }], changes: [{ path: '/a' }, { path: '/big' }] }],
    ['undo since', () => cairn.undo('work', { since: 'good', dryRun: true }), { state: 'trial', undone: [{ id: '' }] }],
    ['undo since ~1', () => cairn.undo('work', { since: '~1', dryRun: true }), { state: 'trial', undone: [{ id: '' }] }],
    ['undo of a commit', () => cairn.undo('work', { commits: ['~0'], dryRun: true }), { state: 'trial', undone: [{ id: '' }] }],
    ['merge', () => cairn.merge('fork', { dryRun: true }), { state: 'trial', conflicts: [{ kind: 'text', path: '/a' }] }],
    ['rebase', () => cairn.rebase('fork', { dryRun: true }), { state: 'trial', conflicts: [{ kind: 'text', path: '/a' }] }],
    ['prune', () => cairn.prune('work', { keep: 0, dryRun: true }), { versions: 3 }],
  ])('%s', async (_name, run, told) => {
    const before = await state()
    expect(await run()).toMatchObject(told)
    expect(await state()).toEqual(before)
  })

  test('gc', async () => {
    await cairn.flush('fork')
    const before = await state()
    expect(await cairn.gc({ dryRun: true })).toMatchObject({ dryRun: true })
    expect(await state()).toEqual(before)
  })

  test('undo says what it would do, and then does it', async () => {
    const trial = await cairn.undo('work', { dryRun: true })
    const done = await cairn.undo('work')
    expect(done).toMatchObject({ state: 'undone', undone: [{ kind: 'auto' }], changes: trial.changes })
    expect(await work.fs.promises.readFile('/a', 'utf8')).toBe('one\n')
  })

  test('undo of the newest but one, over what no commit has yet', async () => {
    const trial = await cairn.undo('work', { last: 2, dryRun: true })
    expect(trial.undone.map(({ name }) => name)).toEqual([undefined, 'good'])
    const done = await cairn.undo('work', { last: 2 })
    expect(done.changes).toEqual(trial.changes)
    expect(await work.fs.promises.readdir('/')).toEqual([])
  })
})

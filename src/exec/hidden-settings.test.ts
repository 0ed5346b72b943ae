import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Secrets } from './hidden-settings.js'

let folder: string
let ssl: string

function write(path: string, mode: number): void {
  writeFileSync(path, 'text')
  chmodSync(path, mode)
}

/** As if nothing had changed for a while. */
function settle(): void {
  for (const path of [folder, ssl]) utimesSync(path, 1e9, 1e9)
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-settings-'))
  ssl = join(folder, 'ssl')
  mkdirSync(join(ssl, 'private'), { recursive: true })
  chmodSync(folder, 0o755)
  chmodSync(join(ssl, 'private'), 0o710)
  write(join(ssl, 'private', 'key'), 0o644)
  write(join(folder, 'shadow'), 0o640)
  write(join(folder, 'passwd'), 0o644)
  symlinkSync('shadow', join(folder, 'link'))
  settle()
})
afterEach(() => rmSync(folder, { recursive: true }))

it('secrets are files that not everybody may read, and folders that not everybody may list or enter', () => {
  const { hidden } = new Secrets(folder).look()
  expect([...hidden].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: join(folder, 'shadow'), isFolder: false },
    { path: join(ssl, 'private'), isFolder: true },
  ])
})

it('they are looked for once while nothing changes where they lie', () => {
  const secrets = new Secrets(folder)
  expect(secrets.look()).toBe(secrets.look())
})

it.each([
  ['another file is put in the place of one', () => renameSync(join(folder, 'passwd'), join(folder, 'shadow'))],
  ['one is gone', () => rmSync(join(folder, 'shadow'))],
  ['one is made beside another', () => write(join(ssl, 'other'), 0o600)],
])('they are looked for again when %s', (_, change) => {
  const secrets = new Secrets(folder)
  const before = secrets.look()
  change()
  const after = secrets.look()
  expect(after.stamp).not.toBe(before.stamp)
  expect(after.hidden).toEqual(new Secrets(folder).look().hidden)
})

it('a change of a folder that has just changed is seen, though its clock shows the same', () => {
  const secrets = new Secrets(folder)
  const now = Date.now() / 1000
  utimesSync(folder, now, now)
  const before = secrets.look()
  write(join(folder, 'other'), 0o600)
  utimesSync(folder, now, now)
  expect(secrets.look().stamp).not.toBe(before.stamp)
  expect(secrets.look().hidden).toHaveLength(before.hidden.length + 1)
})

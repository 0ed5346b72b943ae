import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Cairn, type OpenVolume } from '../src/index.js'

let home: string
let cairn: Cairn
let volume: OpenVolume
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-vh-'))
  cairn = await Cairn.open({ home, via: 'process' })
  await cairn.createVolume({ name: 'work' })
  volume = await cairn.open('work')
})
afterEach(async () => {
  await cairn.close()
  rmSync(home, { recursive: true, force: true })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

test('a volume tells its own history', async () => {
  const { promises: fs } = volume.fs
  await fs.writeFile('/a', 'one')
  await volume.checkpoint('first', { message: 'why' })
  await fs.writeFile('/a', 'other')
  await fs.writeFile('/b', 'new')
  expect((await all(volume.diff('first'))).map(change => [change.kind, change.path])).toEqual([
    ['modified', '/a'],
    ['created', '/b'],
  ])
  expect((await volume.checkpoints()).map(one => [one.name, one.message])).toEqual([['first', 'why']])
  expect((await all(volume.log())).some(commit => commit.name === 'first')).toBe(true)
  const past = await volume.at('first')
  expect(await past.fs.promises.readFile('/a', 'utf8')).toBe('one')
  await past.fork('from-then')
  await volume.fork('from-now')
  const [then, now] = [await cairn.open('from-then'), await cairn.open('from-now')]
  expect(await then.fs.promises.readFile('/a', 'utf8')).toBe('one')
  expect(await now.fs.promises.readFile('/a', 'utf8')).toBe('other')
  expect((await all(now.diff({ volume: 'from-then' }))).map(change => change.path)).toEqual(['/a', '/b'])
  await volume.deleteCheckpoint('first')
  expect(await volume.checkpoints()).toEqual([])
})

import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { AuditRecord } from '../src/sdk/types.js'
import { CliRun } from './cli-run.js'

const KIB = 1024
let cli: CliRun

beforeEach(() => {
  cli = new CliRun()
})

afterEach(() => cli.remove())

it('what only commits hold is told, and counts', async () => {
  await cli.ok('init', 'w')
  const cairn = await Cairn.open({ home: cli.home, via: 'process' })
  await cairn.setRetention('w', { ...(await cairn.retention('w')), exclude: ['*.db'] })
  const volume = await cairn.open('w')
  for (let i = 0; i < 3; i++) {
    await volume.fs.promises.writeFile('/a.db', randomBytes(200 * KIB))
    await cairn.checkpoint('w', 'now')
    await cairn.deleteCheckpoint('w', 'now')
  }
  await volume.close()
  await cairn.gc()
  const { history } = await cairn.setQuota('w', { history: 100 * KIB })
  expect(history?.used).toBeLessThan(10 * KIB)
  expect(history?.commits?.bytes).toBeGreaterThan(390 * KIB)
  expect(history?.exceededBy).toBeGreaterThan(290 * KIB)
  await cairn.close()
  expect(await cli.ok('quota', 'w')).toMatch(/commits without a name hold 4\d\d\.?\d*KB more, as of the last collection/)
  await cli.ok('prune', 'w', '--keep', '0')
  await cli.ok('gc')
  expect(await cli.json('quota', 'w')).toMatchObject({ history: expect.not.objectContaining({ exceededBy: expect.anything() }) })
})

it.each(['in the home', 'elsewhere'])('what only commits hold goes too, %s: the oldest first and no more than a collection found too much', async place => {
  const cairn = await Cairn.open({ home: cli.home, via: 'process', actor: 'ann' })
  await cairn.createVolume({ name: 'w', ...(place === 'elsewhere' && { store: `file://${cli.home}/there` }) })
  await cairn.setRetention('w', { ...(await cairn.retention('w')), exclude: ['*.db'] })
  const volume = await cairn.open('w')
  const state = async (): Promise<string> => {
    await volume.fs.promises.writeFile('/a.db', randomBytes(200 * KIB))
    const { id } = await cairn.checkpoint('w', 'now')
    await cairn.deleteCheckpoint('w', 'now')
    return id
  }
  const ids: string[] = []
  for (let i = 0; i < 6; i++) ids.push(await state())
  await cairn.gc({ volume: 'w' })
  const after = await state()
  await cairn.setQuota('w', { history: 500 * KIB })
  expect(await cairn.prune('w')).toMatchObject({ dropped: 0, droppedCommits: 4 })
  expect(await cairn.prune('w')).toMatchObject({ droppedCommits: 0 })
  const left: string[] = []
  for await (const { id } of cairn.log('w')) left.push(id)
  expect(ids.filter(id => left.includes(id))).toEqual(ids.slice(4))
  expect(left).toContain(after)
  const [entry] = await entriesOf(cairn)
  expect(entry).toMatchObject({ kind: 'prune', actor: 'cairn', detail: { why: 'limit', versions: 0, commits: 4 } })
  await volume.close()
  await cairn.gc({ volume: 'w' })
  expect((await cairn.quota('w')).history).not.toHaveProperty('exceededBy')
  await cairn.prune('w', { keep: 0 })
  expect((await entriesOf(cairn))[0]).toMatchObject({ kind: 'prune', actor: 'ann', detail: { why: 'asked' } })
  await cairn.close()
})

async function entriesOf(cairn: Cairn): Promise<AuditRecord[]> {
  const all: AuditRecord[] = []
  for await (const entry of cairn.audit('w', { limit: 1 })) all.push(entry)
  return all
}

it('a limit of the history lets versions go, and tells what checkpoints hold beside', async () => {
  await cli.ok('init', 'w')
  const cairn = await Cairn.open({ home: cli.home, via: 'process' })
  const volume = await cairn.open('w')
  const change = () => volume.fs.promises.writeFile('/f', randomBytes(200 * KIB))
  await change()
  await cairn.checkpoint('w', 'kept')
  for (let i = 0; i < 5; i++) await change()
  expect(await cairn.quota('w')).not.toHaveProperty('history')
  await expect(cairn.setQuota('w', { size: 1 } as object)).rejects.toMatchObject({ code: 'ERR_QUOTA', message: 'There is no limit size.' })
  const { history } = await cairn.setQuota('w', { history: 300 * KIB })
  expect(history).toMatchObject({ limit: 300 * KIB, exceededBy: expect.any(Number) })
  expect(history?.used).toBeGreaterThan(900 * KIB)
  await cairn.prune('w')
  expect((await cairn.quota('w')).history?.used).toBeLessThanOrEqual(300 * KIB)
  await volume.close()
  await cairn.gc()
  await cairn.close()

  expect(await cli.ok('quota', 'w', 'set', '--history', '100K')).toMatch(/history: versions hold \S+ of 100KB; the oldest go by themselves/)
  const told = await cli.ok('quota', 'w')
  expect(told).toMatch(/checkpoints hold 20\d\.?\d*KB more, as of the last collection: kept 20\d/)
  expect(told).toMatch(/that is 1\d\d\.?\d*KB more than it may be/)
  expect(await cli.json('quota', 'w')).toMatchObject({ history: { limit: 100 * KIB, pinned: { checkpoints: [{ name: 'kept' }] } } })
  await cli.ok('checkpoint', 'delete', 'w', 'kept')
  expect(await cli.ok('quota', 'w', 'set', '--history', 'none')).not.toContain('history')
  expect(await cli.cairn('quota', 'w', 'set', '--history', 'much')).toMatchObject({ code: 2 })
})

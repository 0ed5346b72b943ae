import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import { CliRun } from './cli-run.js'

const KIB = 1024
let cli: CliRun
let cairn: Cairn

beforeEach(async () => {
  cli = new CliRun()
  cairn = await Cairn.open({ home: cli.home, via: 'process' })
})

afterEach(async () => {
  await cairn.close()
  cli.remove()
})

it('says what each directory holds, and what of it a fork has from its source', async () => {
  await cairn.createVolume({ name: 'w' })
  const volume = await cairn.open('w')
  const { promises: fs } = volume.fs
  await fs.mkdir('/src/deep', { recursive: true })
  await fs.mkdir('/data')
  await fs.writeFile('/src/a', randomBytes(128 * KIB))
  await fs.writeFile('/src/deep/b', randomBytes(64 * KIB))
  await fs.writeFile('/data/c', randomBytes(320 * KIB))
  await fs.link('/data/c', '/data/again')
  await fs.writeFile('/small', 'x')
  await cairn.checkpoint('w', 'then')
  expect(await cairn.directoryUse('w', '/')).toMatchObject([
    { name: 'data', type: 'directory', files: 2, bytes: expect.any(Number), inheritedBytes: 0 },
    { name: 'src', files: 4, inheritedBytes: 0 },
    { name: 'small', type: 'file', files: 1 },
  ])
  await volume.close()
  await cairn.fork('w', undefined, 'f')
  const fork = await cairn.open('f')
  await fork.fs.promises.writeFile('/src/new', randomBytes(256 * KIB))
  const [data, src] = await cairn.directoryUse('f', '/').then(found => [found.find(({ name }) => name === 'data'), found.find(({ name }) => name === 'src')])
  expect(data?.inheritedBytes).toBe(320 * KIB)
  expect(src?.inheritedBytes).toBe(192 * KIB)
  expect((src?.bytes ?? 0) - (src?.inheritedBytes ?? 0)).toBeGreaterThanOrEqual(256 * KIB)
  expect(await cairn.directoryUse('f', '/src', { ref: 'then' })).toMatchObject([{ name: 'a' }, { name: 'deep', files: 2 }])
  await expect(cairn.directoryUse('f', '/none')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(cairn.directoryUse('f', '/src/a')).rejects.toMatchObject({ code: 'ENOTDIR' })
  await fork.close()
  await cairn.close()

  const lines = (await cli.ok('stats', 'f:/')).split('\n')
  expect(lines[0]).toMatch(/^NAME +FILES +BYTES +OWN +FROM BEFORE THE FORK$/)
  expect(lines.at(-2)).toMatch(/^in all +8 /)
  expect(await cli.json<unknown[]>('stats', 'w@then:/src')).toHaveLength(2)
})

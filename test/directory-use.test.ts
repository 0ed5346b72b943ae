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

async function writeTo(name: string, path: string, kib: number): Promise<void> {
  const volume = await cairn.open(name)
  await volume.fs.promises.writeFile(path, randomBytes(kib * KIB))
  await volume.close()
}

async function sharedIn(name: string): Promise<Record<string, number>> {
  return Object.fromEntries((await cairn.directoryUse(name, '/')).map(({ name, sharedBytes }) => [name, sharedBytes]))
}

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
    { name: 'data', type: 'directory', files: 2, bytes: expect.any(Number), sharedBytes: 0, inheritedBytes: 0 },
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
  expect(src?.sharedBytes).toBe(192 * KIB)
  expect((src?.bytes ?? 0) - (src?.inheritedBytes ?? 0)).toBeGreaterThanOrEqual(256 * KIB)
  expect(await cairn.directoryUse('f', '/src', { ref: 'then' })).toMatchObject([{ name: 'a' }, { name: 'deep', files: 2 }])
  await expect(cairn.directoryUse('f', '/none')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(cairn.directoryUse('f', '/src/a')).rejects.toMatchObject({ code: 'ENOTDIR' })
  // Told on the side of the parent, too, which wrote more since.
  await writeTo('w', '/data/since', 256)
  expect(await sharedIn('w')).toEqual({ data: 320 * KIB, src: 192 * KIB, small: 0 })
  expect(await sharedIn('f')).toEqual({ data: 320 * KIB, src: 192 * KIB, small: 0 })
  // What the fork holds by its history alone is shared all the same; what neither has any more of the other is not.
  await fork.fs.promises.unlink('/data/c')
  await fork.fs.promises.unlink('/data/again')
  await cairn.gc()
  expect(await sharedIn('w')).toEqual({ data: 320 * KIB, src: 192 * KIB, small: 0 })
  expect(await sharedIn('f')).toEqual({ data: 0, src: 192 * KIB, small: 0 })
  await fork.close()
  // Of a fork that was made since, what was written since the one before is shared, and what comes later is not.
  await cairn.fork('w', undefined, 'g')
  await writeTo('w', '/data/later', 128)
  expect(await sharedIn('w')).toMatchObject({ data: 576 * KIB })
  await cairn.deleteVolume('f', { now: true })
  await cairn.deleteVolume('g', { now: true })
  await cairn.gc()
  expect(await sharedIn('w')).toEqual({ data: 0, src: 0, small: 0 })
  await cairn.fork('w', undefined, 'f')
  await cairn.close()

  const lines = (await cli.ok('stats', 'f:/')).split('\n')
  expect(lines[0]).toMatch(/^NAME +FILES +BYTES +OWN +SHARED$/)
  expect(lines.find(line => line.startsWith('in all'))).toMatch(/^in all +9 /)
  expect(lines.at(-2)).toMatch(/^Shared with forks, and with what it was forked from, as they began/)
  expect(await cli.ok('stats', 'w:/')).toMatch(/Shared as of the collection of /)
  expect(await cli.json<unknown[]>('stats', 'w@then:/src')).toHaveLength(2)
})

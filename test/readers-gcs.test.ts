import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/index.js'
import { cloudEnvironment } from '../src/testing/object-server/environment.js'
import { type SpawnedGcs, spawnGcsServer } from '../src/testing/object-server/spawn.js'

let folder: string
let server: SpawnedGcs
let putBack: () => void
const open: Cairn[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-readers-gcs-'))
  server = await spawnGcsServer({ tokens: [''] })
  putBack = cloudEnvironment({ STORAGE_EMULATOR_HOST: server.endpoint })
})

afterEach(async () => {
  for (const cairn of open.splice(0)) await cairn.close()
  putBack()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function host(name: string): Promise<Cairn> {
  // Nobody looks by himself.
  const cairn = await Cairn.open({ home: join(folder, name), via: 'process', refreshMs: 3_600_000 })
  open.push(cairn)
  await cairn.ensureVolume({ name: 'w', store: 'gs://bucket/agents' })
  return cairn
}

/** Requests to Google since the last time, and the bytes of their answers. */
async function asked(): Promise<Record<string, [number, number]>> {
  const { counts } = await server.counts()
  await server.reset()
  return Object.fromEntries(Object.entries(counts).map(([name, { requests, bytesOut }]) => [name, [requests, bytesOut]]))
}

describe('a reader of a volume in GCS', () => {
  it('asks for the head by the generation that it has, and gets no bytes while that is the newest', async () => {
    const [a, b] = [await host('a'), await host('b')]
    const write = async (text: string): Promise<void> => {
      const volume = await a.open('w')
      await volume.fs.promises.writeFile('/f', text)
      await volume.flush()
      await volume.close()
    }
    await write('one')
    const reader = await b.open('w', { mode: 'readonly' })
    expect(await reader.fs.promises.readFile('/f', 'utf8')).toBe('one')
    await asked()
    for (let i = 0; i < 3; i++) expect(await reader.refresh()).toMatchObject({ changed: false, isWriter: false })
    expect(await asked()).toEqual({ GetObject: [3, 0] })
    await write('two')
    await asked()
    expect(await reader.refresh()).toMatchObject({ changed: true })
    expect(await reader.fs.promises.readFile('/f', 'utf8')).toBe('two')
    await asked()
    expect(await reader.refresh()).toMatchObject({ changed: false })
    expect(await asked()).toEqual({ GetObject: [1, 0] })
    await reader.close()
  })
})

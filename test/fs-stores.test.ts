import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { type FsContext, fsSuite } from '../src/testing/fs-suite.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { type SpawnedS3, spawnGcsServer, spawnS3Server } from '../src/testing/object-server/spawn.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let s3: SpawnedS3
let gcs: SpawnedS3
let putBack: () => void

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-fs-stores-'))
  // In processes of their own: the engine waits for them, and they must answer meanwhile.
  ;[s3, gcs] = await Promise.all([spawnS3Server(), spawnGcsServer({ tokens: [''] })])
  putBack = cloudEnvironment({ ...TEST_VARIABLES, STORAGE_EMULATOR_HOST: gcs.endpoint })
})

afterAll(async () => {
  putBack()
  await Promise.all([s3.close(), gcs.close()])
  rmSync(folder, { recursive: true, force: true })
})

const places: ReadonlyArray<[kind: string, location: () => StoreLocation]> = [
  ['file', () => ({ kind: 'file', path: join(folder, 'shared') })],
  ['sqlite', () => ({ kind: 'sqlite', path: join(folder, 'ws.cairn') })],
  ['lmdb', () => ({ kind: 'lmdb', path: join(folder, 'lmdb') })],
  ['s3', () => ({ kind: 's3', bucket: 'bucket', prefix: 'agents/', region: 'us-east-1', endpoint: s3.endpoint, pathStyle: true })],
  ['gcs', () => ({ kind: 'gcs', bucket: 'bucket', prefix: 'agents/' })],
]

/** The suite over a volume in each store; two homes take turns with it, so that each group of cases finds what those before it left where the store is. */
describe.each(places)('filesystem suite over a volume in a store of kind %s', (kind, location) => {
  const isRoot = process.getuid?.() === 0
  let volume: Volume
  let engine: Engine
  let fs: FsContext['fs']
  let count = 0
  let turns = 0

  /** The other home goes on. */
  function takeTurns(): void {
    if (turns > 0) {
      volume.close()
      engine.close()
    }
    engine = Engine.open({ home: join(folder, `${kind}-${turns++ % 2}`) })
    engine.attach('suite', location())
    volume = engine.openVolume('suite')
    fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
  }

  afterAll(() => {
    volume.close()
    engine.close()
  })

  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      beforeAll(takeTurns)

      for (const { name, run } of cases) {
        it(name, async () => {
          const root = `/case-${count++}`
          fs.mkdirSync(root)
          await run({ fs, p: fs.promises, root, isRoot })
        })
      }
    })
  }

  it('leaves a volume that fsck finds whole', () => {
    takeTurns()
    expect(fs.readdirSync('/')).toHaveLength(count)
    expect(volume.fsck().findings).toEqual([])
  })
})

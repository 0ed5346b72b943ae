import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, describe, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { fsSuite } from '../src/testing/fs-suite.js'
import { Engine } from '../src/volume/engine.js'

/** The suite over a real volume: journal, pages and packs in a temporary home. */
describe('filesystem suite over a volume', () => {
  const isRoot = process.getuid?.() === 0
  const home = mkdtempSync(`${tmpdir()}/cairn-suite-`)
  const engine = Engine.open({ home })
  engine.create('suite')
  const volume = engine.openVolume('suite')
  const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

  afterAll(() => {
    volume.close()
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })

  let count = 0
  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      for (const { name, run } of cases) {
        it(name, async () => {
          const root = `/case-${count++}`
          fs.mkdirSync(root)
          await run({ fs, p: fs.promises, root, isRoot })
        })
      }
    })
  }

  it('leaves a volume that fsck finds whole', ({ expect }) => {
    volume.flush()
    expect(volume.fsck().findings).toEqual([])
  })
})

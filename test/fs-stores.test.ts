import './support/without-syncs.js'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { type FsContext, fsSuite } from '../src/testing/fs-suite.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'
import { StorePlaces } from './support/store-places.js'

const places = new StorePlaces()
const encryption = { encrypt: true, key: { key: 'a passphrase of the suite', from: 'the suite' } }

beforeAll(() => places.start())
afterAll(() => places.end())

/** The suite over a volume in each store; two homes take turns with it, so that each group of cases finds what those before it left where the store is. */
describe.each([
  ...StorePlaces.kinds.map(kind => [kind, '', kind, {}] as const),
  ...(['file', 'sqlite', 's3'] as const).map(kind => [kind, ', encrypted', `${kind}-encrypted`, encryption] as const),
])('filesystem suite over a volume in a store of kind %s%s', (kind, _, name, options) => {
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
    engine = Engine.open({ home: join(places.folder, `${name}-${turns++ % 2}`) })
    engine.attach('suite', places.of(kind, name), options)
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

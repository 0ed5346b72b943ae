import { afterAll, beforeAll, describe, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { type FsContext, fsSuite } from '../src/testing/fs-suite.js'
import { MountedHome } from './support/mounted-home.js'

/** The suite over a volume that the server has: every call travels through its socket, the synchronous ones through a thread that waits. */
describe('filesystem suite over the server', () => {
  const isRoot = process.getuid?.() === 0
  let home: MountedHome
  let cairn: Cairn
  let volume: OpenVolume
  let count = 0

  beforeAll(async () => {
    home = new MountedHome()
    cairn = await Cairn.open({ home: home.home, via: 'server' })
    await cairn.ensureVolume({ name: 'w' })
    volume = await cairn.open('w')
  })
  afterAll(async () => {
    await cairn.close()
    await home.end()
  })

  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      for (const { name, run } of cases) {
        it(name, async () => {
          const fs = volume.fs as unknown as FsContext['fs']
          const root = `/case-${count++}`
          fs.mkdirSync(root)
          await run({ fs, p: fs.promises, root, isRoot })
        })
      }
    })
  }
})

import { describe, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { fsSuite } from '../src/testing/fs-suite.js'
import { MemorySession } from '../src/testing/memory-session.js'

/** The suite over a volume that is only a sorted tree in memory: the semantics without storage. */
describe('filesystem suite over a session in memory', () => {
  const isRoot = process.getuid?.() === 0
  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      for (const { name, run } of cases) {
        it(name, async () => {
          const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(new MemorySession()))))
          fs.mkdirSync('/case')
          await run({ fs, p: fs.promises, root: '/case', isRoot })
        })
      }
    })
  }
})

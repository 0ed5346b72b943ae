import * as nativeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, it } from 'vitest'
import type { FsContext } from '../src/testing/fs-suite.js'
import { fsSuite } from '../src/testing/fs-suite.js'

/** The suite over native node:fs: what it expects is what the kernel and node do. */
describe('filesystem suite over native node:fs, the oracle', () => {
  const isRoot = process.getuid?.() === 0
  const fs = nativeFs as unknown as FsContext['fs']
  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      for (const { name, run } of cases) {
        it(name, async () => {
          const root = nativeFs.realpathSync(nativeFs.mkdtempSync(`${tmpdir()}/cairn-oracle-`))
          try {
            await run({ fs, p: fs.promises, root, isRoot })
          } finally {
            nativeFs.rmSync(root, { recursive: true, force: true })
          }
        })
      }
    })
  }
})

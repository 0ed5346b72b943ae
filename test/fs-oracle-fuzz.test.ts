import assert from 'node:assert/strict'
import * as nativeFs from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { apply, dump, fuzzSteps } from '../src/testing/fs-fuzz.js'
import { MemorySession } from '../src/testing/memory-session.js'

const RUNS = Number(process.env.CAIRN_FUZZ_RUNS ?? 150)

describe('random operations, side by side with native node:fs', () => {
  it('give the same results, the same errors and the same tree after each step', { timeout: 900_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fuzzSteps, async steps => {
        const home = nativeFs.realpathSync(nativeFs.mkdtempSync(`${tmpdir()}/cairn-fuzz-`))
        try {
          const native = { p: nativeFs.promises, root: `${home}/root` }
          const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(new MemorySession()))))
          const ours = { p: fs.promises, root: '/root' }
          await native.p.mkdir(native.root)
          await ours.p.mkdir(ours.root)
          for (const step of steps) {
            const expected = await apply(native, step)
            assert.deepEqual(await apply(ours, step), expected, JSON.stringify(step))
            assert.deepEqual(await dump(ours), await dump(native), JSON.stringify(step))
          }
        } finally {
          nativeFs.rmSync(home, { recursive: true, force: true })
        }
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 120_000 },
    )
  })
})

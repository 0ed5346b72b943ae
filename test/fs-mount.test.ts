import assert from 'node:assert/strict'
import * as nativeFs from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apply, dump, fuzzSteps } from '../src/testing/fs-fuzz.js'
import { type FsContext, fsSuite } from '../src/testing/fs-suite.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

const why = whyNoMount()
const RUNS = Number(process.env['CAIRN_FUZZ_RUNS'] ?? 25)
const SLOW_MS = 120_000

/** What native node:fs expects of a local disk, asked of a mount that `bin/cairn` serves: the whole way through the kernel. */
describe.skipIf(why !== undefined)(`filesystem suite over a mount${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const isRoot = process.getuid?.() === 0
  const fs = nativeFs as unknown as FsContext['fs']
  let home: MountedHome
  let count = 0

  beforeAll(async () => {
    home = new MountedHome()
    await home.must('init', 'w')
    await home.mount()
  }, SLOW_MS)
  afterAll(() => home.end(), SLOW_MS)

  for (const { group, cases } of fsSuite) {
    describe(group, () => {
      for (const { name, run } of cases) {
        it(name, async () => {
          const root = `${home.mountpoint}/case-${count++}`
          nativeFs.mkdirSync(root)
          await run({ fs, p: fs.promises, root, isRoot })
        })
      }
    })
  }

  it('random operations give what they give on a local disk', { timeout: SLOW_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(fuzzSteps, async steps => {
        const local = { p: fs.promises, root: `${home.scratch}/local-${count}` }
        const mounted = { p: fs.promises, root: `${home.mountpoint}/fuzz-${count++}` }
        for (const { root } of [local, mounted]) nativeFs.mkdirSync(root)
        for (const step of steps) assert.deepEqual(await apply(mounted, step), await apply(local, step), JSON.stringify(step))
        assert.deepEqual(await dump(mounted), await dump(local))
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 60_000 },
    )
  })

  it('leaves a volume that fsck finds whole', { timeout: SLOW_MS }, async () => {
    expect(JSON.parse(await home.must('fsck', 'w', '--json'))).toMatchObject({ ok: true, findings: [] })
  })
})

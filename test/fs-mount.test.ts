import assert from 'node:assert/strict'
import * as nativeFs from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apply, dump, fuzzSteps } from '../src/testing/fs-fuzz.js'
import { type FsContext, fsSuite } from '../src/testing/fs-suite.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

const why = whyNoMount()
const RUNS = Number(process.env['CAIRN_FUZZ_RUNS'] ?? 100)
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

  it('a directory that is being listed while others delete in it and the server is killed', { timeout: SLOW_MS }, async () => {
    const root = `${home.mountpoint}/listed`
    nativeFs.mkdirSync(root)
    const names = Array.from({ length: 5000 }, (_, i) => `entry-${i}`)
    for (const name of names) nativeFs.writeFileSync(`${root}/${name}`, '')
    const listing = nativeFs.opendirSync(root, { bufferSize: 1 })
    const seen: string[] = []
    const read = (count: number): void => {
      for (let entry = count > 0 ? listing.readSync() : null; entry !== null; entry = --count > 0 ? listing.readSync() : null) seen.push(entry.name)
    }
    read(300)
    const gone = new Set(names.filter((_, i) => i % 3 === 0))
    for (const name of gone) nativeFs.unlinkSync(`${root}/${name}`)
    read(300)
    await home.killServer()
    read(names.length)
    listing.closeSync()
    expect(new Set(seen).size).toBe(seen.length)
    expect(names.filter(name => !gone.has(name) && !seen.includes(name))).toEqual([])
    const removing = home.start('rm', ['-rf', root])
    const finding = home.start('bash', ['-c', `while [ -e ${root} ]; do ls -f ${root} > ${home.scratch}/listing 2>&1; done; true`])
    expect(await removing).toEqual({ code: 0, output: '' })
    expect((await finding).code).toBe(0)
  })

  it('a sparse file of 100 GiB takes the room of what is in it', { timeout: SLOW_MS }, async () => {
    const file = `${home.mountpoint}/sparse`
    const middle = 50 * 2 ** 30
    nativeFs.writeFileSync(file, '')
    nativeFs.truncateSync(file, 100 * 2 ** 30)
    const handle = nativeFs.openSync(file, 'r+')
    nativeFs.writeSync(handle, 'data', middle)
    nativeFs.closeSync(handle)
    expect(await home.start('cp', ['--sparse=always', file, `${file}-2`])).toEqual({ code: 0, output: '' })
    for (const path of [file, `${file}-2`]) {
      const { size, blocks } = nativeFs.statSync(path)
      expect([size, blocks * 512]).toEqual([100 * 2 ** 30, 65536])
    }
    const copy = nativeFs.openSync(`${file}-2`, 'r')
    const bytes = Buffer.alloc(6)
    nativeFs.readSync(copy, bytes, 0, 6, middle - 1)
    nativeFs.closeSync(copy)
    expect(bytes.toString()).toBe('\0data\0')
    const { blocks, bfree, bsize } = nativeFs.statfsSync(home.mountpoint)
    expect((blocks - bfree) * bsize).toBeLessThan(2 ** 30)
    for (const path of [file, `${file}-2`]) nativeFs.unlinkSync(path)
  })

  it('leaves a volume that fsck finds whole', { timeout: SLOW_MS }, async () => {
    expect(JSON.parse(await home.must('fsck', 'w', '--json'))).toMatchObject({ ok: true, findings: [] })
  })
})

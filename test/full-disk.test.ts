import { mkdirSync, writeFileSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { MountedHome, whyNoMount } from './support/mounted-home.js'
import { SmallDisk, whyNoDisk } from './support/small-disk.js'

const MB = 1024 * 1024

const reason = whyNoMount() ?? whyNoDisk()

let disk: SmallDisk
let home: MountedHome

afterEach(async () => {
  await home.end()
  disk.end()
})

async function start(megabytes: number): Promise<void> {
  disk = new SmallDisk(megabytes)
  mkdirSync(join(disk.folder, 'home'))
  home = new MountedHome({}, join(disk.folder, 'home'))
  await home.must('init', 'w')
  await home.mount()
}

const at = (...names: string[]): string => join(home.mountpoint, ...names)
const content = (i: number): Buffer => Buffer.alloc((i % 5) * 40_000 + 100, i)

/** Files until the disk is full; how many were acknowledged, and the code of the error. */
async function writeUntilFull(): Promise<{ whole: number; code: string | undefined }> {
  for (let whole = 0; ; whole++) {
    try {
      await writeFile(at(`f${whole}`), content(whole), { flag: 'wx' })
    } catch (error) {
      return { whole, code: (error as NodeJS.ErrnoException).code }
    }
  }
}

async function expectWhole(count: number): Promise<void> {
  for (let i = 0; i < count; i++) expect((await readFile(at(`f${i}`))).equals(content(i))).toBe(true)
}

describe.skipIf(reason !== undefined)(`a full disk${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it('is ENOSPC, keeps what was acknowledged, and works again when there is room, without a restart', async () => {
    await start(24)
    const { server } = home.pids()
    const { whole, code } = await writeUntilFull()
    expect(code).toBe('ENOSPC')
    expect(whole).toBeGreaterThan(50)
    await expectWhole(whole)
    // What failed left a part at most: the file, with a prefix of its bytes.
    const rest = (await readdir(home.mountpoint)).filter(name => Number(name.slice(1)) >= whole)
    expect(rest.length).toBeLessThanOrEqual(1)
    for (const name of rest) {
      const found = await readFile(at(name))
      expect(found.equals(content(whole).subarray(0, found.length))).toBe(true)
    }
    disk.resize(64)
    await writeFile(at('more'), Buffer.alloc(3 * MB, 7))
    await expectWhole(whole)
    await home.must('flush', 'w')
    await expectWhole(whole)
    expect((await readFile(at('more'))).equals(Buffer.alloc(3 * MB, 7))).toBe(true)
    expect(home.pids().server).toBe(server)
    expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
  }, 300_000)

  it('keeps it over a SIGKILL of everything, mounts and reads while it is full', async () => {
    await start(24)
    const { whole } = await writeUntilFull()
    disk.fill()
    await home.killBoth()
    await home.mount()
    await expectWhole(whole)
    await expect(writeFile(at('new'), Buffer.alloc(MB))).rejects.toMatchObject({ code: 'ENOSPC' })
    disk.resize(64)
    await writeFile(at('new'), Buffer.alloc(MB))
    expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
    await expectWhole(whole)
  }, 300_000)

  it('refuses each kind of change by ENOSPC or does it; nothing is half done', async () => {
    await start(16)
    await mkdir(at('d'))
    await writeFile(at('a'), 'aaa')
    await writeFile(at('big'), Buffer.alloc(300_000, 5))
    await home.must('flush', 'w')
    disk.fill()
    // Until the zeros written ahead of the journal are used up, small changes still fit.
    const done: string[] = []
    for (let i = 0; i < 5000; i++) {
      try {
        await appendFile(at('log'), `${i}\n`)
        done.push(`${i}\n`)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' })
        break
      }
    }
    const outcome = async (work: Promise<unknown>): Promise<boolean> =>
      work.then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          expect(error.code).toBe('ENOSPC')
          return false
        },
      )
    const made = await outcome(mkdir(at('d', 'sub')))
    const moved = await outcome(rename(at('a'), at('b')))
    const removed = await outcome(unlink(at('big')))
    const check = async (): Promise<void> => {
      expect(await readdir(at('d'))).toEqual(made ? ['sub'] : [])
      expect((await readdir(home.mountpoint)).sort()).toEqual([moved ? 'b' : 'a', ...(removed ? [] : ['big']), 'd', ...(done.length > 0 ? ['log'] : [])].sort())
      expect(await readFile(at(moved ? 'b' : 'a'), 'utf8')).toBe('aaa')
      if (!removed) expect((await readFile(at('big'))).equals(Buffer.alloc(300_000, 5))).toBe(true)
      if (done.length > 0) expect((await readFile(at('log'), 'utf8')).startsWith(done.join(''))).toBe(true)
    }
    await check()
    await home.killServer()
    await check()
    disk.empty()
    if (!removed) await unlink(at('big'))
    await appendFile(at('log'), 'again')
    expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
  }, 300_000)

  it('fails flush, checkpoint, fork and init by one clear sentence, and lets unmount go', async () => {
    await start(16)
    for (let i = 0; i < 20; i++) await writeFile(at(`f${i}`), content(i))
    disk.fill()
    const big = join(home.scratch, 'big')
    writeFileSync(big, Buffer.alloc(3 * MB))
    for (const args of [
      ['flush', 'w'],
      ['checkpoint', 'save', 'w', 'point'],
      ['fork', 'w', 'other'],
      ['init', 'another'],
      ['cp', big, 'w:/big'],
    ]) {
      const { code, output } = await home.cairn(...args)
      expect({ args, code, output }).toMatchObject({ code: expect.any(Number), output: expect.not.stringMatching(/ {4}at |unexpected/) })
      if (code === 0) continue
      expect({ args, output }).toMatchObject({ output: expect.stringMatching(/full|ENOSPC/) })
    }
    await expectWhole(20)
    await home.must('unmount', 'w')
    await home.mount()
    await expectWhole(20)
    disk.empty()
    await home.must('flush', 'w')
    await home.must('checkpoint', 'save', 'w', 'later')
    await home.must('fork', 'w', 'fork')
    expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
    expect(await home.cairn('fsck', 'fork')).toMatchObject({ code: 0 })
    expect((await home.must('volumes')).match(/another|other/g)?.length ?? 0).toBeLessThanOrEqual(2)
  }, 300_000)
})

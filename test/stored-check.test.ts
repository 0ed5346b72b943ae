import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/index.js'
import { CliRun } from './cli-run.js'

let cli: CliRun
let folder: string
let cairn: Cairn

beforeEach(async () => {
  cli = new CliRun()
  folder = cli.folder
  cairn = await Cairn.open({ home: cli.home, via: 'process' })
  await cairn.ensureVolume({ name: 'ws', store: `file://${there()}` })
  const volume = await cairn.open('ws')
  await volume.fs.promises.writeFile('/large', Buffer.alloc(1_000_000, 'large '))
  await volume.fs.promises.writeFile('/small', 'small')
  await volume.close()
  await cairn.flush('ws')
})

afterEach(async () => {
  await cairn.close()
  cli.remove()
})

const there = (): string => join(folder, 'there')

/** Keys of the packs that are stored. */
function packs(): string[] {
  return readdirSync(join(there(), 'packs'), { recursive: true, withFileTypes: true })
    .filter(item => item.isFile())
    .map(item => join(item.parentPath, item.name).slice(there().length + 1))
    .sort()
}

function flip(key: string): void {
  const bytes = readFileSync(join(there(), key))
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(join(there(), key), bytes)
}

describe('a check of what is stored elsewhere', () => {
  it('finds nothing wrong with what is whole, and leaves nothing on this host', async () => {
    expect(await cairn.fsck('ws', { remote: true })).toMatchObject({ ok: true, findings: [], stored: [], inodes: 3 })
    const [store] = readdirSync(join(folder, 'home/stores'))
    expect(existsSync(join(folder, 'home/stores', store, 'check'))).toBe(false)
  })

  it('names what is missing or damaged in the store, though the cache of this host has it, and stores it again', async () => {
    const [first, second] = packs()
    rmSync(join(there(), first))
    flip(second)
    const report = await cairn.fsck('ws', { remote: true })
    expect(report.ok).toBe(false)
    const found = report.stored ?? []
    expect(found.length).toBeGreaterThan(0)
    for (const one of found) expect(one).toEqual({ object: one.object, problem: one.object === first ? 'missing' : 'damaged', here: 'cache' })
    const repaired = await cairn.fsck('ws', { remote: true, repair: true })
    expect(repaired).toMatchObject({ ok: true, findings: [] })
    expect(repaired.stored).toEqual([
      { object: first, problem: 'missing', here: 'cache', repaired: true },
      { object: second, problem: 'damaged', here: 'cache', repaired: true },
    ])
    // As another host finds it.
    const other = await Cairn.open({ home: join(folder, 'other'), via: 'process' })
    await other.ensureVolume({ name: 'ws', store: `file://${there()}` })
    const volume = await other.open('ws')
    expect((await volume.fs.promises.readFile('/large')).equals(Buffer.alloc(1_000_000, 'large '))).toBe(true)
    await volume.close()
    await other.close()
  })

  it('says what is gone for good, and exits 1', async () => {
    const home = join(folder, 'home')
    for (const key of packs()) rmSync(join(there(), key))
    const [store] = readdirSync(join(home, 'stores'))
    rmSync(join(home, 'stores', store, 'cache'), { recursive: true, force: true })
    await cairn.close()
    const { code, out } = await cli.cairn('fsck', 'ws', '--remote', '--repair', '--json')
    expect(code).toBe(1)
    const { ok, stored } = JSON.parse(out)
    expect(ok).toBe(false)
    for (const one of stored) expect(one).toEqual({ object: expect.stringMatching(/^packs\//), problem: 'missing' })
  })

  it("is none of a volume of the home's own store", async () => {
    await cairn.createVolume({ name: 'own' })
    await expect(cairn.fsck('own', { remote: true })).rejects.toMatchObject({ code: 'ERR_STORE_LOCAL' })
  })
})

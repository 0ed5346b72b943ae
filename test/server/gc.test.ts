import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { GcProgress } from '../../src/sdk/types.js'
import { canMount, type Home, makeHome, openCairn, pidsOf, until } from './support.js'

/** Different at each place, so that no block is another's. */
function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) b.writeUInt32LE(Math.imul(i + seed * 7919, 2654435761) >>> 0, i)
  return b
}

/** Packs of the store that a process has open although they have no name any more. */
function openDeleted(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`)
      return path.includes('/store/packs/') && path.endsWith(' (deleted)') ? [path] : []
    } catch {
      return []
    }
  })
}

function packBytes(home: Home): number {
  const all = readdirSync(join(home.home, 'store', 'packs'), { recursive: true, withFileTypes: true })
  return all.filter(entry => entry.isFile()).reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

describe('gc through the server', () => {
  test.skipIf(!canMount)('beside programs that write to the mount: what they wrote is whole, and space comes back', async () => {
    const home = makeHome()
    const cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
    const at = (name: string): string => join(home.mountpoint, name)
    writeFileSync(at('kept'), bytes(2_000_000, 1))
    let writing = true
    let rounds = 0
    const files = new Map<string, number>()
    const writer = (async () => {
      for (; writing || rounds < 20; rounds++) {
        const name = `f${rounds % 7}-wal`
        writeFileSync(at(name), bytes(300_000 + rounds, rounds))
        files.set(name, rounds)
        if (rounds % 5 === 4) await cairn.flush('v')
        await new Promise(resolve => setImmediate(resolve))
      }
    })()
    const steps = new Set<GcProgress['step']>()
    let freed = 0
    for (let i = 0; i < 8; i++) {
      await until(() => rounds > i * 3)
      freed += (await cairn.gc({ onProgress: ({ step }) => steps.add(step) })).freedBytes
      expect((await cairn.fsck('v')).findings).toEqual([])
    }
    writing = false
    await writer
    expect(freed).toBeGreaterThan(1_000_000)
    const last = await cairn.gc()
    expect(last.problems).toEqual([])
    expect(openDeleted(pidsOf(home).server)).toEqual([])
    expect(packBytes(home)).toBe(last.keptBytes)
    for (const [name, round] of files) expect(readFileSync(at(name)).equals(bytes(300_000 + round, round))).toBe(true)
    process.kill(pidsOf(home).server, 'SIGKILL')
    expect(readFileSync(at('kept')).equals(bytes(2_000_000, 1))).toBe(true)
    for (const [name, round] of files) expect(readFileSync(at(name)).equals(bytes(300_000 + round, round))).toBe(true)
    expect((await cairn.fsck('v')).findings).toEqual([])
  })

  test('a client in process that reads an old state goes on when another process has moved it', async () => {
    const home = makeHome()
    const here = await openCairn(home, 'process')
    await here.createVolume({ name: 'v' })
    const volume = await here.open('v')
    for (let i = 0; i < 12; i++) await volume.fs.promises.writeFile(`/f${i}-wal`, bytes(400_000, i))
    await here.checkpoint('v', 'then')
    for (let i = 3; i < 12; i++) await volume.fs.promises.rm(`/f${i}-wal`)
    await here.flush('v')
    const past = await here.open('v', { ref: 'then' })
    const half = await past.fs.promises.open('/f7-wal', 'r')
    const read = Buffer.alloc(400_000)
    await half.read(read, 0, 100_000, 0)
    await here.deleteCheckpoint('v', 'then')
    await here.flush('v')
    const other = await openCairn(home, 'process')
    const report = await other.gc()
    expect(report.superseded).toBe(false)
    await half.read(read, 100_000, 300_000, 100_000)
    expect(read.equals(bytes(400_000, 7))).toBe(true)
    expect((await past.fs.promises.readFile('/f11-wal')).equals(bytes(400_000, 11))).toBe(true)
    await half.close()
    await past.close()
    expect((await volume.fs.promises.readFile('/f2-wal')).equals(bytes(400_000, 2))).toBe(true)
    expect((await here.fsck('v')).findings).toEqual([])
  })

  test('the server that is killed while it collects begins again', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'v' })
    const volume = await cairn.open('v')
    for (let i = 0; i < 30; i++) await volume.fs.promises.writeFile(`/f${i}-wal`, bytes(200_000, i))
    await cairn.flush('v')
    for (let i = 0; i < 20; i++) await volume.fs.promises.rm(`/f${i}-wal`)
    await cairn.flush('v')
    const { server } = pidsOf(home)
    const collecting = cairn.gc()
    // Wherever it is by then.
    await cairn.status()
    process.kill(server, 'SIGKILL')
    expect((await collecting).problems).toEqual([])
    for (let i = 20; i < 30; i++) expect((await volume.fs.promises.readFile(`/f${i}-wal`)).equals(bytes(200_000, i))).toBe(true)
    expect((await cairn.fsck('v')).findings).toEqual([])
  })

  test('stats are those of the last collection, with the names of now', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'process')
    await cairn.createVolume({ name: 'v' })
    expect(await cairn.stats()).toMatchObject({ volumes: [] })
    const volume = await cairn.open('v')
    await volume.fs.promises.writeFile('/a', bytes(1_000_000, 1))
    await volume.close()
    await cairn.fork('v', undefined, 'f')
    const { atMs } = await cairn.gc()
    await cairn.renameVolume('f', 'g')
    const stats = await cairn.stats('g')
    expect(stats.atMs).toBe(atMs)
    expect(stats.volumes).toMatchObject([{ name: 'g', ownBytes: 0 }])
    expect(stats.volumes[0].liveBytes).toBeGreaterThan(1_000_000)
    expect(stats.volumes[0].sharedBytes).toBe(stats.volumes[0].liveBytes)
    await cairn.createVolume({ name: 'new' })
    await expect(cairn.stats('new')).rejects.toMatchObject({ code: 'ERR_STATS_UNKNOWN' })
    await expect(cairn.stats('none')).rejects.toMatchObject({ code: 'ERR_VOLUME_UNKNOWN' })
  })

  test('packs that nobody reaches are no damage, whatever is in them', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'process')
    const { id } = await cairn.createVolume({ name: 'v' })
    const volume = await cairn.open('v')
    await volume.fs.promises.writeFile('/a', bytes(100_000, 1))
    await volume.close()
    const stray = join(home.home, 'store', 'packs', id, '00000001-00000009')
    writeFileSync(stray, 'half a pack')
    expect(await cairn.fsck('v')).toMatchObject({ ok: true, findings: [], unreached: { packs: 1, bytes: 11 } })
    await cairn.gc()
    expect(await cairn.fsck('v')).toMatchObject({ ok: true, unreached: { packs: 0, bytes: 0 } })
    const packs = readdirSync(join(home.home, 'store', 'packs'), { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    rmSync(join(packs[0].parentPath, packs[0].name))
    expect((await cairn.fsck('v')).ok).toBe(false)
  })
})

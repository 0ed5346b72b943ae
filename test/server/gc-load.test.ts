import { lstatSync, promises as native, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Cairn } from '../../src/sdk/cairn.js'
import type { CrashPoint } from '../../src/sys/index.js'
import { canMount, type Home, isAlive, makeHome, openCairn, pidsOf, until } from './support.js'

const MB = 1_000_000

/** Different at each place, so that no block is another's. */
function bytes(size: number, seed: number): Buffer {
  const b = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) b.writeUInt32LE(Math.imul(i + seed * 7919, 2654435761) >>> 0, i)
  return b
}

/** What du(1) says of CAIRN_HOME, in bytes. */
function diskUsage({ home }: Home): number {
  let used = 0
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    used += (lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0) * 512
  }
  return used
}

/** Writes again and again until it is stopped, which returns what must be there by then. */
function writer(
  write: (name: string, content: Buffer) => Promise<void>,
  prefix: string,
  seed: number,
): { rounds: () => number; stop: () => Promise<Map<string, Buffer>> } {
  const files = new Map<string, Buffer>()
  let goesOn = true
  let round = 0
  const done = (async () => {
    for (; goesOn; round++) {
      const name = `${prefix}${round % 5}${round % 2 === 0 ? '-wal' : ''}`
      const content = bytes(150_000 + round, seed + round)
      await write(name, content)
      files.set(name, content)
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  return {
    rounds: () => round,
    stop: async () => {
      goesOn = false
      await done
      return files
    },
  }
}

/** One collects, others are told that one does. */
async function collectTogether(cairns: readonly Cairn[]): Promise<number> {
  const ends = await Promise.allSettled(cairns.map(cairn => cairn.gc()))
  const reports = ends.flatMap(end => (end.status === 'fulfilled' ? [end.value] : []))
  for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'ERR_GC_RUNNING', retry: 'same-call' })
  expect(reports.length).toBeGreaterThan(0)
  for (const report of reports) expect(report.problems).toEqual([])
  return reports.reduce((sum, { freedBytes }) => sum + freedBytes, 0)
}

describe.skipIf(!canMount)('collections of a server', () => {
  test('that two clients begin, beside writers through the mount and through calls, and checks', async () => {
    const home = makeHome()
    const [one, two] = [await openCairn(home, 'server'), await openCairn(home, 'server')]
    await one.createVolume({ name: 'v' })
    await one.mount({ name: 'v', path: home.mountpoint })
    const volume = await two.open('v')
    const mounted = writer((name, content) => native.writeFile(join(home.mountpoint, name), content), 'm', 1)
    const called = writer((name, content) => volume.fs.promises.writeFile(`/${name}`, content), 'c', 1000)
    let freed = 0
    for (let i = 1; i <= 6; i++) {
      await until(() => mounted.rounds() > i * 4 && called.rounds() > i * 4)
      const [bytesFreed, report] = await Promise.all([collectTogether([one, two]), one.fsck('v')])
      expect(report.findings).toEqual([])
      freed += bytesFreed
    }
    expect(freed).toBeGreaterThan(MB)
    const files = new Map([...(await mounted.stop()), ...(await called.stop())])
    await one.gc()
    process.kill(pidsOf(home).server, 'SIGKILL')
    for (const [name, content] of files) expect(readFileSync(join(home.mountpoint, name)).equals(content)).toBe(true)
    expect((await one.fsck('v')).findings).toEqual([])
    // The versions that it kept, too.
    const versions = (await volume.versions('/m1')).slice(0, -1)
    expect(versions.length).toBeGreaterThan(0)
    for (const { number } of versions) expect((await volume.readVersion('/m1', number)).length).toBeGreaterThan(100_000)
  })

  test('give the space back on the disk: of what was deleted, pruned, purged, and of volumes', async () => {
    const home = makeHome()
    const cairn = await openCairn(home, 'server')
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
    const at = (name: string): string => join(home.mountpoint, name)
    // Each in a pack of its own: one that is more than half alive stays.
    for (const [i, name] of ['kept', 'changed', 'secret', 'gone-wal'].entries()) {
      writeFileSync(at(name), bytes((i === 0 ? 2 : 3 + i) * MB, i + 1))
      await cairn.flush('v')
    }
    writeFileSync(at('changed'), bytes(MB, 5))
    let before = 0
    const shrinks = async (by: number, work: () => Promise<unknown>): Promise<void> => {
      await cairn.flush('v').catch(() => undefined)
      before = diskUsage(home)
      await work()
      await cairn.flush('v').catch(() => undefined)
      await cairn.gc()
      // Journal files that are superfluous go on another thread.
      await until(() => before - diskUsage(home) > by)
    }
    await shrinks(5.5 * MB, async () => rmSync(at('gone-wal')))
    await cairn.checkpoint('v', 'now')
    await shrinks(3.5 * MB, () => cairn.prune('v', { keep: 0 }))
    await shrinks(4.5 * MB, () => cairn.purge('v', '/secret'))
    expect(readFileSync(at('kept')).equals(bytes(2 * MB, 1))).toBe(true)
    expect(readFileSync(at('changed')).equals(bytes(MB, 5))).toBe(true)
    expect((await cairn.fsck('v')).findings).toEqual([])
    await cairn.unmount(home.mountpoint)
    await shrinks(2.8 * MB, () => cairn.deleteVolume('v', { now: true }))
    expect(await cairn.gc()).toMatchObject({ keptBytes: 0, volumes: [] })
  })

  const points: CrashPoint[] = ['gc.claimed', 'gc.marked', 'gc.copied-segment', 'gc.before-record', 'gc.after-record', 'gc.dropped-one']
  test.each(points)('killed at %s beside a writer: the server in its place goes on, and the collection with it', async point => {
    const home = makeHome()
    const armed = join(home.folder, 'armed')
    const cairn = await openCairn(home, 'server')
    // The first call starts the server.
    process.env['CAIRN_TEST_CRASH'] = `${point}@${armed}`
    await cairn.createVolume({ name: 'v' }).finally(() => delete process.env['CAIRN_TEST_CRASH'])
    await cairn.mount({ name: 'v', path: home.mountpoint })
    const at = (name: string): string => join(home.mountpoint, name)
    for (let i = 0; i < 12; i++) writeFileSync(at(`f${i}-wal`), bytes(200_000, i))
    await cairn.flush('v')
    for (let i = 3; i < 12; i++) rmSync(at(`f${i}-wal`))
    writeFileSync(at('dead-wal'), bytes(MB, 99))
    await cairn.flush('v')
    rmSync(at('dead-wal'))
    await cairn.fork('v', undefined, 'fork')
    await cairn.flush('v')
    const { server } = pidsOf(home)
    const writing = writer((name, content) => native.writeFile(at(name), content), 'w', 1)
    writeFileSync(armed, '')
    expect((await cairn.gc()).problems).toEqual([])
    await until(() => !isAlive(server))
    const files = await writing.stop()
    for (let i = 0; i < 3; i++) expect(readFileSync(at(`f${i}-wal`)).equals(bytes(200_000, i))).toBe(true)
    for (const [name, content] of files) expect(readFileSync(at(name)).equals(content)).toBe(true)
    for (const name of ['v', 'fork']) expect((await cairn.fsck(name)).findings).toEqual([])
    expect((await cairn.gc()).problems).toEqual([])
    expect((await cairn.fsck('v')).findings).toEqual([])
  })
})

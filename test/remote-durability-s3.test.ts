import { constants, rmSync } from 'node:fs'
import { open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import type { FaultKind } from '../src/testing/object-server/faults.js'
import { S3Server, type S3ServerOptions } from '../src/testing/object-server/s3-server.js'
import { MountedHome, programs, whyNoMount } from './support/mounted-home.js'

const LOG = /\/log\//
const HEAD = /\/head$/

let server: S3Server
let hosts: MountedHome[]
let restore: () => void

beforeEach(async () => {
  // For the servers that this process starts.
  restore = cloudEnvironment(TEST_VARIABLES)
  server = await new S3Server().start()
  hosts = []
})

afterEach(async () => {
  for (const host of hosts) await host.end()
  await server.close()
  restore()
})

/** Nothing here may block: the server of the bucket runs in this process. */
async function host(): Promise<MountedHome> {
  const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000' })
  hosts.push(made)
  await made.must('init', 'w', '--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', server.endpoint, '--path-style')
  return made
}

/** With a mount whose commits are log objects from now on. */
async function mounted(): Promise<MountedHome> {
  const a = await host()
  await a.must('mount', 'w', a.mountpoint, '--durability', 'remote')
  await durably(a, 1, 'first')
  server.resetCounts()
  return a
}

async function durably(on: MountedHome, count: number, name = 'file'): Promise<void> {
  const { code, output } = await on.start('python3', [join(programs, 'durable-writes.py'), on.mountpoint, String(count), name])
  expect(code, `${output}\n${on.log()}`).toBe(0)
}

const logObjects = (): string[] => [...(server.buckets.get('bucket')?.objects.keys() ?? [])].filter(key => LOG.test(key))

/** What another host finds when this one and all that it had is gone. */
async function survivors(of: MountedHome): Promise<Cairn> {
  await of.killBoth()
  rmSync(of.home, { recursive: true, force: true })
  const b = await host()
  await b.must('lease', 'steal', 'w', '--force')
  return Cairn.open({ home: b.home, via: 'server' })
}

async function expectFiles(cairn: Cairn, count: number, name = 'file'): Promise<void> {
  const volume = await cairn.open('w')
  for (let i = 0; i < count; i++) expect(await volume.fs.promises.readFile(`/${name}-${i}`, 'utf8')).toBe(`content of ${name}-${i}`)
  await cairn.close()
}

describe.skipIf(whyNoMount() !== undefined)('a mount whose fsync means the bucket', () => {
  it('makes one request for each, says so, and loses nothing with its host', async () => {
    const a = await mounted()
    const before = logObjects().length
    await durably(a, 20)
    expect(logObjects().length - before).toBe(20)
    // And what the volume publishes by itself in this time.
    expect(server.requests('PutObject')).toBeLessThanOrEqual(20 + 6)
    const { volumes } = JSON.parse(await a.must('status', 'w', '--json'))
    expect(volumes[0]).toMatchObject({ remote: { durability: 'remote', unpublishedBytes: 0 }, mounts: [{ durability: 'remote' }] })
    expect(await a.must('status', 'w')).toContain('durability remote')
    await expectFiles(await survivors(a), 20)
  })

  it('shares requests among those who wait, and keeps nobody else waiting', async () => {
    const a = await mounted()
    server.latencyMs = 60
    const before = logObjects().length
    await Promise.all(Array.from({ length: 6 }, (_, i) => durably(a, 10, `client${i}`)))
    expect(logObjects().length - before).toBeLessThanOrEqual(40)
    // While one waits for an answer that does not come, the mount serves others.
    server.latencyMs = 0
    server.faults.add({ kind: 'delay', operation: 'PutObject', key: LOG, delayMs: 1500 })
    let isDone = false
    const late = durably(a, 1, 'late').then(() => {
      isDone = true
    })
    while (server.faults.struck.get('delay') === undefined) await new Promise(setImmediate)
    for (let i = 0; i < 20; i++) await writeFile(join(a.mountpoint, `other-${i}`), 'o')
    expect(await readdir(a.mountpoint)).toContain('other-19')
    expect(isDone).toBe(false)
    await late
    const cairn = await survivors(a)
    for (let i = 0; i < 6; i++) await expectFiles(await Cairn.open({ home: hosts[1].home, via: 'server' }), 10, `client${i}`)
    await expectFiles(cairn, 1, 'late')
  })

  it('goes on when answers are lost, refused or wrong', async () => {
    const a = await mounted()
    const kinds: FaultKind[] = ['lost-applied', 'error-applied', 'lost', 'error', 'conflict', 'throttle']
    for (const [i, kind] of kinds.entries()) server.faults.add({ kind, operation: 'PutObject', key: LOG, after: i })
    await durably(a, 20)
    for (const kind of kinds) expect(server.faults.struck.get(kind), kind).toBe(1)
    await expectFiles(await survivors(a), 20)
  })

  it('goes on where one object takes one write a second, and where the head takes none', async () => {
    const a = await mounted()
    server.options = { ...server.options, writesPerSecond: 1 } satisfies S3ServerOptions
    await durably(a, 20, 'limited')
    server.options = { ...server.options, writesPerSecond: undefined }
    server.faults.add({ kind: 'throttle', operation: 'PutObject', key: HEAD, times: Number.POSITIVE_INFINITY })
    await durably(a, 20, 'headless')
    server.faults.clear()
    const cairn = await survivors(a)
    await expectFiles(await Cairn.open({ home: hosts[1].home, via: 'server' }), 20, 'limited')
    await expectFiles(cairn, 20, 'headless')
  })

  it('stays so when its server is killed, and holds whole blocks and what a program writes with O_SYNC', async () => {
    const a = await mounted()
    await a.killServer()
    await durably(a, 5)
    expect(JSON.parse(await a.must('status', 'w', '--json')).volumes[0].remote.durability).toBe('remote')
    const big = Buffer.alloc(400_000, 'block; ')
    const handle = await open(join(a.mountpoint, 'big'), 'w')
    await handle.write(big)
    await handle.sync()
    await handle.close()
    const synced = await open(join(a.mountpoint, 'synced'), constants.O_CREAT | constants.O_WRONLY | constants.O_SYNC)
    await synced.write('s')
    await synced.close()
    const cairn = await survivors(a)
    const volume = await cairn.open('w')
    expect((await volume.fs.promises.readFile('/big')).equals(big)).toBe(true)
    expect(await volume.fs.promises.readFile('/synced', 'utf8')).toBe('s')
    await expectFiles(cairn, 5)
  })

  it('fails with EIO while the bucket is away, keeps the change, and goes on when it is back', async () => {
    const a = await mounted()
    const { endpoint } = server
    await server.close()
    const handle = await open(join(a.mountpoint, 'away'), 'w')
    await handle.write('a')
    await expect(handle.sync()).rejects.toMatchObject({ code: 'EIO' })
    expect(await readFile(join(a.mountpoint, 'away'), 'utf8')).toBe('a')
    expect(JSON.parse(await a.must('status', 'w', '--json')).volumes[0].remote.unpublishedBytes).toBeGreaterThan(0)
    const objects = server.buckets
    server = new S3Server({ port: Number(new URL(endpoint).port) })
    for (const [name, bucket] of objects) server.buckets.set(name, bucket)
    await server.start()
    await handle.sync()
    await handle.close()
    const volume = await (await survivors(a)).open('w')
    expect(await volume.fs.promises.readFile('/away', 'utf8')).toBe('a')
    expect(await volume.fs.promises.readFile('/first-0', 'utf8')).toBe('content of first-0')
  })

  it('is refused for a volume of this home, and for a level that there is not', async () => {
    const a = await host()
    await a.must('init', 'own')
    const own = await a.cairn('mount', 'own', a.mountpoint, '--durability', 'remote')
    expect(own).toMatchObject({ code: 2 })
    expect(own.output.trim().split('\n')).toHaveLength(1)
    expect(own.output).toContain('no other host reaches')
    expect(await a.cairn('mount', 'w', a.mountpoint, '--durability', 'both')).toMatchObject({ code: 2 })
    await a.must('mount', 'w', a.mountpoint)
    const again = await a.cairn('mount', 'w', a.mountpoint, '--durability', 'remote')
    expect(again).toMatchObject({ code: 1 })
    expect(again.output).toContain('durability local')
  })
})

describe('a program whose commits are durable in the bucket', () => {
  it('has transactions, batches and checkpoints there when they resolve', async () => {
    const a = await host()
    // A server of its own, which does not share this thread.
    const cairn = await Cairn.open({ home: a.home, via: 'server', durability: 'remote' })
    const volume = await cairn.open('w')
    await volume.fs.promises.writeFile('/first', 'f', { flush: true })
    server.resetCounts()
    await volume.transaction(async tx => {
      for (let i = 0; i < 10; i++) await tx.writeFile(`/in-tx-${i}`, `${i}`)
    })
    const afterOne = logObjects().length
    await volume.batch([{ op: 'put', path: '/put', text: 'p' }])
    await volume.checkpoint('kept')
    expect(afterOne).toBeGreaterThanOrEqual(1)
    const file = await volume.fs.promises.open('/synced', constants.O_CREAT | constants.O_WRONLY | constants.O_SYNC)
    await file.write('s')
    await file.close()
    // Without a mount there is nothing to unmount: the server is killed as it is.
    const there = await (await survivors(a)).open('w')
    expect((await there.fs.promises.readdir('/')).length).toBe(13)
    expect((await there.checkpoints()).map(({ name }) => name)).toEqual(['kept'])
    await cairn.close().catch(() => undefined)
  })
})

import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StatusReport } from '../src/sdk/types.js'
import { TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import { isAlive, until, whyNoMount } from './support/mounted-home.js'
import { NetHost, whyNoNetwork } from './support/net-host.js'

let server: S3Server
let hosts: NetHost[]

beforeEach(async () => {
  server = await new S3Server({ host: '0.0.0.0' }).start()
  hosts = []
})

afterEach(async () => {
  for (const host of hosts) await host.end()
  await server.close()
})

/** Nothing here may block: the server of the bucket runs in this process. */
async function host(): Promise<NetHost> {
  const made = new NetHost(hosts.length + 1, { ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000' })
  hosts.push(made)
  const endpoint = `http://${made.gateway}:${new URL(server.endpoint).port}`
  await made.must('init', 'w', '--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', endpoint, '--path-style')
  return made
}

async function status(on: NetHost): Promise<StatusReport['volumes'][number]> {
  return (JSON.parse(await on.must('status', 'w', '--json')) as StatusReport).volumes[0]
}

const why = whyNoMount() ?? whyNoNetwork()

describe.skipIf(why !== undefined)(`two hosts with networks of their own${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  it('share a volume; one is cut off, overtaken, killed while it publishes, and gets its work back', async () => {
    const [a, b] = [await host(), await host()]
    await a.mount()
    await mkdir(join(a.mountpoint, 'src'))
    for (let i = 0; i < 20; i++) await writeFile(join(a.mountpoint, 'src', `${i}`), `${i}\n`.repeat(5000))
    await a.must('unmount', 'w')
    await a.must('lease', 'release', 'w')

    // Written there, read here.
    await b.mount()
    for (let i = 0; i < 20; i++) expect(await readFile(join(b.mountpoint, 'src', `${i}`), 'utf8')).toBe(`${i}\n`.repeat(5000))
    await writeFile(join(b.mountpoint, 'by-b'), 'b')
    await b.must('unmount', 'w')
    await b.must('lease', 'release', 'w')

    // The cable is pulled in the middle of work.
    await a.mount()
    expect(await readFile(join(a.mountpoint, 'by-b'), 'utf8')).toBe('b')
    await writeFile(join(a.mountpoint, 'published'), 'p')
    await a.must('flush', 'w')
    a.unplug()
    const cutOff = randomBytes(100_000).toString('hex')
    await writeFile(join(a.mountpoint, 'cut-off'), cutOff)
    expect(await readFile(join(a.mountpoint, 'published'), 'utf8')).toBe('p')
    const failed = await a.cairn('flush', 'w', '--timeout', '1s')
    expect(failed.code).toBe(1)
    expect(failed.output).toMatch(/cannot be reached|has not taken all of it in this time/)
    expect((await status(a)).remote?.unpublishedBytes).toBeGreaterThan(100_000)

    // Another host takes the volume over.
    const refused = await b.cairn('mount', 'w', b.mountpoint)
    expect(refused.code).toBe(1)
    expect(refused.output).toMatch(/^cairn: The volume w is written by .* since/)
    await b.must('mount', 'w', b.mountpoint, '--steal', '--force')
    expect(await readFile(join(b.mountpoint, 'published'), 'utf8')).toBe('p')
    await writeFile(join(b.mountpoint, 'after-the-steal'), 's')
    await b.must('flush', 'w')

    // The first one comes back, and is killed while it publishes.
    server.faults.add({ kind: 'delay', delayMs: 60_000, operation: 'PutObject', key: /^agents\/packs\//, times: 100 })
    server.resetCounts()
    a.plugIn()
    await until(() => (server.faults.struck.get('delay') ?? 0) > 0)
    const { supervisor, server: pid } = a.pids()
    process.kill(supervisor, 'SIGKILL')
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid) && !isAlive(supervisor))
    server.faults.clear()
    await a.must('unmount', '--force', a.mountpoint)

    // What it had acknowledged and not published is a volume of its own.
    expect(await a.must('recover', 'w')).toContain('w-recovered is w as this host had it')
    expect(await a.must('cat', 'w-recovered:/cut-off')).toBe(cutOff)
    await b.must('unmount', 'w')
    await b.must('lease', 'release', 'w')
    expect(await a.must('ls', 'w:/')).toBe('after-the-steal\nby-b\npublished\nsrc\n')
    await a.must('merge', 'w-recovered')
    expect(await a.must('ls', 'w:/')).toBe('after-the-steal\nby-b\ncut-off\npublished\nsrc\n')
    for (const one of [a, b]) expect(await one.must('fsck', 'w')).toContain('all is well')
    expect(await b.must('cat', 'w:/cut-off')).toBe(cutOff)
  })
})

import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/index.js'
import { TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import type { RemoteStatus } from '../src/volume/api.js'
import { MountedHome, pause, whyNoMount } from './support/mounted-home.js'

let server: S3Server
let hosts: MountedHome[]

beforeEach(async () => {
  server = await new S3Server().start()
  hosts = []
})

afterEach(async () => {
  for (const host of hosts) await host.end()
  await server.close()
})

/** Nothing here may block: the server of the bucket runs in this process. */
async function host(env: Record<string, string> = {}): Promise<MountedHome> {
  const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000', ...env })
  hosts.push(made)
  await made.must('init', 'w', '--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', server.endpoint, '--path-style')
  return made
}

async function remote(on: MountedHome): Promise<RemoteStatus> {
  return (JSON.parse(await on.must('status', 'w', '--json')) as { volumes: Array<{ remote: RemoteStatus }> }).volumes[0].remote
}

/** Asks until it is so; the test's own time limit ends it. A command for each question would be most of what this costs. */
async function untilRemote(on: MountedHome, isSo: (status: RemoteStatus) => boolean): Promise<void> {
  const cairn = await Cairn.open({ home: on.home, via: 'server' })
  try {
    while (!isSo((await cairn.status('w')).volumes[0].remote as RemoteStatus)) await pause(100)
  } finally {
    await cairn.close()
  }
}

/** Nothing that becomes smaller. */
const content = (i: number): Buffer => createHash('shake256', { outputLength: 300_000 }).update(`${i}`).digest()

const why = whyNoMount()

describe.skipIf(why !== undefined)(`a store that is out of reach${why === undefined ? '' : ` (skipped: ${why})`}`, { timeout: 300_000 }, () => {
  it.each(['hang', 'lost', 'error'] as const)(
    'answers with %s: what is cached is read, writes go on, the rest fails at once, and it catches up by itself',
    async kind => {
      const a = await host()
      await a.mount()
      for (let i = 0; i < 12; i++) await writeFile(join(a.mountpoint, `${i}`), content(i))
      await a.must('flush', 'w')
      await a.must('unmount', 'w')
      await a.must('lease', 'release', 'w')

      const b = await host()
      await b.must('init', 'own')
      await b.mount()
      const own = join(b.folder, 'own')
      await b.must('mount', 'own', own)
      expect((await readFile(join(b.mountpoint, '0'))).equals(content(0))).toBe(true)
      server.faults.add({ kind, times: Number.POSITIVE_INFINITY })
      // One of these waits for the store, and all others hear at once that it is away.
      // What lies behind what was read has come with it.
      for (let i = 5; i < 12; i++) await expect(readFile(join(b.mountpoint, `${i}`)).then(() => i)).rejects.toMatchObject({ code: 'EIO' })
      expect((await readFile(join(b.mountpoint, '0'))).equals(content(0))).toBe(true)
      await writeFile(join(b.mountpoint, 'meanwhile'), 'm')
      await writeFile(join(own, 'meanwhile'), 'o')
      const { code, output } = await b.cairn('flush', 'w', '--timeout', '1s')
      expect(code).toBe(1)
      expect(output).toMatch(/^cairn: .*(cannot be reached|does not answer|failed: it answered 500)/)
      expect(await remote(b)).toMatchObject({ unpublishedBytes: expect.any(Number), problem: expect.stringMatching(/s3:\/\/bucket\/agents/) })
      expect(b.log()).toMatch(/What is cached can be read, and changes wait here/)
      // Named in one line each, not by a stack.
      expect(b.log()).not.toMatch(/^\s+at /m)

      server.faults.clear()
      await untilRemote(b, ({ unpublishedBytes, problem }) => unpublishedBytes === 0 && problem === undefined)
      for (let i = 1; i < 12; i++) expect((await readFile(join(b.mountpoint, `${i}`))).equals(content(i))).toBe(true)
      expect(b.log()).toContain('s3://bucket/agents answers again')
      await b.must('unmount', 'own')
      await b.must('unmount', 'w')
      await b.must('lease', 'release', 'w')
      expect(await a.must('cat', 'w:/meanwhile')).toBe('m')
    },
  )

  it('bounds what waits: then writers get ENOSPC, reads go on, and all that was acknowledged arrives', async () => {
    const a = await host({ CAIRN_BACKLOG_SIZE: '4M' })
    await a.mount()
    await writeFile(join(a.mountpoint, 'before'), 'b')
    await a.must('flush', 'w')
    server.faults.add({ kind: 'lost', times: Number.POSITIVE_INFINITY })
    await writeFile(join(a.mountpoint, 'waits'), 'w')
    expect((await a.cairn('flush', 'w', '--timeout', '1s')).code).toBe(1)
    let whole = 0
    let refused: NodeJS.ErrnoException | undefined
    while (refused === undefined) {
      await writeFile(join(a.mountpoint, `f${whole}`), content(whole)).then(
        () => whole++,
        (error: NodeJS.ErrnoException) => {
          refused = error
        },
      )
    }
    expect(refused.code).toBe('ENOSPC')
    expect(whole).toBeGreaterThan(4)
    expect(whole).toBeLessThan(15)
    await expect(writeFile(join(a.mountpoint, 'small'), 's')).rejects.toMatchObject({ code: 'ENOSPC' })
    for (let i = 0; i < whole; i++) expect((await readFile(join(a.mountpoint, `f${i}`))).equals(content(i))).toBe(true)
    expect(await remote(a)).toMatchObject({ isFull: true, maxUnpublishedBytes: 4 * 2 ** 20 })
    expect((await remote(a)).unpublishedBytes).toBeLessThan(6 * 2 ** 20)
    expect(a.log()).toMatch(/changes of w fail with ENOSPC: \d+ bytes wait to be published to s3:\/\/bucket\/agents, and 4194304 may\. .*cannot be reached/)
    expect(await a.must('status', 'w')).toMatch(/changes fail with ENOSPC: no more than \S+ may wait/)

    server.faults.clear()
    await untilRemote(a, ({ unpublishedBytes }) => unpublishedBytes === 0)
    await writeFile(join(a.mountpoint, 'after'), 'a')
    await a.must('flush', 'w')
    await a.must('unmount', 'w')
    await a.must('lease', 'release', 'w')
    const b = await host()
    expect(await b.must('cat', 'w:/after')).toBe('a')
    for (let i = 0; i < whole; i++) {
      await b.must('cp', `w:/f${i}`, join(b.scratch, 'back'))
      expect((await readFile(join(b.scratch, 'back'))).equals(content(i))).toBe(true)
    }
  })

  it('keeps a server alive until all is published, although nobody uses it', async () => {
    const a = await host({ CAIRN_IDLE_MS: '300' })
    await a.mount()
    await a.must('flush', 'w')
    server.faults.add({ kind: 'lost', times: Number.POSITIVE_INFINITY })
    await writeFile(join(a.mountpoint, 'late'), 'l')
    await a.must('unmount', 'w')
    const { server: pid } = a.pids()
    await pause(1500)
    expect(a.pids().server).toBe(pid)
    server.faults.clear()
    while (a.log().includes('ended') === false) await pause(100)
    const b = await host()
    expect(await b.must('cat', 'w:/late')).toBe('l')
  })

  it('a command without a server keeps what it changed, says so, and the next one publishes it', async () => {
    const a = await host()
    await a.must('write', 'w:/before', 'b')
    server.faults.add({ kind: 'lost', times: Number.POSITIVE_INFINITY })
    const { code, output } = await a.cairn('write', 'w:/meanwhile', 'm')
    expect(code).toBe(1)
    expect(output).toMatch(/cannot be reached/)
    server.faults.clear()
    await a.must('write', 'w:/after', 'a')
    const b = await host()
    expect(await b.must('ls', 'w:/')).toBe('after\nbefore\n')
  })
})

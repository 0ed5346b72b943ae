import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as timeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import { MountedHome, whyNoMount } from './support/mounted-home.js'

/** Longer than any of this takes; lowered again when enough was seen. */
const FAR_MS = 20_000

let server: S3Server
let hosts: MountedHome[]
let far: string
let near: string
const content = Buffer.from(Array.from({ length: 900_000 }, (_, i) => (i * 7919) % 251))

function host(): MountedHome {
  const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000' })
  hosts.push(made)
  return made
}

const init = (on: MountedHome): Promise<string> =>
  on.must('init', 'far', '--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', server.endpoint, '--path-style')

/** Nothing here may block: the server of the bucket runs in this process. One server has two mounts, of a volume in the bucket and of one of its own. */
beforeEach(async () => {
  server = await new S3Server().start()
  hosts = []
  const [writer, reader] = [host(), host()]
  await init(writer)
  writeFileSync(join(writer.scratch, 'file'), content)
  await writer.must('cp', join(writer.scratch, 'file'), 'far:/file')
  await init(reader)
  await reader.must('init', 'near')
  far = reader.mountpoint
  near = join(reader.folder, 'near')
  mkdirSync(near)
  await reader.must('mount', 'near', near)
  await reader.must('mount', 'far', far)
  server.latencyMs = FAR_MS
})

afterEach(async () => {
  server.hurry()
  await hosts[1].must('unmount', near)
  for (const host of hosts) await host.end()
  await server.close()
})

const sent = (): number => server.counts.get('GetObject')?.bytesOut ?? 0

/** When the server was asked for something that it holds back. */
async function asked(before: number): Promise<void> {
  while (server.requests('GetObject') === before) await timeout(5)
}

describe.skipIf(whyNoMount() !== undefined)('a mount of a volume elsewhere', () => {
  it('lets other mounts, and what is here of its own, go on while it waits for the store', async () => {
    const before = sent()
    const requests = server.requests('GetObject')
    let isRead = false
    const reading = readFile(join(far, 'file')).then(bytes => {
      isRead = true
      return bytes
    })
    await asked(requests)
    await mkdir(join(near, 'folder'))
    for (let i = 0; i < 20; i++) await writeFile(join(near, 'folder', `${i}`), `${i}`)
    expect((await readdir(join(near, 'folder'))).length).toBe(20)
    expect(await readdir(far)).toEqual(['file'])
    await writeFile(join(far, 'new'), 'new')
    expect(await readFile(join(far, 'new'), 'utf8')).toBe('new')
    expect(isRead).toBe(false)
    expect(sent()).toBe(before)
    server.hurry()
    expect((await reading).equals(content)).toBe(true)
    await rm(join(far, 'new'))
  })

  it('lets go of a program that is killed while it waits', async () => {
    const before = sent()
    const requests = server.requests('GetObject')
    const cat = spawn('cat', [join(far, 'file')], { stdio: 'ignore' })
    const ended = once(cat, 'exit')
    await asked(requests)
    cat.kill('SIGKILL')
    await ended
    expect(sent()).toBe(before)
    server.hurry()
    expect((await readFile(join(far, 'file'))).equals(content)).toBe(true)
  })
})

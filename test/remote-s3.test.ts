import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { S3Server, TEST_CREDENTIALS } from '../src/testing/object-server/s3-server.js'
import { useBucket } from './support/bucket-hosts.js'
import { type MountedHome, run, whyNoMount } from './support/mounted-home.js'

const bucket = useBucket()
const { host, cairn, must } = bucket

const init = (on: MountedHome): Promise<string> => must(on, 'init', 'w', ...bucket.store('agents'))

const sh = async (cwd: string, command: string): Promise<string> => {
  const { code, output } = await run('/bin/sh', ['-ec', command], { cwd })
  expect(code, `${command}: ${output}`).toBe(0)
  return output
}

/** Contents of all files below a folder. */
function everything(folder: string): Buffer[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(item => (item.isFile() ? [readFileSync(join(item.parentPath, item.name))] : []))
}

describe('a volume in a bucket', () => {
  it('is used by one host and then by the next, without a trace of the credentials', async () => {
    const [a, b] = [host(), host()]
    expect(await init(a)).toContain('Created the volume w in s3://bucket/agents')
    await must(a, 'mkdir', 'w:/notes')
    await must(a, 'write', 'w:/notes/plan.txt', 'the plan')
    await must(a, 'checkpoint', 'save', 'w', 'first')
    await must(a, 'fork', 'w', 'try')
    await must(a, 'write', 'try:/notes/plan.txt', 'another plan')
    await must(a, 'merge', 'try')
    expect(await init(b)).toContain('attached')
    expect(await must(b, 'cat', 'w:/notes/plan.txt')).toBe('another plan\n')
    expect(await must(b, 'cat', 'w@first:/notes/plan.txt')).toBe('the plan\n')
    await must(b, 'fsck', 'w')
    expect(JSON.parse(await must(b, 'status', 'w', '--json')).volumes[0].remote).toMatchObject({ unpublishedBytes: 0, isWriter: false })
    const secret = TEST_CREDENTIALS.secretAccessKey
    for (const text of bucket.said) expect(text).not.toContain(secret)
    for (const one of bucket.hosts) for (const bytes of everything(one.home)) expect(bytes.includes(secret)).toBe(false)
    for (const { body } of bucket.server.buckets.get('bucket')?.objects.values() ?? []) expect(body.slice().includes(secret)).toBe(false)
  })

  it.skipIf(whyNoMount() !== undefined)('is mounted on two hosts in turn, and its writer is killed in between', async () => {
    const [a, b] = [host(), host()]
    await init(a)
    await init(b)
    await must(a, 'mount', 'w', a.mountpoint)
    await mkdir(join(a.mountpoint, 'src'))
    for (let i = 0; i < 100; i++) await writeFile(join(a.mountpoint, 'src', `${i}.txt`), `file ${i}\n`.repeat(i * 20))
    await sh(a.mountpoint, 'git init -q . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm first')
    const refused = await cairn(b, 'mount', 'w', b.mountpoint)
    expect(refused.code).toBe(1)
    expect(refused.output).toMatch(/is written by .* since/)
    process.kill(a.pids().server, 'SIGKILL')
    await sh(a.mountpoint, 'git status --porcelain && echo more > more.txt')
    await must(a, 'flush', 'w')
    expect(await must(a, 'status', 'w')).toMatch(/all is published.*; written by this host, epoch \d+/)
    expect(await must(a, 'lease', 'steal', 'w')).toContain('This host writes w already.')
    await must(a, 'unmount', 'w')
    await must(a, 'lease', 'release', 'w')
    await must(b, 'mount', 'w', b.mountpoint)
    expect(await sh(b.mountpoint, 'git fsck --strict && git status --porcelain')).toContain('?? more.txt')
    for (let i = 0; i < 100; i++) expect(await readFile(join(b.mountpoint, 'src', `${i}.txt`), 'utf8')).toBe(`file ${i}\n`.repeat(i * 20))
    await must(b, 'unmount', 'w')
  })

  it.skipIf(whyNoMount() !== undefined)('goes on while the bucket is out of reach, says so, and catches up', async () => {
    const [a, b] = [host(), host()]
    await init(a)
    await must(a, 'mount', 'w', a.mountpoint)
    await writeFile(join(a.mountpoint, 'before'), 'b')
    await must(a, 'flush', 'w')
    const { endpoint } = bucket.server
    await bucket.server.close()
    await writeFile(join(a.mountpoint, 'meanwhile'), 'm')
    expect(await readFile(join(a.mountpoint, 'before'), 'utf8')).toBe('b')
    const failed = await cairn(a, 'flush', 'w', '--timeout', '2s')
    expect(failed.code).toBe(1)
    expect(failed.output).toMatch(/cannot be reached/)
    const { remote } = JSON.parse(await must(a, 'status', 'w', '--json')).volumes[0]
    expect(remote.unpublishedBytes).toBeGreaterThan(0)
    expect(remote.problem).toMatch(/cannot be reached/)
    const objects = bucket.server.buckets
    bucket.server = new S3Server({ port: Number(new URL(endpoint).port) })
    for (const [name, one] of objects) bucket.server.buckets.set(name, one)
    await bucket.server.start()
    await must(a, 'flush', 'w')
    expect(JSON.parse(await must(a, 'status', 'w', '--json')).volumes[0].remote.unpublishedBytes).toBe(0)
    await must(a, 'unmount', 'w')
    await must(a, 'lease', 'release', 'w')
    await init(b)
    expect(await must(b, 'cat', 'w:/meanwhile')).toBe('m')
  })

  it('loses nothing when the cache is deleted, and heals one that is damaged', async () => {
    const a = host()
    await init(a)
    const content = randomBytes(400_000)
    writeFileSync(join(a.scratch, 'file'), content)
    await must(a, 'cp', join(a.scratch, 'file'), 'w:/file')
    const stores = join(a.home, 'stores')
    const [id] = readdirSync(stores)
    const cache = join(stores, id, 'cache')
    rmSync(cache, { recursive: true })
    await must(a, 'cp', 'w:/file', join(a.scratch, 'back'))
    expect(readFileSync(join(a.scratch, 'back')).equals(content)).toBe(true)
    for (const item of readdirSync(cache, { recursive: true, withFileTypes: true })) {
      if (!item.isFile()) continue
      const path = join(item.parentPath, item.name)
      const bytes = readFileSync(path)
      for (let at = 64; at < bytes.length; at += 5000) bytes[at] ^= 0xff
      writeFileSync(path, bytes)
    }
    await must(a, 'cp', 'w:/file', join(a.scratch, 'again'))
    expect(readFileSync(join(a.scratch, 'again')).equals(content)).toBe(true)
    expect(existsSync(cache)).toBe(true)
  })

  it('keeps no more of it in the cache than it may', async () => {
    const a = host({ CAIRN_CACHE_SIZE: '1M' })
    await init(a)
    const contents = Array.from({ length: 4 }, () => randomBytes(1_500_000))
    for (let i = 0; i < 4; i++) {
      writeFileSync(join(a.scratch, 'file'), contents[i])
      await must(a, 'cp', join(a.scratch, 'file'), `w:/file-${i}`)
    }
    for (let i = 0; i < 4; i++) {
      await must(a, 'cp', `w:/file-${i}`, join(a.scratch, 'back'))
      expect(readFileSync(join(a.scratch, 'back')).equals(contents[i])).toBe(true)
    }
    const { cache } = JSON.parse(await must(a, 'status', 'w', '--json')).volumes[0].remote
    expect(cache.maxBytes).toBe(2 ** 20)
    const [id] = readdirSync(join(a.home, 'stores'))
    const onDisk = everything(join(a.home, 'stores', id, 'cache')).reduce((sum, bytes) => sum + bytes.length, 0)
    expect(onDisk).toBeLessThanOrEqual(cache.bytes)
    expect(cache.bytes).toBeLessThanOrEqual(2 ** 20)
  })

  it('says in one sentence what is wrong with a store', async () => {
    const a = host()
    const missing = await cairn(a, 'init', 'w', '--store', 's3://nobody/x', '--region', 'us-east-1', '--endpoint', bucket.server.endpoint, '--path-style')
    expect(missing).toMatchObject({ code: 1 })
    expect(missing.output).toMatch(/^cairn: There is no bucket nobody/)
    const typo = await cairn(a, 'init', 'w', '--store', 's4://bucket/x')
    expect(typo.code).toBe(2)
    const both = await cairn(a, 'init', 'w', '--dev', '--store', 's3://bucket/x')
    expect(both).toMatchObject({ code: 2 })
    expect(both.output).toContain('contradict')
    for (const { output } of [missing, typo, both]) expect(output.trim().split('\n').length).toBe(1)
    expect(await must(a, 'volumes', '--json')).toContain('[]')
  })
})

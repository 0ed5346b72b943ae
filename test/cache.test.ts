import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cairn } from '../src/sdk/cairn.js'
import type { OpenVolume } from '../src/sdk/types.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import { MountedHome, type Result, whyNoMount } from './support/mounted-home.js'

const MIB = 2 ** 20
const dist = fileURLToPath(new URL('../dist', import.meta.url))
let server: S3Server
let hosts: MountedHome[]
let open: Cairn[]
let restore: () => void

beforeEach(async () => {
  restore = cloudEnvironment(TEST_VARIABLES)
  server = await new S3Server().start()
  hosts = []
  open = []
})

afterEach(async () => {
  for (const cairn of open) await cairn.close()
  for (const host of hosts) await host.end()
  await server.close()
  restore()
})

/** Nothing here may block: the server of the bucket runs in this process. */
function host(env: Record<string, string> = {}): MountedHome {
  const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000', ...env })
  hosts.push(made)
  return made
}

const place = (): string[] => ['--store', 's3://bucket/agents', '--region', 'us-east-1', '--endpoint', server.endpoint, '--path-style']
const store = () => ({ store: 's3://bucket/agents', region: 'us-east-1', endpoint: server.endpoint, pathStyle: true })

/** The SDK of a program that uses the server of a home. */
async function sdk(on: MountedHome, via: 'server' | 'process' = 'server'): Promise<Cairn> {
  const cairn = await Cairn.open({ home: on.home, via })
  open.push(cairn)
  return cairn
}

async function volumeIn(on: MountedHome): Promise<{ cairn: Cairn; volume: OpenVolume }> {
  const cairn = await sdk(on)
  await cairn.ensureVolume({ name: 'w', ...store() })
  return { cairn, volume: await cairn.open('w') }
}

const cacheOf = (on: MountedHome): string => join(on.home, 'stores', readdirSync(join(on.home, 'stores'))[0], 'cache')
const json = async <T>(result: Promise<Result>): Promise<T> => JSON.parse((await result).output) as T

function diskOf(folder: string): number {
  let bytes = 0
  for (const item of readdirSync(folder, { recursive: true, withFileTypes: true }))
    bytes += (statSync(join(item.parentPath, item.name), { throwIfNoEntry: false })?.blocks ?? 0) * 512
  return bytes
}

describe('files of a volume in a bucket', () => {
  it('are read by ranges: what is asked for and not the file', async () => {
    const { cairn, volume } = await volumeIn(host())
    const big = randomBytes(24 * MIB)
    await volume.fs.promises.writeFile('/big', big)
    await volume.fs.promises.writeFile('/small', 'some text')
    await cairn.flush('w')
    await cairn.cache.clear()
    await volume.close()
    const again = await cairn.open('w')
    await again.fs.promises.stat('/big')
    server.resetCounts()
    expect((await again.readRange('/big', 5_000_000, 1000)).equals(big.subarray(5_000_000, 5_001_000))).toBe(true)
    expect(server.requests('GetObject')).toBeLessThanOrEqual(4)
    expect(server.total.bytesOut).toBeLessThanOrEqual(4 * 256 * 1024)
    server.resetCounts()
    expect((await again.readRange('/big', 5_000_100, 100)).equals(big.subarray(5_000_100, 5_000_200))).toBe(true)
    expect(server.requests('GetObject')).toBe(0)
    expect((await again.readRange('/big', 2 * MIB + 5, 3 * MIB)).equals(big.subarray(2 * MIB + 5, 5 * MIB + 5))).toBe(true)
    expect(server.total.bytesOut).toBeLessThanOrEqual(8 * MIB)
    expect((await again.readRange('/big', 24 * MIB - 10, 100)).equals(big.subarray(-10))).toBe(true)
    expect((await again.readRange('/big', 25 * MIB, 100)).length).toBe(0)
    expect((await again.readRange('/small', 5, 100)).toString()).toBe('text')
    await expect(again.readRange('/big', -1, 5)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    await expect(again.readRange('/big', 0, 1.5)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    await expect(again.readRange('/none', 0, 5)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('are brought near by folders and globs, and read without the store then', async () => {
    const { cairn, volume } = await volumeIn(host())
    const content = new Map<string, Buffer>()
    for (let i = 0; i < 300; i++) content.set(`/src/${i % 7}/${i}.txt`, randomBytes(i % 3 === 0 ? 90_000 : 40 * i))
    content.set('/data/big.bin', randomBytes(40 * MIB + 17))
    content.set('/other/not', randomBytes(MIB))
    for (const [path, bytes] of content) {
      await volume.fs.promises.mkdir(path.slice(0, path.lastIndexOf('/')), { recursive: true })
      await volume.fs.promises.writeFile(path, bytes)
    }
    await cairn.flush('w')
    await cairn.cache.clear()
    server.resetCounts()
    server.latencyMs = 20
    const said: number[] = []
    const result = await volume.prefetch(['/src', '/data/**/*.bin'], { onProgress: ({ bytes }) => said.push(bytes) })
    const wanted = [...content].filter(([path]) => !path.startsWith('/other'))
    const bytes = wanted.reduce((sum, [, one]) => sum + one.length, 0)
    expect(result).toMatchObject({ files: wanted.length, bytes })
    expect(result.fetchedBytes).toBeGreaterThan(bytes * 0.95)
    expect(said.at(-1)).toBe(bytes)
    expect(said.length).toBeGreaterThan(1)
    expect(server.peak).toBeGreaterThan(8)
    server.latencyMs = 0
    server.resetCounts()
    for (const [path, one] of wanted) expect((await volume.fs.promises.readFile(path)).equals(one), path).toBe(true)
    // What is read ahead behind the last of them, perhaps.
    expect(server.total.bytesOut).toBeLessThan(3 * MIB)
    expect(await volume.prefetch('/src')).toMatchObject({ files: 300, fetchedBytes: 0 })
    // A file that matches, and whose directory does, is one file.
    expect(await volume.prefetch(['/src/**', '/src', '/sr*'])).toMatchObject({ files: 300, fetchedBytes: 0 })
    expect(await volume.prefetch('/data/big.bin')).toEqual({ files: 1, bytes: 40 * MIB + 17, fetchedBytes: 0 })
    const big = 40 * MIB + 17
    const small = bytes - big
    expect(await volume.cached(['/src', '/data'])).toEqual({ files: wanted.length, bytes, cachedBytes: bytes })
    expect(await volume.uncache('/data/*.bin')).toEqual({ files: 1, bytes: big, deletedBytes: big })
    expect(await volume.cached('/data')).toEqual({ files: 1, bytes: big, cachedBytes: 0 })
    // What lay in the same chunks went with it; the rest did not.
    expect((await volume.cached('/src')).cachedBytes).toBeGreaterThan(small / 2)
    server.resetCounts()
    expect(await volume.cached('/')).toMatchObject({ files: content.size })
    expect(server.total.requests).toBe(0)
    expect((await volume.fs.promises.readFile('/data/big.bin')).equals(content.get('/data/big.bin') as Buffer)).toBe(true)
    expect(await volume.cached('/data')).toEqual({ files: 1, bytes: big, cachedBytes: big })
    await expect(volume.cached('/nothing')).rejects.toMatchObject({ code: 'ERR_PATH_UNKNOWN' })
    await volume.fs.promises.mkdir('/empty')
    expect(await volume.prefetch('/empty')).toEqual({ files: 0, bytes: 0, fetchedBytes: 0 })
    await expect(volume.prefetch('/nothing/*.x')).rejects.toMatchObject({ code: 'ERR_PATH_UNKNOWN' })
    await cairn.cache.limit('w', '8M')
    await expect(volume.prefetch('/data')).rejects.toMatchObject({ code: 'ERR_CACHE_FULL', message: expect.stringContaining('8 MiB') })
  })

  it('are files of this host for as long as a program wants them, with the content of that moment', async () => {
    const on = host()
    const { cairn, volume } = await volumeIn(on)
    await cairn.cache.limit('w', 12 * MIB)
    const before = randomBytes(6 * MIB + 123)
    await volume.fs.promises.writeFile('/big.bin', before)
    await cairn.flush('w')
    await cairn.cache.clear()
    const making = volume.materialize('/big.bin')
    const copy = await making
    await volume.fs.promises.writeFile('/big.bin', randomBytes(5 * MIB))
    expect(readFileSync(copy.path).equals(before)).toBe(true)
    expect(statSync(copy.path).mode & 0o777).toBe(0o600)
    expect(copy).toMatchObject({ sizeBytes: before.length, path: expect.stringMatching(/\/big\.bin$/) })
    expect(Buffer.from(await (await copy.blob()).arrayBuffer()).equals(before)).toBe(true)
    expect((await cairn.cache.stats())[0].pinned).toEqual({ files: 1, bytes: before.length })
    // Reading much more than there is room for takes it not away, nor does emptying the cache.
    await volume.fs.promises.writeFile('/more', randomBytes(20 * MIB))
    await cairn.flush('w')
    await volume.fs.promises.readFile('/more')
    await cairn.cache.clear('w')
    expect(readFileSync(copy.path).equals(before)).toBe(true)
    expect(diskOf(cacheOf(on))).toBeLessThanOrEqual(12 * MIB)
    await expect(volume.materialize('/more')).rejects.toMatchObject({ code: 'ERR_CACHE_FULL', message: expect.stringContaining('which takes 12 MiB') })
    await copy.release()
    await copy.release()
    expect(existsSync(copy.path)).toBe(false)
    expect((await cairn.cache.stats())[0].pinned.files).toBe(0)
    await expect(volume.materialize('/')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(volume.materialize('/none')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('are files of this host at a state of the past, by a version, with holes and links', async () => {
    const { cairn, volume } = await volumeIn(host())
    await volume.fs.promises.writeFile('/f', 'one')
    await volume.checkpoint('first')
    await volume.fs.promises.writeFile('/f', 'two')
    await volume.fs.promises.symlink('f', '/link')
    const holes = await volume.fs.promises.open('/holes', 'w')
    await holes.truncate(30 * MIB)
    await holes.write(Buffer.from('end'), 0, 3, 30 * MIB - 3)
    await holes.close()
    const past = await volume.at('first')
    const version = await volume.openVersion('/f', 1)
    const text = async (from: OpenVolume, path: string): Promise<string> => {
      const copy = await from.materialize(path)
      try {
        return readFileSync(copy.path, 'utf8')
      } finally {
        copy[Symbol.dispose]()
        expect(existsSync(copy.path)).toBe(false)
      }
    }
    expect(await text(past, '/f')).toBe('one')
    expect(await text(version, '/f')).toBe('one')
    expect(await text(volume, '/f')).toBe('two')
    expect(await text(volume, '/link')).toBe('two')
    const copy = await volume.materialize('/holes')
    expect(statSync(copy.path)).toMatchObject({ size: 30 * MIB })
    expect(statSync(copy.path).blocks * 512).toBeLessThanOrEqual(2 * MIB)
    expect(readFileSync(copy.path).subarray(-3).toString()).toBe('end')
    await copy[Symbol.asyncDispose]()
    await past.close()
    await version.close()
    await cairn.close()
  })

  it('are read so by a reader too, and from an encrypted store, whose cache shows nothing of them', async () => {
    const [a, b] = [host(), host()]
    const secret = Buffer.from('nobody may read this in a cache; '.repeat(8000))
    for (const on of [a, b]) writeFileSync(join(on.scratch, 'key'), '5a'.repeat(32), { mode: 0o600 })
    const keyed = (on: MountedHome): object => ({ ...store(), store: 's3://bucket/safe', keyFile: join(on.scratch, 'key') })
    const writer = await sdk(a)
    await writer.createVolume({ name: 's', ...keyed(a), encrypt: true })
    const written = await writer.open('s')
    await written.fs.promises.writeFile('/secret', secret)
    await writer.flush('s')
    const reader = await sdk(b)
    await reader.ensureVolume({ name: 's', ...keyed(b) })
    const volume = await reader.open('s', { mode: 'readonly' })
    expect(await volume.prefetch('/')).toMatchObject({ files: 1, bytes: secret.length })
    expect((await volume.readRange('/secret', 33, 33)).equals(secret.subarray(33, 66))).toBe(true)
    const copy = await volume.materialize('/secret')
    // What it is now stays what it is, whatever the writer does and the reader sees.
    await written.fs.promises.writeFile('/secret', 'other')
    await writer.flush('s')
    await reader.refresh('s')
    expect((await volume.readRange('/secret', 0, 10)).toString()).toBe('other')
    expect(readFileSync(copy.path).equals(secret)).toBe(true)
    await copy.release()
    for (const on of [a, b]) {
      const files = readdirSync(join(on.home, 'stores'), { recursive: true, withFileTypes: true }).filter(item => item.isFile())
      expect(files.length).toBeGreaterThan(2)
      for (const item of files) expect(readFileSync(join(item.parentPath, item.name)).includes('nobody may read')).toBe(false)
    }
  })

  it('leave nothing on the disk when a program with files of them is killed', async () => {
    const on = host()
    await on.must('init', 'w', ...place())
    await on.must('init', 'here')
    for (const name of ['w', 'here']) await on.must('write', `${name}:/f`, 'text')
    const program = `
      import { Cairn } from ${JSON.stringify(join(dist, 'index.js'))}
      const cairn = await Cairn.fromEnv()
      for (const name of ['w', 'here']) {
        const volume = await cairn.open(name)
        console.log((await volume.materialize('/f')).path)
      }
      if (process.argv[2] === 'end') process.exit()
      setInterval(() => {}, 1000)`
    writeFileSync(join(on.scratch, 'program.mjs'), program)
    const start = async (how: string): Promise<{ paths: string[]; over: (signal?: NodeJS.Signals) => Promise<void> }> => {
      const child = spawn(process.execPath, [join(on.scratch, 'program.mjs'), how], { env: on.env, stdio: ['ignore', 'pipe', 'inherit'] })
      const paths: string[] = []
      for await (const text of child.stdout) {
        paths.push(...String(text).trim().split('\n'))
        if (paths.length === 2) break
      }
      const over = async (signal?: NodeJS.Signals): Promise<void> => {
        if (signal !== undefined) child.kill(signal)
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      }
      return { paths, over }
    }
    const killed = await start('stay')
    expect(killed.paths.map(path => readFileSync(path, 'utf8'))).toEqual(['text\n', 'text\n'])
    await killed.over('SIGKILL')
    const stats = await json<Array<{ pinned: { files: number } }>>(on.cairn('cache', 'stats', '--json'))
    expect(stats[0].pinned.files).toBe(0)
    for (const path of killed.paths) expect(existsSync(path), path).toBe(false)
    const ended = await start('end')
    await ended.over()
    for (const path of ended.paths) expect(existsSync(path), path).toBe(false)
  })

  it.skipIf(whyNoMount() !== undefined)('are read through a mount while the cache is deleted again and again, and by no more than the bound', async () => {
    const on = host()
    await on.must('init', 'w', ...place())
    const content = randomBytes(6 * MIB)
    writeFileSync(join(on.scratch, 'file'), content)
    await on.must('cp', join(on.scratch, 'file'), 'w:/file')
    await on.must('mount', 'w', on.mountpoint, '--cache-size', '4M')
    const cache = cacheOf(on)
    let deleted = 0
    let most = 0
    const reading = (async () => {
      for (let i = 0; i < 8; i++) {
        // Past the page cache of the kernel: each is another file for it.
        await on.must('cp', 'w:/file', `w:/copy-${i}`)
        expect((await readFile(join(on.mountpoint, `copy-${i}`))).equals(content)).toBe(true)
      }
    })()
    let isOver = false
    void reading.finally(() => {
      isOver = true
    })
    while (!isOver) {
      most = Math.max(most, existsSync(cache) ? diskOf(cache) : 0)
      await rm(cache, { recursive: true, force: true, maxRetries: 5 })
      deleted++
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    await reading
    expect(deleted).toBeGreaterThan(5)
    await on.must('flush', 'w')
    expect(most).toBeLessThanOrEqual(4 * MIB)
    await on.must('fsck', 'w')
    await on.must('unmount', 'w')
  })
})

describe('a store that was replaced', () => {
  it('is noticed, nothing of this host is written to it, and it can be used beside the old one', async () => {
    const [a, b] = [host(), host()]
    await a.must('init', 'w', ...place())
    await a.must('write', 'w:/f', 'of the old store')
    server.buckets.get('bucket')?.objects.clear()
    const gone = await a.cairn('cat', 'w:/f')
    expect(gone).toMatchObject({ code: 1, output: expect.stringMatching(/is not the store that this CAIRN_HOME knows: there is none any more/) })
    await b.must('init', 'w', ...place())
    await b.must('write', 'w:/f', 'of the new store')
    const before = [...(server.buckets.get('bucket')?.objects.keys() ?? [])].sort()
    for (const args of [
      ['cat', 'w:/f'],
      ['write', 'w:/g', 'x'],
      ['flush', 'w'],
      ['init', 'w', ...place()],
    ]) {
      const refused = await a.cairn(...args)
      expect(refused, args.join(' ')).toMatchObject({ code: 1, output: expect.stringMatching(/another one was made there since/) })
      expect(refused.output.trim().split('\n').length).toBe(1)
    }
    expect([...(server.buckets.get('bucket')?.objects.keys() ?? [])].sort()).toEqual(before)
    await a.must('init', 'w2', ...place())
    await a.must('write', 'w2:/f', 'beside it')
    expect(await a.must('cat', 'w2:/f')).toBe('beside it\n')
    expect((await json<unknown[]>(a.cairn('cache', 'stats', '--json'))).length).toBe(2)
    expect(await b.must('cat', 'w:/f')).toBe('of the new store\n')
  })
})

describe('cairn cache', () => {
  it('says, empties and fills, in words and as JSON', async () => {
    const on = host()
    await on.must('init', 'here')
    expect(await on.must('cache', 'stats')).toContain('there is no cache')
    await on.must('init', 'w', ...place())
    writeFileSync(join(on.scratch, 'file'), randomBytes(3 * MIB))
    await on.must('cp', join(on.scratch, 'file'), 'w:/file')
    const [stats] = await json<Array<Record<string, unknown>>>(on.cairn('cache', 'stats', 'w', '--json'))
    expect(stats).toMatchObject({ store: 's3://bucket/agents', volumes: ['w'], folder: cacheOf(on), maxBytes: 2 ** 30, unpublishedBytes: 0 })
    expect(stats['bytes']).toBeGreaterThan(3 * MIB)
    expect(await on.must('cache', 'stats')).toMatch(/s3:\/\/bucket\/agents: 3\.\d+MB of 1\.0GB in \d+ files, for w\n/)
    expect(await on.must('cache', 'clear')).toMatch(/s3:\/\/bucket\/agents: \d+ files deleted, 3\.\d+MB\n/)
    expect(diskOf(cacheOf(on))).toBeLessThan(64 * 1024)
    expect(await on.must('cache', 'prefetch', 'w:/f*')).toMatch(/^1 file with 3\.0MB are here; 3\.\d+MB were read from the store\.\n$/)
    expect(await json(on.cairn('cache', 'prefetch', 'w:/', '--json'))).toEqual({ files: 1, bytes: 3 * MIB, fetchedBytes: 0 })
    expect(await on.must('cache', 'stats', 'w:/file')).toBe('1 file with 3.0MB, of which 3.0MB are here.\n')
    expect(await on.must('cache', 'clear', 'w:/f*')).toBe('1 file: 3.0MB of 3.0MB deleted.\n')
    expect(await json(on.cairn('cache', 'stats', 'w:/', '--json'))).toEqual({ files: 1, bytes: 3 * MIB, cachedBytes: 0 })
    expect(await json(on.cairn('cache', 'stats', 'here', '--json'))).toEqual([])
    expect(await on.must('cache', 'clear', 'here')).toContain('no cache is needed')
    // What only this host has is here, and is not deleted.
    await on.must('cp', join(on.scratch, 'file'), 'here:/file')
    expect(await on.must('cache', 'stats', 'here:/')).toBe('1 file with 3.0MB, of which 3.0MB are here.\n')
    expect(await on.must('cache', 'clear', 'here:/')).toBe('1 file: 0B of 3.0MB deleted.\n')
    expect(await on.must('cache', 'stats', 'here:/')).toBe('1 file with 3.0MB, of which 3.0MB are here.\n')
    for (const [args, code, text] of [
      [['cache', 'prefetch', 'w:/none'], 1, /Nothing in w matches \/none/],
      [['cache', 'stats', 'nobody'], 1, /nobody/],
      [['cache', 'stats', 'w:/none'], 1, /Nothing in w matches \/none/],
      [['cache', 'clear', 'w:/none'], 1, /Nothing in w matches \/none/],
      [['cache', 'prefetch'], 2, /needs ADDRESS/],
      [['mount', 'here', on.mountpoint, '--cache-size', '1G'], 1, /has no cache/],
      [['mount', 'w', on.mountpoint, '--cache-size', 'much'], 2, /"much" is no size/],
    ] as const) {
      const result = await on.cairn(...args)
      expect(result, args.join(' ')).toMatchObject({ code, output: expect.stringMatching(text) })
      expect(result.output.trim().split('\n').length).toBe(1)
    }
  })

  it('keeps the size that was said last, for whoever comes without one', async () => {
    const on = host()
    await on.must('init', 'w', ...place())
    const sizeBy = async (env: Record<string, string> = {}): Promise<number> => {
      const one = new MountedHome({ ...on.env, ...env }, on.home)
      const [stats] = await json<Array<{ maxBytes: number }>>(one.cairn('cache', 'stats', '--json'))
      rmSync(one.folder, { recursive: true })
      return stats.maxBytes
    }
    const cairn = await sdk(on)
    await cairn.cache.limit('w', '5M')
    await cairn.close()
    expect(await sizeBy()).toBe(5 * MIB)
    await expect(cairn.cache.limit('w', 'x')).rejects.toMatchObject({ code: 'ERR_CACHE_SIZE' })
    await expect(Cairn.open({ home: on.home, cacheSize: -1 })).rejects.toMatchObject({ code: 'ERR_CACHE_SIZE' })
  })
})

describe('the bound of a cache', () => {
  it('holds while several processes fill it, and one of them is killed', async () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-bound-')))
    const folder = join(root, 'cache')
    mkdirSync(folder)
    const program = `
      import { randomBytes } from 'node:crypto'
      import { CacheSpace } from ${JSON.stringify(join(dist, 'store/remote/cache-space.js'))}
      const space = new CacheSpace(process.argv[2], 'aa')
      space.limit(8 * ${MIB})
      const me = process.argv[3]
      let kept = 0
      for (let i = 0; i < 400; i++) {
        if (space.keep('packs/' + (i % 5) + '/' + me + '-' + i + '~0', randomBytes(256 * 1024))) kept++
        if (i % 50 === 49) space.remove(['packs/4/' + me + '-49~0'])
      }
      console.log(kept)`
    writeFileSync(join(root, 'fill.mjs'), program)
    const fill = (me: string) => promisify(execFile)(process.execPath, [join(root, 'fill.mjs'), folder, me])
    const killed = spawn(process.execPath, [join(root, 'fill.mjs'), folder, 'killed'])
    let isOver = false
    const filling = Promise.all([fill('a'), fill('b'), fill('c')]).finally(() => {
      isOver = true
    })
    let most = 0
    while (!isOver) {
      most = Math.max(most, diskOf(folder))
      if (most > 4 * MIB) killed.kill('SIGKILL')
      await new Promise(resolve => setImmediate(resolve))
    }
    expect((await filling).map(({ stdout }) => Number(stdout))).toEqual([400, 400, 400])
    expect(most).toBeGreaterThan(4 * MIB)
    expect(most).toBeLessThanOrEqual(8 * MIB)
    rmSync(root, { recursive: true })
  })
})

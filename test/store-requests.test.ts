import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { type SpawnedS3, spawnS3Server } from '../src/testing/object-server/spawn.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

/** Requests of each workload as they were measured: more than a quarter over them is a mistake. Where there are fewer now, write that down. */
const RECORDED = {
  'make a volume': 65,
  'write 2,000 files and publish': 3,
  'change a file and publish': 2,
  'write 40 MiB and publish': 12,
  'let go of the volume': 2,
  'attach it on another host': 3,
  'open it and list its root': 4,
  'walk 2,000 files and read each': 16,
  'read 40 MiB in order': 26,
  'read 4 KiB here and there, 20 times': 20,
  'let go of it unchanged, and open it again': 4,
  'fork it': 8,
}

type Workload = keyof typeof RECORDED

let folder: string
let server: SpawnedS3
let location: StoreLocation
let restore: () => void

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-requests-'))
  restore = cloudEnvironment({ ...TEST_VARIABLES, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' })
  server = await spawnS3Server({ latencyMs: 10 })
  location = { kind: 's3', bucket: 'bucket', prefix: 'requests/', region: 'us-east-1', endpoint: server.endpoint, pathStyle: true }
})

afterAll(async () => {
  await server?.close()
  restore?.()
  rmSync(folder, { recursive: true, force: true })
})

/** A home that has read nothing yet. */
function host(name: string): Engine {
  return Engine.open({ home: join(folder, name) })
}

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

/** Bytes that no other block has. */
function content(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) buffer.writeInt32LE(Math.imul(at, 0x9e3779b1) ^ (at >>> 7), at)
  return buffer
}

async function counted<T>(what: Workload, work: () => T | Promise<T>): Promise<T> {
  await server.reset()
  const result = await work()
  const { counts } = await server.counts()
  const requests = Object.values(counts).reduce((sum, count) => sum + count.requests, 0)
  const said = `${what}: ${requests} requests ${JSON.stringify(Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count.requests])))}`
  if (process.env['CAIRN_SHOW_REQUESTS'] !== undefined) process.stderr.write(`${said}\n`)
  else expect(requests, said).toBeLessThanOrEqual(Math.floor(RECORDED[what] * 1.25))
  return result
}

const LARGE = 40 * 2 ** 20

async function write(engine: Engine): Promise<void> {
  await counted('make a volume', () => engine.attach('ws', location))
  const volume = engine.openVolume('ws')
  const fs = shape(volume)
  await counted('write 2,000 files and publish', async () => {
    for (let folder = 0; folder < 40; folder++) {
      fs.mkdirSync(`/${folder}`)
      for (let i = 0; i < 50; i++) fs.writeFileSync(`/${folder}/${i}`, content(1000 + folder * 50 + i))
    }
    volume.flush()
    await engine.publish(volume)
  })
  await counted('change a file and publish', async () => {
    fs.writeFileSync('/7/7', 'changed')
    volume.flush()
    await engine.publish(volume)
  })
  await counted('write 40 MiB and publish', async () => {
    fs.writeFileSync('/large', content(LARGE))
    volume.flush()
    await engine.publish(volume)
  })
  await counted('let go of the volume', () => volume.close())
}

async function read(engine: Engine): Promise<void> {
  await counted('attach it on another host', () => engine.attach('ws', location))
  let volume = await counted('open it and list its root', () => {
    const volume = engine.openVolume('ws')
    expect(shape(volume).readdirSync('/').length).toBe(41)
    return volume
  })
  const fs = shape(volume)
  await counted('walk 2,000 files and read each', () => {
    for (const folder of fs.readdirSync('/')) {
      if (folder === 'large') continue
      for (const name of fs.readdirSync(`/${folder}`)) {
        expect(fs.statSync(`/${folder}/${name}`).isFile()).toBe(true)
        fs.readFileSync(`/${folder}/${name}`)
      }
    }
  })
  await readLarge(fs)
  await counted('let go of it unchanged, and open it again', () => {
    volume.close()
    volume = engine.openVolume('ws')
    shape(volume).readdirSync('/')
  })
  await counted('fork it', () => engine.fork('ws', undefined, 'fork'))
  volume.close()
}

async function readLarge(fs: ReturnType<typeof shape>): Promise<void> {
  const file = fs.openSync('/large', 'r')
  const into = Buffer.alloc(2 ** 20)
  await counted('read 4 KiB here and there, 20 times', () => {
    for (let i = 0; i < 20; i++) fs.readSync(file, into, 0, 4096, ((i * 7) % 20) * 2 * 2 ** 20)
  })
  await counted('read 40 MiB in order', () => {
    const all = content(LARGE)
    for (let at = 0; at < LARGE; at += into.length) {
      fs.readSync(file, into, 0, into.length, at)
      expect(into.equals(all.subarray(at, at + into.length))).toBe(true)
    }
  })
  fs.closeSync(file)
}

it('asks a store for no more than it did', async () => {
  const a = host('a')
  await write(a)
  a.close()
  const b = host('b')
  await read(b)
  b.close()
})

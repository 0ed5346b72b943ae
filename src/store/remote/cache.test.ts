import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { MemoryStore } from '../memory/index.js'
import { PackCache, type Source } from './cache.js'
import { CacheSpace } from './cache-space.js'
import { ChunkFetcher } from './chunk-fetcher.js'
import { CHUNK_BYTES, groupFile } from './chunks.js'
import { Giver, Taker } from './hand-over.js'

const MIB = 2 ** 20
const KEY = 'packs/v/0'
const object = Buffer.from(Array.from({ length: 3 * MIB + 1000 }, (_, i) => (i * 7919 + (i >> 8)) % 251))
let root: string
let open: PackCache[]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cairn-cache-'))
  open = []
})

afterEach(() => {
  for (const cache of open) cache.close()
  spawnSync('umount', ['-l', join(root, 'disk')])
  rmSync(root, { recursive: true, force: true })
})

const folder = (): string => join(root, 'cache')

/** A cache over one object, and what it asked for. What is expected is there at once, as if the thread of a store had been fast. */
function host(options: { maxBytes?: number; folder?: string; onFetched?: () => void; arrived?: Taker } = {}) {
  const space = new CacheSpace(options.folder ?? folder(), 'aa')
  if (options.maxBytes !== undefined) space.limit(options.maxBytes)
  const asked: number[] = []
  const expected: number[] = []
  const partOf = (chunk: number): Buffer => object.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
  const keep = (chunk: number): boolean => space.keep(`${KEY}~${chunk.toString(36)}`, partOf(chunk))
  const source: Source = {
    arrived: options.arrived,
    fetch: (key, chunk, asBytes) => {
      if (key !== KEY) return -1
      asked.push(chunk)
      const bytes = partOf(chunk)
      if (asBytes === true || bytes.length === 0) return bytes.length === 0 ? 0 : bytes
      const kept = keep(chunk)
      options.onFetched?.()
      return kept ? bytes.length : bytes
    },
    expect: (_, first, count) => {
      expected.push(count)
      // That nothing comes ahead of time changes nothing but the time.
      if (options.onFetched !== undefined) return
      for (let chunk = first; chunk < first + count; chunk++) if (partOf(chunk).length > 0) keep(chunk)
    },
  }
  const cache = new PackCache(space, source)
  open.push(cache)
  return { cache, space, asked, expected }
}

function read(cache: PackCache, offset: number, length: number): Buffer {
  const into = Buffer.alloc(length)
  return into.subarray(0, cache.read(KEY, offset, into, 0, length))
}

/** Reads all of it, and whether it was right. */
function isWhole(cache: PackCache, step = 100_000): boolean {
  for (let at = 0; at < object.length; at += step) if (!read(cache, at, step).equals(object.subarray(at, at + step))) return false
  return true
}

/** Files that were deleted and are open in this process still. */
function heldOpen(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(root) && path.endsWith('(deleted)') ? [path] : []
    } catch {
      return []
    }
  })
}

describe('the cache of a store elsewhere', () => {
  it('asks once for what it keeps, and for more at once where somebody reads on', () => {
    const { cache, asked } = host()
    expect(isWhole(cache)).toBe(true)
    expect(asked.length).toBeLessThan(6)
    const before = asked.length
    expect(isWhole(cache)).toBe(true)
    expect(isWhole(host().cache)).toBe(true)
    expect(asked.length).toBe(before)
    expect(cache.stats.misses).toBe(before)
    expect(read(cache, object.length - 10, 100)).toEqual(object.subarray(-10))
    expect(cache.read('packs/v/none', 0, Buffer.alloc(10), 0, 10)).toBe(-1)
  })

  it('fetches no more ahead than there is room for', () => {
    const { cache, asked, expected } = host({ maxBytes: 2 * MIB })
    expect(isWhole(cache)).toBe(true)
    expect(Math.max(...expected)).toBeLessThanOrEqual(2)
    expect(asked.length).toBeLessThan(8)
    expect(cache.stats.bytes).toBeLessThanOrEqual(2 * MIB)
  })

  it('keeps what is used: by the time of the last use, which others see', () => {
    const { cache, space } = host({ maxBytes: 1.2 * MIB })
    for (const chunk of [0, 4, 8]) read(cache, chunk * CHUNK_BYTES, 10)
    const age = (chunk: number): number => statSync(join(folder(), `${KEY}~${chunk.toString(36)}`)).mtimeMs
    for (const chunk of [0, 4, 8]) utimesSync(join(folder(), `${KEY}~${chunk.toString(36)}`), chunk + 1, chunk + 1)
    // A process that comes later.
    const later = host().cache
    read(later, 0, 10)
    expect(age(0)).toBeGreaterThan(age(8))
    space.keep('packs/w/0~0', object.subarray(0, CHUNK_BYTES))
    space.keep('packs/w/0~1', object.subarray(0, CHUNK_BYTES))
    expect(readdirSync(join(folder(), 'packs/v'))).toEqual(['0~0', '0~8'])
  })

  it('reads on while it is deleted, also by chunks that were just brought', () => {
    let fetches = 0
    const { cache } = host({
      onFetched: () => {
        if (++fetches % 2 === 0) rmSync(folder(), { recursive: true, force: true })
      },
    })
    expect(isWhole(cache, 300_000)).toBe(true)
    expect(fetches).toBeGreaterThan(2)
    rmSync(folder(), { recursive: true, force: true })
    expect(isWhole(cache)).toBe(true)
  })

  it('reads on where the folder cannot be used, by one request for each chunk', () => {
    writeFileSync(folder(), 'a file in its place')
    const { cache, asked, expected } = host()
    expect(isWhole(cache, 8192)).toBe(true)
    expect(asked.length).toBe(13)
    expect(expected).toEqual([])
    rmSync(folder())
    // As soon as it can, it keeps and fetches ahead again.
    for (let i = 0; i < limits.cacheMemoryChunks; i++) cache.remember('packs/v/other', i, Buffer.alloc(1))
    expect(isWhole(cache, 8192)).toBe(true)
    expect(expected.length).toBeGreaterThan(0)
  })

  it.skipIf(process.getuid?.() !== 0)('reads on where the disk is full, and keeps again when there is room', () => {
    const disk = join(root, 'disk')
    mkdirSync(disk)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]).status).toBe(0)
    const { cache, asked } = host({ folder: join(disk, 'cache') })
    read(cache, 0, 10)
    try {
      for (let i = 0; ; i++) writeFileSync(join(disk, `ballast${i}`), Buffer.alloc(64 * 1024))
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
    }
    expect(isWhole(cache, 8192)).toBe(true)
    expect(asked.length).toBe(13)
    for (const name of readdirSync(disk)) if (name.startsWith('ballast')) rmSync(join(disk, name))
    const again = host({ folder: join(disk, 'cache') })
    expect(isWhole(again.cache)).toBe(true)
    const before = again.asked.length
    expect(isWhole(again.cache)).toBe(true)
    expect(again.asked.length).toBe(before)
  })

  it('lets go of what others removed, and takes over what was written here', () => {
    const { cache, space } = host()
    writeFileSync(join(root, 'pack'), object)
    cache.adopt(KEY, join(root, 'pack'))
    expect(isWhole(cache)).toBe(true)
    expect(cache.stats).toMatchObject({ misses: 0 })
    new CacheSpace(folder(), 'aa').clear()
    expect(heldOpen().length).toBe(1)
    cache.sweep()
    expect(heldOpen()).toEqual([])
    expect(isWhole(cache)).toBe(true)
    cache.remove([KEY])
    expect(heldOpen()).toEqual([])
    expect(space.count()).toMatchObject({ files: 0 })
  })

  it('forgets what does not verify, wherever it is', () => {
    const { cache, asked } = host()
    expect(isWhole(cache)).toBe(true)
    truncateSync(join(folder(), `${KEY}~0`), 5000)
    expect(read(cache, 0, 10_000).length).toBe(5000)
    expect(cache.discard(KEY, 0, 10_000)).toBe(true)
    const before = asked.length
    expect(read(cache, 0, 10_000)).toEqual(object.subarray(0, 10_000))
    expect(asked.length).toBe(before + 1)
    expect(cache.discard('packs/v/none', 0, 10)).toBe(false)
    expect(readFileSync(join(folder(), `${KEY}~0`)).length).toBe(CHUNK_BYTES)
  })
})

describe('chunks that came together', () => {
  it('are read from the file of their group, which is let go of when it does not verify or is gone', () => {
    const { cache, space, asked } = host()
    space.keep(groupFile(KEY, 0), object)
    expect(isWhole(cache)).toBe(true)
    expect(cache.discard(KEY, 2 * MIB, 10)).toBe(true)
    expect(read(cache, 2 * MIB, 10)).toEqual(object.subarray(2 * MIB, 2 * MIB + 10))
    expect(asked).toEqual([8])
    // One that has only the first chunks, until another has more.
    space.keep(groupFile(KEY, 0), object.subarray(0, 2 * CHUNK_BYTES))
    expect(read(cache, CHUNK_BYTES, 10)).toEqual(object.subarray(CHUNK_BYTES, CHUNK_BYTES + 10))
    expect(read(cache, 5 * CHUNK_BYTES, 10)).toEqual(object.subarray(5 * CHUNK_BYTES, 5 * CHUNK_BYTES + 10))
    expect(asked).toEqual([8, 5])
    cache.remove([KEY])
    expect(heldOpen()).toEqual([])
    expect(space.count()).toMatchObject({ files: 0 })
  })

  it('are read as they were handed over, and not a second time when they do not verify', () => {
    const { port1, port2 } = new MessageChannel()
    const [giver, taker] = [new Giver(port1), new Taker(port2)]
    const { cache, asked } = host({ arrived: taker })
    const room = giver.take() as Uint8Array
    room.set(object.subarray(CHUNK_BYTES, 3 * CHUNK_BYTES))
    room[CHUNK_BYTES] ^= 1
    giver.give(room, KEY, 1, 2 * CHUNK_BYTES)
    expect(read(cache, CHUNK_BYTES, 5000)).toEqual(object.subarray(CHUNK_BYTES, CHUNK_BYTES + 5000))
    expect(read(cache, 2 * CHUNK_BYTES, CHUNK_BYTES)[0]).toBe(object[2 * CHUNK_BYTES] ^ 1)
    expect(cache.stats).toMatchObject({ hits: 2, misses: 0 })
    expect(cache.discard(KEY, 2 * CHUNK_BYTES, 10)).toBe(true)
    expect(read(cache, 2 * CHUNK_BYTES, 10)).toEqual(object.subarray(2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 10))
    expect(asked).toEqual([2])
    taker.close()
  })
})

describe('the fetcher of chunks', () => {
  it('reads a chunk once for all who want it, and gives its bytes where they are not kept', async () => {
    const memory = new MemoryStore()
    await memory.put(KEY, object)
    const asked: string[] = []
    const store = new Proxy(memory as ObjectStore, {
      get: (target, name) =>
        name !== 'get'
          ? Reflect.get(target, name)
          : (key: string, options: { range: { offset: number } }) => {
              asked.push(`${key}@${options.range.offset / CHUNK_BYTES}`)
              return target.get(key, options as never)
            },
    })
    const space = new CacheSpace(folder(), 'aa')
    const fetcher = new ChunkFetcher(Promise.resolve(store), space)
    expect(await Promise.all([fetcher.fetch(KEY, 0), fetcher.fetch(KEY, 0), fetcher.fetch(KEY, 2)])).toEqual([CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES])
    expect(asked.sort()).toEqual([0, 2].map(chunk => `${KEY}@${chunk}`))
    expect(await fetcher.fetch(KEY, 12)).toBe(1000)
    expect(await fetcher.fetch(KEY, 13)).toBe(0)
    expect(await fetcher.fetch('packs/v/none', 0)).toBe(-1)
    expect(Buffer.compare((await fetcher.fetch(KEY, 0, true)) as Uint8Array, object.subarray(0, CHUNK_BYTES))).toBe(0)
    asked.length = 0
    const places = [0, 3, 4, 5, 2, 7].map(chunk => [KEY, chunk] as const)
    expect(await fetcher.bring([...places, ['packs/v/none', 0]])).toEqual({ bytes: 4 * CHUNK_BYTES, missing: [6], unkept: 0 })
    expect(asked.sort()).toEqual(['packs/v/0@3', 'packs/v/0@7', 'packs/v/none@0'])
    expect(await fetcher.bring(places)).toEqual({ bytes: 0, missing: [], unkept: 0 })
    fetcher.prefetch(KEY, 3, 3)
    await new Promise(resolve => setImmediate(resolve))
    expect(asked.length).toBe(3)
    rmSync(folder(), { recursive: true })
    writeFileSync(folder(), 'a file in its place')
    expect(((await fetcher.fetch(KEY, 0)) as Uint8Array).length).toBe(CHUNK_BYTES)
    expect(await fetcher.bring(places)).toMatchObject({ bytes: 0, unkept: expect.any(Number) })
    space.close()
  })
})

it('where somebody said what he reads next nothing is guessed; behind that it is again', () => {
  const told = 5
  const { cache, expected } = host()
  cache.prefetch(KEY, 0, told * CHUNK_BYTES)
  for (let at = 0; at < told * CHUNK_BYTES; at += CHUNK_BYTES / 4) read(cache, at, CHUNK_BYTES / 4)
  expect(expected).toEqual([told])
  for (let at = told * CHUNK_BYTES; at < object.length; at += CHUNK_BYTES / 4) read(cache, at, CHUNK_BYTES / 4)
  expect(expected.length).toBeGreaterThan(1)
})

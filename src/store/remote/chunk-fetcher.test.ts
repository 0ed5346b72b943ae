import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import type { GetOptions, ObjectStore, StoredObject } from '../contract.js'
import { MemoryStore } from '../memory/index.js'
import { CacheSpace } from './cache-space.js'
import { ChunkFetcher } from './chunk-fetcher.js'
import { CHUNK_BYTES, chunkFile, GROUP_CHUNKS, groupFile, runLength } from './chunks.js'
import { Giver, type Rooms, Taker } from './hand-over.js'

let folder: string
let asked: string[]
let failing: Set<number>
/** Where it was to be received. */
let rooms: Set<ArrayBufferLike>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-chunks-'))
  asked = []
  failing = new Set()
  rooms = new Set()
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

class Counted extends MemoryStore {
  override async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    const { offset, length } = options.range ?? { offset: 0, length: 0 }
    // Of another object a test before this one may still be reading.
    if (key === 'packs/a') asked.push(`${offset / CHUNK_BYTES}+${length / CHUNK_BYTES}`)
    if (options.into !== undefined) rooms.add(options.into.buffer)
    if (failing.delete(offset / CHUNK_BYTES)) throw new Error('no answer')
    return super.get(key, options)
  }
}

/** An object of so many chunks and a little more, each filled with its number. */
function fetcher(chunks: number, giver?: Rooms): ChunkFetcher {
  const store: ObjectStore = new Counted()
  const bytes = Buffer.concat([...Array.from({ length: chunks }, (_, i) => Buffer.alloc(CHUNK_BYTES, i)), Buffer.alloc(10, 0xff)])
  void store.put('packs/a', bytes)
  return new ChunkFetcher(Promise.resolve(store), new CacheSpace(folder, 'aa'), giver)
}

const cached = (): number[] =>
  readdirSync(join(folder, 'packs'))
    .map(name => Number.parseInt(name.split('~')[1], 36))
    .sort((a, b) => a - b)

it('brings what is asked for, tells the end, and what is not there', async () => {
  const chunks = fetcher(2)
  expect(await chunks.fetch('packs/a', 1)).toBe(CHUNK_BYTES)
  expect(await chunks.fetch('packs/a', 2)).toBe(10)
  expect(await chunks.fetch('packs/a', 3)).toBe(0)
  expect(await chunks.fetch('packs/b', 0)).toBe(-1)
  expect(cached()).toEqual([1, 2])
  expect(readFileSync(join(folder, 'packs/a~1')).equals(Buffer.alloc(CHUNK_BYTES, 1))).toBe(true)
})

it('brings neighbours that are expected with one request, and each chunk once', async () => {
  const chunks = fetcher(20)
  chunks.prefetch('packs/a', 3, 2)
  chunks.prefetch('packs/a', 5, 1)
  chunks.prefetch('packs/a', 9, 2)
  const all = [3, 4, 5, 9, 10].map(chunk => new Promise(resolve => setImmediate(() => resolve(chunks.fetch('packs/a', chunk)))))
  expect(await Promise.all(all)).toEqual(Array.from({ length: 5 }, () => CHUNK_BYTES))
  expect(asked.sort()).toEqual(['3+3', '9+2'])
  expect(cached()).toEqual([3, 4, 5, 9, 10])
  expect(readFileSync(join(folder, 'packs/a~4')).equals(Buffer.alloc(CHUNK_BYTES, 4))).toBe(true)
})

it('reads nothing behind an end that was seen', async () => {
  const chunks = fetcher(2)
  await chunks.fetch('packs/a', 2)
  asked = []
  chunks.prefetch('packs/a', 1, 30)
  await chunks.fetch('packs/a', 0)
  await new Promise(resolve => setImmediate(resolve))
  expect(await chunks.fetch('packs/a', 1)).toBe(CHUNK_BYTES)
  // The last one is here.
  expect(asked.filter(text => text !== '1+1')).toEqual(['0+1'])
})

it('forgets what was expected first when too much is, and asks again for what failed when somebody wants it', async () => {
  const chunks = fetcher(4)
  failing.add(0)
  chunks.prefetch('packs/a', 0, 1)
  await new Promise(resolve => setImmediate(resolve))
  expect(asked).toEqual(['0+1'])
  expect(await chunks.fetch('packs/a', 0)).toBe(CHUNK_BYTES)
  asked = []
  chunks.prefetch('packs/a', 1, 1)
  chunks.prefetch('packs/x', 0, limits.storeExpected)
  expect(await chunks.fetch('packs/a', 2)).toBe(CHUNK_BYTES)
  expect(asked).not.toContain('1+1')
})

it('keeps the chunks of a group that come together in one file, those before it each in its own, and knows them again', async () => {
  const chunks = fetcher(40)
  expect(await chunks.bring(Array.from({ length: 41 - 14 }, (_, i) => ['packs/a', 14 + i]))).toMatchObject({ missing: [], unkept: 0 })
  expect(asked.sort()).toEqual(['14+2', '16+16', '32+9'])
  expect(readdirSync(join(folder, 'packs')).sort()).toEqual(['a~+1', 'a~+2', 'a~e', 'a~f'])
  expect(readFileSync(join(folder, 'packs/a~+1')).subarray(3 * CHUNK_BYTES, 4 * CHUNK_BYTES)).toEqual(Buffer.alloc(CHUNK_BYTES, 19))
  expect(statSync(join(folder, 'packs/a~+2')).size).toBe(8 * CHUNK_BYTES + 10)
  asked = []
  expect(await Promise.all([19, 39, 40, 14].map(chunk => chunks.fetch('packs/a', chunk)))).toEqual([CHUNK_BYTES, CHUNK_BYTES, 10, CHUNK_BYTES])
  chunks.prefetch('packs/a', 14, 27)
  expect(await chunks.bring([['packs/a', 17]])).toEqual({ bytes: 0, missing: [], unkept: 0 })
  expect(asked).toEqual([])
  // What lies in a group behind the chunks that its file has was not here.
  rmSync(join(folder, 'packs/a~+2'))
  chunks.prefetch('packs/a', 32, 2)
  await new Promise(resolve => setImmediate(resolve))
  expect(await chunks.fetch('packs/a', 32)).toBe(CHUNK_BYTES)
  expect(await chunks.fetch('packs/a', 34)).toBe(CHUNK_BYTES)
  expect(asked).toEqual(['32+2', '34+1'])
})

it('in a small cache each chunk has a file, so that few of them go when there is no room', async () => {
  const chunks = fetcher(20)
  const space = new CacheSpace(folder, 'aa')
  space.limit(32 * 2 * CHUNK_BYTES)
  await chunks.bring(Array.from({ length: 16 }, (_, i) => ['packs/a', i]))
  await chunks.bring(Array.from({ length: 4 }, (_, i) => ['packs/a', 16 + i]))
  expect(cached().length).toBe(20)
  space.close()
})

it('hands runs over that were expected, also where the disk takes nothing; the next one comes another way then', async () => {
  const { port1, port2 } = new MessageChannel()
  const taker = new Taker(port2)
  const chunks = fetcher(40, new Giver(port1))
  const come = async (first: number, count: number): Promise<boolean[]> => {
    chunks.prefetch('packs/a', first, count)
    await new Promise(resolve => setImmediate(resolve))
    for (let i = 0; i < count; i++) await chunks.fetch('packs/a', first + i)
    return Array.from({ length: count }, (_, i) => taker.has(chunkFile('packs/a', first + i)))
  }
  expect(await come(0, 3)).toEqual([true, true, true])
  const into = Buffer.alloc(CHUNK_BYTES)
  expect(taker.read(chunkFile('packs/a', 2), 2, 0, into, 0, CHUNK_BYTES)).toBe(CHUNK_BYTES)
  expect(into).toEqual(Buffer.alloc(CHUNK_BYTES, 2))
  expect(await come(5, 1)).toEqual([false])
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'a file in its place')
  expect(await come(8, 2)).toEqual([false, false])
  expect(((await chunks.fetch('packs/a', 9)) as Uint8Array)[0]).toBe(9)
  taker.close()
})

it('where the engine has all buffers, few others are used again and again', async () => {
  const runs = 7
  const none: Rooms = { take: () => undefined, give: () => {}, release: () => {}, forfeit: () => {} }
  const chunks = fetcher(runs * GROUP_CHUNKS, none)
  const spare = limits.storeSpareBytes / (GROUP_CHUNKS * CHUNK_BYTES)
  failing.add(GROUP_CHUNKS)
  chunks.prefetch('packs/a', 0, runs * GROUP_CHUNKS)
  while (asked.length < runs) await new Promise(resolve => setImmediate(resolve))
  const last = (runs - 1) * GROUP_CHUNKS
  expect(await chunks.fetch('packs/a', last)).toBe(CHUNK_BYTES)
  expect(asked.sort()).toEqual(Array.from({ length: runs }, (_, i) => `${i * GROUP_CHUNKS}+${GROUP_CHUNKS}`).sort())
  expect(rooms.size).toBeLessThanOrEqual(spare)
  // What failed is asked for once more.
  expect(await chunks.fetch('packs/a', GROUP_CHUNKS)).toBe(CHUNK_BYTES)
  expect(
    readFileSync(join(folder, groupFile('packs/a', last)))
      .subarray(CHUNK_BYTES, 2 * CHUNK_BYTES)
      .equals(Buffer.alloc(CHUNK_BYTES, last + 1)),
  ).toBe(true)
})

it('the rest of an object does not wait for more to be expected when who reads on is in the next one', async () => {
  const chunks = fetcher(GROUP_CHUNKS)
  chunks.prefetch('packs/c', 0, 1)
  chunks.prefetch('packs/a', 0, GROUP_CHUNKS + 1)
  chunks.prefetch('packs/b', 0, 2)
  await new Promise(resolve => setImmediate(resolve))
  expect(asked).toEqual([`0+${GROUP_CHUNKS}`, `${GROUP_CHUNKS}+1`])
  expect(await chunks.fetch('packs/a', GROUP_CHUNKS)).toBe(10)
})

it('what comes with one request makes whole groups where it can', () => {
  const wanted = (from: number, to: number) => runLength(from, chunk => chunk < to)
  expect(wanted(0, 100)).toBe(GROUP_CHUNKS)
  expect(wanted(3, 100)).toBe(GROUP_CHUNKS - 3)
  expect(wanted(3, 4)).toBe(1)
  expect(wanted(GROUP_CHUNKS - 1, GROUP_CHUNKS + 3)).toBe(4)
  expect(wanted(GROUP_CHUNKS - 1, GROUP_CHUNKS * 2 - 1)).toBe(1)
})

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import type { GetOptions, ObjectStore, StoredObject } from '../contract.js'
import { MemoryStore } from '../memory/index.js'
import { CacheSpace } from './cache-space.js'
import { ChunkFetcher } from './chunk-fetcher.js'
import { CHUNK_BYTES } from './chunks.js'

let folder: string
let asked: string[]
let failing: Set<number>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-chunks-'))
  asked = []
  failing = new Set()
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

class Counted extends MemoryStore {
  override async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    const { offset, length } = options.range ?? { offset: 0, length: 0 }
    asked.push(`${offset / CHUNK_BYTES}+${length / CHUNK_BYTES}`)
    if (failing.delete(offset / CHUNK_BYTES)) throw new Error('no answer')
    return super.get(key, options)
  }
}

/** An object of so many chunks and a little more, each filled with its number. */
function fetcher(chunks: number): ChunkFetcher {
  const store: ObjectStore = new Counted()
  const bytes = Buffer.concat([...Array.from({ length: chunks }, (_, i) => Buffer.alloc(CHUNK_BYTES, i)), Buffer.alloc(10, 0xff)])
  void store.put('packs/a', bytes)
  return new ChunkFetcher(Promise.resolve(store), new CacheSpace(folder, 'aa'))
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

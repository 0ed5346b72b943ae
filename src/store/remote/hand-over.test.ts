import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import { CHUNK_BYTES, chunkFile } from './chunks.js'
import { Giver, Taker } from './hand-over.js'

const RUNS = limits.storeHandOverBytes / (limits.storeRunChunks * CHUNK_BYTES)
let giver: Giver
let taker: Taker

beforeEach(() => {
  const { port1, port2 } = new MessageChannel()
  giver = new Giver(port1)
  taker = new Taker(port2)
})

afterEach(() => taker.close())

/** Hands over chunks, each filled with its number, and a few bytes more. @returns false where there was no room */
function give(key: string, first: number, count: number, more = 0): boolean {
  const room = giver.take()
  if (room === undefined) return false
  const filling = Buffer.from(room.buffer, room.byteOffset, room.length)
  for (let i = 0; i < count + Math.sign(more); i++) filling.fill(first + i, i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)
  giver.give(room, key, first, count * CHUNK_BYTES + more)
  return true
}

/** What is read of a chunk; undefined when it is not here. */
function read(key: string, chunk: number, from = 0, length = CHUNK_BYTES): string | undefined {
  const into = Buffer.alloc(length + 2)
  const n = taker.read(chunkFile(key, chunk), chunk, from, into, 1, length)
  expect([into[0], into.at(-1)]).toEqual([0, 0])
  const isEven = into.subarray(1, 1 + n).equals(Buffer.alloc(Math.max(0, n), into[1]))
  return n < 0 ? undefined : isEven ? filled(into[1], n) : 'several'
}

const filled = (chunk: number, bytes = CHUNK_BYTES): string => `${bytes} times ${chunk}`

/** Takes so many buffers, as soon as they have come back. */
async function takeAll(count: number): Promise<void> {
  for (let taken = 0; taken < count; ) {
    if (giver.take() !== undefined) taken++
    else await new Promise(resolve => setImmediate(resolve))
  }
}

it('each chunk is read once, in whatever parts and order, to the end of the object', async () => {
  give('packs/a', 3, 2, 100)
  expect(taker.has(chunkFile('packs/a', 2))).toBe(false)
  expect(taker.has(chunkFile('packs/a', 4))).toBe(true)
  expect(read('packs/a', 4)).toEqual(filled(4))
  expect(read('packs/a', 4)).toBeUndefined()
  expect(read('packs/a', 3, CHUNK_BYTES - 10, 10)).toEqual(filled(3, 10))
  expect(read('packs/a', 3, 0, CHUNK_BYTES - 10)).toEqual(filled(3, CHUNK_BYTES - 10))
  expect(read('packs/a', 3)).toBeUndefined()
  expect(read('packs/a', 5, 0, 1000)).toEqual(filled(5, 100))
  expect(read('packs/b', 5)).toBeUndefined()
  await takeAll(RUNS)
  expect(giver.take()).toBeUndefined()
})

it('holds so much and no more: what was used longest ago goes, and the thread of the store always has some left', async () => {
  let given = 0
  while (give('packs/a', given * 16, 16)) given++
  expect(given).toBe(RUNS)
  // The newest is there, and what was before it is not all of it.
  expect(read('packs/a', 16 * given - 1)).toEqual(filled((16 * given - 1) & 0xff))
  expect(read('packs/a', 0)).toBeUndefined()
  await takeAll(1)
})

it('forgets what does not verify and what is gone, and takes the newer of two', async () => {
  give('packs/a', 0, 2)
  give('packs/a', 1, 2)
  give('packs/b', 0, 1)
  expect(read('packs/b', 0)).toEqual(filled(0))
  expect(taker.forget('packs/b', 0)).toBe(true)
  expect(taker.forget('packs/b', 0)).toBe(false)
  expect(taker.forget('packs/a', 2)).toBe(true)
  expect(read('packs/a', 2)).toBeUndefined()
  expect(read('packs/a', 1)).toEqual(filled(1))
  taker.forgetObjects(new Set(['packs/a']))
  expect(read('packs/a', 0)).toBeUndefined()
  giver.release(giver.take() ?? new Uint8Array(0))
  giver.take()
  giver.forfeit()
  await takeAll(RUNS)
  expect(giver.take()).toBeUndefined()
})

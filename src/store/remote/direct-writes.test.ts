import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { alignedMemory, alignedPart, isAligned } from '../../sys/aligned.js'
import { limits } from '../../sys/index.js'
import { CacheSpace } from './cache-space.js'
import { DirectWrites } from './direct-writes.js'

const MIB = 2 ** 20
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-direct-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Bytes of which no two blocks of a disk are the same, in memory that a disk can be written from. */
function aligned(length: number): Uint8Array {
  const bytes = alignedMemory(4 * MIB)
  for (let at = 0; at < bytes.length; at += 4096) bytes.fill(at >> 12, at, at + 4096)
  return bytes.subarray(0, length)
}

function file(name: string): string {
  const path = join(folder, name)
  closeSync(openSync(path, 'wx'))
  return path
}

it('memory is aligned, and the same part of it is in another thread', () => {
  const bytes = alignedMemory(MIB)
  expect([bytes.length, isAligned(bytes), isAligned(bytes.subarray(512))]).toEqual([MIB, true, false])
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(bytes.buffer)
  const there = alignedPart(receiveMessageOnPort(port2)?.message, MIB)
  port1.close()
  there[0] = 7
  expect([there.length, there.byteOffset, bytes[0]]).toEqual([MIB, bytes.byteOffset, 7])
})

it('a file has the bytes and nothing behind them, whatever its length; where it is not written so, nobody is told that it was', async () => {
  const direct = new DirectWrites()
  // Not on every filesystem.
  const isAble = await direct.write(file('first'), aligned(4 * MIB))
  for (const length of [MIB, MIB + 1, 2 * MIB + 4095, 4 * MIB]) {
    const bytes = aligned(length)
    const path = file(String(length))
    expect(await direct.write(path, bytes)).toBe(isAble)
    if (isAble) expect(Buffer.compare(readFileSync(path), bytes)).toBe(0)
  }
  expect(await direct.write(file('small'), aligned(MIB - 1))).toBe(false)
  expect(await direct.write(file('unaligned'), aligned(4 * MIB).subarray(16))).toBe(false)
  if (isAble) await expect(direct.write(join(folder, 'none'), aligned(MIB))).rejects.toMatchObject({ code: 'ENOENT' })
})

it('so many are written at once and wait, the others go another way', async () => {
  const direct = new DirectWrites()
  const isAble = await direct.write(file('first'), aligned(MIB))
  const most = limits.cacheDirectWrites + limits.cacheDirectWaiting
  const all = await Promise.all(Array.from({ length: most + 3 }, (_, i) => direct.write(file(`x${i}`), aligned(MIB))))
  expect(all.filter(Boolean).length).toBe(isAble ? most : 0)
  expect(await direct.write(file('last'), aligned(MIB))).toBe(isAble)
})

it('a cache keeps what was written either way, and counts it', async () => {
  const space = new CacheSpace(join(folder, 'cache'), 'aa')
  space.limit(8 * MIB)
  const kept = await Promise.all([0, 1, 2].map(i => space.keepSoon(`packs/v/${i}`, i === 2 ? Buffer.alloc(MIB, 7) : aligned(MIB + i))))
  expect(kept).toEqual([true, true, true])
  expect([0, 1].map(i => Buffer.compare(readFileSync(join(folder, 'cache/packs/v', String(i))), aligned(MIB + i)))).toEqual([0, 0])
  expect(Buffer.compare(readFileSync(join(folder, 'cache/packs/v/2')), Buffer.alloc(MIB, 7))).toBe(0)
  expect(space.count()).toMatchObject({ files: 3, bytes: space.use().bytes })
  // No room.
  expect(await space.keepSoon('packs/v/3', aligned(4 * MIB))).toBe(true)
  space.limit(3 * MIB)
  expect(await space.keepSoon('packs/v/4', aligned(4 * MIB))).toBe(false)
  expect(readdirSync(join(folder, 'cache'), { recursive: true }).sort()).toEqual(['~index'])
  space.close()
})

it('a folder that is deleted meanwhile loses the file and nothing else', async () => {
  const space = new CacheSpace(join(folder, 'cache'), 'aa')
  const keeping = space.keepSoon('packs/v/0', aligned(4 * MIB))
  rmSync(join(folder, 'cache'), { recursive: true })
  expect(await keeping).toBe(false)
  expect(await space.keepSoon('packs/v/0', aligned(4 * MIB))).toBe(true)
  expect(statSync(join(folder, 'cache/packs/v/0')).size).toBe(4 * MIB)
  space.close()
})

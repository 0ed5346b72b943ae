import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { limits } from '../../sys/index.js'
import { cloudEnvironment, TEST_VARIABLES } from '../../testing/object-server/environment.js'
import { GcsServer } from '../../testing/object-server/gcs-server.js'
import { S3Server } from '../../testing/object-server/s3-server.js'
import type { ObjectStore } from '../contract.js'
import { GcsStore } from '../gcs/index.js'
import { Budget } from '../parts.js'
import { S3Store } from '../s3/index.js'
import { Retry, RetryingStore } from '../wrap/retry.js'
import { uploadPack } from './upload.js'

const hasty = new Retry({ sleep: async () => {} })
const LARGE = limits.storeWholeBytes + 3_000_000

let folder: string
let server: S3Server | GcsServer
let store: ObjectStore
let restore: () => void

function start(kind: 's3' | 'gcs'): () => Promise<void> {
  return async () => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-upload-'))
    restore = cloudEnvironment(TEST_VARIABLES)
    server = await (kind === 's3' ? new S3Server() : new GcsServer({ tokens: ['token'] })).start()
    const place = { bucket: 'bucket', endpoint: server.endpoint, retry: hasty }
    const driver = kind === 's3' ? new S3Store({ ...place, region: 'us-east-1' }) : new GcsStore({ ...place, tokens: { get: async () => 'token' } })
    store = new RetryingStore(driver, hasty)
  }
}

afterEach(async () => {
  await store.close()
  await server.close()
  restore()
  rmSync(folder, { recursive: true, force: true })
})

function pack(bytes: Uint8Array): { key: string; path: string } {
  const path = join(folder, 'pack')
  writeFileSync(path, bytes)
  return { key: 'packs/a/1', path }
}

function content(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeInt32LE(Math.imul(at + seed, 0x9e3779b1), at)
  return bytes
}

const stored = async (): Promise<Uint8Array | undefined> => (await store.get('packs/a/1'))?.bytes

for (const kind of ['s3', 'gcs'] as const)
  describe(`a pack goes to ${kind}`, () => {
    beforeEach(start(kind))

    for (const size of [10_000, LARGE])
      it(`as it is in its file, ${size} bytes; once more is no error, with other bytes it is one`, async () => {
        const bytes = content(size, 1)
        const budget = new Budget(limits.storeUploadBytes)
        await uploadPack(store, pack(bytes), budget)
        expect(Buffer.compare((await stored()) ?? Buffer.alloc(0), bytes)).toBe(0)
        await uploadPack(store, pack(bytes), budget)
        for (const other of [content(size, 2), content(size + 4, 1)])
          await expect(uploadPack(store, pack(other), budget)).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
        expect(Buffer.compare((await stored()) ?? Buffer.alloc(0), bytes)).toBe(0)
      })

    it('part by part, although requests fail and answers are lost', async () => {
      const bytes = content(LARGE, 3)
      server.faults.add({ kind: 'lost-applied', operation: 'UploadPart' })
      server.faults.add({ kind: 'error', operation: 'UploadPart' })
      if (kind === 's3') server.faults.add({ kind: 'lost-applied', operation: 'CompleteMultipartUpload' })
      await uploadPack(store, pack(bytes), new Budget(limits.storeUploadBytes))
      expect(server.requests('UploadPart')).toBeGreaterThanOrEqual(Math.ceil(LARGE / limits.storePartBytes))
      expect(Buffer.compare((await stored()) ?? Buffer.alloc(0), bytes)).toBe(0)
    })
  })

describe('memory', () => {
  beforeEach(start('s3'))

  it('bounds what is under way of all packs together', async () => {
    const budget = new Budget(limits.storePartBytes)
    const packs = [1, 2, 3].map(seed => {
      const path = join(folder, String(seed))
      writeFileSync(path, content(LARGE, seed))
      return { key: `packs/a/${seed}`, path }
    })
    server.latencyMs = 5
    await Promise.all(packs.map(one => uploadPack(store, one, budget)))
    // One part, and what asks for nothing: HEAD and the ends of uploads.
    expect(server.peak).toBeLessThanOrEqual(3)
    for (const seed of [1, 2, 3]) expect((await store.head(`packs/a/${seed}`))?.sizeBytes).toBe(LARGE)
  })
})

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CairnError } from '../../errors.js'
import { cloudEnvironment, TEST_VARIABLES } from '../../testing/object-server/environment.js'
import type { FaultKind } from '../../testing/object-server/faults.js'
import { S3Server } from '../../testing/object-server/s3-server.js'
import { Retry, RetryingStore } from '../wrap/retry.js'
import { S3Store } from './s3-store.js'

let server: S3Server
let restore: () => void
let store: RetryingStore
let waits: number[]

beforeAll(() => {
  restore = cloudEnvironment(TEST_VARIABLES)
})
afterAll(() => restore())

beforeEach(async () => {
  server = await new S3Server().start()
  waits = []
  store = open()
})

afterEach(async () => {
  await store.close()
  await server.close()
})

function open(): RetryingStore {
  const retry = new Retry({
    sleep: async ms => {
      waits.push(ms)
    },
  })
  return new RetryingStore(new S3Store({ bucket: 'bucket', region: 'us-east-1', endpoint: server.endpoint, retry }), retry)
}

const bytes = (text: string): Buffer => Buffer.from(text)
const text = async (key: string): Promise<string | undefined> => (await store.get(key))?.bytes.toString()
const put = 'PutObject'
/** What may befall a request without the caller seeing anything of it. */
const passing: FaultKind[] = ['error', 'error-applied', 'lost', 'lost-applied', 'throttle']

describe('faults of the service', () => {
  for (const kind of [...passing, 'conflict'] as FaultKind[]) {
    it(`create: ${kind}`, async () => {
      server.faults.add({ kind, operation: put })
      const { version } = await store.put('k', bytes('mine'), { ifAbsent: true })
      expect(await text('k')).toBe('mine')
      expect((await store.head('k'))?.version).toBe(version)
      await store.put('k', bytes('next'), { ifMatch: version })
    })

    it(`replace: ${kind}, twice`, async () => {
      const first = await store.put('k', bytes('1'))
      server.faults.add({ kind, operation: put, times: 2 })
      const second = await store.put('k', bytes('2'), { ifMatch: first.version })
      expect(await text('k')).toBe('2')
      expect((await store.head('k'))?.version).toBe(second.version)
    })

    it(`create: ${kind}, and another was first`, async () => {
      await open().put('k', bytes('theirs'))
      server.faults.add({ kind, operation: put })
      await expect(store.put('k', bytes('mine'), { ifAbsent: true })).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
      expect(await text('k')).toBe('theirs')
    })
  }

  it('a refusal of a write that had been applied, as one made twice on the way gets, is no refusal', async () => {
    const first = await store.put('k', bytes('1'))
    server.faults.add({ kind: 'lost-applied', operation: put })
    server.faults.add({ kind: 'lost', operation: 'HeadObject', times: 2 })
    await store.put('k', bytes('2'), { ifMatch: first.version })
    expect(await text('k')).toBe('2')
  })

  it('equal bytes of another are not taken for ours', async () => {
    const { version } = await store.put('counter', bytes('1'))
    await open().put('counter', bytes('2'), { ifMatch: version })
    server.faults.add({ kind: 'lost', operation: put })
    await expect(store.put('counter', bytes('2'), { ifMatch: version })).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
  })

  it('ours that another replaced before we could ask counts as refused', async () => {
    const { version } = await store.put('k', bytes('1'))
    server.faults.add({ kind: 'lost-applied', operation: put })
    const other = open()
    const mine = store.put('k', bytes('2'), { ifMatch: version })
    server.faults.add({ kind: 'delay', delayMs: 50, operation: 'HeadObject' })
    const theirs = (async () => {
      for (;;) {
        const found = await other.get('k')
        if (found !== undefined && found.version !== version) return other.put('k', bytes('3'), { ifMatch: found.version })
      }
    })()
    await expect(mine).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
    await theirs
  })

  it('says that an outcome is uncertain when the store cannot be asked', async () => {
    server.faults.add({ kind: 'lost-applied', operation: put })
    server.faults.add({ kind: 'lost', operation: 'HeadObject', times: 100 })
    await expect(store.put('k', bytes('1'), { ifAbsent: true })).rejects.toMatchObject({ code: 'ERR_STORE_UNCERTAIN', retry: 'reopen' })
  })

  it('a caller who gives the nonce again is told that the write was his', async () => {
    server.faults.add({ kind: 'lost-applied', operation: put })
    server.faults.add({ kind: 'lost', operation: 'HeadObject', times: 8 })
    const mine = { ifAbsent: true, nonce: 'n1' }
    await expect(store.put('k', bytes('1'), mine)).rejects.toMatchObject({ code: 'ERR_STORE_UNCERTAIN' })
    expect((await store.put('k', bytes('1'), mine)).version).toBe((await store.head('k'))?.version)
  })

  for (const kind of ['error', 'lost', 'throttle', 'short'] as FaultKind[]) {
    it(`get, list and delete: ${kind}`, async () => {
      await store.put('k', bytes('some bytes'))
      for (const operation of ['GetObject', 'HeadObject', 'ListObjectsV2', 'DeleteObject']) server.faults.add({ kind, operation })
      expect(await text('k')).toBe('some bytes')
      expect((await store.list('')).objects).toHaveLength(1)
      await store.delete(['k'])
      expect(await text('k')).toBeUndefined()
    })
  }

  it('parts of a large object are sent again one by one, and a lost answer to the last step is asked after', async () => {
    for (const kind of passing) server.faults.add({ kind, operation: 'UploadPart' })
    server.faults.add({ kind: 'lost', operation: 'CreateMultipartUpload' })
    server.faults.add({ kind: 'lost-applied', operation: 'CompleteMultipartUpload' })
    const large = Buffer.alloc(20 * 1024 * 1024, 'xyz')
    const { version } = await store.put('large', large)
    expect(Buffer.compare((await store.get('large'))?.bytes ?? bytes(''), large)).toBe(0)
    expect((await store.head('large'))?.version).toBe(version)
    expect(server.requests('UploadPart')).toBe(3 + passing.length)
  })

  it('gives up after some attempts, whose waits are random parts of a bound that doubles', async () => {
    server.faults.add({ kind: 'throttle', operation: 'GetObject', times: 100 })
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'ERR_STORE_FAILED',
      retry: 'same-call',
      message: 's3://bucket failed: it answered 503 SlowDown.',
    })
    expect(server.requests('GetObject')).toBe(8)
    const bounds = [50, 100, 200, 400, 800, 1600, 3200]
    expect(waits).toHaveLength(bounds.length)
    waits.forEach((ms, i) => {
      expect(ms).toBeLessThanOrEqual(bounds[i])
    })
    expect(new Set(waits).size).toBe(waits.length)
  })

  it('one write per second for each key is enough for a writer who waits', async () => {
    server.options.writesPerSecond = 1
    const patient = new RetryingStore(store.inner)
    const first = await patient.put('head', bytes('1'), { ifAbsent: true })
    await patient.put('head', bytes('2'), { ifMatch: first.version })
    expect(await text('head')).toBe('2')
  })

  it.each([1, 2, 3])('writers who hit all of them at random: what was acknowledged is there, once (seed %i)', async seed => {
    const random = mulberry(seed)
    for (const kind of [...passing, 'conflict'] as FaultKind[]) server.faults.add({ kind, operation: [put, 'HeadObject', 'GetObject'], rate: 0.05, random })
    await store.put('list', bytes(''), { ifAbsent: true })
    const acknowledged: string[] = []
    const append = async (mine: RetryingStore, name: string, times: number): Promise<void> => {
      for (let i = 0, attempt = 0; i < times; attempt++) {
        const entry = `${name}.${i}.${attempt}`
        try {
          const before = await mine.get('list')
          await mine.put('list', bytes(`${before?.bytes.toString()}${entry}\n`), { ifMatch: before?.version })
          acknowledged.push(entry)
          i++
        } catch (error) {
          if (!/ERR_PRECONDITION|ERR_STORE_(UNCERTAIN|FAILED|UNREACHABLE|CONFLICT)/.test((error as CairnError).code)) throw error
        }
      }
    }
    const others = ['a', 'b', 'c'].map(name => [open(), name] as const)
    await Promise.all(others.map(([mine, name]) => append(mine, name, 15)))
    server.faults.clear()
    const entries = (await text('list'))?.trim().split('\n') ?? []
    expect(new Set(entries).size).toBe(entries.length)
    expect(acknowledged.filter(entry => !entries.includes(entry))).toEqual([])
    expect([...server.faults.struck.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20)
    for (const [mine] of others) await mine.close()
  })
})

/** Numbers from 0 to 1, the same for the same seed. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cloudEnvironment, TEST_VARIABLES } from '../../testing/object-server/environment.js'
import { S3Server, type S3ServerOptions } from '../../testing/object-server/s3-server.js'
import { storeCases } from '../../testing/store-suite.js'
import type { ObjectStore } from '../contract.js'
import { Retry, RetryingStore } from '../wrap/retry.js'
import { type S3Options, S3Store } from './s3-store.js'

let server: S3Server
let restore: () => void
const opened: ObjectStore[] = []

beforeAll(() => {
  restore = cloudEnvironment(TEST_VARIABLES)
})
afterAll(() => restore())

beforeEach(async () => {
  server = await new S3Server().start()
})

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  await server.close()
})

/** Waits are of no interest here. */
const hasty = (): Retry => new Retry({ sleep: async () => {} })

function open(options: Partial<S3Options> = {}): RetryingStore {
  const retry = hasty()
  const store = new RetryingStore(
    new S3Store({ bucket: 'bucket', prefix: 'some/where/', region: 'us-east-1', endpoint: server.endpoint, retry, ...options }),
    retry,
  )
  opened.push(store)
  return store
}

function serverWith(options: S3ServerOptions): void {
  server.options = { ...server.options, ...options }
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

describe('S3 store', () => {
  for (const { name, run } of storeCases) it(name, () => run({ store: open(), again: () => open() }))

  describe('on a server like Ceph, which wants etags without quotes', () => {
    for (const { name, run } of storeCases.filter(one => /ifMatch|ifAbsent|counter/.test(one.name)))
      it(name, () => {
        serverWith({ quotes: 'unquoted', missingMatch: 412 })
        return run({ store: open(), again: () => open() })
      })
  })

  it('keeps to its prefix', async () => {
    await open().put('k', Buffer.from('1'))
    await open({ prefix: '' }).put('elsewhere', Buffer.from('2'))
    expect([...(server.buckets.get('bucket')?.objects.keys() ?? [])]).toEqual(['some/where/k', 'elsewhere'])
    expect((await open().list('')).objects.map(object => object.key)).toEqual(['k'])
  })

  it('sends large objects in parts, and reads ranges of them', async () => {
    const store = open()
    const bytes = Buffer.alloc(20 * 1024 * 1024 + 5, 'abcdefg')
    const { version } = await store.put('packs/large', bytes)
    expect(server.requests('UploadPart')).toBe(3)
    expect(server.requests('PutObject')).toBe(0)
    expect(version).toMatch(/-3$/)
    expect((await store.head('packs/large'))?.version).toBe(version)
    const end = await store.get('packs/large', { range: { offset: bytes.length - 3, length: 10 } })
    expect(text(end?.bytes)).toBe(bytes.subarray(-3).toString())
    expect(Buffer.compare((await store.get('packs/large'))?.bytes ?? Buffer.alloc(0), bytes)).toBe(0)
  })

  it('puts bytes into the room that is given for them, where they fit', async () => {
    const store = open()
    await store.put('k', Buffer.from('0123456789'))
    const into = Buffer.alloc(8, 'x')
    server.faults.add({ kind: 'short', operation: 'GetObject' })
    const found = await store.get('k', { range: { offset: 2, length: 6 }, into })
    expect([into.toString(), found?.bytes.buffer === into.buffer]).toEqual(['234567xx', true])
    expect(text((await store.get('k', { into }))?.bytes)).toBe('0123456789')
  })

  it('puts a large object under a condition in one request, because some servers ignore conditions of parts', async () => {
    const store = open()
    await store.put('large', Buffer.alloc(9 * 1024 * 1024), { ifAbsent: true })
    expect(server.requests('PutObject')).toBe(1)
    await expect(store.put('large', Buffer.alloc(9 * 1024 * 1024, 1), { ifAbsent: true })).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
  })

  it('aborts an upload that cannot be finished', async () => {
    server.faults.add({ kind: 'forbidden', operation: 'UploadPart', after: 1 })
    await expect(open().put('large', Buffer.alloc(20 * 1024 * 1024))).rejects.toMatchObject({ code: 'ERR_STORE_ACCESS' })
    expect(server.buckets.get('bucket')?.uploads.size).toBe(0)
  })

  it('asks with a version whether there is another, without getting the bytes', async () => {
    const store = open()
    const { version } = await store.put('h', Buffer.from('one'))
    server.resetCounts()
    expect(await store.get('h', { unlessVersion: version })).toMatchObject({ unchanged: true, version })
    expect(server.total).toMatchObject({ requests: 1, bytesOut: 0 })
    await store.put('h', Buffer.from('two'))
    expect(text((await store.get('h', { unlessVersion: version }))?.bytes)).toBe('two')
  })

  it('needs one request for each of get, put, head, list and delete', async () => {
    const store = open()
    await store.put('a', Buffer.from('1'), { ifAbsent: true })
    await store.get('a', { range: { offset: 0, length: 1 } })
    await store.head('a')
    await store.list('')
    await store.delete(['a', 'b', 'c'])
    expect(Object.fromEntries([...server.counts].map(([name, count]) => [name, count.requests]))).toEqual({
      PutObject: 1,
      GetObject: 1,
      HeadObject: 1,
      ListObjectsV2: 1,
      DeleteObjects: 1,
    })
  })

  it('stops a request that was aborted on its way', async () => {
    server.faults.add({ kind: 'hang', operation: 'GetObject' })
    const controller = new AbortController()
    const got = open().get('k', { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(got).rejects.toMatchObject({ name: 'AbortError' })
  })
})

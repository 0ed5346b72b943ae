import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CairnError } from '../../errors.js'
import { cloudEnvironment } from '../../testing/object-server/environment.js'
import type { FaultKind } from '../../testing/object-server/faults.js'
import { GcsServer } from '../../testing/object-server/gcs-server.js'
import { storeCases } from '../../testing/store-suite.js'
import type { ObjectStore } from '../contract.js'
import { probeStore } from '../probe.js'
import { Retry, RetryingStore } from '../wrap/retry.js'
import { type GcsOptions, GcsStore } from './gcs-store.js'

const TOKEN = 'planted-token'
let server: GcsServer
let restore: () => void
const opened: ObjectStore[] = []

beforeEach(async () => {
  server = await new GcsServer({ tokens: [TOKEN] }).start()
  restore = cloudEnvironment({})
})

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  restore()
  await server.close()
})

const hasty = new Retry({ sleep: async () => {} })

function open(options: Partial<GcsOptions> = {}): RetryingStore {
  const tokens = { get: async () => TOKEN }
  const store = new RetryingStore(new GcsStore({ bucket: 'bucket', prefix: 'some/where/', endpoint: server.endpoint, retry: hasty, tokens, ...options }), hasty)
  opened.push(store)
  return store
}

const bytes = (text: string): Buffer => Buffer.from(text)

describe('GCS store', () => {
  for (const { name, run } of storeCases) it(name, () => run({ store: open(), again: () => open() }))

  it('passes the probe, and says when nothing has changed', async () => {
    const store = open()
    await probeStore(store, { keepsNonce: true })
    expect([...(server.buckets.get('bucket')?.keys() ?? [])]).toEqual([])
    const { version } = await store.put('h', bytes('1'))
    expect(await store.get('h', { unlessVersion: version })).toMatchObject({ unchanged: true, version })
    await store.put('h', bytes('1'))
    expect((await store.get('h', { unlessVersion: version }))?.bytes.toString()).toBe('1')
    await store.delete(['h'])
    expect(await store.get('h', { unlessVersion: version })).toBe(undefined)
  })

  for (const kind of ['error', 'error-applied', 'lost', 'lost-applied', 'throttle', 'conflict'] as FaultKind[]) {
    it(`conditional writes: ${kind}`, async () => {
      const store = open()
      server.faults.add({ kind, operation: 'PutObject', times: 2 })
      const { version } = await store.put('k', bytes('mine'), { ifAbsent: true })
      server.faults.add({ kind, operation: 'PutObject' })
      await store.put('k', bytes('next'), { ifMatch: version })
      expect((await store.get('k'))?.bytes.toString()).toBe('next')
      server.faults.add({ kind, operation: 'PutObject' })
      await expect(store.put('k', bytes('late'), { ifMatch: version })).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
    })
  }

  it('sends large objects in pieces under their condition, and goes on where it was broken off', async () => {
    const store = open()
    for (const kind of ['lost', 'error', 'lost-applied', 'error-applied'] as FaultKind[]) server.faults.add({ kind, operation: 'UploadPart' })
    const large = Buffer.alloc(20 * 1024 * 1024 + 5, 'abcdefg')
    const { version } = await store.put('large', large, { ifAbsent: true })
    expect(Buffer.compare((await store.get('large'))?.bytes ?? bytes(''), large)).toBe(0)
    expect((await store.head('large'))?.version).toBe(version)
    await expect(store.put('large', large, { ifAbsent: true })).rejects.toMatchObject({ code: 'ERR_PRECONDITION' })
  })

  it('waits where one object takes one write per second', async () => {
    server.options.writesPerSecond = 1
    const patient = new RetryingStore(open().inner)
    const { version } = await patient.put('head', bytes('1'), { ifAbsent: true })
    await patient.put('head', bytes('2'), { ifMatch: version })
  })
})

describe('what users get wrong', () => {
  async function failure(work: (store: ObjectStore) => Promise<unknown>, options: Partial<GcsOptions> = {}): Promise<CairnError> {
    const error = await work(open(options)).then(
      () => undefined,
      (thrown: CairnError) => thrown,
    )
    if (error === undefined) throw new Error('it did not fail')
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('planted')
    return error
  }

  const put = (store: ObjectStore): Promise<unknown> => store.put('k', bytes('1'))

  it('a bucket that is not there', async () => {
    for (const work of [put, (store: ObjectStore) => store.list(''), (store: ObjectStore) => store.head('k')])
      expect(await failure(work, { bucket: 'other' })).toMatchObject({ code: 'ERR_STORE_MISSING', message: `There is no bucket other at ${server.endpoint}.` })
  })

  it('the token', async () => {
    const error = await failure(put, { tokens: { get: async () => 'planted-other' } })
    expect(error).toMatchObject({ code: 'ERR_STORE_CREDENTIALS', message: 'gs://bucket/some/where refuses the credentials: the token is not valid.' })
  })

  it.each([
    ['read', (store: ObjectStore) => store.get('k')],
    ['write', put],
    ['list', (store: ObjectStore) => store.list('')],
    ['delete', (store: ObjectStore) => store.delete(['k'])],
  ] as const)('no permission to %s', async (right, work) => {
    server.options.denied = [right]
    const message = `These credentials may not ${right} objects in gs://bucket/some/where.`
    expect(await failure(work)).toMatchObject({ code: 'ERR_STORE_ACCESS', message })
  })

  it('nobody who answers', async () => {
    expect(await failure(put, { endpoint: 'http://127.0.0.1:1' })).toMatchObject({ code: 'ERR_STORE_UNREACHABLE' })
  })
})

describe('where credentials come from', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cairn-gcs-'))
    server.options.tokens = undefined
    process.env['HOME'] = folder
  })

  const home = process.env['HOME']
  afterEach(() => {
    process.env['HOME'] = home
    rmSync(folder, { recursive: true, force: true })
  })

  it('a file of workload identity', async () => {
    writeFileSync(join(folder, 'subject'), 'planted-subject')
    const file = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${server.endpoint}/v1/token`,
      credential_source: { file: join(folder, 'subject') },
    }
    writeFileSync(join(folder, 'credentials.json'), JSON.stringify(file))
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'credentials.json')
    await open({ tokens: undefined }).put('k', bytes('1'))
    expect(server.given.size).toBe(1)
  })

  it('the instance', async () => {
    Object.assign(process.env, { GCE_METADATA_HOST: server.endpoint.slice('http://'.length), METADATA_SERVER_DETECTION: 'assume-present' })
    const store = open({ tokens: undefined })
    await store.put('k', bytes('1'))
    await store.put('l', bytes('1'))
    expect(server.given.size).toBe(1)
  })

  it('an emulator asks for none', async () => {
    server.options.tokens = ['']
    process.env['STORAGE_EMULATOR_HOST'] = server.endpoint
    await open({ tokens: undefined, endpoint: undefined }).put('k', bytes('1'))
    expect(server.requests('Token')).toBe(0)
  })

  it('are looked for anew when they are refused, and the request is made once more', async () => {
    Object.assign(process.env, { GCE_METADATA_HOST: server.endpoint.slice('http://'.length), METADATA_SERVER_DETECTION: 'assume-present' })
    const store = open({ tokens: undefined })
    await store.put('k', bytes('1'))
    // Revoked before its time.
    server.given.clear()
    server.resetCounts()
    await store.put('k', bytes('2'))
    expect((await store.get('k'))?.bytes.toString()).toBe('2')
    expect([server.given.size, server.requests('PutObject'), server.requests('GetObject')]).toEqual([1, 2, 1])
    // Another file in the place of the one that was read.
    server.options.tokens = []
    await expect(store.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
    expect(server.requests('GetObject')).toBe(3)
  })

  it('a file that is not there', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'nothing.json')
    await expect(open({ tokens: undefined }).put('k', bytes('1'))).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
  })
})

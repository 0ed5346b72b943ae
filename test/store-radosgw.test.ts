import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../src/store/contract.js'
import { probeStore } from '../src/store/probe.js'
import { S3Store } from '../src/store/s3/s3-store.js'
import { RetryingStore } from '../src/store/wrap/retry.js'
import { cloudEnvironment } from '../src/testing/object-server/environment.js'
import { storeCases } from '../src/testing/store-suite.js'
import { type Radosgw, radosgwMissing, startRadosgw } from './support/radosgw.js'

const missing = radosgwMissing()

/** A real S3 server, whose habits differ from those of AWS: etags in If-Match without quotes, 412 for a missing key, 500 for some that lose a race. */
describe.skipIf(missing !== undefined)(`S3 store on Ceph's gateway${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let gateway: Radosgw
  let restore: () => void
  let buckets = 0
  const opened: ObjectStore[] = []

  beforeAll(async () => {
    gateway = await startRadosgw()
    restore = cloudEnvironment({
      AWS_ACCESS_KEY_ID: gateway.accessKeyId,
      AWS_SECRET_ACCESS_KEY: gateway.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    })
  })

  afterAll(async () => {
    for (const store of opened) await store.close()
    restore?.()
    await gateway?.stop()
  })

  function open(bucket: string): RetryingStore {
    const store = new RetryingStore(new S3Store({ bucket, prefix: 'p/', endpoint: gateway.endpoint }))
    opened.push(store)
    return store
  }

  async function bucket(): Promise<string> {
    const name = `bucket-${++buckets}`
    const client = new S3Client({ endpoint: gateway.endpoint, region: 'us-east-1', forcePathStyle: true })
    await client.send(new CreateBucketCommand({ Bucket: name }))
    client.destroy()
    return name
  }

  for (const { name, run } of storeCases) {
    it(name, async () => {
      const name = await bucket()
      await run({ store: open(name), again: () => open(name) })
    })
  }

  it('passes the probe, which finds out that etags go without quotes', async () => {
    const store = open(await bucket())
    await probeStore(store, { keepsNonce: true })
    expect((store.inner as S3Store).etagQuotes).toBe('strip')
  })

  it('takes large objects in parts and deletes many at once', async () => {
    const store = open(await bucket())
    const large = Buffer.alloc(20 * 1024 * 1024 + 1, 'abc')
    const { version } = await store.put('large', large)
    expect((await store.head('large'))?.version).toBe(version)
    expect((await store.get('large', { range: { offset: large.length - 2, length: 9 } }))?.bytes.toString()).toBe(large.subarray(-2).toString())
    await Promise.all(Array.from({ length: 5 }, (_, i) => store.put(`d/${i}`, Buffer.from('x'))))
    await store.delete(['large', 'd/0', 'd/1', 'd/2', 'd/3', 'd/4'])
    expect((await store.list('')).objects).toEqual([])
  })

  it('says what is wrong in one sentence', async () => {
    await expect(open('no-such-bucket').put('k', Buffer.from(''))).rejects.toMatchObject({ code: 'ERR_STORE_MISSING' })
    const before = process.env['AWS_SECRET_ACCESS_KEY']
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
    await expect(open('no-such-bucket').list('')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
    process.env['AWS_ACCESS_KEY_ID'] = 'unknown'
    await expect(open('no-such-bucket').list('')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: gateway.accessKeyId, AWS_SECRET_ACCESS_KEY: before })
  })
})

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cloudEnvironment, TEST_VARIABLES } from '../testing/object-server/environment.js'
import { S3Server, type S3ServerOptions } from '../testing/object-server/s3-server.js'
import { MemoryStore } from './memory/index.js'
import { probeStore } from './probe.js'
import { S3Store } from './s3/s3-store.js'
import { RetryingStore } from './wrap/retry.js'

let restore: () => void
const servers: S3Server[] = []

beforeAll(() => {
  restore = cloudEnvironment(TEST_VARIABLES)
})
afterAll(() => restore())
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function probed(options: S3ServerOptions): Promise<{ store: S3Store; server: S3Server }> {
  const server = await new S3Server(options).start()
  servers.push(server)
  const store = new S3Store({ bucket: 'bucket', prefix: 'p/', region: 'us-east-1', endpoint: server.endpoint })
  try {
    await probeStore(new RetryingStore(store), { keepsNonce: true })
  } finally {
    await store.close()
    expect([...(server.buckets.get('bucket')?.objects.keys() ?? [])].filter(() => options.denied === undefined)).toEqual([])
  }
  return { store, server }
}

describe('probe', () => {
  it('takes an honest server, says how it wants etags, and leaves nothing behind', async () => {
    const { store, server } = await probed({})
    expect(store.etagQuotes).toBe('keep')
    expect(server.total.requests).toBeLessThan(80)
    expect((await probed({ quotes: 'unquoted', missingMatch: 412 })).store.etagQuotes).toBe('strip')
    expect((await probeStore(new MemoryStore())).roundTripMs).toBeGreaterThanOrEqual(0)
  })

  it.each([
    [{ ignores: ['ifNoneMatch'] }, 'it overwrote an object that was to be created only where none is'],
    [{ ignores: ['ifMatch'] }, 'it overwrote an object that was to be replaced only while it had another version'],
    [{ staleListings: 1 }, 'it lists l/1, l/2 where l/1, l/2, l/3 should be'],
    [{ dropsMetadata: true }, 'it does not keep the metadata of objects'],
  ] as Array<[S3ServerOptions, string]>)('refuses one that lies: %j', async (options, what) => {
    await expect(probed(options)).rejects.toMatchObject({ code: 'ERR_STORE_UNFIT', message: `s3://bucket/p cannot hold volumes: ${what}.` })
  })

  it.each(['read', 'write', 'list', 'delete'] as const)('names the right that is missing: %s', async right => {
    await expect(probed({ denied: [right] })).rejects.toMatchObject({
      code: 'ERR_STORE_ACCESS',
      message: `These credentials may not ${right} objects in s3://bucket/p.`,
    })
  })
})

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cloudEnvironment, TEST_VARIABLES } from '../testing/object-server/environment.js'
import { S3Server } from '../testing/object-server/s3-server.js'
import { openObjectStore } from './open-object-store.js'
import { probeStore } from './probe.js'
import { parseStoreUrl } from './url.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-open-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('openObjectStore', () => {
  it.each(['', 'file://', 'sqlite://', 'lmdb://'])('a path behind %j passes the probe, and is there the next time', async scheme => {
    const location = parseStoreUrl(`${scheme}${folder}/ws`)
    await expect(openObjectStore(location)).rejects.toMatchObject({ code: 'ERR_STORE_UNKNOWN' })
    expect(existsSync(join(folder, 'ws'))).toBe(false)
    const store = await openObjectStore(location, { create: true })
    await probeStore(store)
    await store.put('k', Buffer.from('kept'))
    await store.close()
    const again = await openObjectStore(location)
    expect(Buffer.from((await again.get('k'))?.bytes ?? '').toString()).toBe('kept')
    await again.close()
  })

  it('the address of a bucket', async () => {
    const server = await new S3Server().start()
    const restore = cloudEnvironment(TEST_VARIABLES)
    try {
      const store = await openObjectStore(parseStoreUrl(`${server.endpoint}/bucket/some/prefix`))
      expect(store.description).toBe('s3://bucket/some/prefix')
      await probeStore(store, { keepsNonce: true })
      await store.close()
    } finally {
      restore()
      await server.close()
    }
  })
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cloudEnvironment } from '../../testing/object-server/environment.js'
import { S3Server } from '../../testing/object-server/s3-server.js'
import type { Credentials } from '../../testing/object-server/signature.js'
import { S3Store } from './s3-store.js'

const key = (n: number): Credentials => ({ accessKeyId: `ASIA${n}`, secretAccessKey: `secret/${n}`, sessionToken: `token-${n}` })

let folder: string
let server: S3Server
let restore: () => void
let store: S3Store

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-renewal-'))
  server = await new S3Server({ credentials: [key(1)] }).start()
  restore = cloudEnvironment({
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
  })
  store = new S3Store({ bucket: 'bucket', endpoint: server.endpoint, region: 'us-east-1' })
})

afterEach(async () => {
  await store.close()
  restore()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const inProfile = ({ accessKeyId, secretAccessKey, sessionToken }: Credentials): void =>
  writeFileSync(
    join(folder, 'credentials'),
    `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\naws_session_token=${sessionToken}\n`,
  )
const inEnvironment = ({ accessKeyId, secretAccessKey, sessionToken }: Credentials): object =>
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken })
const bytes = Buffer.from('kept')
const requests = (): number => [...server.counts.values()].reduce((sum, { requests: n }) => sum + n, 0)

describe('credentials that are refused while a store is open', () => {
  for (const [where, write] of [
    ['a profile that was written again', inProfile],
    ['the environment', inEnvironment],
  ] as const)
    it(`are looked for anew, in ${where}, and the request is made once more`, async () => {
      write(key(1))
      await store.put('k', bytes)
      server.options = { ...server.options, credentials: [key(2)] }
      await expect(store.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
      write(key(2))
      server.resetCounts()
      // Each kind of request; those to HEAD are told nothing but 403.
      expect((await store.head('k'))?.sizeBytes).toBe(4)
      expect(requests()).toBe(2)
      expect(Buffer.from((await store.get('k'))?.bytes ?? '').toString()).toBe('kept')
      expect(requests()).toBe(3)
      server.options = { ...server.options, credentials: [key(3)] }
      write(key(3))
      // A body is sent a second time, and many requests at once all come through.
      await Promise.all(Array.from({ length: 8 }, (_, i) => store.put(`many/${i}`, Buffer.alloc(100_000, i))))
      expect((await store.list('many/')).objects.map(({ sizeBytes }) => sizeBytes)).toEqual(Array(8).fill(100_000))
      await store.delete(['many/0', 'many/1'])
    })

  it('a session token that the service says has expired', async () => {
    inProfile(key(1))
    await store.put('k', bytes)
    server.options = { ...server.options, credentials: [key(2)], expired: ['ASIA1'] }
    await expect(store.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS', message: expect.stringContaining('the session token has expired') })
    inProfile(key(2))
    expect((await store.get('k'))?.bytes.length).toBe(4)
  })

  it('that are no others are not tried again, and what is merely not allowed is not looked into each time', async () => {
    inProfile(key(1))
    await store.put('k', bytes)
    server.options = { ...server.options, credentials: [key(2)] }
    server.resetCounts()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
    expect(requests()).toBe(1)
    inProfile(key(2))
    server.options = { ...server.options, denied: ['write'] }
    server.resetCounts()
    for (let i = 0; i < 3; i++) await expect(store.put('k', bytes)).rejects.toMatchObject({ code: 'ERR_STORE_ACCESS' })
    // The first is refused for its key, and made again with the new one.
    expect(requests()).toBe(4)
  })
})

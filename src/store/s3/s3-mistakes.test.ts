import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CairnError } from '../../errors.js'
import { cloudEnvironment, TEST_VARIABLES } from '../../testing/object-server/environment.js'
import { S3Server } from '../../testing/object-server/s3-server.js'
import { Retry, RetryingStore } from '../wrap/retry.js'
import { type S3Options, S3Store } from './s3-store.js'

const SECRET = 'planted/secret/key'
const TOKEN = 'planted-session-token'
let server: S3Server
let restore: () => void

beforeEach(async () => {
  server = await new S3Server().start()
  restore = cloudEnvironment(TEST_VARIABLES)
})

afterEach(async () => {
  restore()
  await server.close()
})

const retry = new Retry({ sleep: async () => {} })

async function using<T>(options: Partial<S3Options>, work: (store: RetryingStore) => Promise<T>): Promise<T> {
  const store = new RetryingStore(
    new S3Store({ bucket: 'bucket', region: 'us-east-1', endpoint: options.endpoint ?? server.endpoint, retry, ...options }),
    retry,
  )
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

async function failure(work: (store: RetryingStore) => Promise<unknown>, options: Partial<S3Options> = {}): Promise<CairnError> {
  const error = await using(options, work).then(
    () => undefined,
    (thrown: CairnError) => thrown,
  )
  if (error === undefined) throw new Error('it did not fail')
  const everything = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error)
  expect(everything).not.toContain(SECRET)
  expect(everything).not.toContain(TOKEN)
  return error
}

const put = (store: RetryingStore): Promise<unknown> => store.put('k', Buffer.from('1'))

describe('what users get wrong', () => {
  it('a bucket that is not there', async () => {
    const sentence = `There is no bucket other at ${server.endpoint}.`
    for (const work of [put, (store: RetryingStore) => store.get('k'), (store: RetryingStore) => store.list('')])
      expect(await failure(work, { bucket: 'other' })).toMatchObject({ code: 'ERR_STORE_MISSING', message: sentence })
  })

  it('the region', async () => {
    const error = await failure(put, { region: 'eu-central-1' })
    expect(error).toMatchObject({
      code: 'ERR_STORE_REGION',
      message: 's3://bucket is not in the region eu-central-1 but in us-east-1.',
      remedy: 'Use `--region us-east-1`.',
    })
    expect(await failure(store => store.head('k'), { region: 'eu-central-1' })).toMatchObject({ code: 'ERR_STORE_REGION' })
  })

  it('the access key, the secret, the session token', async () => {
    process.env['AWS_ACCESS_KEY_ID'] = 'AKIAUNKNOWN'
    process.env['AWS_SECRET_ACCESS_KEY'] = SECRET
    expect(await failure(put)).toMatchObject({
      code: 'ERR_STORE_CREDENTIALS',
      message: 's3://bucket refuses the credentials: it does not know the access key.',
    })
    process.env['AWS_ACCESS_KEY_ID'] = TEST_VARIABLES['AWS_ACCESS_KEY_ID']
    expect(await failure(put)).toMatchObject({ message: 's3://bucket refuses the credentials: the secret does not belong to the access key.' })
    process.env['AWS_SESSION_TOKEN'] = TOKEN
    expect(await failure(put)).toMatchObject({ message: 's3://bucket refuses the credentials: the session token is not valid.' })
  })

  it('no credentials at all', async () => {
    delete process.env['AWS_ACCESS_KEY_ID']
    const error = await failure(put)
    expect(error).toMatchObject({ code: 'ERR_STORE_CREDENTIALS', message: 'No credentials for s3://bucket were found.' })
    expect(error.remedy).toContain('AWS_ACCESS_KEY_ID')
  })

  it.each([
    ['read', 'read objects', (store: RetryingStore) => store.get('k')],
    ['write', 'write objects', put],
    ['list', 'list objects', (store: RetryingStore) => store.list('')],
    ['delete', 'delete objects', (store: RetryingStore) => store.delete(['k'])],
    ['delete', 'delete objects', (store: RetryingStore) => store.delete(['k', 'l'])],
  ] as const)('no permission to %s: may not %s', async (permission, words, work) => {
    server.options.denied = [permission]
    expect(await failure(work)).toMatchObject({ code: 'ERR_STORE_ACCESS', message: `These credentials may not ${words} in s3://bucket.`, retry: 'no' })
  })

  it('a clock that is wrong by less than a day is put right after the first refusal', async () => {
    server.clockSkewMs = 3 * 3600 * 1000
    await using({}, async store => {
      await store.put('k', Buffer.from('1'), { ifAbsent: true })
      expect((await store.get('k'))?.bytes.toString()).toBe('1')
    })
    expect(server.requests('PutObject')).toBe(2)
  })

  it('nobody who answers', async () => {
    const endpoint = server.endpoint
    await server.close()
    expect(await failure(put, { endpoint })).toMatchObject({
      code: 'ERR_STORE_UNREACHABLE',
      message: 's3://bucket cannot be reached: the connection was refused.',
    })
    server = await new S3Server().start()
  })

  it('a name that nobody has', async () => {
    expect(await failure(put, { endpoint: 'http://no-such-host.invalid' })).toMatchObject({
      code: 'ERR_STORE_UNREACHABLE',
      message: expect.stringMatching(/its name (is not known|could not be looked up)/),
    })
  })
})

describe('where credentials come from', () => {
  const session = { accessKeyId: 'ASIATEMPORARY', secretAccessKey: SECRET, sessionToken: TOKEN }

  it('the environment, with a session token', async () => {
    server.options.credentials = [session]
    process.env['AWS_ACCESS_KEY_ID'] = session.accessKeyId
    process.env['AWS_SECRET_ACCESS_KEY'] = session.secretAccessKey
    process.env['AWS_SESSION_TOKEN'] = session.sessionToken
    await using({}, put)
  })
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cloudEnvironment, TEST_VARIABLES } from '../../testing/object-server/environment.js'
import { S3Server } from '../../testing/object-server/s3-server.js'
import { proxyFor } from '../http/agents.js'
import { type S3Options, S3Store } from './s3-store.js'

const SESSION = { accessKeyId: 'ASIATEMPORARY', secretAccessKey: 'of/the+session', sessionToken: 'token-of-the-session' }
let server: S3Server
let restore: () => void
let folder: string
const helpers: Server[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-s3-'))
  server = await new S3Server({ credentials: [SESSION] }).start()
  restore = cloudEnvironment({
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
  })
})

afterEach(async () => {
  restore()
  for (const helper of helpers.splice(0)) {
    helper.closeAllConnections()
    helper.close()
  }
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function works(options: Partial<S3Options> = {}): Promise<void> {
  const store = new S3Store({ bucket: 'bucket', endpoint: server.endpoint, ...options })
  try {
    await store.put('k', Buffer.from('1'))
  } finally {
    await store.close()
  }
}

/** Answers by the path, so that it can be any of the services that give out credentials. */
async function helper(answer: (method: string, path: string) => string | undefined): Promise<string> {
  const started = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      const text = answer(incoming.method ?? '', incoming.url ?? '')
      response.writeHead(text === undefined ? 404 : 200, { 'content-type': text?.startsWith('<') ? 'text/xml' : 'application/json' }).end(text)
    })
  })
  helpers.push(started)
  await new Promise<void>(resolve => started.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`
}

const expiration = new Date(Date.now() + 3600_000).toISOString()
const given = JSON.stringify({
  Code: 'Success',
  AccessKeyId: SESSION.accessKeyId,
  SecretAccessKey: SESSION.secretAccessKey,
  Token: SESSION.sessionToken,
  Expiration: expiration,
})

describe('credentials and region come from', () => {
  it('a profile', async () => {
    const lines = `aws_access_key_id=${SESSION.accessKeyId}\naws_secret_access_key=${SESSION.secretAccessKey}\naws_session_token=${SESSION.sessionToken}\n`
    writeFileSync(join(folder, 'credentials'), `[work]\n${lines}`)
    writeFileSync(join(folder, 'config'), '[profile work]\nregion=us-east-1\n')
    process.env['AWS_PROFILE'] = 'work'
    await works()
  })

  it('web identity', async () => {
    writeFileSync(join(folder, 'token'), 'identity')
    const { accessKeyId, secretAccessKey, sessionToken } = SESSION
    const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expiration}</Expiration>`
    const xml = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
    process.env['AWS_ENDPOINT_URL_STS'] = await helper(() => xml)
    Object.assign(process.env, {
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/work',
      AWS_REGION: 'us-east-1',
    })
    await works()
  })

  it('the container', async () => {
    process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `${await helper(() => given)}/credentials`
    await works({ region: 'us-east-1' })
  })

  it('the instance', async () => {
    const roles = '/latest/meta-data/iam/security-credentials/'
    const answers = (method: string, path: string): string | undefined => {
      if (method === 'PUT' && path === '/latest/api/token') return 'token-of-the-instance'
      return path === roles ? 'role' : path === `${roles}role` ? given : undefined
    }
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = await helper(answers)
    delete process.env['AWS_EC2_METADATA_DISABLED']
    await works({ region: 'us-east-1' })
  })
})

describe('a proxy', () => {
  it('is used where the environment names one, and not where it says no', async () => {
    server.options.credentials = undefined
    Object.assign(process.env, TEST_VARIABLES)
    const { port } = new URL(server.endpoint)
    const seen: string[] = []
    const proxy = createServer((incoming, response) => {
      seen.push(incoming.url ?? '')
      const { pathname, search } = new URL(incoming.url ?? '')
      const onward = request({ port, method: incoming.method, path: pathname + search, headers: incoming.headers }, answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      incoming.pipe(onward)
    })
    helpers.push(proxy)
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    process.env['HTTP_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    await works({ endpoint: 'http://store.invalid' })
    expect(seen).toEqual([expect.stringContaining('http://store.invalid/bucket/k')])
    process.env['NO_PROXY'] = 'localhost, .store.invalid,127.0.0.1'
    await works()
    await expect(works({ endpoint: 'http://store.invalid' })).rejects.toMatchObject({ code: 'ERR_STORE_UNREACHABLE' })
    expect(seen).toHaveLength(1)
  })

  it.each([
    ['*', undefined],
    ['a.example', undefined],
    ['.example', undefined],
    ['*.example', undefined],
    ['a.example:443', undefined],
    ['a.example:80', 'http://proxy:3128/'],
    ['ample', 'http://proxy:3128/'],
    ['', 'http://proxy:3128/'],
  ])('NO_PROXY=%s', (text, url) => {
    Object.assign(process.env, { https_proxy: 'proxy:3128', NO_PROXY: text })
    expect(proxyFor('https://a.example')?.href).toBe(url)
  })

  it('that is no address is named without what it holds', () => {
    process.env['HTTPS_PROXY'] = 'ftp://user:planted@host'
    expect(() => proxyFor('https://a.example')).toThrow(expect.objectContaining({ code: 'ERR_STORE_PROXY', message: 'HTTPS_PROXY does not name a proxy.' }))
  })
})

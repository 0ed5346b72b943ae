import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { S3Server } from '../src/testing/object-server/s3-server.js'
import { MountedHome, type Result, whyNoMount } from './support/mounted-home.js'

const KEY = 'AKIAPLANTEDACCESSKEY'
const SECRET = 'planted/secret+access/key'
const TOKEN = 'planted-session-token=='
const PASSWORD = 'planted-password'
const FORMS = [KEY, SECRET, TOKEN, PASSWORD, encodeURIComponent(SECRET), Buffer.from(SECRET).toString('base64'), 'planted']

let server: S3Server
let host: MountedHome
/** All that was printed, and the arguments of all processes of this home at that time. */
let said: string[]

beforeEach(async () => {
  server = await new S3Server({ credentials: [{ accessKeyId: KEY, secretAccessKey: SECRET, sessionToken: TOKEN }] }).start()
  said = []
})

afterEach(async () => {
  await host.end()
  await server.close()
})

const nothing = { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/nonexistent/config', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials' }
const asked = { CAIRN_IDLE_MS: '2000', CAIRN_LOG_LEVEL: 'debug', CAIRN_DEBUG: '1', NODE_DEBUG: '' }

async function cairn(...args: string[]): Promise<Result> {
  const result = await host.cairn(...args)
  said.push(result.output)
  said.push(...processesOf(host.home))
  return result
}

/** Command lines of the processes that have this home in theirs. */
function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(pid => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return line.includes(home) ? [line] : []
      } catch {
        return []
      }
    })
}

function everyFile(folder: string): Array<{ path: string; bytes: Buffer }> {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(item => {
    const path = join(item.parentPath, item.name)
    return item.isFile() ? [{ path, bytes: readFileSync(path) }] : []
  })
}

function expectNoTrace(): void {
  for (const text of said) for (const secret of FORMS) expect(text).not.toContain(secret)
  const files = everyFile(host.home)
  expect(files.length).toBeGreaterThan(3)
  for (const { path, bytes } of files) for (const secret of FORMS) expect(bytes.includes(secret), `${path} holds ${secret}`).toBe(false)
  for (const [key, object] of server.buckets.get('bucket')?.objects ?? []) {
    for (const secret of FORMS) expect(`${key} ${JSON.stringify(object.metadata)} ${object.body.slice()}`).not.toContain(secret)
  }
}

const place = (endpoint = server.endpoint): string[] => ['--store', 's3://bucket/p', '--region', 'us-east-1', '--endpoint', endpoint, '--path-style']

describe('secrets are in nothing that is written or printed', { timeout: 240_000 }, () => {
  it.skipIf(whyNoMount() !== undefined)('while all goes well, and while the store does not', async () => {
    host = new MountedHome({ ...nothing, ...asked, AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: TOKEN })
    expect(await cairn('init', 'w', ...place())).toMatchObject({ code: 0 })
    expect((await cairn('mount', 'w', host.mountpoint)).code).toBe(0)
    expect(said.some(line => line.includes('supervise'))).toBe(true)
    await writeFile(join(host.mountpoint, 'f'), 'content')
    for (const command of [
      ['flush', 'w'],
      ['status', '--json'],
      ['lease', 'show', 'w', '--json'],
      ['volumes', '--json'],
      ['doctor', '--json'],
      ['config', 'show'],
    ])
      await cairn(...command)
    expectNoTrace()
    for (const kind of ['lost', 'forbidden'] as const) {
      server.faults.add({ kind, times: Number.POSITIVE_INFINITY })
      await writeFile(join(host.mountpoint, `while-${kind}`), 'content')
      for (const command of [
        ['flush', 'w', '--timeout', '1s'],
        ['status', 'w', '--json'],
        ['gc', 's3://bucket/p'],
        ['fork', 'w', `f-${kind}`, '--json'],
        ['doctor'],
      ])
        await cairn(...command)
      server.faults.clear()
    }
    // As when the session ends: the server repeats what was sent.
    server.options.credentials = []
    expect((await cairn('flush', 'w', '--json')).output).toContain('ERR_STORE_CREDENTIALS')
    expect(await readFile(join(host.mountpoint, 'f'), 'utf8')).toBe('content')
    process.kill(host.pids().server, 'SIGKILL')
    await cairn('status', 'w')
    await cairn('unmount', 'w')
    expectNoTrace()
  })

  it('from a profile, and where they stand where they may not', async () => {
    host = new MountedHome({ ...nothing, ...asked })
    const [config, credentials] = [join(host.scratch, 'aws-config'), join(host.scratch, 'aws-credentials')]
    writeFileSync(config, '[profile work]\nregion = us-east-1\n')
    writeFileSync(credentials, `[work]\naws_access_key_id = ${KEY}\naws_secret_access_key = ${SECRET}\naws_session_token = ${TOKEN}\n`)
    Object.assign(host.env, { AWS_PROFILE: 'work', AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials })
    expect(await cairn('init', 'w', ...place())).toMatchObject({ code: 0 })
    expect(await cairn('write', 'w:/f', 'content')).toMatchObject({ code: 0 })
    for (const url of [`s3://${KEY}:${PASSWORD}@bucket/p`, `https://user:${PASSWORD}@example.org/bucket`, `file://user:${PASSWORD}@host/share`]) {
      const { code, output } = await cairn('init', 'v', '--store', url)
      expect([code, output]).toEqual([2, expect.stringContaining('cairn: ')])
    }
    expect((await cairn('init', 'v', ...place(`http://user:${PASSWORD}@localhost:1`))).code).toBe(2)
    host.env['CAIRN_STORE'] = `s3://${KEY}:${PASSWORD}@bucket/p`
    for (const command of [
      ['init', 'v'],
      ['config', 'show'],
      ['config', 'show', '--json'],
    ])
      expect((await cairn(...command)).code).toBe(2)
    host.env['CAIRN_STORE'] = ''
    Object.assign(host.env, { HTTP_PROXY: `ftp://user:${PASSWORD}@proxy:1`, NO_PROXY: '' })
    expect((await cairn('cat', 'w:/f')).output).toMatch(/HTTP_PROXY does not name a proxy/)
    Object.assign(host.env, { HTTP_PROXY: `http://user:${PASSWORD}@127.0.0.1:1` })
    expect((await cairn('cat', 'w:/f')).code).toBe(1)
    expectNoTrace()
  })
})

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTls } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Socket, type Server as TcpServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DoctorReport } from '../src/sdk/types.js'
import { S3Store } from '../src/store/s3/index.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import { type SpawnedGcs, type SpawnedS3, spawnGcsServer, spawnS3Server } from '../src/testing/object-server/spawn.js'
import { CliRun, type Ran } from './cli-run.js'
import { program } from './server/support.js'

/** What no output may hold. */
const PLANTED = 'planted/secret+key'
let server: SpawnedS3
let cli: CliRun
let restore: () => void

beforeAll(async () => {
  server = await spawnS3Server({ buckets: ['bucket', 'later'] })
})

afterAll(() => server.close())

beforeEach(() => {
  restore = cloudEnvironment(TEST_VARIABLES)
  cli = new CliRun()
})

afterEach(async () => {
  restore()
  cli.remove()
  await server.heal()
  await server.set({ denied: [], ignores: [], staleListings: undefined, dropsMetadata: false, clockSkewMs: 0, credentials: undefined })
})

let prefixes = 0
/** A place of its own in the bucket. */
const prefix = (): string => `p${++prefixes}`

function place(url: string, options: { region?: string; endpoint?: string } = {}): string[] {
  return ['--store', url, '--region', options.region ?? 'us-east-1', '--endpoint', options.endpoint ?? server.endpoint, '--path-style']
}

/** One sentence that says what is wrong and one that says what to do, on one line, and nothing else. */
function expectSentence({ code, out, err }: Ran, wanted: RegExp, exit = 1): void {
  expect(err).toMatch(wanted)
  expect(code).toBe(exit)
  expect(out).toBe('')
  expect(err.trimEnd().split('\n')).toHaveLength(1)
  expect(err).toMatch(/^cairn: [A-Z`"'a-z0-9].*[.?`]\n$/)
  expect(err).not.toMatch(/\n\s+at |undefined|\[object|Error:|planted/)
}

/** The home is as if nothing had been tried. */
async function expectNothing(): Promise<void> {
  expect(await cli.json('volumes')).toEqual([])
  for (const folder of ['attached', 'stores']) expect(existsSync(cli.path('home', folder)) ? readdirSync(cli.path('home', folder)) : []).toEqual([])
}

/** `init` with this place fails so, and leaves nothing: neither here nor there. */
async function refusesInit(args: readonly string[], wanted: RegExp): Promise<void> {
  const before = await server.keys('bucket')
  // A process of its own: this one may be who answers.
  expectSentence(await cli.spawned(['init', 'w', ...args], { env: process.env }), wanted)
  await expectNothing()
  expect(await server.keys('bucket')).toEqual(before)
}

describe('what is wrong with a place', () => {
  it('a bucket that is not there', async () => {
    await refusesInit(place('s3://nobody/p'), /^cairn: There is no bucket nobody at http:\S+\. Check the name/)
  })

  it('the region, which is named', async () => {
    await refusesInit(
      place(`s3://bucket/${prefix()}`, { region: 'eu-central-1' }),
      /is not in the region eu-central-1 but in us-east-1\. Use `--region us-east-1`\./,
    )
  })

  it('what is a typing mistake', async () => {
    for (const [url, wanted] of [
      ['s4://bucket/x', /s4/],
      ['s3:/bucket/x', /Write s3:\/\/BUCKET\/PREFIX/],
      ['s3://', /names no bucket/],
      ['s3://Bucket/x', /no name of a bucket/],
      ['s3://bucket/a b', /no part of a prefix/],
      ['s3://bucket/../x', /no part of a prefix/],
      ['s3://bucket/x?region=eu', /no parts behind/],
      [`s3://AKIA:${encodeURIComponent(PLANTED)}@bucket/x`, /holds no credentials/],
      [`https://AKIA:${encodeURIComponent(PLANTED)}@s3.example.org/bucket`, /holds no credentials/],
      ['gs://b', /no name of a bucket/],
      ['sqlite://x.cairn', /three slashes/],
    ] as const) {
      expectSentence(await cli.cairn('init', 'w', '--store', url), wanted, 2)
    }
    expectSentence(
      await cli.cairn('init', 'w', '--store', 's3://bucket/x', '--endpoint', `http://u:${encodeURIComponent(PLANTED)}@h`),
      /holds no credentials/,
      2,
    )
    await expectNothing()
  })

  it('a place that holds something else, or a store of a newer version', async () => {
    const other = new S3Store({ bucket: 'bucket', prefix: 'other/', region: 'us-east-1', endpoint: server.endpoint })
    await other.put('photo.jpg', Buffer.from('…'))
    await refusesInit(place('s3://bucket/other'), /s3:\/\/bucket\/other holds other things, and is no store\./)
    const newer = new S3Store({ bucket: 'bucket', prefix: 'newer/', region: 'us-east-1', endpoint: server.endpoint })
    await newer.put('store.json', Buffer.from('{"format":99,"id":"0123456789abcdef"}'))
    await refusesInit(place('s3://bucket/newer'), /format 99; this version of cairn knows \d+\. Install a newer version of cairn\./)
    for (const store of [other, newer]) await store.close()
  })

  it('a service that lies', async () => {
    for (const [lie, wanted] of [
      [{ ignores: ['ifNoneMatch'] }, /overwrote an object that was to be created only where none is/],
      [{ ignores: ['ifMatch'] }, /overwrote an object that was to be replaced only while it had another version/],
      [{ staleListings: 2 }, /it lists .* should be/],
      [{ dropsMetadata: true }, /does not keep the metadata/],
    ] as const) {
      await server.set({ ignores: [], staleListings: undefined, dropsMetadata: false, ...lie })
      await refusesInit(place(`s3://bucket/${prefix()}`), wanted)
    }
  })

  it('a name that another volume of this home has', async () => {
    await cli.ok('init', 'w')
    const one = await cli.cairn('init', 'w', ...place(`s3://bucket/${prefix()}`))
    expectSentence(one, /There is a volume 'w' already/)
    await cli.ok('init', 'v', ...place(`s3://bucket/${prefix()}`))
    expectSentence(await cli.cairn('init', 'v', ...place(`s3://bucket/${prefix()}`)), /There is a volume 'v' already/)
    expectSentence(await cli.cairn('rename', 'v', 'w'), /There is a volume 'w' already/)
    expect((await cli.json<Array<{ name: string }>>('volumes')).map(({ name }) => name)).toEqual(['v', 'w'])
  })

  it('a driver that is not installed', async () => {
    const hook = cli.path('hook.cjs')
    writeFileSync(
      hook,
      `const Module = require('node:module'); const find = Module._resolveFilename
      Module._resolveFilename = function (name, ...rest) {
        if (/^(@aws-sdk|google-auth-library|lmdb)/.test(name)) throw Object.assign(new Error('gone'), { code: 'MODULE_NOT_FOUND' })
        return find.call(this, name, ...rest)
      }`,
    )
    const env = { ...process.env, NODE_OPTIONS: `--require ${hook}` }
    for (const [url, wanted] of [
      [
        's3://bucket/x',
        'A store in S3 needs the package @aws-sdk/client-s3, which is not installed. Install it beside cairn: `npm install @aws-sdk/client-s3`',
      ],
      ['gs://bucket/x', 'A store in GCS needs the package google-auth-library, which is not installed.'],
      [`lmdb://${cli.path('store')}`, 'needs the package lmdb, which is not installed.'],
    ]) {
      const ran = await cli.spawned(['init', 'w', '--store', url], { env })
      expect(ran.err).toContain(wanted)
      expect(ran.code).toBe(1)
      expect(ran.err.trimEnd().split('\n')).toHaveLength(1)
    }
    await expectNothing()
  })
})

describe('credentials', () => {
  it('that are unknown, wrong, or not there', async () => {
    const url = `s3://bucket/${prefix()}`
    process.env['AWS_ACCESS_KEY_ID'] = 'AKIAPLANTED'
    process.env['AWS_SECRET_ACCESS_KEY'] = PLANTED
    await refusesInit(place(url), /refuses the credentials: it does not know the access key\./)
    process.env['AWS_ACCESS_KEY_ID'] = TEST_VARIABLES['AWS_ACCESS_KEY_ID']
    await refusesInit(place(url), /refuses the credentials: the secret does not belong to the access key\./)
    process.env['AWS_SECRET_ACCESS_KEY'] = TEST_VARIABLES['AWS_SECRET_ACCESS_KEY']
    process.env['AWS_SESSION_TOKEN'] = PLANTED
    await refusesInit(place(url), /refuses the credentials: the session token is not valid\./)
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) delete process.env[name]
    await refusesInit(place(url), /^cairn: No credentials for s3:\S+ were found\. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/)
  })

  it.each(['read', 'write', 'list', 'delete'] as const)('that may not %s', async right => {
    await server.set({ denied: [right] })
    const args = place(`s3://bucket/${prefix()}`)
    // Who may not delete cannot take the probe's objects away either.
    if (right !== 'delete') await refusesInit(args, new RegExp(`^cairn: These credentials may not ${right} objects in s3:`))
    else expectSentence(await cli.cairn('init', 'w', ...args), /^cairn: These credentials may not delete objects in s3:/)
    await expectNothing()
    await server.set({ denied: [] })
    expect(await cli.ok('init', 'w', ...args)).toContain('Created')
  })

  it('that lose a right later', async () => {
    const args = place(`s3://bucket/${prefix()}`)
    await cli.ok('init', 'w', ...args)
    await cli.ok('write', 'w:/kept', 'k')
    await server.set({ denied: ['write'] })
    for (const command of [
      ['write', 'w:/lost', 'l'],
      ['mkdir', 'w:/d'],
      ['fork', 'w', 'f'],
      ['lease', 'steal', 'w'],
    ])
      expectSentence(await cli.cairn(...command), /These credentials may not write objects in s3:/)
    await server.set({ denied: ['list'] })
    expectSentence(await cli.cairn('gc', args[1]), /These credentials may not list objects in s3:/)
    await server.set({ denied: ['read'] })
    expectSentence(await cli.cairn('cat', 'w:/kept'), /These credentials may not read objects in s3:/)
    await server.set({ denied: [] })
    expect(await cli.ok('cat', 'w:/kept')).toBe('k\n')
    expect(await cli.ok('ls', 'w:/')).toBe('kept\n')
  })

  it('with a clock that is hours wrong: it is put right', async () => {
    await server.set({ clockSkewMs: 5 * 3600 * 1000 })
    await cli.ok('init', 'w', ...place(`s3://bucket/${prefix()}`))
    await cli.ok('write', 'w:/f', 'x')
    expect(await cli.ok('cat', 'w:/f')).toBe('x\n')
  })
})

describe('what answers at an endpoint', () => {
  const running: Array<Server | TcpServer> = []
  const silent: Socket[] = []

  afterEach(async () => {
    for (const socket of silent.splice(0)) socket.destroy()
    for (const one of running.splice(0)) await new Promise(resolve => one.close(resolve))
  })

  async function at(one: Server | TcpServer, scheme = 'http'): Promise<string> {
    running.push(one)
    await new Promise<void>(resolve => one.listen(0, '127.0.0.1', resolve))
    return `${scheme}://127.0.0.1:${(one.address() as AddressInfo).port}`
  }

  it.each([200, 403, 404, 503])('a web page with status %i', async status => {
    const page = createServer((_, response) => response.writeHead(status, { 'content-type': 'text/html' }).end('<!doctype html><h1>Welcome</h1>'))
    const endpoint = await at(page)
    await refusesInit(
      place('s3://bucket/p', { endpoint }),
      status === 503 ? /it answered 503/ : /answers, but not as S3 does, so that s3:\S+ cannot be used\. Check the endpoint/,
    )
  })

  it('nobody', async () => {
    await refusesInit(place('s3://bucket/p', { endpoint: 'http://127.0.0.1:1' }), /cannot be reached: the connection was refused\./)
  })

  it('a name that is not known', async () => {
    await refusesInit(
      place('s3://bucket/p', { endpoint: 'http://no-such-host.invalid' }),
      /cannot be reached: its name (is not known|could not be looked up)\./,
    )
  })

  it('somebody who never says a word', async () => {
    const endpoint = await at(createTcp(socket => silent.push(socket.on('error', () => undefined))))
    await refusesInit(place('s3://bucket/p', { endpoint }), /(does not answer|did not answer in time)\./)
  })

  it('a certificate of nobody, TLS where none is, and none where it is', async () => {
    const [key, certificate] = [cli.path('key.pem'), cli.path('certificate.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', key, '-out', certificate, ...subject],
      { stdio: 'ignore' },
    )
    const { readFileSync } = await import('node:fs')
    const secure = await at(
      createTls({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, response) => response.end()),
      'https',
    )
    await refusesInit(place('s3://bucket/p', { endpoint: secure }), /cannot be reached: its certificate is self-signed\. .*NODE_EXTRA_CA_CERTS/)
    await refusesInit(place('s3://bucket/p', { endpoint: secure.replace('https', 'http') }), /cannot be reached|not as S3 does/)
    await refusesInit(place('s3://bucket/p', { endpoint: server.endpoint.replace('http', 'https') }), /cannot be reached: it does not speak TLS there\./)
  })
})

describe('Google', () => {
  let google: SpawnedGcs

  beforeAll(async () => {
    google = await spawnGcsServer()
  })

  afterAll(() => google.close())

  beforeEach(async () => {
    await google.set({ denied: [] })
    writeFileSync(cli.path('subject'), PLANTED)
    credentials({})
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = cli.path('credentials.json')
  })

  function credentials(more: object): void {
    const file = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${google.endpoint}/v1/token`,
      credential_source: { file: cli.path('subject') },
      client_secret: PLANTED,
    }
    writeFileSync(cli.path('credentials.json'), JSON.stringify({ ...file, ...more }))
  }

  const there = (bucket = 'bucket'): string[] => ['--store', `gs://${bucket}/${prefix()}`, '--endpoint', google.endpoint]

  it('is used like any store', async () => {
    const args = there()
    expect(await cli.ok('init', 'w', ...args)).toContain('Created the volume w in gs://bucket/')
    await cli.ok('write', 'w:/f', 'x')
    expect(await cli.ok('cat', 'w:/f')).toBe('x\n')
    await google.set({ denied: ['write'] })
    expectSentence(await cli.cairn('write', 'w:/lost', 'l'), /These credentials may not write objects in gs:/)
  })

  it('a bucket that is not there, and rights that are not given', async () => {
    expectSentence(await cli.cairn('init', 'w', ...there('nobody')), /There is no bucket nobody at http/)
    for (const right of ['read', 'write', 'list', 'delete'] as const) {
      await google.set({ denied: [right] })
      expectSentence(await cli.cairn('init', 'w', ...there()), new RegExp(`These credentials may not ${right} objects in gs:`))
    }
    await expectNothing()
  })

  it('credentials that are not there, do not read, or get no token', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = cli.path('nothing.json')
    expectSentence(await cli.cairn('init', 'w', ...there()), /No credentials for gs:\S+ were found\. Set GOOGLE_APPLICATION_CREDENTIALS/)
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = cli.path('credentials.json')
    writeFileSync(cli.path('credentials.json'), `{"private_key": "${PLANTED}`)
    expectSentence(await cli.cairn('init', 'w', ...there()), /gs:\S+ refuses the credentials: they do not read\./)
    credentials({ token_url: 'http://127.0.0.1:1/v1/token' })
    expectSentence(await cli.cairn('init', 'w', ...there()), /gs:\S+ cannot be reached: the connection was refused\./)
    await expectNothing()
  })
})

describe('programs', () => {
  it('hear the same as errors with a code, and go on', async () => {
    const mistakes = {
      bucket: { store: 's3://nobody/x', region: 'us-east-1', endpoint: server.endpoint },
      region: { store: 's3://bucket/x', region: 'eu-west-1', endpoint: server.endpoint },
      url: { store: `s3://k:${encodeURIComponent(PLANTED)}@bucket/x` },
      nobody: { store: 's3://bucket/x', region: 'us-east-1', endpoint: 'http://127.0.0.1:1' },
      half: { storage: 's3' },
    }
    const right = { store: `s3://bucket/${prefix()}`, region: 'us-east-1', endpoint: server.endpoint }
    const { ended } = program(
      `const { Cairn } = await dist('index.js')
      const cairn = await Cairn.open({ home: process.argv[1] })
      const said = {}
      for (const [name, options] of Object.entries(${JSON.stringify(mistakes)}))
        said[name] = await cairn.ensureVolume({ name: 'w', ...options }).then(() => 'made', error => [error.code, error.retry, error.message, error.remedy, JSON.stringify(error)])
      const made = await cairn.ensureVolume({ name: 'w', ...${JSON.stringify(right)} })
      said.check = await cairn.checkStore('w', { probe: true })
      said.made = made.created
      await cairn.close()
      console.log(JSON.stringify(said))`,
      [cli.home],
    )
    const { code, output } = await ended
    expect(output).not.toContain(encodeURIComponent(PLANTED))
    expect(code, output).toBe(0)
    const said = JSON.parse(output)
    expect(said).toMatchObject({
      bucket: ['ERR_STORE_MISSING', 'no', expect.stringContaining('There is no bucket nobody'), expect.any(String), expect.any(String)],
      region: ['ERR_STORE_REGION', 'no', expect.any(String), 'Use `--region us-east-1`.', expect.any(String)],
      url: ['ERR_STORE_URL', 'no', expect.any(String), expect.any(String), expect.any(String)],
      nobody: ['ERR_STORE_UNREACHABLE', 'same-call', expect.any(String), expect.any(String), expect.any(String)],
      half: ['ERR_STORE_OPTIONS', 'no', expect.any(String), expect.any(String), expect.any(String)],
      check: { store: right.store, roundTripMs: expect.any(Number) },
      made: true,
    })
  })
})

describe('looking at a store', () => {
  it('`mount --check-storage` tries it out, and `doctor` asks it, with a fix for each finding', async () => {
    const args = place(`s3://bucket/${prefix()}`)
    await cli.ok('init', 'w', ...args)
    await server.set({ ignores: ['ifMatch'] })
    expectSentence(await cli.cairn('mount', 'w', cli.path('mnt'), '--check-storage'), /cannot hold volumes: it overwrote an object that was to be replaced/)
    await server.set({ ignores: [] })
    const fine = await cli.json<DoctorReport>('doctor')
    expect(fine.checks).toContainEqual(expect.objectContaining({ name: `store ${args[1]}`, ok: true, detail: expect.stringMatching(/answers in \d+ ms/) }))
    expect(fine.checks).toContainEqual(expect.objectContaining({ name: 'volume w', ok: true, detail: 'is written by nobody' }))
    process.env['AWS_ACCESS_KEY_ID'] = 'AKIAPLANTED'
    const refused = await cli.json<DoctorReport>('doctor')
    expect(refused.storageBackend.found).toBe(false)
    expect(refused.checks).toContainEqual(
      expect.objectContaining({
        name: `store ${args[1]}`,
        ok: false,
        detail: expect.stringContaining('does not know the access key'),
        fix: expect.stringContaining('Correct them'),
      }),
    )
    expect(JSON.stringify(refused)).not.toContain('PLANTED')
  })

  it('of the home itself too', async () => {
    await cli.ok('init', 'own')
    const { store, roundTripMs } = JSON.parse(await checked('own')) as { store: string; roundTripMs: number }
    expect(store).toBe('dev')
    expect(roundTripMs).toBeGreaterThan(0)
  })

  async function checked(name: string): Promise<string> {
    const { Cairn } = await import('../src/sdk/cairn.js')
    const cairn = await Cairn.open({ home: cli.home })
    try {
      return JSON.stringify(await cairn.checkStore(name, { probe: true }))
    } finally {
      await cairn.close()
    }
  }

  it('a store that was deleted and made again is not the one that is known', async () => {
    const args = place('s3://later/p')
    await cli.ok('init', 'w', ...args)
    await server.forget('later')
    expectSentence(await cli.cairn('cat', 'w:/f'), /There is no bucket later/)
    const { checks } = await cli.json<DoctorReport>('doctor')
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'store s3://later/p', ok: false, detail: expect.stringContaining('There is no bucket later') }),
    )
  })
})

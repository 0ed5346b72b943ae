import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Cairn } from '../src/index.js'
import { cloudEnvironment, TEST_VARIABLES } from '../src/testing/object-server/environment.js'
import type { Credentials } from '../src/testing/object-server/signature.js'
import { spawnS3Server } from '../src/testing/object-server/spawn.js'
import { useBucket } from './support/bucket-hosts.js'
import { type MountedHome, whyNoMount } from './support/mounted-home.js'

const bucket = useBucket()
const session = (n: number): Credentials => ({ accessKeyId: `ASIASESSION${n}`, secretAccessKey: `planted/secret/${n}`, sessionToken: `planted-token-${n}` })
const variables = ({ accessKeyId, secretAccessKey, sessionToken = '' }: Credentials): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_SESSION_TOKEN: sessionToken,
})

/** From now on the bucket takes these alone; those before are of a session that is over. */
function rotate(n: number): void {
  bucket.server.options = { ...bucket.server.options, credentials: [session(n)], expired: [session(n - 1).accessKeyId] }
}

async function mounted(on: MountedHome): Promise<void> {
  await bucket.must(on, 'init', 'w', ...bucket.store('agents'))
  await bucket.must(on, 'mount', 'w', on.mountpoint)
  writeFileSync(join(on.mountpoint, 'before'), 'before')
  await bucket.must(on, 'flush', 'w')
}

/** What another host sees of it. */
async function published(env: Record<string, string>, path: string): Promise<string> {
  const other = bucket.host(env)
  await bucket.must(other, 'init', 'w', ...bucket.store('agents'))
  return bucket.must(other, 'cat', `w:/${path}`)
}

describe.skipIf(whyNoMount() !== undefined)('credentials that expire under a server', () => {
  it('are taken from the environment of who asks for something, and then the server has them', async () => {
    rotate(1)
    const a = bucket.host(variables(session(1)))
    await mounted(a)
    rotate(2)
    writeFileSync(join(a.mountpoint, 'after'), 'after')
    const refused = await bucket.cairn(a, 'flush', 'w')
    expect(refused).toMatchObject({ code: 1, output: expect.stringMatching(/^cairn: s3:.* refuses the credentials: the session token has expired\. .*\n$/) })
    Object.assign(a.env, variables(session(2)))
    await bucket.must(a, 'flush', 'w')
    expect(await published(variables(session(2)), 'after')).toBe('after')
    // Nobody gives them a second time.
    writeFileSync(join(a.mountpoint, 'later'), 'later')
    Object.assign(a.env, variables(session(1)))
    await bucket.must(a, 'unmount', 'w')
    expect(await published(variables(session(2)), 'later')).toBe('later')
    for (const text of [a.log(), ...bucket.said]) expect(text).not.toContain('planted')
  })

  it('are read again where a file of the profile has others', async () => {
    const a = bucket.host()
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete a.env[name]
    const profile = join(a.scratch, 'credentials')
    Object.assign(a.env, { AWS_SHARED_CREDENTIALS_FILE: profile, AWS_PROFILE: 'work' })
    const write = (n: number): void => {
      const { accessKeyId, secretAccessKey, sessionToken } = session(n)
      writeFileSync(profile, `[work]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\naws_session_token=${sessionToken}\n`)
    }
    rotate(1)
    write(1)
    await mounted(a)
    rotate(2)
    write(2)
    // A file that is not cached is read through the mount, by a program that knows nothing of credentials.
    await bucket.must(a, 'cache', 'clear')
    expect(readFileSync(join(a.mountpoint, 'before'), 'utf8')).toBe('before')
    writeFileSync(join(a.mountpoint, 'after'), 'after')
    await bucket.must(a, 'unmount', 'w')
    expect(await published(variables(session(2)), 'after')).toBe('after')
  })
})

describe('credentials that expire in a program', () => {
  it('are those that it has set in its environment by now', async () => {
    const server = await spawnS3Server({ credentials: [session(1)] })
    const putBack = cloudEnvironment({ ...TEST_VARIABLES, ...variables(session(1)) })
    const home = bucket.host().home
    const cairn = await Cairn.open({ home, via: 'process' })
    try {
      await cairn.ensureVolume({ name: 'w', store: 's3://bucket/agents', region: 'us-east-1', endpoint: server.endpoint, pathStyle: true })
      const volume = await cairn.open('w')
      await volume.fs.promises.writeFile('/f', 'kept')
      await server.set({ credentials: [session(2)] })
      await expect(volume.flush()).rejects.toMatchObject({ code: 'ERR_STORE_CREDENTIALS' })
      Object.assign(process.env, variables(session(2)))
      expect(await volume.flush()).toMatchObject({ bytes: expect.any(Number) })
      expect((await cairn.status('w')).volumes[0]).toMatchObject({ remote: { unpublishedBytes: 0 } })
      await volume.close()
    } finally {
      await cairn.close()
      putBack()
      await server.close()
    }
  })
})

import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useBucket } from './support/bucket-hosts.js'
import { type MountedHome, type Result, whyNoMount } from './support/mounted-home.js'

const bucket = useBucket()
const { host, cairn, must } = bucket

const KEY = randomBytes(32).toString('hex')
const PASSPHRASE = 'correct horse battery staple'

const init = (on: MountedHome, ...more: string[]): Promise<Result> => cairn(on, 'init', 'w', ...bucket.store('safe'), ...more)

function keyFile(on: MountedHome, text = KEY): string {
  const path = join(on.scratch, `key-${text.length}`)
  writeFileSync(path, `${text}\n`)
  chmodSync(path, 0o600)
  return path
}

/** Nothing where it was replaced since it was listed. */
function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** Where a text stands: objects of the bucket and their names, files of homes and their names. */
function placesOf(text: string): string[] {
  const objects = [...(bucket.server.buckets.get('bucket')?.objects ?? [])].flatMap(([key, { body }]) =>
    key.includes(text) || body.slice().includes(text) ? [key] : [],
  )
  const files = bucket.hosts.flatMap(({ home }) =>
    readdirSync(home, { recursive: true, withFileTypes: true }).flatMap(item => {
      const path = join(item.parentPath, item.name)
      return item.name.includes(text) || (item.isFile() && bytesOf(path).includes(text)) ? [path] : []
    }),
  )
  return [...objects, ...files]
}

function expectHidden(): void {
  for (const secret of ['planted-content', 'planted-name', 'planted-checkpoint', KEY, PASSPHRASE]) expect(placesOf(secret), secret).toEqual([])
  for (const text of bucket.said) for (const secret of [KEY, PASSPHRASE]) expect(text).not.toContain(secret)
}

describe('an encrypted volume in a bucket', () => {
  it('is used by hosts that have the key, however they get it, and by nobody else', async () => {
    const a = host()
    expect(await init(a, '--encrypt')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^cairn: A store is to be encrypted, and no key was given\. Make one/),
    })
    expect(await init(a, '--encrypt', '--key-file', join(a.scratch, 'none'))).toMatchObject({
      code: 1,
      output: expect.stringMatching(/key file .*none is not there/),
    })
    expect((await init(a, '--encrypt', '--key-file', keyFile(a))).output).toContain('Keep the key safe')
    expect((await init(a, '--encrypt', '--key-file', keyFile(a))).output).toContain('attached, nothing was changed')
    await must(a, 'write', 'w:/planted-name', 'planted-content')
    await must(a, 'checkpoint', 'save', 'w', 'planted-checkpoint')
    await must(a, 'fork', 'w', 'try')
    await must(a, 'write', 'try:/planted-name', 'planted-content of the fork')
    await must(a, 'merge', 'try')
    await must(a, 'gc', 's3://bucket/safe')
    expect(await must(a, 'status', 'w')).toContain('s3://bucket/safe (encrypted)')
    expectHidden()
    for (const [name, value] of Object.entries({ CAIRN_KEY: KEY, CAIRN_KEY_FILE: keyFile(a), CAIRN_KEY_COMMAND: `cat ${keyFile(a)}` })) {
      const b = host({ [name]: value })
      expect((await init(b)).code).toBe(0)
      expect(await must(b, 'cat', 'w:/planted-name')).toBe('planted-content of the fork\n')
      expect(await must(b, 'cat', 'w@planted-checkpoint:/planted-name')).toBe('planted-content\n')
      await must(b, 'fsck', 'w')
    }
    const locked = bucket.hosts[bucket.hosts.length - 1]
    delete locked.env['CAIRN_KEY_COMMAND']
    rmSync(join(locked.home, 'stores'), { recursive: true })
    await must(locked, 'init', 'own')
    expect(await must(locked, 'status')).toMatch(/own: .*\n.*w: The store s3:\/\/bucket\/safe is encrypted, and no key was given/s)
    expect(await cairn(locked, 'cat', 'w:/planted-name')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^cairn: The store .* is encrypted, and no key was given/),
    })
    const without = host()
    expect(await init(without)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^cairn: The store s3:\/\/bucket\/safe is encrypted, and no key was given\. Name the file/),
    })
    const wrong = host({ CAIRN_KEY: 'e'.repeat(64) })
    expect(await init(wrong)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^cairn: The key in CAIRN_KEY is not that of the store s3:\/\/bucket\/safe\. Nothing/),
    })
    expect(await must(wrong, 'volumes')).not.toContain('w ')
    expectHidden()
  })

  it('gets another key by one small write', async () => {
    const a = host()
    await init(a, '--encrypt', '--key-file', keyFile(a))
    await must(a, 'write', 'w:/planted-name', 'planted-content')
    const before = [...(bucket.server.buckets.get('bucket')?.objects.keys() ?? [])].sort()
    expect(await cairn(a, 'key', 'rotate', 'w')).toMatchObject({ code: 2, output: expect.stringMatching(/^cairn: No new key was given/) })
    expect(await must(a, 'key', 'rotate', 'w', '--new-key-file', keyFile(a, PASSPHRASE))).toContain('has the new key')
    expect([...(bucket.server.buckets.get('bucket')?.objects.keys() ?? [])].sort()).toEqual(before)
    rmSync(keyFile(a))
    expect(await must(a, 'cat', 'w:/planted-name')).toBe('planted-content\n')
    expect(await init(host({ CAIRN_KEY: KEY }))).toMatchObject({ code: 1, output: expect.stringMatching(/is not that of the store/) })
    const b = host({ CAIRN_KEY: PASSPHRASE })
    await init(b)
    expect(await must(b, 'cat', 'w:/planted-name')).toBe('planted-content\n')
    rmSync(keyFile(a))
    expectHidden()
  })

  it.skipIf(whyNoMount() !== undefined)('is mounted, its server killed, and shows nothing on the way', async () => {
    // The server is there before anybody has a key: it is given one.
    const a = host({ CAIRN_KEY: '', CAIRN_IDLE_MS: '60000' })
    await must(a, 'init', 'own')
    await must(a, 'mount', 'own', join(a.scratch, 'own'))
    a.env['CAIRN_KEY_FILE'] = keyFile(a)
    expect((await init(a, '--encrypt')).output).toContain('Created')
    await must(a, 'mount', 'w', a.mountpoint)
    await mkdir(join(a.mountpoint, 'planted-name'))
    await writeFile(join(a.mountpoint, 'planted-name/planted-name'), Buffer.concat([Buffer.from('planted-content'), randomBytes(300_000)]))
    for (let i = 0; i < 50; i++) await appendFile(join(a.mountpoint, 'planted-name/log'), 'planted-content\n')
    expectHidden()
    await a.killServer()
    await rename(join(a.mountpoint, 'planted-name/log'), join(a.mountpoint, 'planted-name/planted-name-log'))
    expect(await readFile(join(a.mountpoint, 'planted-name/planted-name-log'), 'utf8')).toBe('planted-content\n'.repeat(50))
    expectHidden()
    await must(a, 'flush', 'w')
    expectHidden()
    await must(a, 'unmount', 'w')
    await must(a, 'unmount', 'own')
    await must(a, 'lease', 'release', 'w')
    const b = host({ CAIRN_KEY: KEY })
    await init(b)
    await must(b, 'mount', 'w', b.mountpoint)
    expect((await readFile(join(b.mountpoint, 'planted-name/planted-name'))).subarray(0, 15).toString()).toBe('planted-content')
    await must(b, 'unmount', 'w')
    expectHidden()
  })
})

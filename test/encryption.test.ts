import './support/without-syncs.js'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { collect } from '../src/history/gc/collect.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { rotateKey } from '../src/sdk/rotate-key.js'
import type { StoreLocation } from '../src/store/url.js'
import type { KeySource } from '../src/store/user-key.js'
import { systemClock, systemRandom } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let address: StoreLocation
let key: KeySource
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-encryption-'))
  address = { kind: 'file', path: join(folder, 'there') }
  key = { file: join(folder, 'key') }
  writeFileSync(join(folder, 'key'), `${randomBytes(32).toString('hex')}\n`)
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

function host(name: string, keys: KeySource[] = []): Engine {
  const engine = Engine.open({ home: join(folder, name), keys })
  engines.push(engine)
  return engine
}

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

/** Paths below the folder, their names included, that show a text. */
function filesWith(text: string, except: readonly string[] = []): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
  const paths = all.map(entry => join(entry.parentPath, entry.name))
  const shows = (path: string, isFile: boolean): boolean => path.includes(text) || (isFile && readFileSync(path).includes(text))
  return paths
    .filter((path, i) => shows(path, all[i].isFile()))
    .map(path => relative(folder, path))
    .filter(path => !except.includes(path))
}

const SECRETS = ['planted-content', 'planted-name', 'planted-xattr', 'planted-checkpoint', 'planted-message', 'planted-target']

function plant(volume: Volume): void {
  const fs = shape(volume)
  fs.mkdirSync('/planted-name-directory')
  fs.writeFileSync('/planted-name-directory/planted-name-small', 'planted-content in a small file')
  fs.writeFileSync('/planted-name-big', Buffer.concat([Buffer.from('planted-content'), randomBytes(300_000), Buffer.from('planted-content')]))
  fs.writeFileSync('/planted-name-text', 'planted-content again and again\n'.repeat(30_000))
  fs.symlinkSync('planted-target', '/planted-name-link')
  fs.appendFileSync('/planted-name-big', 'planted-content at the end')
  volume.checkpoint('planted-checkpoint', { message: 'planted-message' })
}

function expectHidden(): void {
  for (const secret of SECRETS) expect(filesWith(secret), secret).toEqual([])
}

describe('a store that is encrypted', () => {
  it('is used by one host and then by the next, which finds all of it', async () => {
    const a = host('a')
    expect(a.attach('ws', address, { encrypt: true, key })).toMatchObject({ created: true })
    const volume = a.openVolume('ws')
    plant(volume)
    volume.flush()
    await a.publish(volume)
    shape(volume).writeFileSync('/later', 'later')
    volume.close()
    const b = host('b', [key])
    expect(b.attach('ws', address)).toMatchObject({ created: false })
    const there = b.openVolume('ws')
    expect(shape(there).readdirSync('/').sort()).toEqual(['later', 'planted-name-big', 'planted-name-directory', 'planted-name-link', 'planted-name-text'])
    expect(shape(there).readFileSync('/planted-name-text', 'utf8')).toBe('planted-content again and again\n'.repeat(30_000))
    expect(shape(there).readFileSync('/planted-name-big').length).toBe(300_056)
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
    there.close()
    // What the home remembers of the key is where it is.
    expect(shape(host('b').openVolume('ws')).readFileSync('/later', 'utf8')).toBe('later')
  })

  it('shows nothing of content and names, in the store and on the host: after writes, a kill, a recovery, a publication, a collection', async () => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    const volume = a.openVolume('ws')
    plant(volume)
    expectHidden()
    volume.flush()
    expectHidden()
    shape(volume).writeFileSync('/planted-name-journaled', 'planted-content')
    a.crash()
    expectHidden()
    const again = host('a')
    const found = again.openVolume('ws')
    expect(shape(found).readFileSync('/planted-name-journaled', 'utf8')).toBe('planted-content')
    found.flush()
    await again.publish(found)
    expectHidden()
    for (let i = 0; i < 5; i++) {
      shape(found).writeFileSync('/planted-name-big', Buffer.concat([Buffer.from('planted-content'), randomBytes(400_000)]))
      found.flush()
      await again.publish(found)
    }
    again.fork('ws', undefined, 'fork')
    const { store } = again.poolOf('ws').context
    const work = collect({ store, storeName: 'there', home: join(folder, 'a'), clock: systemClock, random: systemRandom, thorough: true })
    while (work.next().done !== true);
    found.close()
    expectHidden()
    const b = host('b', [key])
    b.attach('ws', address)
    b.attach('fork', address)
    for (const name of ['ws', 'fork']) {
      const volume = b.openVolume(name)
      expect(shape(volume).readFileSync('/planted-name-text', 'utf8')).toBe('planted-content again and again\n'.repeat(30_000))
      expect(shape(volume).readFileSync('/planted-name-big').subarray(0, 15).toString()).toBe('planted-content')
      expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
      volume.close()
    }
    expectHidden()
  })

  it('keeps what was not published when another host took over, and gives it back', async () => {
    const [a, b] = [host('a', [key]), host('b', [key])]
    a.attach('ws', address, { encrypt: true })
    b.attach('ws', address)
    const first = a.openVolume('ws')
    shape(first).writeFileSync('/published', 'p')
    first.flush()
    await a.publish(first)
    plant(first)
    first.flush()
    shape(first).writeFileSync('/planted-name-journaled', 'planted-content')
    const second = b.openVolume('ws', { steal: true, force: true })
    second.close()
    await expect(a.publish(first)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    first.close()
    expect(a.recover('ws')).toMatchObject([{ name: 'ws-recovered' }])
    const recovered = a.openVolume('ws-recovered')
    expect(shape(recovered).readFileSync('/planted-name-journaled', 'utf8')).toBe('planted-content')
    expect(recovered.fsck()).toMatchObject({ ok: true })
    recovered.close()
    expectHidden()
  })

  it('takes durable commits, which the next host finds when the first one is gone with all that it had', () => {
    const a = host('a', [key])
    a.attach('ws', address, { encrypt: true })
    const volume = a.openVolume('ws', { durability: 'remote' })
    for (let i = 0; i < 5; i++) shape(volume).writeFileSync(`/planted-name-${i}`, 'planted-content', { flush: true })
    a.crash()
    expectHidden()
    rmSync(join(folder, 'a'), { recursive: true })
    const b = host('b', [key])
    b.attach('ws', address)
    const there = b.openVolume('ws', { steal: true, force: true, durability: 'remote' })
    expect(shape(there).readdirSync('/')).toHaveLength(5)
    shape(there).writeFileSync('/planted-name-more', 'planted-content', { flush: true })
    there.close()
    const log = join(folder, 'there', 'volumes', there.info.id, 'log')
    // Fences, and nothing else, stay.
    expect(existsSync(log) ? readdirSync(log).length : 0).toBeGreaterThan(0)
    expectHidden()
  })

  it('has one key for all of its volumes, and the first one decides that it has', () => {
    const a = host('a')
    a.attach('one', address, { encrypt: true, key })
    expect(a.attach('two', address)).toMatchObject({ created: true })
    const two = a.openVolume('two')
    plant(two)
    two.close()
    expectHidden()
    const b = host('b')
    expect(() => b.attach('three', address)).toThrow(/The store .* is encrypted, and no key was given/)
    expect(b.attach('three', address, { key })).toMatchObject({ created: true })
  })
})

describe('a key that is not right', () => {
  const trees = (): string[] =>
    [join(folder, 'there'), join(folder, 'a')].filter(existsSync).flatMap(path => readdirSync(path, { recursive: true }) as string[])

  it.each<[string, string | Buffer | undefined, RegExp, string]>([
    ['is missing', undefined, /is encrypted, and no key was given/, 'ERR_KEY_MISSING'],
    ['is another one', 'f'.repeat(64), /is not that of the store/, 'ERR_KEY_WRONG'],
    ['is a passphrase', 'correct horse battery staple', /is not that of the store/, 'ERR_KEY_WRONG'],
    ['is cut short', 'f'.repeat(63), /holds no key: it has 63 hexadecimal digits, where a key has 64/, 'ERR_KEY_INVALID'],
    ['is cut short in its bytes', Buffer.alloc(31, 0x80), /holds no key: it has 31 bytes that are no text/, 'ERR_KEY_INVALID'],
    ['is empty', '', /holds no key: it is empty/, 'ERR_KEY_INVALID'],
  ])('%s: one error, before anything is read or written', (_, content, message, code) => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    a.openVolume('ws').close()
    const before = trees()
    const b = host('b')
    const path = join(folder, 'other')
    if (content !== undefined) writeFileSync(path, content)
    const attach = (): unknown => b.attach('ws', address, content === undefined ? {} : { key: { file: path } })
    expect(attach).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
    expect(trees()).toEqual(before)
    expect(b.volumes()).toEqual([])
  })

  it('cannot make a store, nor one where a file should be and is not', () => {
    const a = host('a')
    expect(() => a.attach('ws', address, { encrypt: true })).toThrow(/A store is to be encrypted, and no key was given/)
    expect(() => a.attach('ws', address, { encrypt: true, key: { file: join(folder, 'nowhere') } })).toThrow(/The key file .*nowhere is not there/)
    writeFileSync(join(folder, 'short'), 'short')
    expect(() => a.attach('ws', address, { encrypt: true, key: { file: join(folder, 'short') } })).toThrow(/has 5 characters; at least 12 are needed/)
    expect(existsSync(join(folder, 'there', 'store.json'))).toBe(false)
    expect(() => a.create('ws', { encrypt: true, key })).toThrow(/The home's own store .* cannot be encrypted/)
  })

  it('makes no plain store when it is given without being asked to encrypt, and is not taken for one', () => {
    const a = host('a')
    expect(() => a.attach('ws', address, { key })).toThrow(/A key was given, and there is no store in .*there yet/)
    expect(existsSync(join(folder, 'there', 'store.json'))).toBe(false)
    a.attach('ws', address)
    expect(() => host('b').attach('ws', address, { key })).toThrow(/A key was given, and the store .*there is not encrypted/)
  })

  it('cannot encrypt a store that is there and is not', () => {
    const a = host('a')
    a.attach('ws', address)
    expect(() => a.attach('other', address, { encrypt: true, key })).toThrow(/is not encrypted, and its volumes share what is stored/)
    expect(() => host('b').attach('other', address, { encrypt: true, key })).toThrow(expect.objectContaining({ code: 'ERR_STORE_PLAIN' }))
  })
})

describe.each([
  ['a folder', (): StoreLocation => ({ kind: 'directory', path: join(folder, 'there') })],
  ['a folder of LMDB', (): StoreLocation => ({ kind: 'lmdb', path: join(folder, 'there') })],
  ['a SQLite file', (): StoreLocation => ({ kind: 'sqlite', path: join(folder, 'there.cairn') })],
])('%s that is encrypted', (_, where) => {
  it('shows nothing after writes, a kill, a recovery and a close, and has all of it', () => {
    const a = host('a')
    a.attach('ws', where(), { encrypt: true, key })
    const volume = a.openVolume('ws')
    plant(volume)
    volume.flush()
    shape(volume).writeFileSync('/planted-name-journaled', 'planted-content')
    expectHidden()
    a.crash()
    expectHidden()
    const again = host('a')
    const found = again.openVolume('ws')
    expect(shape(found).readFileSync('/planted-name-journaled', 'utf8')).toBe('planted-content')
    expect(shape(found).readFileSync('/planted-name-text', 'utf8')).toBe('planted-content again and again\n'.repeat(30_000))
    expect(found.fsck()).toMatchObject({ ok: true, findings: [] })
    found.close()
    again.close()
    expectHidden()
    expect(() => host('b').attach('ws', where())).toThrow(/is encrypted, and no key was given/)
    expect(() => host('b').attach('ws', where(), { key: { key: 'e'.repeat(64), from: 'a test' } })).toThrow(expect.objectContaining({ code: 'ERR_KEY_WRONG' }))
    const b = host('b', [key])
    b.attach('ws', where())
    const there = b.openVolume('ws')
    expect(shape(there).readFileSync('/planted-name-directory/planted-name-small', 'utf8')).toBe('planted-content in a small file')
    there.close()
  })
})

describe('another key', () => {
  const rotate = (home: string, options: { newKeyFile: string }, keys: KeySource[] = []): Promise<unknown> => {
    const { location, id } = host(home, keys).storeOf('ws') ?? {}
    if (location === undefined || id === undefined) throw new Error('it is elsewhere')
    return rotateKey({ home: join(folder, home), store: { location, id }, keys }, options)
  }

  it('takes the place of the first one, and nothing else is written', async () => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    const volume = a.openVolume('ws')
    plant(volume)
    volume.close()
    const packs = (): string[] => readdirSync(join(folder, 'there'), { recursive: true }) as string[]
    const before = packs()
    const newKeyFile = join(folder, 'passphrase')
    writeFileSync(newKeyFile, 'correct horse battery staple\n')
    await rotate('a', { newKeyFile })
    expect(packs()).toEqual(before)
    expect(() => host('b', [key]).attach('ws', address)).toThrow(expect.objectContaining({ code: 'ERR_KEY_WRONG' }))
    const c = host('c')
    c.attach('ws', address, { key: { file: newKeyFile } })
    const there = c.openVolume('ws')
    expect(shape(there).readFileSync('/planted-name-directory/planted-name-small', 'utf8')).toBe('planted-content in a small file')
    there.close()
    // The home that did it remembers the new place, and goes on.
    rmSync(join(folder, 'key'))
    const again = host('a').openVolume('ws')
    expect(shape(again).existsSync('/planted-name-big')).toBe(true)
    again.close()
    expectHidden()
  })

  it('is found out by a home that remembers the place, when what is there has changed', async () => {
    const [a, b] = [host('a', [key]), host('b', [key])]
    a.attach('ws', address, { encrypt: true })
    b.attach('ws', address)
    b.crash()
    const newKeyFile = join(folder, 'other')
    writeFileSync(newKeyFile, randomBytes(32))
    await rotate('a', { newKeyFile })
    cpSync(newKeyFile, join(folder, 'key'))
    host('b').openVolume('ws').close()
  })

  it('is asked for with the one of now', async () => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    const text = readFileSync(join(folder, 'there', 'store.json'), 'utf8')
    writeFileSync(join(folder, 'key'), 'f'.repeat(64))
    writeFileSync(join(folder, 'other'), 'e'.repeat(64))
    await expect(rotate('a', { newKeyFile: join(folder, 'other') })).rejects.toMatchObject({ code: 'ERR_KEY_WRONG' })
    await expect(rotate('a', { newKeyFile: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'ERR_KEY_WRONG' })
    expect(readFileSync(join(folder, 'there', 'store.json'), 'utf8')).toBe(text)
  })
})

describe('damage', () => {
  it('is what somebody puts in the place of something else, though all of it was sealed with the key', async () => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/one', randomBytes(65536))
    shape(volume).writeFileSync('/two', randomBytes(65536))
    volume.close()
    a.crash()
    rmSync(join(folder, 'a', 'stores'), { recursive: true })
    const packs = join(folder, 'there', 'packs')
    const path = (readdirSync(packs, { recursive: true }) as string[])
      .map(name => join(packs, name))
      .find(name => /-\d+$/.test(name) && readFileSync(name).length > 131_072)
    const bytes = readFileSync(path ?? '')
    const length = 16 + 65536 + 72
    // Both are whole segments, at each other's place.
    writeFileSync(
      path ?? '',
      Buffer.concat([bytes.subarray(0, 32), bytes.subarray(32 + length, 32 + 2 * length), bytes.subarray(32, 32 + length), bytes.subarray(32 + 2 * length)]),
    )
    const again = host('a', [key]).openVolume('ws')
    for (const name of ['/one', '/two']) expect(() => shape(again).readFileSync(name)).toThrow(/EIO|it is not what its pointer names/)
    expect(again.fsck()).toMatchObject({ ok: false })
    again.close()
  })

  it('of any byte of a pack is an error that names it, also where its checksum was made to fit', async () => {
    const a = host('a')
    a.attach('ws', address, { encrypt: true, key })
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/file', randomBytes(200_000))
    volume.close()
    rmSync(join(folder, 'a', 'stores'), { recursive: true })
    const packs = join(folder, 'there', 'packs')
    for (const name of readdirSync(packs, { recursive: true }) as string[]) {
      const path = join(packs, name)
      if (!/-\d+$/.test(name)) continue
      const bytes = readFileSync(path)
      cpSync(path, join(folder, 'copy'))
      bytes[60] ^= 1
      writeFileSync(path, bytes)
      const again = host('a', [key])
      const read = (): unknown => {
        const damaged = again.openVolume('ws')
        try {
          return shape(damaged).readFileSync('/file')
        } finally {
          damaged.close()
        }
      }
      expect(read).toThrow(/EIO|is damaged: its checksum does not match/)
      again.crash()
      rmSync(join(folder, 'a', 'stores'), { recursive: true })
      cpSync(join(folder, 'copy'), path)
    }
  })
})

import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryStore } from '../src/store/memory/index.js'
import { type CrashPoint, onCrashPoint, systemRandom } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { allKeys } from '../src/volume/names.js'
import { LOCATION, shaped } from './support/hosts/host.js'
import { SimulatedLine } from './support/hosts/line.js'
import { newSecret, noSecret, type Secret } from './support/hosts/secret.js'

let folder: string
let store: MemoryStore
let engines: Engine[]
let isCut: boolean
let secret: Secret

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-remote-crash-'))
  store = new MemoryStore()
  engines = []
  isCut = false
  secret = noSecret()
})

afterEach(() => {
  onCrashPoint(undefined)
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

/** A host, on a network where all goes well. */
function host(name: string): Engine {
  const network = { store, info: secret.info, pick: () => 0, fault: () => false, damaged: () => {}, isCut: () => isCut, between: () => {}, later: () => {} }
  const syncer = { request: (_: readonly number[], done: (errno: number) => void) => done(0) }
  const engine = Engine.open({ home: join(folder, name), syncer, keys: secret.keys, line: () => new SimulatedLine(network) })
  engines.push(engine)
  return engine
}

function write(engine: Engine, name: string, files: Record<string, string>): void {
  const volume = engine.openVolume(name)
  for (const [path, text] of Object.entries(files)) shaped(volume.session).writeFileSync(path, text)
  volume.close()
}

function packsOf(volume: string): string[] {
  return allKeys(store, `packs/${volume}/`)
}

function names(engine: Engine, name: string): string[] {
  const volume = engine.openVolume(name, { force: true })
  try {
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    return shaped(volume.session).readdirSync('/').sort()
  } finally {
    volume.close()
  }
}

/** The host is gone at that point; another process of it begins. */
function killedAt(point: CrashPoint, engine: Engine, home: string, work: () => unknown): Engine {
  onCrashPoint(reached => {
    if (reached === point) throw new Error(`killed at ${reached}`)
  })
  try {
    expect(work).toThrow(`killed at ${point}`)
  } finally {
    onCrashPoint(undefined)
    engine.crash()
  }
  return host(home)
}

describe('what other seeds of the simulation found', () => {
  it('a flush that waits while its volume is closed out of reach of the store has failed', async () => {
    const a = host('a')
    a.attach('ws', LOCATION)
    const volume = a.openVolume('ws')
    shaped(volume.session).writeFileSync('/f', 'f')
    volume.flush()
    isCut = true
    const flushed = expect(a.publish(volume, 60_000)).rejects.toMatchObject({ code: 'ERR_STORE_UNREACHABLE' })
    volume.close()
    await flushed
  })

  it("inode numbers that could not be leased are nobody's", () => {
    const a = host('a')
    isCut = true
    expect(() => a.create('ws', { store: LOCATION })).toThrow(expect.objectContaining({ code: 'ERR_STORE_UNREACHABLE' }))
    expect(() => a.create('ws', { store: LOCATION })).toThrow(expect.objectContaining({ code: 'ERR_STORE_UNREACHABLE' }))
    isCut = false
    const b = host('b')
    a.create('ws', { store: LOCATION })
    b.create('other', { store: LOCATION })
    const inodes = [a.openVolume('ws'), b.openVolume('other')].map(volume => {
      shaped(volume.session).writeFileSync('/f', 'f')
      return shaped(volume.session).statSync('/f').ino
    })
    expect(new Set(inodes).size).toBe(2)
  })
})

describe('a host that is killed in the middle of a change of a store elsewhere', () => {
  it.each(['volume.create.before-name', 'volume.create.after-name'] as const)('at %s can make the volume, and another host attach it', point => {
    const a = host('a')
    const again = killedAt(point, a, 'a', () => a.attach('ws', LOCATION))
    again.attach('ws', LOCATION)
    write(again, 'ws', { '/f': 'f' })
    const b = host('b')
    expect(b.attach('ws', LOCATION).created).toBe(false)
    expect(names(b, 'ws')).toEqual(['f'])
  })

  it.each(['lease.before-publish', 'lease.published'] as const)('at %s has all of it, and another host too when it was published', point => {
    const a = host('a')
    a.attach('ws', LOCATION)
    const again = killedAt(point, a, 'a', () => write(a, 'ws', { '/f': 'f' }))
    expect(names(again, 'ws')).toEqual(['f'])
    const b = host('b')
    b.attach('ws', LOCATION)
    expect(names(b, 'ws')).toEqual(['f'])
  })

  it('at lease.before-publish, and overtaken, has it set aside once', () => {
    const a = host('a')
    a.attach('ws', LOCATION)
    const again = killedAt('lease.before-publish', a, 'a', () => write(a, 'ws', { '/f': 'f' }))
    const b = host('b')
    b.attach('ws', LOCATION)
    expect(names(b, 'ws')).toEqual([])
    expect(again.recover('ws')).toMatchObject([{ name: 'ws-recovered' }])
    expect(again.recover('ws')).toEqual([])
    expect(names(again, 'ws-recovered')).toEqual(['f'])
  })

  it.each([true, false])('what was being written is recovered under new names, also when that is killed and begun again (encrypted: %s)', isEncrypted => {
    if (isEncrypted) secret = newSecret(systemRandom)
    const content = Buffer.alloc(300_000, 'what was not published')
    const a = host('a')
    const { id } = a.attach('ws', LOCATION)
    write(a, 'ws', { '/f': 'f' })
    shaped(a.openVolume('ws').session).writeFileSync('/large', content)
    const b = host('b')
    b.attach('ws', LOCATION)
    b.openVolume('ws', { force: true }).close()
    a.crash()
    const before = packsOf(id)
    let again = host('a')
    for (let i = 0; i < 2; i++) {
      const killed = again
      again = killedAt('recover.staged', killed, 'a', () => killed.recover('ws'))
      // Whatever waits is stored with it.
      again.create(`other-${i}`, { store: LOCATION })
    }
    expect(again.recover('ws')).toHaveLength(1)
    const found = again.openVolume('ws-recovered')
    expect(shaped(found.session).readFileSync('/large').equals(content)).toBe(true)
    found.close()
    for (const key of packsOf(id)) if (!before.includes(key)) store.deleteSync([key])
    const c = host('c')
    c.attach('ws-recovered', LOCATION)
    const there = c.openVolume('ws-recovered', { force: true })
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
    there.close()
  })

  it.each(['recover.staged', 'recover.published', 'volume.publish.before-name', 'volume.publish.after-name'] as const)(
    'at %s makes one volume of what was overtaken, not two',
    point => {
      const a = host('a')
      a.attach('ws', LOCATION)
      const volume = a.openVolume('ws')
      shaped(volume.session).writeFileSync('/f', Buffer.alloc(300_000, 'f'))
      volume.flush()
      shaped(volume.session).writeFileSync('/g', 'g')
      a.crash()
      const b = host('b')
      b.attach('ws', LOCATION)
      expect(names(b, 'ws')).toEqual([])
      const first = host('a')
      const again = killedAt(point, first, 'a', () => first.recover('ws'))
      expect(again.recover('ws')).toHaveLength(1)
      expect(again.recover('ws')).toEqual([])
      const made = again.volumes().filter(({ parent }) => parent?.volume === 'ws')
      expect(made).toHaveLength(1)
      expect(names(again, made[0].name)).toEqual(['f', 'g'])
      b.attach(made[0].name, LOCATION)
      expect(names(b, made[0].name)).toEqual(['f', 'g'])
    },
  )

  it('at volume.rename.between can rename it again, and another host knows the new name', () => {
    const a = host('a')
    a.attach('ws', LOCATION)
    write(a, 'ws', { '/f': 'f' })
    const again = killedAt('volume.rename.between', a, 'a', () => a.rename('ws', 'new'))
    again.rename('ws', 'new')
    expect(again.volumes().map(({ name }) => name)).toEqual(['new'])
    expect(names(again, 'new')).toEqual(['f'])
    const b = host('b')
    expect(b.attach('new', LOCATION).created).toBe(false)
    expect(names(b, 'new')).toEqual(['f'])
  })

  it.each(['volume.delete.before-tombstone', 'volume.delete.after-tombstone'] as const)('at %s can delete it again, and bring it back', point => {
    const a = host('a')
    a.attach('ws', LOCATION)
    write(a, 'ws', { '/f': 'f' })
    const again = killedAt(point, a, 'a', () => a.remove('ws'))
    again.remove('ws')
    expect(again.volumes()).toEqual([])
    const b = host('b')
    expect(b.attach('ws', LOCATION).created).toBe(true)
    expect(names(b, 'ws')).toEqual([])
  })
})

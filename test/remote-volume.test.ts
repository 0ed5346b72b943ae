import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { type CrashPoint, onCrashPoint } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let address: StoreLocation
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-remote-'))
  address = { kind: 'directory', path: join(folder, 'there') }
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

function host(name: string, options: { onSettled?: () => void } = {}): Engine {
  const engine = Engine.open({ home: join(folder, name), ...options })
  engines.push(engine)
  return engine
}

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
const bytes = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed} of many; `)

describe('a volume in a store that hosts share', () => {
  it('is made by one, and read and gone on with by the next', async () => {
    const a = host('a')
    expect(a.attach('ws', address)).toMatchObject({ name: 'ws', created: true })
    const volume = a.openVolume('ws')
    const fs = shape(volume)
    fs.mkdirSync('/src')
    for (let i = 0; i < 300; i++) fs.writeFileSync(`/src/${i}`, bytes(1000 + i * 10, i))
    fs.writeFileSync('/big', bytes(3_000_000, 7))
    volume.checkpoint('one')
    volume.flush()
    await a.publish(volume)
    fs.writeFileSync('/later', 'later')
    volume.close()

    const b = host('b')
    expect(b.attach('ws', address)).toMatchObject({ name: 'ws', created: false, id: volume.info.id })
    const there = b.openVolume('ws')
    const found = shape(there)
    expect(found.readdirSync('/').sort()).toEqual(['big', 'later', 'src'])
    for (let i = 0; i < 300; i++) expect(found.readFileSync(`/src/${i}`).equals(bytes(1000 + i * 10, i))).toBe(true)
    expect(found.readFileSync('/big').equals(bytes(3_000_000, 7))).toBe(true)
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
    found.writeFileSync('/from-b', 'b')
    there.close()

    const again = await vi.waitFor(() => a.openVolume('ws'), { timeout: 200_000 })
    expect(shape(again).readFileSync('/from-b', 'utf8')).toBe('b')
    again.close()
  })

  it('has one writer: others hear who it is, may take it over, and nothing of the first one is lost', async () => {
    const a = host('a')
    const b = host('b')
    a.attach('ws', address)
    b.attach('ws', address)
    const first = a.openVolume('ws')
    shape(first).writeFileSync('/published', 'p')
    first.flush()
    await a.publish(first)
    shape(first).writeFileSync('/not-published', 'n')
    first.flush()
    shape(first).writeFileSync('/journaled', bytes(300_000, 4))
    expect(() => b.openVolume('ws')).toThrow(/is written by .* since/)
    const second = b.openVolume('ws', { steal: true, force: true })
    expect(shape(second).readdirSync('/')).toEqual(['published'])
    shape(second).writeFileSync('/by-second', 's')
    second.flush()
    await b.publish(second)
    await expect(a.publish(first)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    a.pump(10)
    expect(() => shape(first).writeFileSync('/more', 'm')).toThrow(/EROFS/)
    expect(a.statusOf('ws').remote?.lease).toEqual(second.head.value.lease)
    first.close()
    second.close()
    // Back at the first host: what it had is set aside, and the volume is that of the second.
    // A sync under way keeps the lock until it is done.
    const third = await vi.waitFor(() => a.openVolume('ws'), { timeout: 200_000 })
    expect(shape(third).readdirSync('/').sort()).toEqual(['by-second', 'published'])
    third.close()
    expect(a.statusOf('ws').remote).toMatchObject({ setAside: 1, isWriter: false })
    expect(a.recover('ws')).toMatchObject([{ name: 'ws-recovered', parent: { volume: 'ws' } }])
    expect(a.statusOf('ws').remote?.setAside).toBe(0)
    const recovered = a.openVolume('ws-recovered')
    expect(shape(recovered).readdirSync('/').sort()).toEqual(['journaled', 'not-published', 'published'])
    expect(shape(recovered).readFileSync('/journaled').equals(bytes(300_000, 4))).toBe(true)
    expect(recovered.fsck()).toMatchObject({ ok: true, findings: [] })
    // Numbers of what the two wrote are not the same.
    const by = await vi.waitFor(() => a.openVolume('ws'), { timeout: 200_000 })
    expect(shape(by).statSync('/by-second').ino).not.toBe(shape(recovered).statSync('/not-published').ino)
    by.close()
    recovered.close()
  })

  it('wakes whoever waits for it to be published when the time is over, although the store says nothing', async () => {
    let settled = 0
    const a = host('a', { onSettled: () => settled++ })
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/f', 'f')
    volume.flush()
    const before = settled
    const waited = a.publish(volume, 0)
    expect(settled).toBe(before + 1)
    await expect(waited).rejects.toMatchObject({ code: 'ERR_FLUSH_TIMEOUT', message: expect.stringContaining(`${folder}/there has not taken all of it`) })
    volume.close()
  })

  it('is published for whoever waits, also for what was sealed while it is being published', async () => {
    const a = host('a')
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/first', 'f')
    volume.flush()
    const first = a.publish(volume)
    shape(volume).writeFileSync('/second', 's')
    volume.flush()
    // Nobody calls `pump` here, which would do it some seconds later.
    await Promise.all([first, a.publish(volume)])
    expect(a.isPublished(volume)).toBe(true)
    volume.close()
  })

  it('is there after a crash of its host, with what was acknowledged and not published', async () => {
    const a = host('a')
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/sealed', bytes(500_000, 1))
    volume.flush()
    shape(volume).writeFileSync('/journaled', bytes(200_000, 2))
    a.crash()
    const again = host('a')
    const found = again.openVolume('ws')
    expect(shape(found).readFileSync('/sealed').equals(bytes(500_000, 1))).toBe(true)
    expect(shape(found).readFileSync('/journaled').equals(bytes(200_000, 2))).toBe(true)
    found.close()
    const b = host('b')
    b.attach('ws', address)
    const there = b.openVolume('ws')
    expect(shape(there).readFileSync('/journaled').equals(bytes(200_000, 2))).toBe(true)
    there.close()
  })

  it('forks, checkpoints, restores, is renamed, deleted and brought back', () => {
    const a = host('a')
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/f', 'one')
    volume.checkpoint('c')
    shape(volume).writeFileSync('/f', 'two')
    a.fork('ws', 'c', 'old')
    a.fork('ws', undefined, 'new')
    volume.close()
    for (const [name, text] of [
      ['old', 'one'],
      ['new', 'two'],
    ]) {
      const fork = a.openVolume(name)
      expect(shape(fork).readFileSync('/f', 'utf8')).toBe(text)
      fork.close()
    }
    expect(a.volumes().map(({ name }) => name)).toEqual(['new', 'old', 'ws'])
    a.rename('ws', 'renamed')
    a.remove('old')
    expect(a.volumes().map(({ name }) => name)).toEqual(['new', 'renamed'])
    a.undelete('old')
    const b = host('b')
    expect(b.attach('renamed', address).created).toBe(false)
    const there = b.openVolume('renamed')
    expect(shape(there).readFileSync('/f', 'utf8')).toBe('two')
    there.close()
  })

  /** Opens a volume in a process that is killed at a point on the way. */
  function killedAt(point: CrashPoint, home: string): void {
    const engine = host(home)
    onCrashPoint(reached => {
      if (reached === point) throw new Error(`killed at ${reached}`)
    })
    try {
      expect(() => engine.openVolume('ws')).toThrow(`killed at ${point}`)
    } finally {
      onCrashPoint(undefined)
      engine.crash()
    }
  }

  it.each(['lease.before-claim', 'lease.after-claim', 'lease.before-record'] as const)('loses nothing when its writer is killed at %s', async point => {
    const a = host('a')
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/published', 'p')
    volume.flush()
    await a.publish(volume)
    shape(volume).writeFileSync('/sealed', bytes(200_000, 1))
    volume.flush()
    shape(volume).writeFileSync('/journaled', bytes(200_000, 2))
    a.crash()
    killedAt(point, 'a')
    killedAt(point, 'a')
    const again = host('a')
    const found = again.openVolume('ws')
    expect(shape(found).readdirSync('/').sort()).toEqual(['journaled', 'published', 'sealed'])
    shape(found).writeFileSync('/after', 'a')
    found.close()
    const b = host('b')
    b.attach('ws', address)
    const there = b.openVolume('ws')
    expect(shape(there).readdirSync('/').sort()).toEqual(['after', 'journaled', 'published', 'sealed'])
    expect(shape(there).readFileSync('/journaled').equals(bytes(200_000, 2))).toBe(true)
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
    there.close()
  })

  it.each(['lease.before-aside', 'lease.set-aside'] as const)('keeps what another host overtook when it is killed at %s', point => {
    const a = host('a')
    a.attach('ws', address)
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/sealed', bytes(200_000, 1))
    volume.flush()
    shape(volume).writeFileSync('/journaled', bytes(200_000, 2))
    a.crash()
    const b = host('b')
    b.attach('ws', address)
    const taken = b.openVolume('ws', { force: true })
    shape(taken).writeFileSync('/by-b', 'b')
    taken.close()
    killedAt(point, 'a')
    const again = host('a')
    expect(again.recover('ws')).toMatchObject([{ name: 'ws-recovered' }])
    expect(again.recover('ws')).toEqual([])
    const recovered = again.openVolume('ws-recovered')
    expect(shape(recovered).readdirSync('/').sort()).toEqual(['journaled', 'sealed'])
    expect(recovered.fsck()).toMatchObject({ ok: true, findings: [] })
    recovered.close()
    const now = again.openVolume('ws')
    expect(shape(now).readdirSync('/')).toEqual(['by-b'])
    now.close()
  })
})

import './support/without-syncs.js'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { decodeLogObject, logKey } from '../src/codec/log-object.js'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../src/node/index.js'
import type { RemoteStore } from '../src/store/remote/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { crashPoints, limits, onCrashPoint } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

const run = promisify(execFile)

let folder: string
let address: StoreLocation
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-durable-'))
  address = { kind: 'directory', path: join(folder, 'there') }
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

function host(name: string, bootId?: string): Engine {
  const engine = Engine.open({ home: join(folder, name), ...(bootId === undefined ? {} : { bootId }) })
  engines.push(engine)
  return engine
}

const shape = (volume: Volume): VolumeFs => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

/** A small durable commit, and this thread waits for it. */
function commit(fs: VolumeFs, path: string, content: string | Buffer): void {
  fs.writeFileSync(path, content, { flush: true })
}

function open(engine: Engine, options: { force?: boolean } = {}): Volume {
  engine.attach('ws', address)
  return engine.openVolume('ws', { ...options, durability: 'remote' })
}

/** A volume that has something in the store, so that the next durable commit is one of many. */
function begun(engine: Engine): Volume {
  const volume = open(engine)
  commit(shape(volume), '/first', 'f')
  return volume
}

function logFiles(volume: string): string[] {
  const at = join(folder, 'there', 'volumes', volume, 'log')
  return existsSync(at) ? readdirSync(at).sort() : []
}

/** Numbers of all log objects that hold commits, and of all fences. */
function logOf(volume: string): { commits: number[]; fences: number[] } {
  const objects = logFiles(volume).map(name => decodeLogObject(readFileSync(join(folder, 'there', logKey(volume, Number(name)))), name))
  const numbers = (isFence: boolean): number[] => objects.filter(({ batches }) => (batches === undefined) === isFence).map(({ number }) => number)
  return { commits: numbers(false), fences: numbers(true) }
}

/** What another host finds when this one is gone with all that it had. */
function survivors(of: string, name: string): { volume: Volume; fs: VolumeFs } {
  for (const engine of engines) engine.crash()
  engines = []
  rmSync(join(folder, of), { recursive: true, force: true })
  const volume = open(host(name), { force: true })
  return { volume, fs: shape(volume) }
}

describe('commits that are durable in the store', () => {
  it('are there when their host is gone, each as one object', () => {
    const volume = begun(host('a'))
    const fs = shape(volume)
    const before = logFiles(volume.info.id).length
    for (let i = 0; i < 20; i++) commit(fs, `/${i}`, `content ${i}`)
    expect(logFiles(volume.info.id).length - before).toBe(20)
    fs.writeFileSync('/not-waited-for', 'n')
    const { fs: found, volume: there } = survivors('a', 'b')
    expect(found.readdirSync('/').sort()).toEqual(['first', ...Array.from({ length: 20 }, (_, i) => `${i}`)].sort())
    for (let i = 0; i < 20; i++) expect(found.readFileSync(`/${i}`, 'utf8')).toBe(`content ${i}`)
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
    // And so is what the next host adds, in one that comes after it.
    commit(found, '/by-b', 'b')
    const last = survivors('b', 'c')
    expect(last.fs.readFileSync('/by-b', 'utf8')).toBe('b')
    expect(last.fs.readFileSync('/19', 'utf8')).toBe('content 19')
    expect(logOf(last.volume.info.id).fences).toHaveLength(2)
  })

  it('that hold whole blocks or many files go into packs, which the head names', () => {
    const volume = begun(host('a'))
    const fs = shape(volume)
    const big = Buffer.alloc(300_000, 'big; ')
    commit(fs, '/big', big)
    const tx = volume.begin()
    const inTx = createFs(new LocalBackend(new LocalOps(new FileSystem(tx))))
    for (let i = 0; i < 2000; i++) inTx.writeFileSync(`/many-${i}`, `${i} `.repeat(200))
    volume.commitTransaction(tx, { message: 'many' })
    expect(volume.session.syncNow()).toBe(0)
    expect(logFiles(volume.info.id)).toEqual([])
    volume.checkpoint('named')
    fs.writeFileSync('/after', 'a', { flush: true })
    const { fs: found, volume: there } = survivors('a', 'b')
    expect(found.readFileSync('/big').equals(big)).toBe(true)
    for (let i = 0; i < 2000; i++) expect(found.readFileSync(`/many-${i}`, 'utf8')).toBe(`${i} `.repeat(200))
    expect(found.readFileSync('/after', 'utf8')).toBe('a')
    const named = createFs(new LocalBackend(new LocalOps(new FileSystem(there.at('named')))))
    expect(named.existsSync('/many-1999')).toBe(true)
    expect(named.existsSync('/after')).toBe(false)
    expect(there.fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('share an object when they are waited for at the same time', async () => {
    const volume = begun(host('a'))
    const fs = shape(volume)
    const before = logFiles(volume.info.id).length
    await Promise.all(Array.from({ length: 30 }, (_, i) => fs.promises.writeFile(`/${i}`, `${i}`, { flush: true })))
    const objects = logFiles(volume.info.id).length - before
    expect(objects).toBeGreaterThanOrEqual(1)
    expect(objects).toBeLessThanOrEqual(6)
    const { fs: found } = survivors('a', 'b')
    for (let i = 0; i < 30; i++) expect(found.readFileSync(`/${i}`, 'utf8')).toBe(`${i}`)
  })

  it('are folded into the head, and their objects deleted; fences stay', async () => {
    const a = host('a')
    begun(a)
    const { volume, fs } = survivors('a', 'b')
    const [b] = engines
    const { id } = volume.info
    expect(logOf(id).fences).toHaveLength(1)
    for (let i = 0; i < 5; i++) commit(fs, `/${i}`, `${i}`)
    volume.flush()
    await b.publish(volume)
    const { log } = volume.head.value
    expect(log?.open).toBe(true)
    expect(log?.next).toBeGreaterThan(Math.max(...logOf(id).commits))
    commit(fs, '/later', 'l')
    volume.close()
    expect(logOf(id).commits).toEqual([])
    expect(logOf(id).fences).toHaveLength(1)
    // A writer that ended its log is taken over from without looking for more.
    const next = survivors('b', 'c')
    expect(next.fs.readFileSync('/later', 'utf8')).toBe('l')
    expect(logOf(id).fences).toHaveLength(1)
    commit(next.fs, '/last', 'l')
    expect(survivors('c', 'd').fs.existsSync('/last')).toBe(true)
  })

  it('that come while a head is on its way are not taken to be in it', async () => {
    const a = host('a')
    const volume = begun(a)
    const fs = shape(volume)
    commit(fs, '/before', 'b')
    onCrashPoint(point => {
      if (point !== 'seal.before-head') return
      onCrashPoint(undefined)
      commit(fs, '/meanwhile', 'm')
    })
    let isSealed = false
    const sealed = volume.flushSoon().then(() => {
      isSealed = true
    })
    while (!isSealed) {
      a.pump(10)
      await new Promise(setImmediate)
    }
    await sealed
    expect(volume.head.value.watermark).toBeLessThan(volume.session.sequence)
    await a.publish(volume)
    expect(survivors('a', 'b').fs.readdirSync('/').sort()).toEqual(['before', 'first', 'meanwhile'])
  })

  it('are folded when there are many, without a pause in between', () => {
    const a = host('a')
    const volume = begun(a)
    const fs = shape(volume)
    for (let i = 0; i <= limits.logFoldObjects; i++) commit(fs, '/same', `${i}`)
    const before = volume.head.value.watermark
    a.pump(50)
    expect(volume.head.value.watermark).toBeGreaterThan(before)
    expect(survivors('a', 'b').fs.readFileSync('/same', 'utf8')).toBe(`${limits.logFoldObjects}`)
  })

  it('are there after a power loss took the journal of their host', () => {
    const volume = begun(host('a', 'boot 1'))
    const fs = shape(volume)
    for (let i = 0; i < 5; i++) commit(fs, `/${i}`, `${i}`)
    for (const engine of engines) engine.crash()
    const journal = join(folder, 'a', 'volumes', volume.info.id, 'journal')
    for (const name of readdirSync(journal)) {
      const bytes = readFileSync(join(journal, name))
      writeFileSync(join(journal, name), bytes.subarray(0, bytes.length >> 1))
    }
    const again = open(host('a', 'boot 2'))
    expect(shape(again).readdirSync('/').sort()).toEqual(['0', '1', '2', '3', '4', 'first'])
    expect(again.fsck()).toMatchObject({ ok: true, findings: [] })
  })

  it('of a volume that another one takes over on the way are refused, and only what is not in the log is set aside', async () => {
    const a = host('a')
    const volume = begun(a)
    const fs = shape(volume)
    commit(fs, '/logged', 'l')
    const b = host('b')
    const taken = open(b, { force: true })
    commit(shape(taken), '/by-b', 'b')
    await expect(fs.promises.writeFile('/late', 'l', { flush: true })).rejects.toMatchObject({ code: 'EIO', cause: { code: 'ERR_LEASE_LOST' } })
    a.pump(10)
    expect(() => fs.writeFileSync('/more', 'm')).toThrow(/EROFS/)
    volume.close()
    taken.close()
    // It is let go of when the last sync to this disk has ended.
    const back = await vi.waitFor(() => open(a), { timeout: 200_000 })
    expect(shape(back).readdirSync('/').sort()).toEqual(['by-b', 'first', 'logged'])
    back.close()
    expect(a.statusOf('ws').remote?.setAside).toBe(1)
    expect(a.recover('ws')).toHaveLength(1)
    const recovered = a.openVolume('ws-recovered')
    expect(shape(recovered).readdirSync('/').sort()).toEqual(['first', 'late', 'logged'])
    expect(recovered.head.value.log).toBeUndefined()
    expect(recovered.fsck()).toMatchObject({ ok: true, findings: [] })
    recovered.close()
  })

  it('need no setting aside when all of them are in the log', () => {
    const a = host('a')
    const volume = begun(a)
    commit(shape(volume), '/logged', 'l')
    a.crash()
    const b = host('b')
    open(b, { force: true }).close()
    const again = host('a')
    expect(shape(open(again)).existsSync('/logged')).toBe(true)
    expect(again.statusOf('ws').remote?.setAside).toBe(0)
  })

  it('of later writers are not taken for those of one that logged nothing', () => {
    const a = host('a')
    a.attach('ws', address)
    const local = a.openVolume('ws')
    shape(local).writeFileSync('/first', 'f')
    local.flush()
    local.close()
    shape(a.openVolume('ws')).writeFileSync('/only-here', 'o')
    a.crash()
    const taken = open(host('b'), { force: true })
    for (let i = 0; i < 9; i++) commit(shape(taken), '/by-b', `${i}`)
    // What this one finds in the log is of b: a has logged nothing.
    open(host('c'), { force: true }).close()
    const again = host('a')
    expect(again.recover('ws')).toHaveLength(1)
    expect(shape(again.openVolume('ws-recovered')).readFileSync('/only-here', 'utf8')).toBe('o')
  })

  /** The objects that a host stores wait until they are let go. */
  function held(engine: Engine): () => void {
    const store = engine.poolOf('ws').context.store as RemoteStore
    const later = store.later.bind(store)
    const waiting: Array<() => void> = []
    store.later = ((op, args, done) => {
      if (op === 'put') waiting.push(() => later(op, args, done))
      else later(op, args, done)
    }) as typeof store.later
    return () => {
      store.later = later
      for (const go of waiting) go()
    }
  }

  it('whose object arrives when another host has taken the volume over are not acknowledged', async () => {
    const a = host('a')
    const volume = begun(a)
    const release = held(a)
    const late = shape(volume).promises.writeFile('/late', 'l', { flush: true })
    const b = host('b')
    const taken = open(b, { force: true })
    commit(shape(taken), '/by-b', 'b')
    taken.flush()
    await b.publish(taken)
    taken.close()
    release()
    await expect(late).rejects.toMatchObject({ cause: { code: 'ERR_LEASE_LOST' } })
    expect(survivors('b', 'c').fs.readdirSync('/').sort()).toEqual(['by-b', 'first'])
  })

  it('whose object arrives before the fence are part of what the next host finds', async () => {
    const a = host('a')
    const volume = begun(a)
    const b = host('b')
    b.attach('ws', address)
    const store = b.poolOf('ws').context.store as RemoteStore
    const create = store.createSync.bind(store)
    // The last commit comes between the look at the log and the fence.
    store.createSync = (key, bytes) => {
      store.createSync = create
      commit(shape(volume), '/late', 'l')
      return create(key, bytes)
    }
    const taken = open(b, { force: true })
    expect(shape(taken).readdirSync('/').sort()).toEqual(['first', 'late'])
    expect(() => commit(shape(volume), '/too-late', 'l')).toThrow(/EIO/)
  })

  it('are not made by a writer that was stopped while it opened, and that others overtook', async () => {
    const first = shape(begun(host('a')))
    const b = host('b')
    b.attach('ws', address)
    const store = b.poolOf('ws').context.store as RemoteStore
    const create = store.createSync.bind(store)
    let stood: boolean | undefined
    store.createSync = (key, bytes) => {
      store.createSync = create
      // The numbers that it saw free are used, folded and free again when it goes on.
      for (const name of ['/late-1', '/late-2']) commit(first, name, 'l')
      const volume = open(host('c'), { force: true })
      commit(shape(volume), '/by-c', 'c')
      volume.close()
      stood = create(key, bytes)
      return stood
    }
    // Its fence stands where none is needed, and its confirmation is refused; then it takes the volume as it is by now.
    const taken = open(b, { force: true })
    expect(stood).toBe(true)
    commit(shape(taken), '/by-b', 'b')
    expect(survivors('b', 'd').fs.readdirSync('/').sort()).toEqual(['by-b', 'by-c', 'first', 'late-1', 'late-2'])
  })

  it('of a later writer are no damage to one that was stopped before it read the log', () => {
    begun(host('a'))
    const b = host('b')
    b.attach('ws', address)
    const store = b.poolOf('ws').context.store as RemoteStore
    const read = store.storedAllSync.bind(store)
    store.storedAllSync = keys => {
      store.storedAllSync = read
      // What it has read of the head is old by then: the next one has changes that no log object has.
      const later = open(host('c'), { force: true })
      commit(shape(later), '/folded', Buffer.alloc(70_000, 'f'))
      commit(shape(later), '/logged', 'l')
      return read(keys)
    }
    const taken = open(b, { force: true })
    expect(shape(taken).readdirSync('/').sort()).toEqual(['first', 'folded', 'logged'])
  })

  it('go on after an attempt of which nobody knows what became', async () => {
    const a = host('a')
    const volume = begun(a)
    const store = a.poolOf('ws').context.store as RemoteStore
    const later = store.later.bind(store)
    for (const isApplied of [true, false]) {
      store.later = ((op, args, done) => {
        store.later = later
        const unknown = Object.assign(new Error('no answer'), { code: 'ERR_STORE_UNCERTAIN' })
        if (isApplied) later(op, args, () => done(unknown))
        else done(unknown)
      }) as typeof store.later
      await expect(shape(volume).promises.writeFile(`/unknown-${isApplied}`, 'u', { flush: true })).rejects.toMatchObject({ code: 'EIO' })
      commit(shape(volume), `/after-${isApplied}`, 'a')
    }
    expect(survivors('a', 'b').fs.readdirSync('/').sort()).toEqual(['after-false', 'after-true', 'first', 'unknown-false', 'unknown-true'])
  })

  it('are not added to an attempt of which nobody knows what became: the next host may have taken it over', async () => {
    const a = host('a')
    const volume = begun(a)
    const store = a.poolOf('ws').context.store as RemoteStore
    const later = store.later.bind(store)
    store.later = ((op, args, done) => {
      store.later = later
      later(op, args, () => done(Object.assign(new Error('no answer'), { code: 'ERR_STORE_UNCERTAIN' })))
    }) as typeof store.later
    await expect(shape(volume).promises.writeFile('/unknown', 'u', { flush: true })).rejects.toMatchObject({ code: 'EIO' })
    // Its number is free again when it is folded.
    open(host('b'), { force: true }).close()
    expect(logOf(volume.info.id).commits).toEqual([])
    await expect(shape(volume).promises.writeFile('/late', 'l', { flush: true })).rejects.toMatchObject({ code: 'EIO' })
    expect(survivors('b', 'c').fs.readdirSync('/').sort()).toEqual(['first', 'unknown'])
  })

  it('are refused where no other host can reach the volume, and can be asked for while it is open', () => {
    const a = host('a')
    a.create('own')
    expect(() => a.openVolume('own', { durability: 'remote' })).toThrow(/own store, which no other host reaches/)
    a.attach('ws', address)
    const local = a.openVolume('ws')
    shape(local).writeFileSync('/before', 'b')
    expect(a.statusOf('ws').remote?.durability).toBe('local')
    const volume = open(a)
    expect(volume).toBe(local)
    commit(shape(volume), '/one', '1')
    commit(shape(volume), '/two', '2')
    expect(a.statusOf('ws').remote).toMatchObject({ durability: 'remote', unpublishedBytes: 0 })
    expect(logFiles(volume.info.id)).toHaveLength(1)
    expect(survivors('a', 'b').fs.readdirSync('/').sort()).toEqual(['before', 'one', 'two'])
  })

  describe('killed at', () => {
    const points = crashPoints.filter(point => point.startsWith('log.') || point === 'lease.confirmed')

    /** Runs a host that commits until it is killed at the nth pass of a point; returns how many commits it said were durable. */
    async function killed(home: string, point: string, nth: number): Promise<{ acknowledged: number; wasKilled: boolean }> {
      const child = join(import.meta.dirname, 'programs/durable-child.mjs')
      const args = [child, join(folder, home), join(folder, 'there')]
      try {
        const { stdout } = await run(process.execPath, args, { env: { ...process.env, CAIRN_TEST_CRASH: `${point}*${nth}` } })
        return { acknowledged: stdout.split('\n').length - 1, wasKilled: false }
      } catch (error) {
        const { stdout, signal, stderr } = error as { stdout: string; stderr: string; signal?: string }
        if (signal !== 'SIGKILL') throw new Error(`the child failed by itself: ${stderr}`)
        return { acknowledged: stdout.split('\n').length - 1, wasKilled: true }
      }
    }

    it.each(points)('%s, all that was acknowledged is there, on this host and on the next', async point => {
      // A host that was killed before: its log is taken over first.
      const first = await killed('a', 'log.after-put', 4)
      expect(first.wasKilled).toBe(true)
      const second = await killed('a', point, point === 'log.before-delete' ? 1 : 1)
      expect(second.wasKilled).toBe(true)
      const wanted = first.acknowledged + second.acknowledged
      const here = host('a')
      here.attach('ws', address)
      const again = here.openVolume('ws')
      const found = (fs: VolumeFs): number => fs.readdirSync('/').filter(name => name.startsWith('file-')).length
      expect(found(shape(again))).toBeGreaterThanOrEqual(wanted)
      here.crash()
      const { fs, volume } = survivors('a', 'b')
      const count = found(fs)
      expect(count).toBeGreaterThanOrEqual(wanted)
      for (let i = 0; i < count; i++) expect(fs.readFileSync(`/file-${i}`, 'utf8')).toBe(`content ${i}`)
      expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    })
  })
})

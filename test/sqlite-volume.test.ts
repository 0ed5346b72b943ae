import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { collect } from '../src/history/gc/collect.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { openDatabase } from '../src/store/sqlite/driver.js'
import { openSqliteStore } from '../src/store/sqlite/index.js'
import type { StoreLocation } from '../src/store/url.js'
import { systemClock, systemRandom } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let path: string
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-sqlite-volume-'))
  path = join(folder, 'ws.cairn')
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

const at = (file: string): StoreLocation => ({ kind: 'sqlite', path: file })
const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
const bytes = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed} of many; `)
const name = (n: number): string => `/f${n % 3 === 0 ? '/' : '-'}${n}`
const sizeOf = (n: number): number => [100, 3000, 70_000, 400_000][n % 4]

function host(home: string, file = path): Engine {
  const engine = Engine.open({ home: join(folder, home) })
  engines.push(engine)
  engine.attach('ws', at(file))
  return engine
}

function gone(engine: Engine): void {
  engine.crash()
  engines = engines.filter(one => one !== engine)
}

/** The file and its log, as they are at this moment, under another name. */
function copy(to: string): string {
  const target = join(folder, to)
  for (const part of ['', '-wal']) if (existsSync(path + part)) copyFileSync(path + part, target + part)
  return target
}

/** A process that makes files for ever, and says so after each; killed when it has said so often enough. @returns how many it had made at least */
async function killedAfter(files: number, options: { home?: string; sealEvery?: number } = {}): Promise<number> {
  const url = (module: string): string => JSON.stringify(new URL(`../dist/${module}`, import.meta.url).href)
  const script = `
    const { Engine } = await import(${url('volume/engine.js')})
    const { FileSystem } = await import(${url('fs/index.js')})
    const { createFs, LocalBackend, LocalOps } = await import(${url('node/index.js')})
    const engine = Engine.open({ home: ${JSON.stringify(join(folder, options.home ?? 'a'))} })
    engine.attach('ws', ${JSON.stringify(at(path))})
    const volume = engine.openVolume('ws')
    const fs = createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))
    fs.mkdirSync('/f', { recursive: true })
    const sizes = [100, 3000, 70_000, 400_000]
    for (let n = 0; ; n++) {
      fs.writeFileSync('/f' + (n % 3 === 0 ? '/' : '-') + n, Buffer.alloc(sizes[n % 4], n + ' of many; '))
      if (n % 50 === 49) volume.checkpoint('c' + n)
      if (n % ${options.sealEvery ?? 1e9} === ${(options.sealEvery ?? 1e9) - 1}) volume.flush()
      require('node:fs').writeSync(1, n + '\\n')
    }`
  const source = `const require = (await import('node:module')).createRequire(process.cwd() + '/x.js')\n${script}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = 0
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  for await (const line of createInterface({ input: child.stdout })) {
    said = Number(line) + 1
    if (said === files) child.kill('SIGKILL')
  }
  await ended
  return said
}

function expectFiles(volume: Volume, files: number): void {
  const fs = shape(volume)
  for (let n = 0; n < files; n++) expect(fs.readFileSync(name(n)).equals(bytes(sizeOf(n), n)), name(n)).toBe(true)
  expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
}

describe('a volume in a SQLite file', () => {
  it.each([
    ['has never sealed', 120, {}],
    ['seals now and then', 120, { sealEvery: 25 }],
  ])('is whole in a copy with its log, taken after kill -9 of a process that %s', async (_, files, options) => {
    const said = await killedAfter(files, options)
    const copied = copy('copy.cairn')
    rmSync(join(folder, 'a'), { recursive: true })
    // At once: nobody has the copy open, whoever its lease names.
    const volume = host('b', copied).openVolume('ws')
    expectFiles(volume, said)
    expect(volume.commits({ checkpointsOnly: true }).map(commit => commit.name)).toContain('c99')
    shape(volume).writeFileSync('/after', 'b')
    volume.close()
    // Where it was, under another home, it goes on as well.
    const there = host('c').openVolume('ws')
    expectFiles(there, said)
    there.close()
  })

  it('survives one kill after another, each in another home', async () => {
    let said = 0
    for (const home of ['a', 'b', 'a']) said = Math.max(said, await killedAfter(30, { home }))
    const volume = host('c').openVolume('ws')
    expectFiles(volume, said)
    volume.close()
    expect(readdirSync(folder).filter(file => file.startsWith('ws.cairn'))).toEqual(['ws.cairn', 'ws.cairn-shm', 'ws.cairn-wal'])
    expect(statSync(`${path}-wal`).size).toBe(0)
  })

  it('is the file alone after a flush, and after the last one has closed it', async () => {
    const a = host('a')
    const volume = a.openVolume('ws')
    const fs = shape(volume)
    fs.mkdirSync('/f')
    for (let n = 0; n < 40; n++) fs.writeFileSync(name(n), bytes(sizeOf(n), n))
    volume.flush()
    await a.publish(volume)
    copyFileSync(path, join(folder, 'flushed.cairn'))
    // The lease in it is this process's, which lives; but nobody has this file open.
    const flushed = host('b', join(folder, 'flushed.cairn')).openVolume('ws')
    expectFiles(flushed, 40)
    flushed.close()
    fs.writeFileSync('/later', 'later')
    volume.close()
    a.close()
    engines = engines.filter(one => one !== a)
    expect(readdirSync(folder).filter(file => file.startsWith('ws.cairn'))).toEqual(['ws.cairn'])
    copyFileSync(path, join(folder, 'closed.cairn'))
    const closed = host('c', join(folder, 'closed.cairn')).openVolume('ws')
    expect(shape(closed).readFileSync('/later', 'utf8')).toBe('later')
    closed.close()
  })

  it('has one writer: a second is told who it is, and whoever takes it over has all of it', () => {
    const a = host('a')
    const b = host('b')
    const first = a.openVolume('ws')
    const fs = shape(first)
    fs.writeFileSync('/sealed', bytes(300_000, 1))
    first.flush()
    fs.writeFileSync('/journaled', bytes(300_000, 2))
    expect(() => b.openVolume('ws')).toThrow(expect.objectContaining({ code: 'ERR_LEASE_HELD', message: expect.stringContaining(`process ${process.pid}`) }))
    expect(() => b.openVolume('ws', { steal: true })).toThrow(expect.objectContaining({ code: 'ERR_LEASE_HELD' }))
    const second = b.openVolume('ws', { steal: true, force: true })
    expect(shape(second).readFileSync('/journaled').equals(bytes(300_000, 2))).toBe(true)
    // From this moment on nothing is acknowledged to the first one that the second does not have.
    expect(() => fs.writeFileSync('/too-late', 'x')).toThrow(/EROFS/)
    shape(second).writeFileSync('/by-second', 'b')
    expect(shape(second).readdirSync('/').sort()).toEqual(['by-second', 'journaled', 'sealed'])
    a.pump(10)
    expect(a.statusOf('ws').remote).toMatchObject({ isWriter: false, problem: expect.stringContaining('taken over') })
    first.close()
    second.close()
    const third = a.openVolume('ws')
    expect(shape(third).readdirSync('/').sort()).toEqual(['by-second', 'journaled', 'sealed'])
    expect(third.fsck()).toMatchObject({ ok: true, findings: [] })
    third.close()
    expect(a.recover('ws')).toEqual([])
  })

  it('is read beside its writer as it was sealed last', () => {
    const a = host('a')
    const b = host('b')
    const writer = a.openVolume('ws')
    shape(writer).writeFileSync('/one', '1')
    writer.flush()
    const reader = b.openVolume('ws', { readOnly: true })
    expect(shape(reader).readdirSync('/')).toEqual(['one'])
    shape(writer).writeFileSync('/two', '2')
    expect(b.refresh(reader)).toBe(false)
    writer.flush()
    expect(b.refresh(reader)).toBe(true)
    expect(shape(reader).readdirSync('/').sort()).toEqual(['one', 'two'])
    reader.close()
    writer.close()
  })

  it('is read as it was acknowledged when its writer is dead', async () => {
    const said = await killedAfter(20)
    const reader = host('b').openVolume('ws', { readOnly: true })
    expect(reader.isReader).toBe(true)
    expectFiles(reader, said)
    expect(() => shape(reader).writeFileSync('/more', '')).toThrow(/EROFS/)
    reader.close()
  })

  it('has what was synced after a power loss, and a state that existed, wherever the log was cut', () => {
    const a = host('a')
    const volume = a.openVolume('ws')
    const fs = shape(volume)
    fs.mkdirSync('/f')
    for (let n = 0; n < 12; n++) fs.writeFileSync(name(n), bytes(sizeOf(n), n))
    expect(volume.session.syncNow()).toBe(0)
    const synced = statSync(`${path}-wal`).size
    for (let n = 12; n < 24; n++) fs.writeFileSync(name(n), bytes(sizeOf(n), n))
    const all = statSync(`${path}-wal`).size
    const cut = copy('cut.cairn')
    for (let part = 0; part <= 6; part++) {
      const length = Math.floor(synced + ((all - synced) * part) / 6) - (part % 2)
      copyFileSync(`${path}-wal`, `${cut}-wal`)
      copyFileSync(path, cut)
      rmSync(`${cut}-shm`, { force: true })
      truncateSync(`${cut}-wal`, Math.max(synced, length))
      const b = host(`b${part}`, cut)
      const left = b.openVolume('ws')
      const found = shape(left)
      const there = Array.from({ length: 24 }, (_, n) => found.existsSync(name(n)))
      const first = there.includes(false) ? there.indexOf(false) : 24
      expect(first).toBeGreaterThanOrEqual(12)
      // At most one more, which was being written.
      expect(there.lastIndexOf(true)).toBeLessThan(first)
      for (let n = 0; n < first - 1; n++) expect(found.readFileSync(name(n)).equals(bytes(sizeOf(n), n))).toBe(true)
      gone(b)
    }
  })

  it('is collected from another home beside its writer, who loses nothing and goes on', () => {
    const a = host('a')
    const writer = a.openVolume('ws')
    const fs = shape(writer)
    // While it is open, packs may come to be named that no head names.
    const transaction = writer.begin()
    for (let n = 0; n < 6; n++) {
      for (let i = 0; i < 6; i++) fs.writeFileSync(`/f${i}`, bytes(300_000, n * 10 + i))
      writer.flush()
    }
    fs.writeFileSync('/journaled', bytes(300_000, 99))
    host('b')
    const { store } = openSqliteStore(path)
    const collection = collect({ store, storeName: 'ws', home: join(folder, 'b'), clock: systemClock, random: systemRandom, thorough: true })
    for (let step = collection.next(); step.done !== true; step = collection.next()) fs.writeFileSync('/beside', bytes(100_000, 7))
    store.closeSync()
    fs.writeFileSync('/after', 'a')
    writer.flush()
    for (let i = 0; i < 6; i++) expect(fs.readFileSync(`/f${i}`).equals(bytes(300_000, 50 + i))).toBe(true)
    expect(fs.readFileSync('/journaled').equals(bytes(300_000, 99))).toBe(true)
    expect(writer.fsck()).toMatchObject({ ok: true, findings: [] })
    a.pump(10)
    expect(a.statusOf('ws').remote).toMatchObject({ isWriter: true })
    transaction.abort()
    writer.close()
  })

  it('says that a journal is damaged rather than forget what was acknowledged', () => {
    const a = host('a')
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/one', '1')
    shape(volume).writeFileSync('/two', '2')
    gone(a)
    const db = openDatabase(path)
    const first = db.prepare('SELECT id, bytes FROM frame ORDER BY id LIMIT 1 OFFSET 1').get() ?? {}
    const damaged = Buffer.from(first['bytes'] as Uint8Array)
    damaged[damaged.length - 1] ^= 1
    db.prepare('UPDATE frame SET bytes = ? WHERE id = ?').run(damaged, Number(first['id']))
    db.close()
    expect(() => host('b').openVolume('ws')).toThrow(/the journal of volume .* is damaged/)
  })

  it('leaves nothing of a volume that was deleted for good', () => {
    const a = host('a')
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/one', bytes(300_000, 1))
    volume.close()
    a.remove('ws', { now: true })
    a.close()
    const db = openDatabase(path)
    expect(db.prepare('SELECT count(*) AS n FROM frame').get()?.['n']).toBe(0)
    expect(db.prepare('SELECT count(*) AS n FROM log').get()?.['n']).toBe(0)
    db.close()
  })
})

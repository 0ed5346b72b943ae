/**
 * What a server's engine does while a store that hosts share does not answer: whoever needs it waits, and nobody else. The engine is driven by the test, so that "meanwhile"
 * is no matter of time: while the store is silent a request that the engine's thread waits for fails the test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import type { LogEntry } from '../src/history/log/log-read.js'
import type { MergeResult } from '../src/history/merge/merge.js'
import { EngineHost } from '../src/server/engine-host.js'
import { MemoryStore } from '../src/store/memory/index.js'
import type { StoreCalls } from '../src/store/remote/protocol.js'
import { systemClock } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { LOCATION } from './support/hosts/host.js'
import { SimulatedLine } from './support/hosts/line.js'
import { STORE_ID } from './support/hosts/secret.js'
import { seeded } from './support/seeded.js'

/** A line to a store that can fall silent. */
class SilentLine extends SimulatedLine {
  isSilent = false

  override callSync<Op extends keyof StoreCalls>(op: Op, ...args: Parameters<StoreCalls[Op]>): ReturnType<StoreCalls[Op]> {
    if (this.isSilent) throw new Error(`the engine's thread waits for ${op}`)
    return super.callSync(op, ...args)
  }

  override waitUntil(isDone: () => boolean): void {
    if (this.isSilent && !isDone()) throw new Error("the engine's thread waits")
    super.waitUntil(isDone)
  }
}

class Home {
  readonly line: SilentLine
  readonly engine: Engine
  readonly host: EngineHost

  constructor(home: string, seed: number, store: MemoryStore, clock: { now: () => number; monotonic: () => number }) {
    const random = seeded(seed)
    const nothing = { info: { id: STORE_ID }, damaged: () => {}, isCut: () => false, fault: () => false, between: () => {}, later: () => {} }
    this.line = new SilentLine({ store, pick: () => 1, ...nothing })
    const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random(256)))
    this.engine = Engine.open({ home, clock, random: { bytes }, bootId: 'boot', actor: 'me', line: () => this.line })
    this.host = new EngineHost(this.engine, {
      makeFs: session => new FileSystem(session),
      flushesInSlices: true,
      volumeIdleMs: Number.POSITIVE_INFINITY,
      turn: () => new Promise(resolve => void setImmediate(resolve)),
    })
  }

  call<T>(method: string, ...args: unknown[]): T | Promise<T> {
    return this.host.call('client', method, args) as T | Promise<T>
  }

  /** Nothing of what was read is in memory or on the disk. */
  cool(): void {
    for (const { context } of this.engine.open()) {
      context.pages.trim(0)
      context.packs.clearCache()
    }
    this.engine.caches.clear('w')
  }

  /** The store answers until the call has. */
  async answered<T>(call: T | Promise<T>): Promise<T> {
    this.line.isSilent = false
    let isDone = false
    const end = (): void => {
      isDone = true
    }
    void Promise.resolve(call).then(end, end)
    while (!isDone) {
      this.engine.pump(5)
      this.line.step()
      await new Promise(resolve => void setImmediate(resolve))
    }
    return call
  }
}

let folder: string
let homes: Home[]
let ms: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-engine-far-'))
  ms = 1_700_000_000_000
  const clock = { now: () => ms, monotonic: () => ms }
  const store = new MemoryStore(clock)
  homes = ['one', 'two'].map((name, i) => new Home(join(folder, name), i + 1, store, clock))
})

afterEach(() => {
  vi.restoreAllMocks()
  for (const { engine, line } of homes) {
    line.isSilent = false
    engine.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

const FILES = 300

/** A volume and a fork of it with a history each, made by another host. */
async function made(home: Home): Promise<void> {
  await home.answered(home.call('create', 'w', { store: LOCATION }))
  for (let i = 0; i < 4; i++) await changed(home, 'w', i)
  await home.answered(home.call('fork', 'w', undefined, 'f'))
  await changed(home, 'f', 4)
  await changed(home, 'w', 5)
  for (const name of ['w', 'f']) {
    await home.answered(home.call('flush', name))
    await home.answered(home.call('releaseLease', name))
  }
}

async function changed(home: Home, name: string, round: number): Promise<void> {
  ms += 1000
  const id = await home.answered(home.call<number>('open', name))
  const ops = Array.from({ length: FILES }, (_, i) => ({ op: 'writeFile', path: `/${round}-${i}-${'x'.repeat(60)}`, data: Buffer.alloc(300, i) }))
  for (const { path, data } of ops) await home.answered(home.call('fs.writeFile', id, path, data, 0o1101, 0o644))
  await home.answered(home.call('checkpoint', name, `c${round}`))
  await home.answered(home.call('close', id))
}

/** What must be answered at once: of another volume, and of what is cached of the same. */
function othersGoOn(home: Home, own: number, w: number): void {
  expect(home.call('fs.stat', own, '/here', true)).toMatchObject({ size: 2 })
  expect(home.call('fs.stat', w, '/', true)).toMatchObject({ ino: 1 })
  expect(home.call('status', 'own')).toMatchObject({ name: 'own' })
}

async function prepared(): Promise<{ home: Home; own: number; w: number }> {
  const [one, home] = homes
  await made(one)
  for (const name of ['w', 'f']) await home.answered(home.call('attach', name, LOCATION))
  home.call('create', 'own')
  const own = home.call<number>('open', 'own') as number
  home.call('fs.writeFile', own, '/here', Buffer.from('hi'), 0o1101, 0o644)
  const w = await home.answered(home.call<number>('open', 'w'))
  return { home, own, w }
}

it('log and merge wait for a store that does not answer, and nobody else does', async () => {
  const { home, own, w } = await prepared()
  await home.answered(home.call<number>('open', 'f'))
  home.cool()
  await home.answered(home.call('fs.stat', w, '/', true))
  home.line.isSilent = true
  const read = home.call<number>('logOpen', 'w', { counts: true })
  const merge = home.call<MergeResult>('merge', 'f')
  const grep = home.call<{ id: number }>('contentsOpen', 'w', undefined)
  expect(merge).toBeInstanceOf(Promise)
  othersGoOn(home, own, w)
  const id = await home.answered(read)
  const entries: LogEntry[] = []
  for (;;) {
    home.line.isSilent = true
    const page = home.call<LogEntry[] | undefined>('logNext', id)
    othersGoOn(home, own, w)
    const found = await home.answered(page)
    if (found === undefined) break
    entries.push(...found)
  }
  expect(entries.flatMap(({ name }) => name ?? [])).toEqual(['c5', 'c3', 'c2', 'c1', 'c0'])
  expect(entries[0]?.counts).toEqual({ created: FILES })
  expect(await home.answered(merge)).toMatchObject({ state: 'merged' })
  expect(await home.answered(home.call('fs.stat', w, `/4-7-${'x'.repeat(60)}`, true))).toMatchObject({ size: 300 })
  const files: unknown[] = []
  const contents = (await home.answered(grep)).id
  for (;;) {
    home.line.isSilent = true
    const page = home.call<unknown[] | undefined>('contentsNext', contents)
    othersGoOn(home, own, w)
    const found = await home.answered(page)
    if (found === undefined) break
    files.push(...found)
  }
  expect(files.length).toBeGreaterThanOrEqual(5 * FILES)
})

it('going to another state waits, and nobody else does', async () => {
  const { home, own, w } = await prepared()
  home.cool()
  await home.answered(home.call('fs.stat', w, '/', true))
  home.line.isSilent = true
  const restored = home.call('restore', 'w', { ref: 'c1' })
  othersGoOn(home, own, w)
  expect(await home.answered(restored)).toMatchObject({ to: { name: 'c1' } })
  home.cool()
  await home.answered(home.call('fs.stat', w, '/', true))
  home.line.isSilent = true
  const undone = home.call('undo', 'w', { last: 1 })
  othersGoOn(home, own, w)
  expect(await home.answered(undone)).toMatchObject({ state: 'undone' })
  expect(await home.answered(home.call('fs.stat', w, `/5-7-${'x'.repeat(60)}`, true))).toMatchObject({ size: 300 })
})

it('opening a volume waits for a store that was not heard of for a while, and nobody else does; a client that left meanwhile leaves nothing open', async () => {
  const { home, own, w } = await prepared()
  const now = systemClock.monotonic()
  vi.spyOn(systemClock, 'monotonic').mockImplementation(() => now + 60_000)
  home.line.isSilent = true
  const opened = home.host.call('other', 'open', ['f'])
  const forked = home.call('fork', 'w', undefined, 'g')
  expect(opened).toBeInstanceOf(Promise)
  expect(forked).toBeInstanceOf(Promise)
  othersGoOn(home, own, w)
  home.host.sessions.end('other')
  await expect(home.answered(opened)).rejects.toMatchObject({ code: 'ERR_VOLUME_CLOSED' })
  expect(await home.answered(forked)).toMatchObject({ name: 'g' })
  expect(home.host.volumes.named('f')?.users ?? 0).toBe(0)
})

import './support/without-syncs.js'
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect } from '../src/history/gc/collect.js'
import type { PutOptions } from '../src/store/contract.js'
import { GC_RECORD_KEY, readGcRecord } from '../src/store/gc-record.js'
import { preconditionFailed } from '../src/store/keys.js'
import { MemoryStore } from '../src/store/memory/index.js'
import { RemoteStore } from '../src/store/remote/remote-store.js'
import { encodeSmall } from '../src/store/small-object.js'
import { systemClock, systemRandom } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { LOCATION, shaped } from './support/hosts/host.js'
import { SimulatedLine } from './support/hosts/line.js'
import { noSecret, STORE_ID } from './support/hosts/secret.js'

const CONTENT = Buffer.alloc(100_000, 'what is kept; ')

/** A swap of the gc record that refers to copies is applied, its answer is lost, and another collection begins before it is asked for. */
class LateAnswers extends MemoryStore {
  losesAnswer = false

  override putSync(key: string, bytes: Uint8Array, options: PutOptions = {}): { version: string } {
    const put = super.putSync(key, bytes, options)
    if (!this.losesAnswer || key !== GC_RECORD_KEY || readGcRecord(this).relocations === '') return put
    const { epoch, relocations } = readGcRecord(this)
    super.putSync(key, encodeSmall(1, { epoch: epoch + 1, relocations }), { ifMatch: put.version })
    throw preconditionFailed(key, 'it has changed')
  }
}

let folder: string
let store: LateAnswers
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-copies-'))
  store = new LateAnswers()
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

/** Nothing goes wrong, and what is read is kept in files. */
const line = (): SimulatedLine =>
  new SimulatedLine({
    ...{ store, info: noSecret().info, pick: (below: number) => below - 1, fault: () => false, damaged: () => {} },
    ...{ isCut: () => false, between: () => {}, later: () => {} },
  })

function host(name: string): Engine {
  const syncer = { request: (_: readonly number[], done: (errno: number) => void) => done(0) }
  const engine = Engine.open({ home: join(folder, name), syncer, line })
  engines.push(engine)
  engine.attach('ws', LOCATION)
  return engine
}

/** Something is kept, and something beside it is not, so that what is kept is copied. */
function written(): void {
  const volume = host('a').openVolume('ws')
  const fs = shaped(volume.session)
  fs.writeFileSync('/gone-wal', Buffer.alloc(400_000, 'what is not kept; '))
  fs.writeFileSync('/kept', CONTENT)
  volume.flush()
  fs.unlinkSync('/gone-wal')
  volume.close()
}

function collected(): ReturnType<ReturnType<typeof collect>['next']> {
  const remote = new RemoteStore({ location: LOCATION, id: STORE_ID, folder: join(folder, 'c', 'stores', STORE_ID), thread: line(), collects: true })
  const run = collect({ store: remote, storeName: 'simulated', home: join(folder, 'c'), clock: systemClock, random: systemRandom, thorough: true })
  for (;;) {
    const step = run.next()
    if (step.done === true) return step
  }
}

describe('what a collection has copied', () => {
  it('is there when the answer to its record was lost, and the next collection had begun', () => {
    written()
    host('c').close()
    store.losesAnswer = true
    expect(collected()).toMatchObject({ value: { superseded: true } })
    store.losesAnswer = false
    expect(readGcRecord(store).relocations).not.toBe('')
    for (let i = 0; i < 2; i++) expect(collected()).toMatchObject({ value: { problems: [] } })
    const volume = host('b').openVolume('ws')
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    expect(shaped(volume.session).readFileSync('/kept').equals(CONTENT)).toBe(true)
  })

  it('is read again where the cache has it cut', () => {
    written()
    host('c').close()
    expect(collected()).toMatchObject({ value: { superseded: false, packs: { written: expect.any(Number) } } })
    const read = (volume: ReturnType<Engine['openVolume']>): Buffer => {
      volume.context.packs.clearCache()
      volume.context.pages.trim(0)
      return shaped(volume.session).readFileSync('/kept') as Buffer
    }
    const volume = host('b').openVolume('ws', { readOnly: true })
    expect(read(volume).equals(CONTENT)).toBe(true)
    const cache = join(folder, 'b', 'stores', STORE_ID, 'cache', 'packs')
    const files = readdirSync(cache, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    expect(files.length).toBeGreaterThan(0)
    for (const { parentPath, name } of files) truncateSync(join(parentPath, name), 50)
    expect(read(volume).equals(CONTENT)).toBe(true)
  })
})

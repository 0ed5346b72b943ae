import './support/without-syncs.js'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Volume } from '../src/volume/volume.js'

let folder: string
let engines: Engine[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-lmdb-volume-'))
  engines = []
})

afterEach(() => {
  for (const engine of engines) engine.crash()
  rmSync(folder, { recursive: true, force: true })
})

const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

function host(home: string, store = 'ws'): Engine {
  const engine = Engine.open({ home: join(folder, home) })
  engines.push(engine)
  engine.attach('ws', { kind: 'lmdb', path: join(folder, store) })
  return engine
}

const names = (engine: Engine, options: { steal?: boolean; force?: boolean } = {}): string[] => {
  const volume = engine.openVolume('ws', options)
  try {
    expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
    return shape(volume).readdirSync('/').sort()
  } finally {
    volume.close()
  }
}

describe('a volume in an LMDB folder', () => {
  it('is in a copy of the folder after a flush, and after it was closed; what came after that is on its host', async () => {
    const a = host('a')
    const volume = a.openVolume('ws')
    shape(volume).writeFileSync('/flushed', Buffer.alloc(300_000, 'f'))
    volume.flush()
    await a.publish(volume)
    shape(volume).writeFileSync('/journaled', 'j')
    cpSync(join(folder, 'ws'), join(folder, 'flushed'), { recursive: true })
    expect(names(host('b', 'flushed'), { steal: true, force: true })).toEqual(['flushed'])
    a.crash()
    const again = host('a')
    expect(names(again)).toEqual(['flushed', 'journaled'])
    cpSync(join(folder, 'ws'), join(folder, 'closed'), { recursive: true })
    expect(names(host('c', 'closed'))).toEqual(['flushed', 'journaled'])
  })
})

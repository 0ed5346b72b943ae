import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { unreachable } from '../../store/remote-errors.js'
import { Engine } from '../../volume/engine.js'
import { GC_SHARED_KEY } from './shared-segments.js'
import { Sharing } from './sharing.js'

it('of a store that is out of reach what volumes share is told as if it had never been collected', () => {
  const home = mkdtempSync(join(tmpdir(), 'cairn-sharing-'))
  const engine = Engine.open({ home })
  onTestFinished(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })
  engine.create('w')
  const volume = engine.openVolume('w')
  const { store } = engine.dev.context
  const asked: string[] = []
  store.getSync = key => {
    asked.push(key)
    throw unreachable('there', 'it is away')
  }
  expect(new Sharing(engine.dev, volume, true).has(Buffer.alloc(62), 0)).toBe(false)
  expect(asked[0]).toBe(GC_SHARED_KEY)
  delete (store as { getSync?: unknown }).getSync
})

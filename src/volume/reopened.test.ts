import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { Engine } from './engine.js'

it('a volume that is closed while a sync uses its files can be waited for, and opened again then', async () => {
  const home = mkdtempSync(join(tmpdir(), 'cairn-reopened-'))
  const syncs: Array<() => void> = []
  const engine = Engine.open({ home, syncer: { request: (_, done) => syncs.push(() => done(0)) } })
  onTestFinished(() => {
    engine.crash()
    rmSync(home, { recursive: true, force: true })
  })
  engine.create('w')
  const volume = engine.openVolume('w')
  expect(new FileSystem(volume.session).mknod(1, 'f', 0o100644, 0)).toBeGreaterThan(0)
  const synced = volume.session.sync()
  volume.close()
  expect(syncs).toHaveLength(1)
  expect(() => engine.openVolume('w')).toThrow(expect.objectContaining({ code: 'ERR_VOLUME_BUSY', message: 'Volume w is being closed.' }))
  const ended = engine.knock('w')
  syncs[0]()
  await Promise.all([ended, synced])
  expect(ended).toBeDefined()
  expect(engine.knock('w')).toBeUndefined()
  engine.openVolume('w').close()
})

it('of a volume that is closed to be deleted nothing is sealed; what it acknowledged is there until it is deleted', () => {
  const home = mkdtempSync(join(tmpdir(), 'cairn-dropped-'))
  const engine = Engine.open({ home })
  onTestFinished(() => {
    engine.close()
    rmSync(home, { recursive: true, force: true })
  })
  engine.create('w')
  const volume = engine.openVolume('w')
  const sealed = volume.head.value.sequence
  const made = new FileSystem(volume.session).mknod(1, 'f', 0o100644, 0)
  volume.drop()
  const again = engine.openVolume('w')
  expect(again.head.value.sequence).toBe(sealed)
  expect(new FileSystem(again.session).lookup(1, 'f')).toBe(made)
  again.drop()
  engine.remove('w', { now: true })
  expect(engine.volumes()).toEqual([])
  expect(engine.volumes({ deleted: true })).toEqual([])
})

import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { readAudit } from '../volume/audit/index.js'
import { Engine } from '../volume/engine.js'
import { EngineHost } from './engine-host.js'

let home: string
let engine: Engine
let host: EngineHost

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-runs-'))
  engine = Engine.open({ home })
  host = new EngineHost(engine, { makeFs: session => new FileSystem(session) })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

test('the end of a run that is recorded a second time is told, and not recorded again', () => {
  const open = host.volumes.acquire('w')
  const { volume, fs } = open
  const before = volume.presentCommit().id
  volume.session.exec = 'run-1'
  volume.runMessages.set('run-1', 'exec: make')
  fs.mknod(1, 'f', 0o100644, 0)
  volume.session.exec = undefined
  const ended = () => host.call('', 'runEnded', ['w', { kind: 'exec', exec: 'run-1', argv: ['make'], exit: 0, before }])
  const first = ended()
  expect(first).toMatchObject({ changes: [{ path: '/f', kind: 'created' }], after: volume.history.newest()?.id })
  expect(volume.history.newest()).toMatchObject({ kind: 'exec', exec: 'run-1', message: 'exec: make' })
  expect(ended()).toEqual(first)
  expect(readAudit(volume.state.history, { exec: 'run-1' }).entries).toMatchObject([{ exit: 0, changes: { created: 1 }, paths: ['/f'] }])
  host.volumes.release(open)
})

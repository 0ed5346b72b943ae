import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../fs/index.js'
import { type AuditEvent, readAudit } from '../volume/audit/index.js'
import { Engine } from '../volume/engine.js'
import { EngineHost } from './engine-host.js'
import type { OpenVolume } from './open-volumes.js'
import type { RunChanges } from './runs.js'

let home: string
let engine: Engine
let host: EngineHost
let open: OpenVolume

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-runs-'))
  engine = Engine.open({ home })
  host = new EngineHost(engine, { makeFs: session => new FileSystem(session) })
  engine.create('w')
  open = host.volumes.acquire('w')
})

afterEach(() => {
  host.volumes.release(open)
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** Makes a file, as the view of a run does. */
function makeFile(exec: string, name: string): void {
  const { volume, fs } = open
  volume.session.exec = exec
  volume.runMessages.set(exec, `exec: touch ${name}`)
  fs.mknod(1, name, 0o100644, 0)
  volume.session.exec = undefined
}

function ended(exec: string, before: string, event: Omit<AuditEvent, 'kind'>): RunChanges {
  return host.call('', 'runEnded', ['w', { ...event, kind: 'exec', exec, exit: 0, before }]) as RunChanges
}

describe('the end of a run', () => {
  it('is told with a commit of what it changed', () => {
    const { volume } = open
    const before = volume.checkpoint('start').id
    volume.session.actor = 'robot'
    makeFile('run-1', 'a.txt')
    const { after } = ended('run-1', before, { actor: 'robot', argv: ['touch', 'a.txt'] })
    expect(volume.history.newest()).toMatchObject({ kind: 'exec', exec: 'run-1', actor: 'robot', message: 'exec: touch a.txt', id: after, parents: [before] })
    const recorded = () => readAudit(volume.state.history).entries[0]
    expect(recorded()).toMatchObject({ sequence: volume.audit.state?.sequence, kind: 'exec', before, after, actor: 'robot' })
    expect(recorded().reason).toBeUndefined()
    expect(ended('run-2', after ?? '', { argv: ['true'] })).toEqual({ changes: [] })
    expect(recorded()).toMatchObject({ exec: 'run-2', before: after, exit: 0 })
  })

  it('is told of each of two that were at work at once with the commit of its own changes', () => {
    const { volume } = open
    const before = volume.presentCommit().id
    makeFile('run-1', 'one')
    makeFile('run-2', 'two')
    const [first, second] = [ended('run-1', before, { argv: ['one'] }), ended('run-2', before, { argv: ['two'] })]
    expect(first.changes).toMatchObject([{ path: '/one' }])
    expect(second.changes).toMatchObject([{ path: '/two' }])
    expect(volume.commits().filter(({ kind }) => kind === 'exec')).toMatchObject([
      { id: second.after, exec: 'run-2', parents: [first.after] },
      { id: first.after, exec: 'run-1' },
    ])
    expect(readAudit(volume.state.history, { kinds: ['exec'] }).entries).toMatchObject([
      { exec: 'run-2', after: second.after },
      { exec: 'run-1', after: first.after },
    ])
  })

  it('that is recorded a second time is told, and not recorded again', () => {
    const { volume } = open
    const before = volume.presentCommit().id
    makeFile('run-1', 'f')
    const first = ended('run-1', before, { argv: ['make'] })
    expect(first).toMatchObject({ changes: [{ path: '/f', kind: 'created' }], after: volume.history.newest()?.id })
    expect(volume.history.newest()).toMatchObject({ kind: 'exec', exec: 'run-1', message: 'exec: touch f' })
    expect(ended('run-1', before, { argv: ['make'] })).toEqual(first)
    expect(readAudit(volume.state.history, { exec: 'run-1' }).entries).toMatchObject([{ exit: 0, changes: { created: 1 }, paths: ['/f'] }])
  })
})

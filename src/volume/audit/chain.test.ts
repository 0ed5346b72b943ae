import '../../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../../fs/index.js'
import { LocalBackend } from '../../node/backend.js'
import { createFs } from '../../node/index.js'
import { LocalOps } from '../../node/ops.js'
import { limits } from '../../sys/index.js'
import { Engine } from '../engine.js'
import type { Volume } from '../volume.js'
import { type AuditFilter, type AuditRecord, readAudit } from './read.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-audit-'))
  engine = Engine.open({ home, actor: 'ann' })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

function entries(volume: Volume, filter: AuditFilter = {}): AuditRecord[] {
  const all: AuditRecord[] = []
  for (let before = filter.before; ; ) {
    const page = readAudit(volume.state.history, { ...filter, ...(before === undefined ? {} : { before }) })
    all.push(...page.entries)
    if (page.next === undefined) return all
    before = page.next + 1
  }
}

function write(volume: Volume, path: string, text: string): void {
  createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session)))).writeFileSync(path, text)
}

describe('the audit chain', () => {
  it('begins with the volume, and has an entry for each event', () => {
    const volume = engine.openVolume('w')
    const event = {
      kind: 'exec',
      exec: 'run-1',
      actor: 'robot',
      argv: ['make', 'all'],
      cwd: '/',
      exit: 2,
      durationMs: 12,
      decision: { effect: 'allow' as const },
    }
    const tip = volume.audit.append(event)
    expect(entries(volume)).toMatchObject([
      { sequence: 2, ...event, hash: tip.hash },
      { sequence: 1, kind: 'begin', actor: 'ann', detail: { volume: volume.info.id, name: 'w' } },
    ])
    expect(volume.audit.state).toMatchObject({ ...tip, volume: volume.info.id, begun: 1 })
    volume.close()
    const again = engine.openVolume('w')
    expect(again.audit.state).toMatchObject(tip)
    expect(again.audit.append({ kind: 'close' }).sequence).toBe(3)
  })

  it('tells of checkpoints and of going back, which leaves it alone', () => {
    const volume = engine.openVolume('w')
    const good = volume.checkpoint('good', { message: 'it works', actor: 'bob' })
    write(volume, '/a.txt', 'a')
    volume.commitChanges()
    volume.become(volume.treeOf(volume.history.resolve('good')), { kind: 'restore', message: 'back' })
    expect(entries(volume).map(({ kind, actor, reason }) => ({ kind, actor, reason }))).toEqual([
      { kind: 'restore', actor: 'ann', reason: 'back' },
      { kind: 'checkpoint', actor: 'bob', reason: 'it works' },
      { kind: 'begin', actor: 'ann', reason: undefined },
    ])
    expect(entries(volume)[1]).toMatchObject({ after: good.id, detail: { name: 'good' } })
  })

  it('of a fork goes on from that of its source', () => {
    const volume = engine.openVolume('w')
    const tip = volume.audit.append({ kind: 'open' })
    const commit = volume.presentCommit()
    engine.fork('w', undefined, 'f')
    volume.audit.append({ kind: 'close' })
    const fork = engine.openVolume('f')
    expect(fork.audit.state).toMatchObject({ ...tip, volume: volume.info.id })
    fork.audit.append({ kind: 'open', actor: 'bob' })
    expect(entries(fork).map(({ sequence, kind }) => `${sequence} ${kind}`)).toEqual(['4 open', '3 begin', '2 open', '1 begin'])
    expect(entries(fork)[1].detail).toEqual({
      volume: fork.info.id,
      name: 'f',
      from: { volume: volume.info.id, name: 'w', commit: commit.id, sequence: tip.sequence, hash: tip.hash },
    })
    expect(fork.audit.state).toMatchObject({ volume: fork.info.id, begun: 3 })
  })

  it('is read by who, run, kind and time, in bounded pages', () => {
    const volume = engine.openVolume('w')
    for (let i = 0; i < 1200; i++) volume.audit.append({ kind: i % 2 === 0 ? 'exec' : 'open', exec: `run-${i}`, actor: i === 7 ? 'eve' : 'ann' })
    const page = readAudit(volume.state.history, { actor: 'eve' })
    expect(page.entries).toEqual([])
    expect(page.next).toBeLessThan(1201)
    expect(entries(volume, { actor: 'eve' })).toMatchObject([{ exec: 'run-7' }])
    expect(entries(volume, { exec: 'run-600' })).toMatchObject([{ sequence: 602 }])
    expect(entries(volume, { kinds: ['begin'] })).toMatchObject([{ sequence: 1 }])
    expect(readAudit(volume.state.history, { limit: 2, after: 10, oldestFirst: true }).entries.map(({ sequence }) => sequence)).toEqual([11, 12])
    const { timeMs } = entries(volume, { exec: 'run-600' })[0]
    for (const { sequence, timeMs: at } of entries(volume, { sinceMs: timeMs })) expect(sequence >= 602 || at === timeMs).toBe(true)
  })

  it('cuts what an entry says when it is too long', () => {
    const volume = engine.openVolume('w')
    const argv = Array.from({ length: 5000 }, (_, i) => `${i}-${'ä'.repeat(100)}`)
    volume.audit.append({ kind: 'exec', exec: 'run-1', argv, shell: 'x'.repeat(1e6), detail: { deep: Object.fromEntries(argv.map(one => [one, one])) } })
    const [entry] = entries(volume)
    expect(entry).toMatchObject({ kind: 'exec', exec: 'run-1', cut: true })
    expect(entry.argv?.[0]).toMatch(/^0-ä/)
    expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThan(limits.auditPayloadBytes * 1.1)
  })
})

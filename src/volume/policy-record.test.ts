import '../../test/support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAudit } from './audit/index.js'
import { Engine } from './engine.js'
import { revisionOf } from './policy-record.js'

let home: string
let engine: Engine

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-policy-'))
  engine = Engine.open({ home, actor: 'ann' })
  engine.create('w')
})

afterEach(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** What no change must leave behind. */
function reopened(): ReturnType<Engine['openVolume']> {
  engine.close()
  engine = Engine.open({ home, actor: 'ann' })
  return engine.openVolume('w')
}

test('a text of any characters and length comes back as it was, also when it becomes shorter', () => {
  const texts = ['', 'a', 'x'.repeat(65_536), '\u0001"\\'.repeat(9_000), '😀'.repeat(16_000), `a${'😀'.repeat(3_000)}`, 'short']
  for (const text of texts) {
    const volume = engine.openVolume('w')
    const set = volume.setPolicy(text)
    expect(set).toEqual({ text, revision: revisionOf(text), setMs: expect.any(Number), by: 'ann' })
    volume.abandon()
    const after = reopened()
    expect(after.policy).toEqual(set)
    after.close()
  }
})

test('none is left when it is taken away', () => {
  const volume = engine.openVolume('w')
  volume.setPolicy('x'.repeat(10_000))
  expect(volume.setPolicy(undefined)).toBeUndefined()
  volume.close()
  expect(reopened().policy).toBeUndefined()
})

test('one that is too large is refused, and the old one stays', () => {
  const volume = engine.openVolume('w')
  volume.setPolicy('old')
  expect(() => volume.setPolicy('é'.repeat(32_769))).toThrow(expect.objectContaining({ code: 'ERR_POLICY_LARGE' }))
  expect(volume.policy?.text).toBe('old')
  volume.close()
})

test('the audit chain says who changed it from what to what', () => {
  const volume = engine.openVolume('w')
  volume.setPolicy('one', 'bob')
  volume.setPolicy(undefined)
  const told = readAudit(volume.state.history, {}).entries.filter(entry => entry.kind === 'policy')
  expect(told.map(({ actor, detail }) => [actor, detail])).toEqual([
    ['ann', { from: revisionOf('one') }],
    ['bob', { to: revisionOf('one') }],
  ])
  volume.close()
})

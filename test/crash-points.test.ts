import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CrashPoint, crashPoints } from '../src/sys/index.js'
import { check, crashAt } from './support/crash-run.js'

/** Points that this workload does not pass. */
const elsewhere = new Set<CrashPoint>([
  'journal.sync.before',
  'journal.sync.after',
  'volume.rename.between',
  'volume.delete.before-tombstone',
  'volume.delete.after-tombstone',
  'store.delete.before',
  // test/bundle.test.ts
  'volume.publish.before-head',
  'volume.publish.before-name',
  'volume.publish.after-name',
  'backup.before-rename',
  // test/purge.test.ts
  'purge.live.before',
  'purge.live.after',
  'purge.commits.before',
  'purge.commits.after',
  'purge.versions.between',
  'purge.audit.after',
  'purge.sealed',
  ...crashPoints.filter(point => point.startsWith('gc.')),
  // test/remote-volume.test.ts, test/remote-crash.test.ts
  ...crashPoints.filter(point => point.startsWith('lease.') || point.startsWith('recover.')),
  // test/remote-durability.test.ts
  ...crashPoints.filter(point => point.startsWith('log.')),
])

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-crash-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

describe('killed at a crash point, the volume opens at an acknowledged state', () => {
  for (const point of crashPoints) {
    if (elsewhere.has(point)) continue
    it(point, async () => {
      let passed = 0
      for (const nth of [1, 3, 8]) {
        rmSync(home, { recursive: true, force: true })
        const { acknowledged, killed } = await crashAt(home, point, nth, 7)
        if (killed) passed++
        check(home, 7, acknowledged)
      }
      expect(passed).toBeGreaterThan(0)
    })
  }
})

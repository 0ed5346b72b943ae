import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CrashPoint } from '../src/sys/index.js'
import { check, crashAt } from './support/crash-run.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-sqlite-crash-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Those of the steps that a volume in a SQLite file takes. */
const points: CrashPoint[] = [
  'journal.append.before-write',
  'journal.append.after-write',
  'pack.write.before',
  'pack.write.torn',
  'pack.close.before-footer',
  'pack.close.after-footer',
  'store.put.before-temporary',
  'store.put.after-temporary',
  'store.put.after-rename',
  'seal.before-pages',
  'seal.before-sync',
  'seal.before-head',
  'seal.after-head',
  'volume.create.before-name',
  'volume.create.after-name',
  'volume.fork.before-head',
  'volume.fork.after-pin',
  'volume.fork.pending',
  'volume.fork.after-head',
  'become.before-journal',
  'become.after-journal',
]

describe('killed at a crash point, a volume in a SQLite file is there under another home, as it was acknowledged', () => {
  it.each(points)('%s', async point => {
    let passed = 0
    for (const nth of [1, 6]) {
      const [home, file] = [join(folder, `home-${nth}`), join(folder, `${nth}.cairn`)]
      const { acknowledged, killed } = await crashAt(home, point, nth, 7, file)
      if (killed) passed++
      rmSync(home, { recursive: true, force: true })
      check(join(folder, `other-${nth}`), 7, acknowledged, file)
    }
    expect(passed).toBeGreaterThan(0)
  })
})

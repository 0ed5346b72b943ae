import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { type CrashPoint, onCrashPoint } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import type { Session } from '../src/volume/session.js'
import { applyToModel, applyToVolume, contents, copyModel, operations, sameContents } from './programs/workload.mjs'

/** Steps that a full or failing disk can refuse, before anything of them happened. */
const refusable = new Set<CrashPoint>([
  'journal.append.before-write',
  'journal.sync.before',
  'pack.write.before',
  'pack.close.before-footer',
  'store.put.before-temporary',
  'store.put.after-temporary',
  'seal.before-pages',
  'seal.before-sync',
  'seal.before-head',
])

const shaped = (session: Session): ReturnType<typeof createFs> => createFs(new LocalBackend(new LocalOps(new FileSystem(session))))

/** Makes every `every`-th refusable step fail. */
function failEvery(every: number, code: string): { failures: () => number } {
  let passed = 0
  let failures = 0
  onCrashPoint(point => {
    if (!refusable.has(point) || ++passed % every !== 0) return
    failures++
    throw Object.assign(new Error(`${code}: injected at ${point}`), { code, errno: -1, syscall: 'write' })
  })
  return { failures: () => failures }
}

afterEach(() => onCrashPoint(undefined))

/** Runs the workload with failing steps; an operation that fails leaves the files as they were. Returns how many operations failed. */
function run(home: string, seed: number, every: number, code: string): { refused: number; failures: number } {
  let engine = Engine.open({ home })
  engine.create('w')
  let volume = engine.openVolume('w')
  let fs = shaped(volume.session)
  let model = new Map<string, Buffer>()
  let refused = 0
  const injected = failEvery(every, code)
  operations(seed, 120).forEach((step, i) => {
    const next = copyModel(model)
    applyToModel(next, step)
    try {
      applyToVolume(engine, volume, fs, shaped, step)
      model = next
    } catch (error) {
      refused++
      // A checkpoint that was refused cannot be restored.
      expect(['ENOSPC', 'EIO', 'ERR_ENOSPC', 'ERR_EIO', ...(step.op === 'restore' ? ['ERR_REF_UNKNOWN'] : [])]).toContain((error as { code?: string }).code)
    }
    expect(sameContents(model, contents(fs)), `after operation ${i} (${step.op}) of seed ${seed}`).toBe(true)
    if (i % 40 === 39) {
      // A process killed in the middle of all this finds the same.
      onCrashPoint(undefined)
      engine.crash()
      engine = Engine.open({ home })
      volume = engine.openVolume('w')
      fs = shaped(volume.session)
      expect(sameContents(model, contents(fs)), `reopened after operation ${i} of seed ${seed}`).toBe(true)
      failEvery(every, code)
    }
  })
  const failures = injected.failures()
  onCrashPoint(undefined)
  volume.flush()
  expect(sameContents(model, contents(fs))).toBe(true)
  for (const info of engine.volumes()) expect(engine.openVolume(info.name).fsck()).toMatchObject({ ok: true, findings: [] })
  engine.close()
  return { refused, failures }
}

describe('a disk that refuses writes now and then', () => {
  for (const [code, every] of [
    ['ENOSPC', 3],
    ['ENOSPC', 11],
    ['EIO', 5],
    ['EIO', 17],
  ] as const) {
    it(`${code} at every ${every}th step: what failed left no trace, what was acknowledged stays`, () => {
      let refused = 0
      for (let seed = 1; seed <= Number(process.env['CAIRN_TEST_SEEDS'] ?? 4); seed++) {
        const home = mkdtempSync(join(tmpdir(), 'cairn-faults-'))
        try {
          refused += run(home, seed, every, code).refused
        } finally {
          onCrashPoint(undefined)
          rmSync(home, { recursive: true, force: true })
        }
      }
      expect(refused).toBeGreaterThan(0)
    })
  }
})

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../src/node/index.js'
import { type CrashPoint, crashPoints } from '../src/sys/index.js'
import { Engine } from '../src/volume/engine.js'
import { applyToModel, contents, operations, sameContents } from './programs/workload.mjs'

const run = promisify(execFile)
const OPERATIONS = 60
/** Points that this workload does not pass. */
const elsewhere = new Set<CrashPoint>([
  'journal.sync.before',
  'journal.sync.after',
  'volume.rename.between',
  'volume.delete.before-tombstone',
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
  'purge.sealed',
  ...crashPoints.filter(point => point.startsWith('gc.')),
  // test/remote-volume.test.ts
  ...crashPoints.filter(point => point.startsWith('lease.')),
  // test/remote-durability.test.ts
  ...crashPoints.filter(point => point.startsWith('log.')),
])

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-crash-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

/** Runs the workload in a process that kills itself at the n-th pass of a point; how many operations it acknowledged, -1 before the volume was made. */
async function crashAt(point: CrashPoint, nth: number, seed: number): Promise<{ acknowledged: number; killed: boolean }> {
  const child = join(import.meta.dirname, 'programs/crash-child.mjs')
  const env = { ...process.env, CAIRN_TEST_CRASH: `${point}*${nth}` }
  try {
    const { stdout } = await run(process.execPath, [child, home, String(seed), String(OPERATIONS)], { env })
    return { acknowledged: stdout.split('\n').length - 2, killed: false }
  } catch (error) {
    const { stdout, signal, stderr } = error as { stdout: string; stderr: string; signal?: string }
    if (signal !== 'SIGKILL') throw new Error(`the child failed by itself: ${stderr}`)
    return { acknowledged: stdout.split('\n').length - 2, killed: true }
  }
}

function stateAfter(seed: number, count: number): Map<string, Buffer> {
  const model = new Map<string, Buffer>()
  for (const step of operations(seed, OPERATIONS).slice(0, count)) applyToModel(model, step)
  return model
}

function check(seed: number, acknowledged: number): void {
  const engine = Engine.open({ home })
  try {
    if (acknowledged < 0) {
      // The volume was not acknowledged: it is there and whole, or can be made.
      if (engine.volumes().length === 0) engine.create('w')
      expect(engine.openVolume('w').fsck()).toMatchObject({ ok: true, findings: [] })
      return
    }
    for (const info of engine.volumes()) {
      const volume = engine.openVolume(info.name)
      expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
      if (info.name !== 'w') continue
      const found = contents(createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session)))))
      const possible = [stateAfter(seed, acknowledged), stateAfter(seed, acknowledged + 1)]
      expect(possible.some(state => sameContents(state, found))).toBe(true)
    }
    checkForks(engine, seed, acknowledged)
  } finally {
    engine.close()
  }
}

/** Every fork that was acknowledged is there with the state of its moment. */
function checkForks(engine: Engine, seed: number, acknowledged: number): void {
  operations(seed, OPERATIONS)
    .slice(0, acknowledged)
    .forEach((step, i) => {
      if (step.op !== 'fork' || step.name === undefined) return
      const volume = engine.openVolume(step.name)
      const found = contents(createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session)))))
      expect(sameContents(stateAfter(seed, i), found)).toBe(true)
    })
}

describe('killed at a crash point, the volume opens at an acknowledged state', () => {
  for (const point of crashPoints) {
    if (elsewhere.has(point)) continue
    it(point, async () => {
      let passed = 0
      for (const nth of [1, 3, 8]) {
        rmSync(home, { recursive: true, force: true })
        const { acknowledged, killed } = await crashAt(point, nth, 7)
        if (killed) passed++
        check(7, acknowledged)
      }
      expect(passed).toBeGreaterThan(0)
    })
  }
})

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { FileSystem } from '../../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../src/node/index.js'
import type { CrashPoint } from '../../src/sys/index.js'
import { Engine } from '../../src/volume/engine.js'
import { applyToModel, contents, operations, sameContents } from '../programs/workload.mjs'
import { bundledProgram } from './bundled-program.js'

const run = promisify(execFile)
const child = await bundledProgram('crash-child')
const OPERATIONS = 60

/** Runs the workload in a process that kills itself at the n-th pass of a point, in the home's own store or in a SQLite file; how many operations it acknowledged, -1 before the volume was made. */
export async function crashAt(home: string, point: CrashPoint, nth: number, seed: number, sqlite = ''): Promise<{ acknowledged: number; killed: boolean }> {
  const env = { ...process.env, CAIRN_TEST_CRASH: `${point}*${nth}` }
  try {
    const { stdout } = await run(process.execPath, [child, home, String(seed), String(OPERATIONS), sqlite], { env })
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

/** What is there after it. @param sqlite the file that has the volumes, which this home need not know */
export function check(home: string, seed: number, acknowledged: number, sqlite = ''): void {
  const engine = Engine.open({ home })
  const attach = (name: string): void => {
    if (sqlite !== '') engine.attach(name, { kind: 'sqlite', path: sqlite })
  }
  try {
    if (acknowledged < 0) {
      // The volume was not acknowledged: it is there and whole, or can be made.
      attach('w')
      if (engine.volumes().length === 0) engine.create('w')
      expect(engine.openVolume('w').fsck()).toMatchObject({ ok: true, findings: [] })
      return
    }
    attach('w')
    for (const info of engine.volumes()) {
      const volume = engine.openVolume(info.name)
      expect(volume.fsck()).toMatchObject({ ok: true, findings: [] })
      if (info.name !== 'w') continue
      const found = contents(createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session)))))
      const possible = [stateAfter(seed, acknowledged), stateAfter(seed, acknowledged + 1)]
      expect(possible.some(state => sameContents(state, found))).toBe(true)
    }
    checkForks(engine, seed, acknowledged, attach)
  } finally {
    engine.close()
  }
}

/** Every fork that was acknowledged is there with the state of its moment. */
function checkForks(engine: Engine, seed: number, acknowledged: number, attach: (name: string) => void): void {
  operations(seed, OPERATIONS)
    .slice(0, acknowledged)
    .forEach((step, i) => {
      if (step.op !== 'fork' || step.name === undefined) return
      attach(step.name)
      const volume = engine.openVolume(step.name)
      const found = contents(createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session)))))
      expect(sameContents(stateAfter(seed, i), found)).toBe(true)
    })
}

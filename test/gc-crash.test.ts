import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CrashPoint, crashPoints } from '../src/sys/index.js'
import { churn, differences, openEngine } from './programs/churn.mjs'
import { bundledProgram } from './support/bundled-program.js'
import { seeded } from './support/seeded.js'

const run = promisify(execFile)
const collector = await bundledProgram('gc-child')
const worker = await bundledProgram('churn-child')
/** More rounds look longer: CAIRN_GC_ROUNDS=50 npx vitest run test/gc-crash.test.ts. CAIRN_GC_SEED replays one. */
const ROUNDS = Number(process.env['CAIRN_GC_ROUNDS'] ?? 1)
const SEED = Number(process.env['CAIRN_GC_SEED'] ?? 1)
const KILLS = 12

type Files = Map<string, { size: number; seed: number }>

let folder: string
let home: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-gc-'))
  home = join(folder, 'home')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** False when it was killed at the point. */
async function collects(at?: string): Promise<boolean> {
  try {
    await run(process.execPath, [collector, home], { env: { ...process.env, ...(at === undefined ? {} : { CAIRN_TEST_CRASH: at }) } })
    return true
  } catch (error) {
    const { signal, stderr } = error as { signal?: string; stderr: string }
    if (signal !== 'SIGKILL') throw new Error(`the collector failed by itself: ${stderr}`)
    return false
  }
}

function expectWhole(states: ReadonlyMap<string, Files>): void {
  const engine = openEngine(home)
  try {
    for (const [name, files] of states) expect(differences(engine, name, files)).toEqual([])
    for (const { name } of engine.volumes()) expect(states.has(name)).toBe(true)
  } finally {
    engine.close()
  }
}

/** Dead packs, packs mostly dead, small ones, packs that moved before, a fork, a deleted volume, a pin. */
async function makeGarbage(): Promise<Map<string, Files>> {
  const engine = openEngine(home)
  engine.create('w')
  const files: Files = churn(engine, 3, 60)
  engine.fork('w', undefined, 'f')
  const forked: Files = new Map(files)
  engine.fork('w', undefined, 'gone')
  engine.close()
  await collects()
  const again = openEngine(home)
  churn(again, 4, 60, files)
  again.remove('gone', { now: true })
  again.close()
  return new Map([
    ['w', files],
    ['f', forked],
  ])
}

describe('a collection that is killed at a crash point leaves every volume whole, and the next one ends it', () => {
  const points = crashPoints.filter((point): point is CrashPoint => point.startsWith('gc.'))
  let before: string
  let states: Map<string, Files>

  // One home for all: each case begins with a copy of it.
  beforeAll(async () => {
    before = mkdtempSync(join(tmpdir(), 'cairn-gc-before-'))
    home = join(before, 'home')
    states = await makeGarbage()
  })

  afterAll(() => rmSync(before, { recursive: true, force: true }))

  it.each(points)('%s', async point => {
    for (const nth of [1, 2, 7]) {
      rmSync(home, { recursive: true, force: true })
      cpSync(join(before, 'home'), home, { recursive: true })
      const isKilled = !(await collects(`${point}*${nth}`))
      if (nth === 1) expect(isKilled).toBe(true)
      // It comes to this point less often, so that this was a collection like the next.
      if (!isKilled) break
      expectWhole(states)
      expect(await collects()).toBe(true)
      expectWhole(states)
    }
  })
})

describe('SIGKILL again and again', () => {
  it.each(Array.from({ length: ROUNDS }, (_, i) => SEED + i))(
    'of collectors beside a writer that forks and deletes, then of the writer (seed %i)',
    async seed => {
      const next = seeded(seed)
      const child = spawn(process.execPath, [worker, home, String(seed)], { stdio: ['pipe', 'pipe', 'pipe'] })
      const said = listen(child.stdout)
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
      await said.first
      let ended = 0
      for (let i = 0; i < KILLS; i++) {
        const collecting = spawn(process.execPath, [collector, home, '100000'], { stdio: ['ignore', 'pipe', 'pipe'] })
        let failed = ''
        collecting.stderr.setEncoding('utf8').on('data', text => (failed += text))
        collecting.stdout.on('data', () => ended++)
        await once(collecting.stdout, 'data')
        setTimeout(() => collecting.kill('SIGKILL'), next(500))
        expect(await once(collecting, 'close'), failed).toEqual([null, 'SIGKILL'])
      }
      expect(child.exitCode, stderr).toBeNull()
      child.kill('SIGKILL')
      await once(child, 'close')
      expect(await collects()).toBe(true)
      const engine = openEngine(home)
      for (const { name } of engine.volumes()) {
        // The step that was being made when it was killed may have been done.
        const states = said.states.get(name) ?? []
        const isLast = states.length > 0 && differences(engine, name, states[states.length - 1]).length === 0
        if (name !== 'w' && said.states.has(name)) expect({ name, isLast }).toEqual({ name, isLast: true })
        expect(engine.openVolume(name).fsck()).toMatchObject({ ok: true, findings: [] })
      }
      engine.close()
      if (ROUNDS > 1) process.stderr.write(`seed ${seed}: ${ended - KILLS} collections ended before the ${KILLS} kills\n`)
    },
  )

  it('of nobody: collections and work side by side, and both find everything', async () => {
    const child = spawn(process.execPath, [worker, home, '77'], { stdio: ['pipe', 'pipe', 'pipe'] })
    const said = listen(child.stdout)
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
    let code: number | null | undefined
    const over = once(child, 'close').then(([status]) => (code = status as number | null))
    await said.first
    let freed = 0
    // However much faster one of them is: both have had enough of the other.
    while (code === undefined && (freed < 1_000_000 || (said.states.get('w') ?? []).length < 12)) {
      const { stdout } = await run(process.execPath, [collector, home, '2'])
      for (const line of stdout.trim().split('\n').slice(1)) freed += (JSON.parse(line) as { freed: number }).freed
    }
    child.stdin.end()
    await over
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    await collects()
    expectWhole(new Map([...said.states].filter(([name]) => !said.removed.has(name)).map(([name, states]) => [name, states[states.length - 1]])))
  }, 300_000)
})

interface Said {
  states: Map<string, Files[]>
  removed: Set<string>
  /** Resolves with the first line. */
  first: Promise<void>
}

function listen(stdout: NodeJS.ReadableStream): Said {
  let begun: () => void = () => {}
  const said: Said = { states: new Map(), removed: new Set(), first: new Promise(resolve => (begun = resolve)) }
  let rest = ''
  stdout.setEncoding('utf8')
  stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { round, fork, removed, files } = JSON.parse(line) as {
        round?: number
        fork?: string
        removed?: string
        files?: [string, { size: number; seed: number }][]
      }
      const name = fork ?? (round === undefined ? undefined : 'w')
      if (name !== undefined) said.states.set(name, [...(said.states.get(name) ?? []), new Map(files)])
      if (removed !== undefined) said.removed.add(removed)
      begun()
    }
  })
  return said
}

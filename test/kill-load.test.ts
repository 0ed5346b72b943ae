import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { MountedHome, pause, programs, type Result, run, whyNoMount } from './support/mounted-home.js'
import { seeded } from './support/seeded.js'

/** More rounds look longer: CAIRN_KILL_ROUNDS=100 npx vitest run test/kill-load.test.ts. CAIRN_KILL_SEED replays one. */
const ROUNDS = Number(process.env['CAIRN_KILL_ROUNDS'] ?? 1)
const SEED = Number(process.env['CAIRN_KILL_SEED'] ?? 1)
const seeds = Array.from({ length: ROUNDS }, (_, i) => SEED + i)
/** The supervisor gives up after 30 starts in a minute. */
const KILLS_AT_MOST = 24

let home: MountedHome

afterEach(() => home.end())

interface Client {
  name: string
  file: string
  run: string[]
  /** Compares with what was acknowledged, after a crash of everything. */
  check?: string[]
}

/** Everything that works in the mount at once. `long`: it goes on until it is killed. */
function clients(seed: number, long: boolean): Client[] {
  const at = (name: string): string => join(home.mountpoint, name)
  const ack = (name: string): string => join(home.scratch, `ack-${name}`)
  const count = (n: number): string => String(long ? n * 1000 : n)
  const fsx = join(programs, 'fsx.py')
  const sqlite = join(programs, 'sqlite_load.py')
  const git = join(programs, 'git-loop.sh')
  const list: Client[] = [
    {
      name: 'fsx',
      file: 'python3',
      run: [fsx, 'run', at('fsx'), String(seed), count(400), ack('fsx')],
      check: [fsx, 'check', at('fsx'), String(seed), ack('fsx')],
    },
    { name: 'wal', file: 'python3', run: [sqlite, 'run', at('wal.db'), 'WAL', count(120), ack('wal')], check: [sqlite, 'check', at('wal.db'), ack('wal')] },
    {
      name: 'delete',
      file: 'python3',
      run: [sqlite, 'run', at('delete.db'), 'DELETE', count(60), ack('delete')],
      check: [sqlite, 'check', at('delete.db'), ack('delete')],
    },
    { name: 'git', file: 'bash', run: [git, 'run', at('repo'), count(12), ack('git')], check: [git, 'check', at('repo'), ack('git')] },
  ]
  if (long) return list
  return [
    ...list,
    { name: 'npm', file: 'bash', run: [join(programs, 'npm-install.sh'), at('app'), join(home.scratch, 'npm'), '2'] },
    { name: 'clone', file: 'bash', run: [join(programs, 'git-clone.sh'), at('clone'), join(home.scratch, 'clone'), '2'] },
  ]
}

async function mounted(): Promise<void> {
  home = new MountedHome()
  await home.must('init', 'w')
  await home.mount()
}

/** Seals again and again, so that kills fall into all its steps. A flush whose server is killed may fail. */
async function flushUntil(isOver: () => boolean): Promise<void> {
  while (!isOver()) await home.cairn('flush', 'w')
}

async function expectSound(): Promise<void> {
  expect(await home.cairn('fsck', 'w')).toMatchObject({ code: 0 })
}

describe.skipIf(whyNoMount() !== undefined)('SIGKILL under load', () => {
  it.each(seeds)('of the server: the mount lives on and every program finishes (seed %i)', async seed => {
    const next = seeded(seed)
    await mounted()
    let running = 0
    const results = new Map<string, Result>()
    const ended = Promise.all(
      clients(seed, false).map(async client => {
        running++
        results.set(client.name, await home.start(client.file, client.run))
        running--
      }),
    )
    const flushing = flushUntil(() => running === 0)
    let kills = 0
    while (running > 0) {
      await pause(150 + next(900))
      if (running === 0 || kills === KILLS_AT_MOST) break
      await home.killServer()
      kills++
    }
    await ended
    await flushing
    const failed = [...results].filter(([, result]) => result.code !== 0)
    expect(failed, home.log()).toEqual([])
    expect(kills).toBeGreaterThan(0)
    await expectSound()
    if (ROUNDS > 1) process.stderr.write(`seed ${seed}: ${kills} kills\n`)
  })

  it.each(seeds)('of server and supervisor: all that was acknowledged is there (seed %i)', async seed => {
    const next = seeded(seed + 1_000_000)
    await mounted()
    const list = clients(seed, true)
    const ended = Promise.all(list.map(client => home.start(client.file, client.run)))
    let alive = true
    const flushing = flushUntil(() => !alive)
    await pause(500 + next(3000))
    // Sometimes the server dies before, so that what it took up again is lost with the next.
    if (next(2) === 0) {
      await home.killServer()
      await pause(next(700))
    }
    await home.killBoth()
    alive = false
    await ended
    await flushing
    await home.mount()
    const done: string[] = []
    for (const { name, file, check } of list) {
      if (check === undefined) continue
      const result = await run(file, check)
      expect({ name, ...result }).toMatchObject({ name, code: 0 })
      done.push(`${name} ${result.output.trim()}`)
    }
    expect(existsSync(home.mountpoint)).toBe(true)
    await expectSound()
    if (ROUNDS > 1) process.stderr.write(`seed ${seed}: ${done.join(', ')}\n`)
  })
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spread } from '../lib.mjs'

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'child.mjs')

function child(...args) {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [CHILD, ...args.map(String)], { encoding: 'utf8', maxBuffer: 1 << 24 })
  if (args[0] === 'kill' ? signal !== 'SIGKILL' : status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return stdout === '' ? undefined : JSON.parse(stdout)
}

export function memoryAfterStat(report, home, count) {
  const { empty, mb } = child('stat', home, count)
  report.value(`memory after stat of all, a fresh process (${Math.round(empty)} MB before opening)`, mb, 'MB', count > 100_000 ? '≤ 400 MB' : '≤ 150 MB')
}

/** What the process may use for volumes: caches and what waits for a seal, over what Node itself takes. */
export function memoryWhileBuilding(report, count, bound) {
  const home = mkdtempSync(join(process.env.BENCH_DIR ?? '/tmp', 'cairn-build-'))
  const { empty, mb } = child('build', home, count)
  report.value(`memory while building ${count.toLocaleString('en')} files, acknowledged each, highest`, mb, 'MB', `≤ ${Math.round(empty + bound)} MB`)
  rmSync(home, { recursive: true, force: true })
}

function openings(report, what, home, count, runs, aim, before) {
  const opened = Array.from({ length: runs }, () => {
    before?.()
    return child('open', home, count)
  })
  report.add(what, { wall: spread(opened.map(one => one.ms)), cpu: spread(opened.map(one => one.cpuMs)) }, 'ms', aim)
}

export function coldOpen(report, home, count, runs) {
  openings(report, 'cold open to first stat, a fresh process', home, count, 2 * runs, count > 100_000 ? '≤ 20 ms' : '≤ 10 ms')
}

export function openAfterKill(report, home, count, runs) {
  for (const files of [1000, 20_000]) {
    const what = `open after SIGKILL, ${files.toLocaleString('en')} files created before it`
    openings(report, what, home, count, Math.min(3, runs), '≤ 200 ms', () => child('kill', home, count, files))
  }
}

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

function openings(home, count, runs, before) {
  return Array.from({ length: runs }, () => {
    before?.()
    return child('open', home, count)
  })
}

const series = opened => ({ wall: spread(opened.map(one => one.ms)), cpu: spread(opened.map(one => one.cpuMs)) })

/** The first open of a process also loads code, OpenSSL and koffi; the second shows what the volume itself costs. */
export function coldOpen(report, home, count, runs) {
  const opened = openings(home, count, 2 * runs)
  const aim = count > 100_000 ? '≤ 20 ms' : '≤ 10 ms'
  report.add('cold open to first stat', series(opened.map(one => one.again)), 'ms', aim)
  report.add('… the first open of a process, which loads the code', series(opened.map(one => one.first)), 'ms', '')
}

export function openAfterKill(report, home, count, runs) {
  for (const files of [1000, 20_000]) {
    const opened = openings(home, count, Math.min(3, runs), () => child('kill', home, count, files))
    report.add(`open after SIGKILL, ${files.toLocaleString('en')} files created before it`, series(opened.map(one => one.first)), 'ms', '≤ 200 ms')
  }
}

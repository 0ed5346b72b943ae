// Commands in volumes beside plain ones: `node bench/exec.mjs [--files=N] [--runs=N]`. Needs `npm run build`. Prints a table for RESULTS.md.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Cairn } from '../dist/index.js'
import { machine, number, spread, table } from './lib.mjs'

const option = (name, fallback) => Number(process.argv.find(arg => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback)
const files = option('files', 100_000)
const runs = option('runs', 40)
const FORKS = 100
const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-exec-'))
const home = join(root, 'home')
const cairn = await Cairn.open({ home, via: 'server' })
const rows = []

function add(what, values, unit, aim = '') {
  const { median, min, max } = spread(values)
  rows.push([what, `${number(median)} ${unit}`, `${number(min)} – ${number(max)}`, aim])
}

async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** A program with captured output, as `exec` runs it. */
function plain(file, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.on('error', reject)
    child.on('close', resolve)
  })
}

/** Processor time that this process, its children, the server and its supervisor have used, in milliseconds. */
function usedMs() {
  const { pid, serverPid } = JSON.parse(readFileSync(join(home, 'run', 'supervisor.json'), 'utf8'))
  const of = process => readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 15).map(Number)
  const [own, server, supervisor] = [of('self'), of(serverPid).slice(0, 2), of(pid).slice(0, 2)]
  return [...own, ...server, ...supervisor].reduce((a, b) => a + b) * 10
}

async function used(work) {
  const before = usedMs()
  await work()
  return usedMs() - before
}

await cairn.createVolume({ name: 'small' })
const kinds = { none: { sandbox: 'none' }, strict: { sandbox: 'strict' } }
const taken = { plain: [], none: [], strict: [] }
for (let i = 0; i < runs + 5; i++) {
  // Taking turns, so that they meet the same load; the first few warm up.
  const one = { plain: await timed(() => plain('true', [])) }
  for (const kind of Object.keys(kinds)) one[kind] = await timed(() => cairn.exec('small', 'true', [], kinds[kind]))
  if (i >= 5) for (const kind of Object.keys(taken)) taken[kind].push(one[kind])
}
add('`true`, spawned plainly', taken.plain, 'ms')
add(
  'exec of it, without a sandbox, over that',
  taken.none.map((ms, i) => ms - taken.plain[i]),
  'ms',
  '≤ 5 ms',
)
add(
  'exec of it, in the sandbox, over that',
  taken.strict.map((ms, i) => ms - taken.plain[i]),
  'ms',
  '≤ 25 ms',
)

for (const [what, run] of [
  ['`true`, spawned plainly', () => plain('true', [])],
  ['exec of it, without a sandbox', () => cairn.exec('small', 'true', [], kinds.none)],
  ['exec of it, in the sandbox', () => cairn.exec('small', 'true', [], kinds.strict)],
]) {
  const all = []
  for (let round = 0; round < 3; round++) {
    const ms = await used(async () => {
      for (let i = 0; i < runs; i++) await run()
    })
    all.push(ms / runs)
  }
  add(`${what}: processor time, of all processes`, all, 'ms')
}

const command = fileURLToPath(new URL('../bin/cairn', import.meta.url))
const lines = []
for (let i = 0; i < 8; i++)
  lines.push(await timed(() => promisify(execFile)(command, ['exec', 'small', '--', 'true'], { env: { ...process.env, CAIRN_HOME: home } })))
add('`cairn exec small -- true`, all of it', lines.slice(1), 'ms')

await cairn.createVolume({ name: 'large' })
const large = await cairn.open('large')
for (let from = 0; from < files; from += 10_000) {
  const ops = []
  for (let i = from; i < Math.min(files, from + 10_000); i++) {
    if (i % 1000 === 0) ops.push({ op: 'mkdir', path: `/d${i / 1000}` })
    ops.push({ op: 'put', path: `/d${Math.floor(i / 1000)}/f${i}`, text: `content of ${i}` })
  }
  await large.batch(ops)
}
await large.flush()
const change = "for i in 1 2 3 4 5 6 7 8 9 10; do echo changed >> d$i/f$i''000; done"
for (const [kind, aim] of [
  ['none', '≤ 15 ms'],
  ['strict', ''],
]) {
  const extra = []
  for (let i = 0; i < 12; i++) {
    let result
    const all = await timed(async () => {
      result = await cairn.exec('large', { shell: change }, kinds[kind])
    })
    if (result.changes.length !== 10) throw new Error(`it changed ${result.changes.length} files: ${result.stderr}`)
    if (i >= 2) extra.push(all - result.durationMs)
  }
  add(`10 of ${files} files changed, over the command ${kind === 'none' ? 'without' : 'in'} a sandbox`, extra, 'ms', aim)
}

/** What was recorded of these is in the store. */
async function flushed(names) {
  for (const name of names) {
    const volume = await cairn.open(name)
    await volume.flush()
    await volume.close()
  }
}

const namesOf = round => Array.from({ length: FORKS }, (_, i) => `fork-${round}-${i}`)
const job = ['sleep', ['0.2']]
const together = (names, work) => timed(() => Promise.all(names.map(work)))
const jobs = { plain: [], none: [], strict: [] }
const time = { plain: [], none: [], strict: [] }
for (let i = 0; i < 5; i++) {
  time.plain.push((await used(async () => jobs.plain.push(await together(namesOf(i), () => plain(...job))))) / FORKS)
  for (const kind of Object.keys(kinds)) {
    const names = namesOf(`${kind}-${i}`)
    await cairn.forkAll('small', undefined, names)
    time[kind].push((await used(async () => jobs[kind].push(await together(names, name => cairn.exec(name, ...job, kinds[kind]))))) / FORKS)
    // What the audit of these says is sealed 5 s later, in the middle of others.
    await flushed(names)
  }
}
add(`${FORKS} plain processes of 200 ms at once`, jobs.plain, 'ms')
add(
  'the same in forks, without a sandbox, times that',
  jobs.none.map((ms, i) => ms / jobs.plain[i]),
  '×',
  '≤ 1.5',
)
add(
  'the same in forks, in the sandbox, times that',
  jobs.strict.map((ms, i) => ms / jobs.plain[i]),
  '×',
  '≤ 2',
)

for (const [kind, values] of Object.entries(time)) add(`processor time of one of them, ${kind}`, values, 'ms')

console.log(`${machine()}, load ${loadavg()[0].toFixed(1)}\n`)
table(['', 'median', 'range', 'aim'], rows)
const { pid: supervisor } = JSON.parse(readFileSync(join(home, 'run', 'supervisor.json'), 'utf8'))
await cairn.close()
// It may still be deleting what forks left.
process.kill(supervisor, 'SIGTERM')
while (existsSync(`/proc/${supervisor}`)) await new Promise(resolve => setTimeout(resolve, 10))
rmSync(root, { recursive: true, force: true, maxRetries: 20 })

// Commands in volumes beside plain ones: `node bench/exec.mjs [--files=N] [--runs=N]`. Needs `npm run build`. Prints a table for RESULTS.md.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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

const namesOf = round => Array.from({ length: FORKS }, (_, i) => `fork-${round}-${i}`)
const job = ['sleep', ['0.2']]
const together = (names, work) => timed(() => Promise.all(names.map(work)))
const jobs = { plain: [], none: [], strict: [] }
for (let i = 0; i < 3; i++) {
  jobs.plain.push(await together(namesOf(i), () => plain(...job)))
  for (const kind of Object.keys(kinds)) {
    const names = namesOf(`${kind}-${i}`)
    await cairn.forkAll('small', undefined, names)
    jobs[kind].push(await together(names, name => cairn.exec(name, ...job, kinds[kind])))
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

console.log(`${machine()}, load ${loadavg()[0].toFixed(1)}\n`)
table(['', 'median', 'range', 'aim'], rows)
await cairn.close()
rmSync(root, { recursive: true, force: true })

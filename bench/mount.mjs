// Through the mount, beside the native file system: `node bench/mount.mjs [--quick] [--only=create,find] [--mode=pinned|unpinned]`.
// Needs `npm run build`, python3, git, tar, rg, taskset. Ours and native take turns (A B A B) in fresh directories; nothing is deleted
// before the end: this ext4 makes files up to 18 times slower for minutes after a mass delete.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, number, paths, spread, table } from './lib.mjs'

const option = name => process.argv.find(arg => arg.startsWith(`--${name}=`))?.slice(name.length + 3)
const quick = process.argv.includes('--quick')
const only = option('only')?.split(',')
const modes = option('mode') === undefined ? ['pinned', 'unpinned'] : [option('mode')]
const runs = Number(option('runs') ?? (quick ? 3 : 7))
const files = quick ? 1000 : 5000
const bigMiB = quick ? 128 : 1024
const CPU = '0'

const here = dirname(fileURLToPath(import.meta.url))
const bin = join(here, '..', 'bin', 'cairn')
const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-mount-'))
const home = join(root, 'home')
const env = { ...process.env, CAIRN_HOME: home, STORE: home, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' }
const cairn = (...args) => execFileSync(bin, args, { env, stdio: ['ignore', 'pipe', 'inherit'] }).toString()

/** Each side has a directory for reading and writing, and one with the same tree that is not written to. */
const native = { rw: join(root, 'native'), ro: join(root, 'native') }
const ours = { rw: join(root, 'mount'), ro: join(root, 'mount-ro') }
const corpus = join(root, 'corpus')

function makeCorpus() {
  const tree = paths(files)
  for (const directory of tree.directories) mkdirSync(join(corpus, 'tree', directory), { recursive: true })
  tree.files.forEach((file, i) => {
    // 300 B to 40 KiB, most of them small, as source code is.
    const bytes = 300 + Math.floor(40_000 * ((i * 7919) % 1000) ** 4 * 1e-12)
    writeFileSync(join(corpus, 'tree', file), `export const value${i} = 'needle${i % 97}'\n`.repeat(Math.ceil(bytes / 40)))
  })
  const git = (...args) => execFileSync('git', args, { cwd: join(corpus, 'tree'), env, stdio: 'ignore' })
  git('init', '-q')
  git('add', '.')
  git('-c', 'user.name=bench', '-c', 'user.email=bench@localhost', 'commit', '-qm', 'all')
  git('gc', '-q')
  execFileSync('tar', ['-cf', join(corpus, 'tree.tar'), '--exclude=.git', '.'], { cwd: join(corpus, 'tree') })
}

function mountBoth() {
  cairn('init', 'bench', '--dev')
  cairn('mount', 'bench', ours.rw)
  mkdirSync(native.rw, { recursive: true })
  for (const side of [native, ours]) execFileSync('tar', ['-xf', join(corpus, 'tree.tar'), '-C', made(join(side.rw, 'tree'))])
  for (const side of [native, ours]) {
    mkdirSync(join(side.rw, 'small', 'r0'), { recursive: true })
    for (let i = 0; i < 1000; i++) writeFileSync(join(side.rw, 'small', 'r0', `f${i}`), Buffer.alloc(1024, 0x61))
  }
  cairn('flush', 'bench')
  cairn('fork', 'bench', 'still')
  cairn('mount', 'still', ours.ro, '--read-only')
}

function made(directory) {
  mkdirSync(directory, { recursive: true })
  return directory
}

function serverPid() {
  return readdirSync('/proc').find(pid => /^\d+$/.test(pid) && /\bserver[/-]main\.js\0/.test(commandOf(pid)) && commandOf(pid).includes(`.js\0${home}`))
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

/** Pinned: all threads of the server, and the client, on one CPU. */
function pin(mode) {
  execFileSync('taskset', ['-apc', mode === 'pinned' ? CPU : '0-1023', serverPid()], { stdio: 'ignore' })
}

function run(mode, command, args, cwd) {
  const argv = mode === 'pinned' ? ['taskset', '-c', CPU, command, ...args] : [command, ...args]
  const start = performance.now()
  const done = spawnSync(argv[0], argv.slice(1), { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const took = performance.now() - start
  if (done.status !== 0) throw new Error(`${argv.join(' ')}: ${done.stderr}`)
  return took
}

let serial = 0
/** The python client works in both directories in turn: for each round of each side [all seconds, seconds of the middle operation]. */
function client(mode, work, rounds, count, sides = [native.rw, ours.rw], sub = `c${serial++}`) {
  const directories = sides.map(side => made(join(side, sub)))
  const argv = ['python3', join(here, 'mount-client.py'), work, String(rounds), String(count), ...directories]
  if (mode === 'pinned') argv.unshift('taskset', '-c', CPU)
  return JSON.parse(execFileSync(argv[0], argv.slice(1), { env, stdio: ['ignore', 'pipe', 'inherit'] }).toString())
}

const clientMeasure = ([a, b], perOp) => ({
  native: spread(a.map(r => r[1])),
  ours: spread(b.map(r => r[1])),
  ratios: spread(a.map((r, i) => r[1] / b[i][1])),
  totals: spread(a.map((r, i) => r[0] / b[i][0])),
  scale: perOp ? 1e6 : 1e3,
  unit: perOp ? 'µs' : 'ms',
})

/** Programs: `command(side directory, run)` in turn; `warm` runs first are not counted. */
function programs(mode, count, warm, sides, command) {
  const times = [[], []]
  for (let i = 0; i < warm + count; i++) {
    sides.forEach((side, s) => {
      const [program, args, cwd] = command(side, `${mode}${i}`)
      const took = run(mode, program, args, cwd)
      if (i >= warm) times[s].push(took)
    })
  }
  const ratios = spread(times[0].map((t, i) => t / times[1][i]))
  return { native: spread(times[0]), ours: spread(times[1]), ratios, totals: ratios, scale: 1, unit: 'ms' }
}

const rw = [native.rw, ours.rw]
const ro = [native.ro, ours.ro]
const lines = [
  ['create', 'create+write 1 KiB+close', '≥ 0.45', mode => clientMeasure(client(mode, 'create', runs, 1000, rw, `made${mode}`), true)],
  ['unlink', 'unlink (of those)', '≥ 0.45', mode => clientMeasure(client(mode, 'unlink', runs, 1000, rw, `made${mode}`), true)],
  ['cycle', 'open+read+close, cached', '≥ 0.25', mode => clientMeasure(client(mode, 'cycle', runs, 1000, rw, 'small'), true)],
  ['cycle', 'the same, read-only mount', '≥ 0.75', mode => clientMeasure(client(mode, 'cycle', runs, 1000, ro, 'small'), true)],
  ['stat', 'stat, cached', '', mode => clientMeasure(client(mode, 'stat', runs, 1000, rw, 'small'), true)],
  [
    'untar',
    `untar ${number(files)} files`,
    '≥ 0.25',
    mode => programs(mode, 3, 0, rw, (side, i) => ['tar', ['-xf', join(corpus, 'tree.tar'), '-C', made(join(side, `untar${i}`))]]),
  ],
  ['cp', 'cp -r of the same', '≥ 0.25', mode => programs(mode, 3, 0, rw, (side, i) => ['cp', ['-r', join(side, 'tree'), join(side, `cp${i}`)]])],
  [
    'clone',
    'git clone of the same',
    '≥ 0.25',
    mode => programs(mode, 3, 0, rw, (side, i) => ['git', ['clone', '-q', '--no-hardlinks', join(corpus, 'tree'), join(side, `clone${i}`)]]),
  ],
  ['status', 'git status, second run', '≥ 0.67', mode => programs(mode, runs, 1, rw, side => ['git', ['status', '--porcelain'], join(side, `clone${mode}0`)])],
  ['find', 'find, second run', '≥ 0.67', mode => programs(mode, runs, 1, rw, side => ['find', [join(side, 'tree'), '-name', 'nothing']])],
  ['rg', 'ripgrep', '≥ 0.4', mode => programs(mode, runs, 1, rw, side => ['rg', ['-c', 'needle42', join(side, 'tree')]])],
  ['rg', 'ripgrep, read-only mount', '≥ 0.77', mode => programs(mode, runs, 1, ro, side => ['rg', ['-c', 'needle42', join(side, 'tree')]])],
  ['write', `${bigMiB} MiB sequential write with fsync`, '≥ 0.4', mode => clientMeasure(client(mode, 'write', 3, bigMiB, rw, `big${mode}`), false)],
  ['read', 'sequential read of it, uncached', '≥ 0.8', mode => clientMeasure(client(mode, 'read', 5, 0, rw, `big${mode}`), false)],
  ['randread', 'random 4 KiB read of it, uncached', '≥ 0.3', mode => clientMeasure(client(mode, 'randread', 5, 2000, rw, `big${mode}`), true)],
  ['sqlite', 'SQLite, durable transaction, WAL', '≥ 0.67', mode => clientMeasure(client(mode, 'sqlite', 3, 1000), true)],
]
const needs = { unlink: 'create', status: 'clone', read: 'write', randread: 'write' }
const wanted = name => only === undefined || only.includes(name) || only.some(asked => needs[asked] === name)

const show = (value, { scale, unit }) => `${number(value * scale)} ${unit}`
const ratio = r => `${number(r.median)} (${number(r.min)}–${number(r.max)})`
let busiest = 0
function measured(line, mode) {
  pin(mode)
  cairn('flush', 'bench')
  const m = line[3](mode)
  busiest = Math.max(busiest, loadavg()[0])
  process.stderr.write(`${mode} ${line[1]}: ${ratio(m.ratios)}\n`)
  return m
}

function wholeCommands() {
  const times = []
  for (let i = 0; i < 15; i++) {
    const start = performance.now()
    cairn('ls', 'bench:/')
    times.push(performance.now() - start)
  }
  return spread(times)
}

try {
  makeCorpus()
  mountBoth()
  const all = lines.filter(line => wanted(line[0]))
  const byMode = modes.map(mode => all.map(line => measured(line, mode)))
  const rows = all.map((line, i) => {
    const cells = byMode.flatMap(results => {
      const m = results[i]
      return [show(m.native.median, m), show(m.ours.median, m), ratio(m.ratios), number(m.totals.median)]
    })
    return [line[1], ...cells, line[2]]
  })
  const load = `load ${loadavg()[0].toFixed(1)} (at most ${busiest.toFixed(1)})`
  console.log(
    `${machine()}; ${load}; \`node bench/mount.mjs${process.argv
      .slice(2)
      .map(arg => ` ${arg}`)
      .join('')}\``,
  )
  console.log('native time over ours, median of the runs (least–greatest); small operations by their middle one, `Σ` by their sum\n')
  table(['through the mount', ...modes.flatMap(mode => [`native, ${mode}`, 'ours', 'ratio', 'Σ']), 'aim'], rows)
  if (wanted('ls')) {
    const ls = wholeCommands()
    console.log(`\n\`cairn ls\` as a whole command: ${number(ls.median)} ms (${number(ls.min)}–${number(ls.max)}), aim ≤ 120 ms`)
  }
} finally {
  for (const name of ['bench', 'still']) spawnSync(bin, ['unmount', name, '--force'], { env, stdio: 'ignore' })
  if (!process.argv.includes('--keep')) rmSync(root, { recursive: true, force: true })
}

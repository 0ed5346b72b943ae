// Views beside the mount of a volume: `node bench/views.mjs [--runs=N]`. Needs `npm run build`. Prints a table for RESULTS.md.
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { machine, median, number, spread, table } from './lib.mjs'

const runs = Number(process.argv.find(arg => arg.startsWith('--runs='))?.slice(7) ?? 7)
const files = 1000
const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-views-'))
const cairn = await Cairn.open({ home: join(root, 'home'), via: 'server' })
const rows = []
const add = (what, values, unit) => {
  const { median: middle, min, max } = spread(values)
  rows.push([what, `${number(middle)} ${unit}`, `${number(min)} – ${number(max)}`])
}

/** Microseconds for each new file of 1 KiB, middle one of many. */
function create(folder) {
  const bytes = Buffer.alloc(1024, 0x61)
  const taken = []
  for (let i = 0; i < files; i++) {
    const start = performance.now()
    const fd = openSync(join(folder, `f${i}`), 'w')
    writeSync(fd, bytes)
    closeSync(fd)
    taken.push((performance.now() - start) * 1000)
  }
  return median(taken)
}

/** Microseconds for each first look at a file. */
function look(folder) {
  const start = performance.now()
  for (let i = 0; i < files; i++) statSync(join(folder, `f${i}`))
  return ((performance.now() - start) / files) * 1000
}

const rules = { hidden: ['.env', '*.pem', 'secret/**'], readOnly: ['package-lock.json', 'vendor/**', 'a/b/*.txt'] }

await cairn.createVolume({ name: 'bench' })
const opened = []
for (let i = 0; i < 20 * runs; i++) {
  const start = performance.now()
  const view = await cairn.openView('bench', { actor: 'bench', exec: `${i}`, rules })
  const middle = performance.now()
  await view.close()
  opened.push([middle - start, performance.now() - middle])
}
add(
  'openView',
  opened.map(([ms]) => ms),
  'ms',
)
add(
  'close of a view',
  opened.map(([, ms]) => ms),
  'ms',
)

const mountpoint = join(root, 'mount')
const alone = []
const kinds = { 'view without rules': {}, 'view with rules': { rules } }
const created = new Map(Object.keys(kinds).map(kind => [kind, []]))
const looked = new Map(Object.keys(kinds).map(kind => [kind, []]))
const watched = []
await cairn.mount({ name: 'bench', path: mountpoint })
for (let run = 0; run < runs; run++) {
  mkdirSync(join(mountpoint, `alone${run}`, 'src', 'deep'), { recursive: true })
  alone.push(create(join(mountpoint, `alone${run}`, 'src', 'deep')))
}
for (let run = 0; run < runs; run++) {
  for (const [kind, options] of Object.entries(kinds)) {
    const made = join(`${kind.replaceAll(' ', '-')}-${run}`, 'src', 'deep')
    const view = await cairn.openView('bench', options)
    mkdirSync(join(view.mountpoint, made), { recursive: true })
    created.get(kind).push(create(join(view.mountpoint, made)))
    await view.close()
    const again = await cairn.openView('bench', options)
    looked.get(kind).push(look(join(again.mountpoint, made)))
    await again.close()
  }
  const view = await cairn.openView('bench')
  mkdirSync(join(view.mountpoint, `watched${run}`))
  readdirSync(join(mountpoint, `watched${run}`))
  statSync(join(mountpoint, `watched${run}`, 'no'), { throwIfNoEntry: false })
  watched.push(create(join(view.mountpoint, `watched${run}`)))
  await view.close()
}
add('create+write 1 KiB+close: the only mount', alone, 'µs')
for (const [kind, values] of created) add(`the same: ${kind}, beside a mount`, values, 'µs')
add('the same: in a directory that the mount has looked into', watched, 'µs')
for (const [kind, values] of looked) add(`first stat of a file: ${kind}`, values, 'µs')

await cairn.unmount('bench')
await cairn.close()
rmSync(root, { recursive: true, force: true })
console.log(`${machine()}, load ${loadavg()[0].toFixed(1)}\n`)
table(['', 'median', 'range'], rows)

// In process, through the public API: `node bench/in-process.mjs [files]`. Needs `npm run build`.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { machine, number, paths, rate, rateAsync, spread, table, time } from './lib.mjs'

const count = Number(process.argv[2] ?? 100_000)
const runs = 5
const home = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-bench-'))
const rows = []
const note = (what, s, unit, aim) => rows.push([what, `${number(s.median)} ${unit}`, `${number(s.min)} – ${number(s.max)}`, aim])
const once = value => ({ median: value, min: value, max: value })

let cairn = await Cairn.open({ home, via: 'process' })
await cairn.ensureVolume({ name: 'bench' })
let volume = await cairn.open('bench')
const { directories, files } = paths(count)
const kib = Buffer.alloc(1024, 0x61)

{
  const start = performance.now()
  await volume.transaction(async tx => {
    for (const directory of directories) tx.fs.mkdirSync(directory)
    for (const file of files) tx.fs.writeFileSync(file, kib)
  })
  note(`create 1 KiB, ${number(count)} in one transaction`, once((count / (performance.now() - start)) * 1000), '/s', '≥ 100,000/s')
}
await volume.flush?.()
await cairn.flush('bench')

const rest = 1000
const { fs } = volume
const sample = Array.from({ length: 200_000 }, (_, i) => files[(i * 7919) % files.length])
for (let warm = 0; warm < 2; warm++) for (const file of files) fs.statSync(file)
note(
  'stat, synchronous',
  rate(runs, sample.length, () => {
    for (const file of sample) fs.statSync(file)
  }),
  '/s',
  '≥ 400,000/s',
)
note(
  'stat, promise',
  await rateAsync(runs, sample.length, async () => {
    for (const file of sample) await fs.promises.stat(file)
  }),
  '/s',
  '≥ 250,000/s',
)
const leaves = directories.filter(directory => directory.split('/').length === 5)
note(
  'readdir of 20, synchronous',
  rate(runs, 50_000, () => {
    for (let i = 0; i < 50_000; i++) fs.readdirSync(leaves[i % leaves.length])
  }),
  '/s',
  '≥ 400,000/s',
)
note(
  'read 1 KiB by path, synchronous',
  rate(runs, 100_000, () => {
    for (let i = 0; i < 100_000; i++) fs.readFileSync(sample[i])
  }),
  '/s',
  '≥ 200,000/s',
)
note('memory after stat of all', once(process.memoryUsage().rss / 1e6), 'MB', '≤ 150 MB')

fs.writeFileSync('/big', Buffer.alloc(16 << 20, 7))
const mebibyte = Buffer.alloc(1 << 20)
const handle = fs.openSync('/big', 'r')
note(
  'read 1 MiB, warm',
  (() => {
    const s = rate(runs, 400, () => {
      for (let i = 0; i < 400; i++) fs.readSync(handle, mebibyte, 0, 1 << 20, (i % 16) << 20)
    })
    return { median: s.median / 1000, min: s.min / 1000, max: s.max / 1000 }
  })(),
  'GB/s (×1.05)',
  '≥ 3 GB/s',
)
fs.closeSync(handle)

fs.mkdirSync('/ack')
let serial = 0
note(
  'create 1 KiB, acknowledged each',
  rate(runs, 20_000, () => {
    for (let i = 0; i < 20_000; i++) fs.writeFileSync(`/ack/f${serial++}`, kib)
  }),
  '/s',
  '≥ 60,000/s',
)

/** Preallocated 4 KiB overwrites with fdatasync: what the disk can do. */
function diskRate(n) {
  const path = join(home, 'disk')
  const fd = openSync(path, 'w')
  const page = Buffer.alloc(4096, 1)
  for (let i = 0; i < n; i++) writeSync(fd, page, 0, 4096, i * 4096)
  fdatasyncSync(fd)
  const start = performance.now()
  for (let i = 0; i < n; i++) {
    writeSync(fd, page, 0, 4096, i * 4096)
    fdatasyncSync(fd)
  }
  const result = (n / (performance.now() - start)) * 1000
  closeSync(fd)
  rmSync(path)
  return result
}
fs.mkdirSync('/durable')
const ratios = []
const durable = []
for (let i = 0; i < runs; i++) {
  const disk = diskRate(rest)
  const start = performance.now()
  for (let k = 0; k < rest; k++) {
    const fd = fs.openSync(`/durable/f${serial++}`, 'w')
    fs.writeSync(fd, kib)
    fs.fsyncSync(fd)
    fs.closeSync(fd)
  }
  const ours = (rest / (performance.now() - start)) * 1000
  durable.push(ours)
  ratios.push(ours / disk)
}
note('create 1 KiB, durable each', spread(durable), '/s', '')
note('… over preallocated overwrite + fdatasync', spread(ratios), '×', '≥ 0.8 ×')

const writer = async n => {
  for (let k = 0; k < n; k++) {
    const file = await fs.promises.open(`/durable/f${serial++}`, 'w')
    await file.write(kib)
    await file.sync()
    await file.close()
  }
}
const one = await rateAsync(3, 400, () => writer(400))
const stats = []
const eight = await rateAsync(3, 3200, async () => {
  let over = false
  const prober = (async () => {
    while (!over) {
      const start = performance.now()
      await fs.promises.stat(files[stats.length % files.length])
      stats.push(performance.now() - start)
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  await Promise.all(Array.from({ length: 8 }, () => writer(400)))
  over = true
  await prober
})
note('8 concurrent durable writers over one', once(eight.median / one.median), '×', '≥ 2.5 ×')
stats.sort((a, b) => a - b)
note('stat p99 meanwhile', once(stats[Math.floor(stats.length * 0.99)]), 'ms', '≤ 2 ms')

await cairn.flush('bench')
{
  let k = 0
  const checkpoint = await time(runs, () => cairn.checkpoint('bench', `c${k++}`))
  note(`checkpoint at ${number(count)} files`, checkpoint, 'ms', '≤ 2 ms (1,000,000)')
  note('fork', await time(runs, () => cairn.fork('bench', undefined, `fork${k++}`)), 'ms', '≤ 2 ms (1,000,000)')
  for (let i = 0; i < 10; i++) fs.writeFileSync(files[i * 97], 'changed')
  note('checkpoint after 10 changes', await time(1, () => cairn.checkpoint('bench', 'ten')), 'ms', '')
  note('diff of 10 changes', await time(runs, () => cairn.diff({ volume: 'bench', ref: 'c0' }, { volume: 'bench', ref: 'ten' })), 'ms', '≤ 5 ms (1,000,000)')
}
await volume.close()
await cairn.close()

note(
  'cold open to first stat',
  await time(runs, async () => {
    cairn = await Cairn.open({ home, via: 'process' })
    volume = await cairn.open('bench')
    volume.fs.statSync(files[count >> 1])
    await volume.close()
    await cairn.close()
  }),
  'ms',
  '≤ 10 ms (100,000), ≤ 20 ms (1,000,000)',
)

console.log(`${machine()}; \`node bench/in-process.mjs ${count}\`, ${runs} runs each\n`)
table(['in process', 'median', 'range', 'aim'], rows)
rmSync(home, { recursive: true, force: true })

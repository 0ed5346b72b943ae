import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { percentile, rates, spread } from '../lib.mjs'

const KIB = Buffer.alloc(1024, 0x61)
const AT_ONCE = 50

/** Preallocated 4 KiB overwrites with fdatasync: what the disk can do. */
function diskRate(home) {
  const path = join(home, 'disk')
  const fd = openSync(path, 'w')
  const page = Buffer.alloc(4096, 1)
  for (let i = 0; i < AT_ONCE; i++) writeSync(fd, page, 0, 4096, i * 4096)
  fdatasyncSync(fd)
  const start = performance.now()
  for (let i = 0; i < AT_ONCE; i++) {
    writeSync(fd, page, 0, 4096, i * 4096)
    fdatasyncSync(fd)
  }
  const rate = (AT_ONCE / (performance.now() - start)) * 1000
  closeSync(fd)
  rmSync(path)
  return rate
}

let serial = 0

function createDurably(fs) {
  for (let k = 0; k < AT_ONCE; k++) {
    const fd = fs.openSync(`/durable/f${serial++}`, 'w')
    fs.writeSync(fd, KIB)
    fs.fsyncSync(fd)
    fs.closeSync(fd)
  }
}

async function writer(fs, n) {
  for (let k = 0; k < n; k++) {
    const file = await fs.promises.open(`/durable/f${serial++}`, 'w')
    await file.write(KIB)
    await file.sync()
    await file.close()
  }
}

/** The disk's own speed changes from second to second here, so both sides take turns and the ratio of neighbours counts. */
export async function durableOperations(report, fs, home, runs) {
  fs.mkdirSync('/durable')
  const ratios = []
  const ours = []
  for (let i = 0; i < 8 * runs; i++) {
    const disk = diskRate(home)
    const { wall } = await rates(1, AT_ONCE, () => createDurably(fs))
    ours.push(wall.median)
    ratios.push(wall.median / disk)
  }
  report.add('create 1 KiB, durable each', { wall: spread(ours) }, '/s', '')
  report.add('… over preallocated 4 KiB overwrite + fdatasync', { wall: spread(ratios) }, '×', '≥ 0.8 ×')
}

export async function concurrentWriters(report, fs, files, runs) {
  const ratios = []
  const stats = []
  for (let i = 0; i < runs; i++) {
    const one = await rates(1, 200, () => writer(fs, 200))
    let over = false
    const eight = await rates(1, 1600, async () => {
      const prober = probe(fs, files, stats, () => over)
      await Promise.all(Array.from({ length: 8 }, () => writer(fs, 200)))
      over = true
      await prober
    })
    ratios.push(eight.wall.median / one.wall.median)
  }
  report.add('8 concurrent durable writers over one', { wall: spread(ratios) }, '×', '≥ 2.5 ×')
  report.value('stat p99 meanwhile', percentile(stats, 0.99), 'ms', '≤ 2 ms')
}

async function probe(fs, files, into, isOver) {
  while (!isOver()) {
    const start = performance.now()
    await fs.promises.stat(files[into.length % files.length])
    into.push(performance.now() - start)
    await new Promise(resolve => setImmediate(resolve))
  }
}

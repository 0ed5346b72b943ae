import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { median, spread } from '../lib.mjs'
import { bytesIn } from './bytes-in.mjs'

/** What the disk takes for itself: a new file of a kilobyte synced, and its name in a folder; a fork syncs two files and three folders. */
export function syncs(report, home, runs) {
  const folder = join(home, 'bench-syncs')
  mkdirSync(folder)
  const times = Array.from({ length: 5 * runs }, (_, i) => {
    const fd = openSync(join(folder, `${i}`), 'w')
    writeSync(fd, Buffer.alloc(900, i))
    const start = performance.now()
    fdatasyncSync(fd)
    const named = openSync(folder, 'r')
    fsyncSync(named)
    const ms = performance.now() - start
    closeSync(fd)
    closeSync(named)
    return ms
  })
  rmSync(folder, { recursive: true })
  report.add('the disk itself: fdatasync of 1 KiB and fsync of its folder', spread(times), 'ms')
}

/** Microseconds of CPU time. */
function cpuOf(work) {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

function lookups(fs, files) {
  for (const file of files) fs.statSync(file)
}

function listing(fs, directories) {
  for (let i = 0; i < 20_000; i++) fs.readdirSync(directories[i % directories.length])
}

/** Ratio of CPU times that are taken in turns, so that the load of others meets both. */
function ratio(runs, ours, none) {
  for (let i = 0; i < 3; i++) [ours(), none()]
  return spread(Array.from({ length: runs }, () => cpuOf(ours) / cpuOf(none)))
}

export async function chain(report, cairn, volume, files, runs) {
  const sample = Array.from({ length: 20_000 }, (_, i) => files[(i * 7919) % Math.min(files.length, 20_000)])
  let last = 'bench'
  for (let i = 0; i < 100; i++) {
    await cairn.fork(last, undefined, `chain-${i}`)
    last = `chain-${i}`
  }
  const fork = await cairn.open(last)
  const [ours, none] = [fork, volume].map(
    ({ fs }) =>
      () =>
        lookups(fs, sample),
  )
  report.add('look-up after a chain of 100 forks, over none', ratio(runs, ours, none), '×', '0.8 – 1.2')
  await fork.close()
}

export async function siblings(report, cairn, volume, files, home, runs) {
  const directories = [...new Set(files.slice(0, 40_000).map(file => file.slice(0, file.lastIndexOf('/'))))]
  const before = bytesIn(home)
  const times = []
  const cpu = []
  for (let run = 0; run < 3; run++) {
    const names = Array.from({ length: 1000 }, (_, i) => `sibling-${run}-${i}`)
    const used = process.cpuUsage()
    const start = performance.now()
    await cairn.forkAll('bench', undefined, names)
    times.push(performance.now() - start)
    const { user, system } = process.cpuUsage(used)
    cpu.push((user + system) / 1000)
  }
  report.add('1,000 forks of one volume, together', { ...spread(times), cpu: median(cpu) }, 'ms', 'about 1,000 ms')
  report.value('one of 1,000 forks, on disk', (bytesIn(home) - before) / 3000 / 1024, 'KiB', '≤ 1 KiB')
  const fork = await cairn.open('sibling-0-500')
  const [ours, none] = [fork, volume].map(
    ({ fs }) =>
      () =>
        listing(fs, directories),
  )
  report.add('readdir in one of 3,000 sibling forks, over their source', ratio(runs, ours, none), '×', '0.8 – 1.2')
  await fork.close()
}

/** Memory of 100 forks that are open and read the same 20,000 files, each with a file of its own. */
export async function opened(report, cairn, volume, files) {
  const sample = files.slice(0, 20_000)
  lookups(volume.fs, sample)
  const names = Array.from({ length: 100 }, (_, i) => `open-${i}`)
  await cairn.forkAll('bench', undefined, names)
  const memory = () => {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = memory()
  const open = []
  for (const name of names) open.push(await cairn.open(name))
  for (const fork of open) fork.fs.statSync(files[0])
  const afterOpen = memory()
  report.value('100 forks open, memory of each', (afterOpen - before) / 100 / 1024, 'KiB', 'only what differs')
  for (const fork of open) lookups(fork.fs, sample.slice(0, 2000))
  const afterReads = memory()
  report.value('the same when each has read 2,000 files, more', (afterReads - afterOpen) / 100 / 1024, 'KiB')
  for (const fork of open) fork.fs.writeFileSync(files[0], 'own')
  report.value('the same when each has written one, more', (memory() - afterReads) / 100 / 1024, 'KiB')
  for (const fork of open) await fork.close()
}

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cairn, doctor } from '../../dist/index.js'
import { median, spread } from '../lib.mjs'
import { bytesIn } from './bytes-in.mjs'
import { chain, opened, siblings, syncs } from './forks.mjs'

let changes = 0

/** Changes so many files, spread over the tree. */
function change(fs, files, count) {
  const step = Math.max(1, Math.floor(files.length / count))
  for (let i = 0; i < count; i++) fs.writeFileSync(files[(i * step + changes) % files.length], `changed ${changes++}\n`)
}

/** CPU time of this process, milliseconds. */
function ownCpu() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Milliseconds of `work` after each `prepare`, which does not count: by the clock, and CPU time of this process, or what `cpuMs` tells. */
export async function timed(runs, prepare, work, cpuMs = ownCpu) {
  const wall = []
  const cpu = []
  for (let i = 0; i < runs; i++) {
    const prepared = await prepare(i)
    const before = cpuMs()
    const start = performance.now()
    await work(i, prepared)
    wall.push(performance.now() - start)
    cpu.push(cpuMs() - before)
  }
  return { ...spread(wall), cpu: median(cpu) }
}

/** The first time in a process, whose code is not compiled yet, and then the rest. */
async function firstAndRest(report, what, aim, runs, prepare, work, cpuMs) {
  report.add(`${what}, first of a process`, await timed(1, prepare, work, cpuMs), 'ms')
  await timed(WARM, i => prepare(i + 1), work, cpuMs)
  report.add(what, await timed(runs, i => prepare(i + 1 + WARM), work, cpuMs), 'ms', aim)
}

const WARM = 5

const time = (runs, work) => timed(runs, () => {}, work)

/** 100 of them, with 10 changes each, for the collection. */
export async function checkpoints(cairn, volume, name, files) {
  for (let i = 0; i < 100; i++) {
    change(volume.fs, files, 10)
    await cairn.checkpoint(name, `kept-${i}`)
  }
  await cairn.flush(name)
}

export async function forksAndCheckpoints(report, cairn, volume, name, files, home, runs) {
  const size = files.length.toLocaleString('en')
  let n = 0
  await cairn.checkpoint(name, `warm-${n++}`)
  await cairn.flush(name)
  const beforeCheckpoints = bytesIn(home)
  const touched = () => change(volume.fs, files, 10)
  report.add(`checkpoint, ${size} files, 10 changed since`, await timed(runs, touched, () => cairn.checkpoint(name, `c-${n++}`)), 'ms', '≤ 2 ms')
  report.add(`checkpoint, ${size} files, nothing changed`, await time(runs, () => cairn.checkpoint(name, `c-${n++}`)), 'ms', '≤ 2 ms')
  await cairn.flush(name)
  const beforeForks = bytesIn(home)
  report.add(`fork, ${size} files`, await time(runs, () => cairn.fork(name, undefined, `${name}-fork-${n++}`)), 'ms', '≤ 2 ms')
  report.value(`fork, ${size} files, on disk`, (bytesIn(home) - beforeForks) / runs / 1024, 'KiB', '≤ 1 KiB')
  await checkpointBytes(report, cairn, name, size, home, beforeCheckpoints)
  if (name === 'small') return
  const first = await timed(
    runs,
    async i => {
      await cairn.fork(name, undefined, `first-${i}`)
      const fork = await cairn.open(`first-${i}`)
      fork.fs.statSync(files[0])
      return fork
    },
    (_, fork) => fork.fs.writeFileSync(files[0], 'first'),
  )
  report.add('first write in a fork', first, 'ms', '≤ 1 ms')
  for (let i = 0; i < runs; i++) await (await cairn.open(`first-${i}`)).close()
  syncs(report, home, runs)
  await chain(report, cairn, volume, files, runs)
  await opened(report, cairn, volume, files)
  await siblings(report, cairn, volume, files, home, runs)
}

/** What a checkpoint of an unchanged volume adds, sealed. */
async function checkpointBytes(report, cairn, name, size, home) {
  await cairn.flush(name)
  const before = bytesIn(join(home, 'store'))
  const count = 100
  for (let i = 0; i < count; i++) await cairn.checkpoint(name, `b-${i}`)
  await cairn.flush(name)
  report.value(`checkpoint, ${size} files, on disk, of 100 sealed together`, (bytesIn(join(home, 'store')) - before) / count / 1024, 'KiB', '≤ 1 KiB')
}

export async function diffs(report, cairn, files, runs) {
  const volume = await cairn.open('bench')
  await cairn.checkpoint('bench', 'before')
  change(volume.fs, files, 10)
  await cairn.checkpoint('bench', 'after')
  await cairn.flush('bench')
  const side = ref => ({ volume: 'bench', ref })
  await cairn.diff(side('before'), side('after'))
  const ten = () => cairn.diff(side('before'), side('after'))
  await time(WARM * 4, ten)
  report.add('diff with 10 changes, warm', await time(2 * runs, ten), 'ms', '≤ 3 ms')
  report.add('the same as a patch', await time(runs, () => cairn.diff(side('before'), side('after'), { patch: true })), 'ms')
  change(volume.fs, files, 1000)
  report.add('diff with 1,000 changes, warm', await time(runs, () => cairn.diff(side('after'), { volume: 'bench' })), 'ms')
  await volume.close()
}

const coldProgram = `
const { Cairn } = await import(process.argv[1])
const cairn = await Cairn.open({ home: process.argv[2], via: 'process' })
const volume = await cairn.open('small')
await cairn.diff({ volume: 'small', ref: '~1' }, { volume: 'small', ref: '~0' })
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }
const [before, start] = [cpu(), performance.now()]
const bench = await cairn.open('bench')
const [opened, since] = [cpu(), performance.now()]
const changes = await cairn.diff({ volume: 'bench', ref: 'before' }, { volume: 'bench', ref: 'after' })
const [end, now] = [cpu(), performance.now()]
console.log(now - start, end - before, now - since, end - opened, changes.length)
await bench.close()
await volume.close()
await cairn.close()
`

/** In a new process: its code is loaded by a diff of another volume, no page of this one is. */
export function coldDiff(report, home, runs) {
  const columns = [[], [], [], []]
  for (let i = 0; i < runs; i++) {
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', coldProgram, new URL('../../dist/index.js', import.meta.url).href, home], {
      encoding: 'utf8',
    })
    const numbers = out.trim().split(' ').map(Number)
    if (numbers[4] !== 10) throw new Error(`a cold diff saw ${numbers[4]} changes`)
    for (const [column, values] of columns.entries()) values.push(numbers[column])
  }
  const [all, allCpu, diff, diffCpu] = columns
  report.add('diff with 10 changes, cold', { ...spread(diff), cpu: median(diffCpu) }, 'ms', '≤ 30 ms')
  report.add('the same, opening the volume included', { ...spread(all), cpu: median(allCpu) }, 'ms')
}

export async function merges(report, cairn, files, runs) {
  const what = 'merge of a fork with 100 changed files'
  if (typeof cairn.merge !== 'function') return report.skip(what, 'not in this build')
  const volume = await cairn.open('bench')
  await cairn.checkpoint('bench', 'merge-base')
  const forks = []
  const fork = async i => {
    await cairn.fork('bench', undefined, `merge-${i}`)
    const opened = await cairn.open(`merge-${i}`)
    forks.push(opened)
    change(opened.fs, files, 100)
    await opened.checkpoint('work')
    return `merge-${i}`
  }
  await firstAndRest(report, what, '≤ 50 ms', runs, fork, (_, name) => cairn.merge(name, { into: 'bench' }))
  for (const opened of [...forks, volume]) await opened.close()
}

/** CPU time of the server of a home so far, milliseconds, all threads. */
function serverCpu(home) {
  let ns = 0
  for (const pid of readdirSync('/proc').filter(name => /^[0-9]+$/.test(name))) {
    try {
      const [, program, of] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (!/\bserver[/-]main\.js$/.test(program ?? '') || of !== home) continue
      for (const thread of readdirSync(`/proc/${pid}/task`)) ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // A process that ended meanwhile is not the server.
    }
  }
  return ns / 1e6
}

/** Through a mount: from the call until the last of the files reads as it was, in this process, which does not serve the mount. */
export async function restores(report, cairn, files, folder, runs) {
  const what = 'restore of 100 changed files, seen through the mount'
  const { mountSupport } = await doctor()
  if (!mountSupport.found) return report.skip(what, 'no mounts on this machine')
  await cairn.fork('bench', undefined, 'mounted')
  await cairn.close()
  const served = await Cairn.open({ home: cairn.home, via: 'server' })
  const mountpoint = join(folder, 'mount')
  execFileSync('mkdir', ['-p', mountpoint])
  await served.mount({ name: 'mounted', path: mountpoint })
  const step = Math.floor(files.length / 100)
  const some = Array.from({ length: 100 }, (_, i) => files[i * step])
  try {
    let n = 0
    const prepare = async () => {
      const ref = `r-${n++}`
      await served.checkpoint('mounted', ref)
      const before = readFileSync(mountpoint + some[99])
      for (const file of some) writeFileSync(mountpoint + file, `restored away ${n}\n`)
      return { ref, before }
    }
    const work = async (_, { ref, before }) => {
      await served.restore('mounted', { ref })
      if (!readFileSync(mountpoint + some[99]).equals(before)) throw new Error('the mount shows what was before the restore')
    }
    await firstAndRest(report, what, '≤ 20 ms', runs, prepare, work, () => ownCpu() + serverCpu(cairn.home))
  } finally {
    await served.unmount(mountpoint)
    await served.close()
  }
}

export async function logs(report, cairn, files, runs) {
  const volume = await cairn.open('bench')
  const file = files[files.length >> 1]
  for (let i = 0; i < 1000; i++) {
    volume.fs.writeFileSync(i % 10 === 0 ? file : files[(i * 7919) % files.length], `commit ${i}\n`)
    await cairn.checkpoint('bench')
  }
  await cairn.flush('bench')
  const read = async path => {
    let entries = 0
    for await (const _ of cairn.log('bench', { path, since: '-1d' })) entries++
    return entries
  }
  let found = 0
  const first = await time(1, async () => {
    found = await read(file)
  })
  report.add('log of one file over 1,000 commits and more, first time', first, 'ms', '≤ 100 ms')
  if (found < 100) throw new Error(`the log has ${found} of 100 commits`)
  report.add('the same again', await time(runs, () => read(file)), 'ms', '≤ 100 ms')
  report.add('blame of that file', await time(runs, () => volume.blame(file)), 'ms')
  await volume.close()
}

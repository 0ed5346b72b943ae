import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { filePaths, number, percentile } from '../lib.mjs'
import { output } from './bucket.mjs'

/** Runs a job of client.mjs several times on a host that has read nothing; adds the middle run with its requests. */
async function cold(report, bucket, options, what, aim, job) {
  for (const latency of options.latencies) {
    const runs = []
    for (let i = 0; i < options.runs; i++) {
      bucket.forget('reader')
      await bucket.latency(latency)
      const { result, ...cost } = await bucket.counted(() => bucket.client('reader', job))
      runs.push({ ms: result.ms, cpu: result.cpu, ...cost })
    }
    await bucket.latency(0)
    report.add(what, latency, runs, latency > 0 ? aim : '')
  }
}

export async function largeTree(report, bucket, options, files, aims) {
  const name = `files-${files}`
  const shown = files.toLocaleString('en')
  await bucket.client('writer', { do: 'build', name, files, bytes: files > 200_000 ? 64 : 1024, place: bucket.place('trees') })
  await bucket.client('writer', { do: 'build', name: 'small', files: 100, bytes: 64, place: bucket.place('trees') })
  for (const volume of [name, 'small']) await bucket.attach('reader', volume, 'trees')
  await cold(report, bucket, options, `open a volume of ${shown} files and list its root, cold`, aims.open, { do: 'list', name, after: 'small' })
  await cold(report, bucket, options, '… in a new process, which loads the client of S3', '', { do: 'list', name })
  if (aims.find === undefined) return
  await cold(report, bucket, options, `walk ${shown} files with stat, cold`, aims.find, { do: 'find', name })
  await commandLine(report, bucket, options, name, files)
  if (options.mount) await findThroughMount(report, bucket, options, name, aims.find)
}

/** A server and its mount, ended after `work`. */
async function mounted(bucket, host, name, work) {
  const at = join(bucket.home(host), '..', `mnt-${host}`)
  mkdirSync(at, { recursive: true })
  await bucket.cairn(host, 'mount', name, at)
  const end = async () => {
    await bucket.cairn(host, 'unmount', at)
    await bucket.idle(host)
  }
  const result = await work(at).catch(async error => {
    await end().catch(() => undefined)
    throw error
  })
  await end()
  return result
}

const sh = (command, cwd) => output('/bin/sh', ['-c', command], process.env, cwd)

/** Times a command through a mount, first with nothing cached, then again. */
async function coldThenWarm(report, bucket, options, name, command, what, aims) {
  for (const latency of options.latencies) {
    const runs = { cold: [], warm: [] }
    for (let i = 0; i < options.runs; i++) {
      bucket.forget('reader')
      await bucket.latency(latency)
      await mounted(bucket, 'reader', name, async at => {
        for (const state of ['cold', 'warm']) {
          const { result, ...cost } = await bucket.counted(async () => {
            const start = performance.now()
            await sh(command, at)
            return performance.now() - start
          })
          runs[state].push({ ms: result, ...cost })
        }
      })
      await bucket.latency(0)
    }
    report.add(`${what}, cold`, latency, runs.cold, latency > 0 ? aims.cold : '')
    report.add(`${what}, again`, latency, runs.warm, aims.warm ?? '')
  }
}

function findThroughMount(report, bucket, options, name, aim) {
  return coldThenWarm(report, bucket, options, name, 'find . -size +1 > /dev/null', 'find through a mount', { cold: aim })
}

async function commandLine(report, bucket, options, name, files) {
  const [file] = filePaths(files)
  for (const [what, args] of [
    ['`cairn ls`, cold', ['ls', `${name}:/`]],
    ['`cairn cat` of 1 KiB, cold', ['cat', `${name}:${file}`]],
  ]) {
    for (const latency of options.latencies) {
      const runs = []
      for (let i = 0; i < options.runs; i++) {
        bucket.forget('reader')
        await bucket.latency(latency)
        const { result, ...cost } = await bucket.counted(async () => {
          const start = performance.now()
          await bucket.cairn('reader', ...args)
          return performance.now() - start
        })
        runs.push({ ms: result, ...cost })
      }
      await bucket.latency(0)
      report.add(what, latency, runs)
    }
  }
}

export async function gitStatus(report, bucket, options) {
  await bucket.attach('writer', 'repository', 'git')
  await bucket.attach('reader', 'repository', 'git')
  await mounted(bucket, 'writer', 'repository', async at => {
    for (const path of filePaths(options.repository)) {
      const file = join(at, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, `export const name = '${path}'\n`.repeat(20))
    }
    execFileSync(
      '/bin/sh',
      [
        '-c',
        'git init -q . && git config gc.auto 0 && git config maintenance.auto false && git add -A && git -c user.name=b -c user.email=b@example.org commit -qm first && git status --porcelain',
      ],
      { cwd: at },
    )
    await bucket.cairn('writer', 'flush', 'repository', '--timeout', '10m')
  })
  const shown = options.repository.toLocaleString('en')
  await coldThenWarm(report, bucket, options, 'repository', 'git status --porcelain', `git status of ${shown} files`, { cold: '≤ 3 s' })
}

export async function large(report, bucket, options) {
  const bytes = options.bytes
  const shown = `${bytes / 2 ** 20} MiB`
  for (const latency of options.latencies) {
    const found = { put: [], get: [], write: [], read: [] }
    for (let i = 0; i < options.runs; i++) {
      const name = `large-${latency}-${i}`
      await bucket.latency(latency)
      const plain = await bucket.client('writer', { do: 'plain', bytes, place: bucket.place('plain') })
      found.put.push(plain.put)
      found.get.push(plain.get)
      console.error(`plain (${latency} ms): ${JSON.stringify(plain)}`)
      const write = await bucket.counted(() => bucket.client('writer', { do: 'writeLarge', name, bytes, place: bucket.place(name) }))
      found.write.push({ ...write, ms: write.result.ms, cpu: write.result.cpu })
      console.error(`written (${latency} ms): ${JSON.stringify(write.result)}`)
      await bucket.attach('reader', name, name)
      bucket.forget('reader')
      const read = await bucket.counted(() => bucket.client('reader', { do: 'readLarge', name }))
      if (read.result.bytes !== bytes) throw new Error(`${read.result.bytes} bytes were read`)
      found.read.push({ ...read, ms: read.result.ms, cpu: read.result.cpu })
      console.error(`read (${latency} ms): ${JSON.stringify(read.result)}`)
      bucket.forget('reader')
      if (i + 1 === options.runs) {
        const random = await bucket.counted(() => bucket.client('reader', { do: 'readRandom', name, reads: 50 }))
        report.add('50 random reads of 4 KiB of it, cold, each', latency, [{ ...random, ms: random.result.ms, cpu: random.result.cpu }])
      }
      await bucket.latency(0)
      for (const host of ['reader', 'writer']) rmSync(join(bucket.home(host), 'stores'), { recursive: true, force: true })
      for (const host of ['reader', 'writer']) rmSync(join(bucket.home(host), 'attached', `${name}.json`), { force: true })
    }
    report.peer(`${shown} written, to flushed`, latency, found.write, found.put, '≥ 0.7 × plain')
    report.peer(`${shown} read, cold`, latency, found.read, found.get, '≥ 0.7 × plain')
  }
}

export async function transactions(report, bucket, options) {
  for (const latency of options.latencies) {
    const runs = []
    for (let i = 0; i < options.runs; i++) {
      const name = `transaction-${latency}-${i}`
      await bucket.client('writer', { do: 'build', name, files: 1, bytes: 1, place: bucket.place('transactions') })
      await bucket.latency(latency)
      const { result, ...cost } = await bucket.counted(() =>
        bucket.client('writer', { do: 'transaction', name, files: 10_000, place: bucket.place('transactions') }),
      )
      await bucket.latency(0)
      runs.push({ ms: result.ms, cpu: result.cpu, ...cost })
    }
    report.add('10,000 files of 1 KiB in one transaction, to flushed', latency, runs, latency > 0 ? '≤ 2 s, ≤ 20 requests' : '')
  }
}

/** One after the other, and ten a second for a minute. @param where how the server is, if it is special */
export async function durableWrites(report, bucket, options, where) {
  const [latency] = options.latencies
  const kinds = [
    ['small durable write', 100, 0],
    ['… ten a second for a minute', 600, 100],
  ]
  for (const [what, writes, everyMs] of where === undefined ? kinds : kinds.slice(1)) {
    const job = { do: 'durable', name: `durable-${writes}`, everyMs, place: bucket.place('durable') }
    await bucket.client('writer', { ...job, writes: 1 })
    await bucket.latency(latency)
    const { result, ...cost } = await bucket.counted(() => bucket.client('writer', { ...job, writes }))
    await bucket.latency(0)
    const ms = percentile(result.took, 0.5)
    const trips = `${number(ms / latency)} round trips, p99 ${number(percentile(result.took, 0.99) / latency)}`
    report.add(`${what}${where === undefined ? '' : `, ${where}`}, each`, latency, [{ ...cost, ms }], '≤ 1.3 round trips, p99 ≤ 3', trips)
  }
}

// One job of bench/stores.mjs in a process of its own: `node client.mjs JOB`, as JSON. Prints what it measured as JSON.
import { readdirSync, readFileSync } from 'node:fs'
import { Cairn } from '../../dist/index.js'
import { paths } from '../lib.mjs'

const job = JSON.parse(process.argv[2])

/** What passes until it is called: milliseconds by the clock, of CPU time of all threads of this process, and of each that took some. */
function stopwatch() {
  const before = process.cpuUsage()
  const eachBefore = threads()
  const start = performance.now()
  return () => {
    const { user, system } = process.cpuUsage(before)
    const each = [...threads()].map(([id, cpu]) => cpu - (eachBefore.get(id) ?? 0)).filter(cpu => cpu >= 100)
    return { ms: performance.now() - start, cpu: (user + system) / 1000, threads: each }
  }
}

/** CPU milliseconds of each thread, in steps of ten; Linux only. */
function threads() {
  try {
    return new Map(
      readdirSync('/proc/self/task').map(id => {
        const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1].split(' ')
        return [id, (Number(fields[11]) + Number(fields[12])) * 10]
      }),
    )
  } catch {
    return new Map()
  }
}

async function open() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  return { cairn, volume: await cairn.open(job.name) }
}

/** How often something was waited for. */
async function misses(cairn) {
  return (await cairn.status(job.name)).volumes[0].remote.cache.misses
}

/** Files of `bytes` bytes in transactions of 100,000. */
async function build() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  await cairn.ensureVolume({ name: job.name, ...job.place })
  const volume = await cairn.open(job.name)
  const { directories, files } = paths(job.files)
  const content = Buffer.alloc(job.bytes, 0x61)
  for (let from = 0; from < files.length; from += 100_000) {
    await volume.transaction(tx => {
      if (from === 0) for (const directory of directories) tx.fs.mkdirSync(directory)
      for (let i = from; i < Math.min(files.length, from + 100_000); i++) tx.fs.writeFileSync(files[i], content)
    })
  }
  await cairn.flush(job.name, { timeoutMs: 600_000 })
  await cairn.close()
  return {}
}

/** Opens the volume and lists its root. @param job.after: a volume of the same store that is opened before, and kept */
async function list() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  const before = job.after === undefined ? undefined : await cairn.open(job.after)
  const took = stopwatch()
  const volume = await cairn.open(job.name)
  const names = volume.fs.readdirSync('/')
  const { ms, cpu } = took()
  const waits = await misses(cairn)
  await before?.close()
  await cairn.close()
  return { ms, cpu, names: names.length, waits }
}

async function find() {
  const { cairn, volume } = await open()
  const took = stopwatch()
  let found = 0
  const walk = folder => {
    for (const entry of volume.fs.readdirSync(folder === '' ? '/' : folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      volume.fs.lstatSync(path)
      found++
      if (entry.isDirectory()) walk(path)
    }
  }
  walk('')
  const { ms, cpu } = took()
  const waits = await misses(cairn)
  await cairn.close()
  return { ms, cpu, found, waits }
}

async function writeLarge() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  await cairn.ensureVolume({ name: job.name, ...job.place })
  const volume = await cairn.open(job.name)
  const piece = pseudoRandom(8 * 2 ** 20)
  const took = stopwatch()
  const file = await volume.fs.promises.open('/large', 'w')
  for (let at = 0; at < job.bytes; at += piece.length) {
    // No two blocks are the same.
    for (let i = 0; i < piece.length; i += 4096) piece.writeDoubleLE(at + i, i)
    await file.write(piece, 0, Math.min(piece.length, job.bytes - at))
  }
  await file.close()
  await cairn.flush(job.name, { timeoutMs: 600_000 })
  const measured = took()
  await cairn.close()
  return measured
}

async function readLarge() {
  const { cairn, volume } = await open()
  const into = Buffer.alloc(2 ** 20)
  const took = stopwatch()
  const file = await volume.fs.promises.open('/large', 'r')
  let bytes = 0
  for (;;) {
    const { bytesRead } = await file.read(into, 0, into.length)
    if (bytesRead === 0) break
    bytes += bytesRead
  }
  const measured = took()
  await file.close()
  await cairn.close()
  return { ...measured, bytes }
}

async function readRandom() {
  const { cairn, volume } = await open()
  const into = Buffer.alloc(4096)
  const file = await volume.fs.promises.open('/large', 'r')
  const { size } = await file.stat()
  const took = stopwatch()
  for (let i = 0; i < job.reads; i++) await file.read(into, 0, into.length, Math.floor((((i + 1) * 0.6180339887) % 1) * (size / 4096)) * 4096)
  const { ms, cpu } = took()
  await file.close()
  await cairn.close()
  return { ms: ms / job.reads, cpu: cpu / job.reads }
}

/** The first bytes of one file. */
async function cat() {
  const { cairn, volume } = await open()
  const { files } = paths(job.files)
  const took = stopwatch()
  volume.fs.readFileSync(files[Math.floor(files.length / 3)])
  const { ms, cpu } = took()
  const waits = await misses(cairn)
  await cairn.close()
  return { ms, cpu, waits }
}

async function transaction() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  await cairn.ensureVolume({ name: job.name, ...job.place })
  const volume = await cairn.open(job.name)
  const { directories, files } = paths(job.files)
  const content = Buffer.alloc(1024, 0x61)
  const took = stopwatch()
  await volume.transaction(tx => {
    for (const directory of directories) tx.fs.mkdirSync(directory, { recursive: true })
    for (const path of files) tx.fs.writeFileSync(path, content)
  })
  await cairn.flush(job.name)
  const { ms, cpu } = took()
  await cairn.close()
  return { ms, cpu }
}

/**
 * What the same client reaches without Cairn: objects of 8 MiB, or ranges of 8 MiB of one, several at once; `get` as the SDK's own client receives them, `received`
 * as Cairn does, in memory that is used again.
 */
async function plain() {
  const { S3Store } = await import('../../dist/store/s3/s3-store.js')
  const store = new S3Store({ bucket: 'bucket', prefix: 'plain/', region: 'us-east-1', endpoint: job.place.endpoint, pathStyle: true })
  const part = 8 * 2 ** 20
  const count = Math.ceil(job.bytes / part)
  const body = pseudoRandom(part)
  const all = async work => {
    let next = 0
    const run = async () => {
      while (next < count) await work(next++)
    }
    const took = stopwatch()
    await Promise.all(Array.from({ length: 16 }, run))
    return took()
  }
  const put = await all(i => store.put(`part-${i}`, body, { ifAbsent: true }))
  const get = await all(i => store.get(`part-${i}`, { range: { offset: 0, length: part } }))
  const rooms = []
  const received = await all(async i => {
    const into = rooms.pop() ?? Buffer.allocUnsafeSlow(part)
    await store.get(`part-${i}`, { range: { offset: 0, length: part }, into })
    rooms.push(into)
  })
  await store.delete(Array.from({ length: count }, (_, i) => `part-${i}`))
  await store.close()
  return { put, get, received }
}

/** Small files, each durable in the store before the next is written. @param job.everyMs: one begins this long after the one before began */
async function durable() {
  const cairn = await Cairn.open({ home: job.home, via: 'process' })
  await cairn.ensureVolume({ name: job.name, ...job.place })
  const volume = await cairn.open(job.name, { durability: 'remote' })
  const took = []
  for (let i = 0; i < job.writes; i++) {
    const start = performance.now()
    const file = await volume.fs.promises.open(`/${i}`, 'w')
    await file.write('a line that may not be lost')
    await file.sync()
    took.push(performance.now() - start)
    await file.close()
    const left = (job.everyMs ?? 0) - (performance.now() - start)
    if (left > 0) await new Promise(resolve => setTimeout(resolve, left))
  }
  await volume.close()
  await cairn.close()
  return { took }
}

function pseudoRandom(length) {
  const bytes = Buffer.alloc(length)
  let x = 1
  for (let i = 0; i + 4 <= length; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    bytes.writeUInt32LE(x, i)
  }
  return bytes
}

const jobs = { build, list, cat, find, writeLarge, readLarge, readRandom, transaction, durable, plain }
console.log(JSON.stringify(await jobs[job.do]()))

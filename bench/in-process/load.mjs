import { percentile, rates } from '../lib.mjs'

const KIB = Buffer.alloc(1024, 0x61)
const MIX = ['read', 'read', 'write', 'list']

/** One of a peer's mix: reads, writes and listings of small folders. */
async function operation(fs, i) {
  const folder = `/d${i % 10}`
  switch (MIX[i % MIX.length]) {
    case 'read':
      return fs.promises.readFile(`${folder}/f${i % 20}`)
    case 'write':
      return fs.promises.writeFile(`${folder}/f${i % 20}`, KIB)
    default:
      return fs.promises.readdir(folder)
  }
}

function prepare(fs) {
  for (let d = 0; d < 10; d++) {
    fs.mkdirSync(`/d${d}`)
    for (let f = 0; f < 20; f++) fs.writeFileSync(`/d${d}/f${f}`, KIB)
  }
}

async function client(fs, operations, first) {
  for (let i = 0; i < operations; i++) await operation(fs, first + i)
}

export async function manyVolumes(report, cairn, runs) {
  const volumes = []
  for (let v = 0; v < 100; v++) {
    await cairn.ensureVolume({ name: `many-${v}` })
    const volume = await cairn.open(`many-${v}`)
    prepare(volume.fs)
    volumes.push(volume)
  }
  const mixed = await rates(runs, 100 * 400, () => Promise.all(volumes.map((volume, v) => client(volume.fs, 400, v))))
  report.add('100 volumes, mixed read, write, list', mixed, '/s', '> 16,500/s')
  const clients = await rates(runs, 16 * 2500, () => Promise.all(Array.from({ length: 16 }, (_, c) => client(volumes[0].fs, 2500, c * 7))))
  report.add('16 clients on one volume, the same mix', clients, '/s', '> 9,500/s')
  for (const volume of volumes) await volume.close()
}

/**
 * Every operation timed while 100,000 files are created and sealed in the background. Each turn of the event loop makes a few files and reads one,
 * so that sealing has its turns between.
 */
export async function stalls(report, volume, files) {
  const { fs } = volume
  const taken = []
  const turns = []
  fs.mkdirSync('/sealing')
  const busy = []
  const timed = work => {
    const before = process.cpuUsage()
    const start = performance.now()
    work()
    taken.push(performance.now() - start)
    const used = process.cpuUsage(before)
    busy.push((used.user + used.system) / 1000)
  }
  let last = performance.now()
  for (let i = 0; i < 100_000; i++) {
    if (i % 1000 === 0) timed(() => fs.mkdirSync(`/sealing/${i / 1000}`))
    timed(() => fs.writeFileSync(`/sealing/${Math.floor(i / 1000)}/${i}`, KIB))
    if (i % 10 === 0) timed(() => fs.statSync(files[i % files.length]))
    if (i % 32 !== 0) continue
    await new Promise(resolve => setImmediate(resolve))
    turns.push(performance.now() - last)
    last = performance.now()
  }
  const one = value => ({ median: value, min: value, max: value })
  const longest = values => one(values.reduce((a, b) => Math.max(a, b), 0))
  const what = 'an operation while 100,000 files are created and sealed'
  report.add(`${what}: p99.9`, { wall: one(percentile(taken, 0.999)), cpu: one(percentile(busy, 0.999)) }, 'ms', '')
  report.add('… longest', { wall: longest(taken), cpu: longest(busy) }, 'ms', '≤ 10 ms')
  report.value('… longest turn of the event loop, sealing and 32 operations in it', Math.max(...turns), 'ms', '')
}

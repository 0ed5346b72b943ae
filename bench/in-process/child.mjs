// One measurement in a process of its own: `node child.mjs KIND HOME FILES`. Prints JSON.
import { Cairn } from '../../dist/index.js'
import { filePaths } from '../lib.mjs'

const [kind, home, count] = process.argv.slice(2)
/** A file in the middle. */
const [one] = filePaths(Number(count), Number(count) >> 1)
const KIB = Buffer.alloc(1024, 0x61)
const megabytes = () => process.memoryUsage().rss / 1e6
const empty = megabytes()
const cairn = await Cairn.open({ home, via: 'process' })
let peak = 0
const watch = setInterval(() => {
  peak = Math.max(peak, megabytes())
}, 20)
watch.unref()

if (kind === 'stat') {
  const volume = await cairn.open('bench')
  for (const file of filePaths(Number(count))) volume.fs.statSync(file)
  console.log(JSON.stringify({ empty, mb: megabytes() }))
} else if (kind === 'build') {
  await cairn.ensureVolume({ name: 'built' })
  const { fs, close } = await cairn.open('built')
  let i = 0
  let last = ''
  for (const file of filePaths(Number(count))) {
    const directory = file.slice(0, file.lastIndexOf('/'))
    if (directory !== last) fs.mkdirSync(directory, { recursive: true })
    last = directory
    fs.writeFileSync(file, KIB)
    if (++i % 256 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  peak = Math.max(peak, megabytes())
  console.log(JSON.stringify({ empty, mb: peak }))
  void close
} else if (kind === 'kill') {
  const { fs } = await cairn.open('bench')
  fs.mkdirSync(`/killed-${process.pid}`)
  for (let i = 0; i < Number(process.argv[5]); i++) {
    fs.writeFileSync(`/killed-${process.pid}/${i}`, KIB)
    if (i % 256 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  process.kill(process.pid, 'SIGKILL')
} else if (kind === 'open') {
  const first = await open()
  const again = await open()
  console.log(JSON.stringify({ first, again }))
}

/** Opens the home and a volume in it and looks at one file. */
async function open() {
  const start = performance.now()
  const before = process.cpuUsage()
  const opened = await Cairn.open({ home, via: 'process' })
  const volume = await opened.open('bench')
  volume.fs.statSync(one)
  const ms = performance.now() - start
  const used = process.cpuUsage(before)
  await volume.close()
  await opened.close()
  return { ms, cpuMs: (used.user + used.system) / 1000 }
}
process.exit(0)

// One measurement in a process of its own: `node child.mjs KIND HOME FILES`. Prints JSON.
import { Cairn } from '../../dist/index.js'
import { paths } from '../lib.mjs'

const [kind, home, count] = process.argv.slice(2)
const { directories, files } = paths(Number(count))
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
  for (const file of files) volume.fs.statSync(file)
  console.log(JSON.stringify({ empty, mb: megabytes() }))
} else if (kind === 'build') {
  await cairn.ensureVolume({ name: 'built' })
  const { fs, close } = await cairn.open('built')
  for (const directory of directories) fs.mkdirSync(directory)
  for (let i = 0; i < files.length; i++) {
    fs.writeFileSync(files[i], KIB)
    if (i % 256 === 0) await new Promise(resolve => setImmediate(resolve))
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
  // The modules are loaded; what is measured is opening.
  const start = performance.now()
  const before = process.cpuUsage()
  const again = await Cairn.open({ home, via: 'process' })
  const volume = await again.open('bench')
  volume.fs.statSync(files[files.length >> 1])
  const ms = performance.now() - start
  const used = process.cpuUsage(before)
  console.log(JSON.stringify({ ms, cpuMs: (used.user + used.system) / 1000 }))
}
process.exit(0)

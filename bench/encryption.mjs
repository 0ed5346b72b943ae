// What encryption and compression cost, in process: sequential writes and reads, small files; CPU of all threads and the clock, as ratios to a store with
// neither, taking turns with it. `node bench/encryption.mjs [--mib=256] [--files=20000] [--runs=5]`. Needs `npm run build`. BENCH_DIR: where to work.

import { randomFillSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bestCompression } from '../dist/codec/compression.js'
import { FileSystem } from '../dist/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../dist/node/index.js'
import { Engine } from '../dist/volume/engine.js'

const { values } = parseArgs({
  options: { mib: { type: 'string', default: '256' }, files: { type: 'string', default: '20000' }, runs: { type: 'string', default: '5' } },
})
const MIB = 2 ** 20
const key = { key: 'a'.repeat(64), from: 'the benchmark' }

/** A folder of this host is not compressed, one that hosts share is. */
const stores = [
  { name: 'plain', kind: 'directory' },
  { name: 'encrypted', kind: 'directory', encrypt: true },
  { name: 'compressed', kind: 'file' },
  { name: 'both', kind: 'file', encrypt: true },
]

/** One mebibyte after another of the compiled code of this repository. */
function* texts() {
  const dist = new URL('../dist/', import.meta.url).pathname
  const files = readdirSync(dist, { recursive: true }).filter(name => name.endsWith('.js'))
  const all = Buffer.concat(files.sort().map(name => readFileSync(join(dist, name))))
  for (let at = 0; ; at = (at + MIB + 4099) % (all.length - MIB)) yield all.subarray(at, at + MIB)
}

function* noises() {
  const bytes = Buffer.alloc(MIB)
  for (;;) yield randomFillSync(bytes)
}

function measured(work) {
  const cpu = process.cpuUsage()
  const from = performance.now()
  work()
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - from, cpu: (user + system) / 1000 }
}

class Run {
  constructor(folder, store) {
    this.home = join(folder, `${store.name}-home`)
    this.location = { kind: store.kind, path: join(folder, store.name) }
    this.options = store.encrypt ? { encrypt: true, key } : {}
  }

  open() {
    this.engine = Engine.open({ home: this.home, keys: [key] })
    this.engine.attach('bench', this.location, this.options)
    this.volume = this.engine.openVolume('bench')
    this.fs = createFs(new LocalBackend(new LocalOps(new FileSystem(this.volume.session))))
  }

  close() {
    this.volume.close()
    this.engine.close()
  }

  write(content) {
    const parts = content()
    return measured(() => {
      const fd = this.fs.openSync('/large', 'w')
      for (let i = 0; i < Number(values.mib); i++) this.fs.writeSync(fd, parts.next().value)
      this.fs.closeSync(fd)
      this.volume.flush()
    })
  }

  read() {
    const into = Buffer.alloc(MIB)
    return measured(() => {
      const fd = this.fs.openSync('/large', 'r')
      for (let i = 0; i < Number(values.mib); i++) this.fs.readSync(fd, into, 0, MIB, i * MIB)
      this.fs.closeSync(fd)
    })
  }

  create() {
    const content = texts().next().value
    return measured(() => {
      for (let d = 0; d < 100; d++) this.fs.mkdirSync(`/${d}`)
      for (let i = 0; i < Number(values.files); i++) this.fs.writeFileSync(`/${i % 100}/${i}`, content.subarray(i % 10_000, (i % 10_000) + 1024))
    })
  }

  seal() {
    return measured(() => this.volume.flush())
  }

  readAll() {
    return measured(() => {
      for (let i = 0; i < Number(values.files); i++) this.fs.readFileSync(`/${i % 100}/${i}`)
    })
  }

  get stored() {
    const packs = join(this.location.path, 'packs')
    const names = readdirSync(packs, { recursive: true })
    return names.reduce((sum, name) => sum + (statSync(join(packs, name)).isFile() ? statSync(join(packs, name)).size : 0), 0)
  }
}

const found = new Map()
function note(workload, store, value) {
  const of = found.get(workload) ?? new Map()
  found.set(workload, of.set(store, [...(of.get(store) ?? []), value]))
}

function once(store, content, label) {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-encryption-'))
  const run = new Run(folder, store)
  try {
    run.open()
    note(`write ${label}`, store.name, run.write(content))
    run.close()
    note(`stored ${label}`, store.name, { bytes: run.stored })
    run.open()
    note(`read ${label}`, store.name, run.read())
    run.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function small(store) {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-encryption-'))
  const run = new Run(folder, store)
  try {
    run.open()
    note('create small files', store.name, run.create())
    note('seal them', store.name, run.seal())
    run.close()
    note('stored, small files', store.name, { bytes: run.stored })
    run.open()
    note('read them, pages cold', store.name, run.readAll())
    run.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const middle = numbers => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

function print() {
  console.log(
    `node ${process.version}, ${bestCompression}; ${values.mib} MiB, ${values.files} files of 1 KiB, ${values.runs} runs; CPU (clock), as ratios to plain\n`,
  )
  console.log(
    `| | plain | ${stores
      .slice(1)
      .map(({ name }) => name)
      .join(' | ')} |\n|---|---|---|---|---|`,
  )
  for (const [workload, of] of found) {
    const plain = of.get('plain')
    const cells = stores.map(({ name }) => {
      const runs = of.get(name)
      if (runs[0].bytes !== undefined) return `${(middle(runs.map(({ bytes }) => bytes)) / MIB).toFixed(1)} MiB`
      if (name === 'plain') return `${middle(runs.map(({ cpu }) => cpu)).toFixed(0)} (${middle(runs.map(({ ms }) => ms)).toFixed(0)}) ms`
      return `${middle(runs.map(({ cpu }, i) => cpu / plain[i].cpu)).toFixed(2)} (${middle(runs.map(({ ms }, i) => ms / plain[i].ms)).toFixed(2)})`
    })
    console.log(`| ${workload} | ${cells.join(' | ')} |`)
  }
}

for (let i = 0; i < Number(values.runs); i++) {
  for (const store of stores) once(store, texts, 'text')
  for (const store of stores) once(store, noises, 'noise')
  for (const store of stores) small(store)
}
print()

// In process, beside agentfs-sdk, just-bash's InMemoryFs and node:fs on the same work: `node bench/peers.mjs`. Needs `npm run build`.
// The peers are installed with npm into a temporary folder, never as dependencies; one that cannot be installed is left out.
// Through promises, as the peers offer nothing else, one operation after the other.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { createRequire } from 'node:module'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Cairn } from '../dist/index.js'
import { machine, median, number, table } from './lib.mjs'

const runs = Number(process.env.RUNS ?? 3)
const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-peers-'))
const kib = Buffer.alloc(1024, 0x61)
const FILES = 2000
const BULK = 10_000

/** The newest version that npm finds, in a folder of its own; undefined when there is none. */
async function installed(name) {
  const folder = join(root, 'npm', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', name], { cwd: folder, stdio: 'ignore', timeout: 180_000 })
    const resolve = createRequire(join(folder, 'package.json')).resolve
    const { version } = JSON.parse(await fsp.readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8'))
    return { version, module: await import(pathToFileURL(resolve(name)).href).catch(() => importEsm(folder, name)) }
  } catch (error) {
    console.error(`${name} is left out: ${String(error.message).split('\n')[0]}`)
    return undefined
  }
}

/** For a package that only ES modules may import. */
async function importEsm(folder, name) {
  const script = join(folder, 'import.mjs')
  writeFileSync(script, `export * from '${name}'`)
  return await import(pathToFileURL(script).href)
}

let serial = 0
async function openCairn() {
  const cairn = await Cairn.open({ home: join(root, `cairn${serial++}`), via: 'process' })
  await cairn.ensureVolume({ name: 'bench' })
  const volume = await cairn.open('bench')
  const { promises } = volume.fs
  return {
    ...promisesShape(promises),
    bulk: files =>
      volume.transaction(async tx => {
        for (const file of files) await tx.fs.promises.writeFile(file, kib)
      }),
    async close() {
      await volume.close()
      await cairn.close()
    },
  }
}

const promisesShape = (promises, base = '') => ({
  mkdir: path => promises.mkdir(base + path, { recursive: true }),
  write: path => promises.writeFile(base + path, kib),
  read: path => promises.readFile(base + path),
  stat: path => promises.stat(base + path),
  async list(path) {
    const names = await promises.readdir(base + path)
    return await Promise.all(names.map(name => promises.stat(`${base}${path}/${name}`)))
  },
})

async function openNode() {
  const base = join(root, `node${serial++}`)
  mkdirSync(base)
  return { ...promisesShape(fsp, base), close: async () => {} }
}

async function openAgentfs(module) {
  const agent = await module.AgentFS.open({ path: join(root, `agentfs${serial++}.db`) })
  const { fs } = agent
  return {
    mkdir: path => fs.mkdir(path),
    write: path => fs.writeFile(path, kib),
    async bulk(files) {
      const db = agent.getDatabase()
      await db.exec('BEGIN')
      for (const file of files) await fs.writeFile(file, kib)
      await db.exec('COMMIT')
    },
    read: path => fs.readFile(path),
    stat: path => fs.stat(path),
    list: path => fs.readdirPlus(path),
    close: () => agent.close(),
  }
}

async function openJustBash(module) {
  const fs = new module.InMemoryFs()
  return {
    mkdir: path => fs.mkdir(path, { recursive: true }),
    write: path => fs.writeFile(path, kib),
    read: path => fs.readFileBuffer(path),
    stat: path => fs.stat(path),
    list: async path => Promise.all((await fs.readdir(path)).map(name => fs.stat(`${path}/${name}`))),
    close: async () => {},
  }
}

/** Middle of the times of single operations, in µs. */
async function each(paths, work) {
  const times = []
  for (const path of paths) {
    const start = performance.now()
    await work(path)
    times.push((performance.now() - start) * 1000)
  }
  return median(times)
}

async function whole(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** One run: a list of what was measured, in the order of `names`. */
async function measure(open) {
  const fs = await open()
  try {
    const folders = Array.from({ length: FILES / 20 }, (_, i) => `/d${i}`)
    for (const folder of [...folders, '/bulk']) await fs.mkdir(folder)
    const files = folders.flatMap(folder => Array.from({ length: 20 }, (_, i) => `${folder}/f${i}`))
    const bulk = Array.from({ length: BULK }, (_, i) => `/bulk/f${i}`)
    const write = await each(files, path => fs.write(path))
    const all = await whole(async () => {
      if (fs.bulk !== undefined) await fs.bulk(bulk)
      else for (const path of bulk) await fs.write(path)
    })
    await each(files, path => fs.read(path))
    const read = await each(files, path => fs.read(path))
    const stat = await each(files, path => fs.stat(path))
    const list = await each(folders, path => fs.list(path))
    return [write, all, read, stat, list]
  } finally {
    await fs.close()
  }
}

const names = [
  `writeFile 1 KiB, ${number(FILES)} files, µs`,
  `${number(BULK)} files: in one transaction (cairn, agentfs), in a loop (others), ms`,
  'readFile, second pass, µs',
  'stat, µs',
  'readdir of 20, with stats, µs',
]

const subjects = [
  ['cairn', openCairn],
  [`node:fs (${root.split('/')[1]})`, openNode],
]
const agentfs = await installed('agentfs-sdk')
if (agentfs !== undefined) subjects.push([`agentfs-sdk ${agentfs.version}`, () => openAgentfs(agentfs.module)])
const justBash = await installed('just-bash')
if (justBash !== undefined) subjects.push([`just-bash ${justBash.version} InMemoryFs`, () => openJustBash(justBash.module)])

try {
  const results = new Map(subjects.map(([name]) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const [name, open] of subjects) {
      try {
        results.get(name)?.push(await measure(open))
      } catch (error) {
        console.error(`${name} is left out: ${error.message}`)
        results.delete(name)
      }
    }
  }
  const cell = (name, i) => median(results.get(name).map(run => run[i]))
  const rows = names.map((what, i) => [
    what,
    ...[...results.keys()].map(name => `${number(cell(name, i))}${name === 'cairn' ? '' : ` (${number(cell(name, i) / cell('cairn', i))}×)`}`),
  ])
  console.log(`${machine()}; load ${loadavg()[0].toFixed(1)}; \`node bench/peers.mjs\`, medians of ${runs} runs; in brackets: how many times cairn's time\n`)
  table(['in process', ...results.keys()], rows)
} finally {
  rmSync(root, { recursive: true, force: true })
}

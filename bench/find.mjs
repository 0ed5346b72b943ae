// Names and their attributes, beside find(1) over the same on the file system of BENCH_DIR: `node bench/find.mjs [files] [runs]`. Needs `npm run build`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { time } from './lib.mjs'

const count = Number(process.argv[2] ?? 100_000)
const runs = Number(process.argv[3] ?? 7)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-find-'))
const tree = join(folder, 'tree')
const cairn = await Cairn.open({ home: join(folder, 'home'), via: 'server' })
await cairn.createVolume({ name: 'w' })
const volume = await cairn.open('w')
for (let d = 0; d < count / 100; d++) {
  const ops = [{ op: 'mkdir', path: `/d${d}` }]
  mkdirSync(join(tree, `d${d}`), { recursive: true })
  for (let i = 0; i < 100; i++) {
    ops.push({ op: 'put', path: `/d${d}/f${i}`, text: 'x' })
    writeFileSync(join(tree, `d${d}`, `f${i}`), 'x')
  }
  await volume.batch(ops)
}
await cairn.flush('w')

async function ours(options) {
  let found = 0
  for await (const _ of volume.find(options)) found++
  return found
}
const theirs = (...tests) =>
  spawnSync('find', [tree, ...tests], { maxBuffer: 2 ** 30 })
    .stdout.toString()
    .split('\n').length - 1

const rows = []
for (const [what, options, tests] of [
  ['all, by size', { minSize: 1, types: ['file'] }, ['-type', 'f', '-size', '+0c']],
  ['by name', { names: ['f77'] }, ['-name', 'f77']],
]) {
  if ((await ours(options)) !== theirs(...tests)) throw new Error(`${what}: not the same`)
  const sides = [await time(runs, () => ours(options)), await time(runs, () => theirs(...tests))]
  rows.push(`| ${what} | ${sides.map(({ median, min, max }) => `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`).join(' | ')} |`)
}
console.log(`| ${count} files, ms | client of a server | find(1) |\n|---|---|---|\n${rows.join('\n')}`)
await volume.close()
await cairn.close()
rmSync(folder, { recursive: true, force: true })

// Lines in warm files, beside ripgrep over the same files on the file system of BENCH_DIR: `node bench/grep.mjs [files] [runs]`. Needs `npm run build` and `rg`.
// A client of a server that has read nothing for it before but what the first run reads; both take turns. Results go to stdout as Markdown.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Cairn } from '../dist/index.js'
import { spread } from './lib.mjs'

const count = Number(process.argv[2] ?? 10_000)
const runs = Number(process.argv[3] ?? 15)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-grep-'))
const home = join(folder, 'home')
const tree = join(folder, 'tree')
const launcher = fileURLToPath(new URL('../bin/cairn', import.meta.url))
const cairn = await Cairn.open({ home, via: 'server' })
const WORDS = 5000

let seed = 1
const random = below => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return seed % below
}
const word = n => `w${((n * 7919) % 100_003).toString(36)}`
/** 400 words in 40 lines, some 2.5 KB. */
const text = name => `${Array.from({ length: 400 }, (_, i) => word(random(WORDS)) + (i % 10 === 9 ? '\n' : '')).join(' ')} only_${name}\n`

await cairn.createVolume({ name: 'w' })
const volume = await cairn.open('w')
const ops = []
for (let i = 0; i < 100; i++) {
  ops.push({ op: 'mkdir', path: `/d${i}` })
  mkdirSync(join(tree, `d${i}`), { recursive: true })
}
for (let i = 0; i < count; i++) {
  const path = `/d${i % 100}/f${i}`
  const content = text(i)
  ops.push({ op: 'put', path, text: content })
  writeFileSync(join(tree, path), content)
}
await volume.batch(ops)
await cairn.flush('w')

async function ours(pattern, options) {
  let lines = 0
  for await (const { matches } of cairn.grep('w', pattern, options)) lines += matches.length
  return lines
}

function printed(program, args) {
  const { stdout, status, stderr } = spawnSync(program, args, { maxBuffer: 2 ** 30, env: { ...process.env, CAIRN_HOME: home } })
  if (status !== 0 && status !== 1) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout.toString().split('\n').length - 1
}

async function timed(work) {
  const start = performance.now()
  const lines = await work()
  return { ms: performance.now() - start, lines }
}

const rows = []
async function compare(what, aim, pattern, { index = false, fixed = false } = {}) {
  const sides = [
    () => ours(pattern, { index, fixed }),
    () => printed(process.execPath, [launcher, 'grep', '-n', ...(index ? [] : ['--no-index']), ...(fixed ? ['-F'] : []), pattern, 'w']),
    () => printed('rg', ['--no-config', '-n', '--no-heading', ...(fixed ? ['-F'] : []), '-e', pattern, tree]),
  ]
  const times = sides.map(() => [])
  // The first run of each is to warm it.
  for (let i = -1; i < runs; i++) {
    const found = []
    for (const [at, side] of sides.entries()) {
      const { ms, lines } = await timed(side)
      if (i >= 0) times[at].push(ms)
      found.push(lines)
    }
    if (new Set(found).size !== 1) throw new Error(`${what}: ${found.join(', ')} lines`)
  }
  const [sdk, command, rg] = times.map(spread)
  const ratio = (sdk.median / rg.median).toFixed(2)
  rows.push(
    `| ${what} | ${aim} | ${ratio} | ${[sdk, command, rg].map(({ median, min, max }) => `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`).join(' | ')} |`,
  )
}

await compare('regular expression, no line', '≤ 6', 'only_\\d+x')
await compare('regular expression, 10 lines', '≤ 6', 'only_7[0-9]7$')
await compare('regular expression without a plain text', '≤ 6', '[a-z]\\d[a-z]\\d[a-z]\\d')
await compare('regular expression, nearly every line', '≤ 6', 'w[0-9]\\w')
await compare('text, without the index', '≤ 6', 'only_777', { fixed: true })
await ours('only_777', { index: true, fixed: true })
await compare('text, with the index, 11 lines', '≤ 2', 'only_777', { index: true, fixed: true })
await compare('text in every file, with the index', '≤ 2', 'only_', { index: true, fixed: true })

console.log(
  `| ${count} files | aim | times ripgrep | client of a server, ms | the command \`cairn grep\` | ripgrep |\n|---|---|---|---|---|---|\n${rows.join('\n')}`,
)
await volume.close()
await cairn.close()
rmSync(folder, { recursive: true, force: true })

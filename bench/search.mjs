// Full-text search through the public API: `node bench/search.mjs [files] [runs]`. Needs `npm run build`.
// BENCH_DIR: where to work. The volume is served by a server of its own, the index lies in the CAIRN_HOME. Results go to stdout as Markdown.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { spread, time } from './lib.mjs'

const count = Number(process.argv[2] ?? 10_000)
const runs = Number(process.argv[3] ?? 21)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-search-'))
const cairn = await Cairn.open({ home: join(folder, 'home'), via: 'server' })
const WORDS = 5000
const REFS = 1000

let seed = 1
const random = below => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return seed % below
}
const word = n => `w${((n * 7919) % 100_003).toString(36)}`
/** 400 words, some 2.5 KB. */
const text = name => `${Array.from({ length: 400 }, (_, i) => word(random(WORDS)) + (i % 10 === 9 ? '\n' : '')).join(' ')} only_${name}`
const pathOf = i => `/d${i % 100}/f${i}`

await cairn.createVolume({ name: 'w' })
const volume = await cairn.open('w')
const ops = [
  ...Array.from({ length: 100 }, (_, i) => ({ op: 'mkdir', path: `/d${i}` })),
  ...Array.from({ length: count }, (_, i) => ({ op: 'put', path: pathOf(i), text: text(i) })),
]
await volume.batch(ops)
await cairn.flush('w')

const rows = []
const row = (what, aim, { median, min, max }) => rows.push(`| ${what} | ${aim} | ${median.toFixed(1)} | ${min.toFixed(1)} to ${max.toFixed(1)} |`)
for (const mode of ['words', 'substring'])
  row(`first search: ${count} files are taken up (${mode})`, '', await time(1, () => cairn.search('w', 'only_77', { mode })))
const searched = await time(runs, i => cairn.search('w', `${word(i)} ${word(i + 20)}`))
row('two words, 20 matches shown', '≤ 5', searched)
row('one word, one match', '≤ 5', await time(runs, i => cairn.search('w', `only_${i * 7}`)))
row('a phrase of two words', '≤ 5', await time(runs, i => cairn.search('w', `"${word(i)} ${word(i + 1)}"`)))
row('a text of eight characters', '≤ 5', await time(runs, i => cairn.search('w', `only_${1000 + i * 7}`, { mode: 'substring' })))

const updates = []
for (let i = 0; i < Math.min(runs, 9); i++) {
  await volume.batch(Array.from({ length: 100 }, (_, k) => ({ op: 'put', path: pathOf((i * 100 + k) % count), text: text(`${i}_${k}`) })))
  const start = performance.now()
  const found = await cairn.search('w', `only_${i}_99`)
  updates.push(performance.now() - start)
  if (found.matches.length !== 1) throw new Error('the index does not have what was written')
}
row('after 100 changed files: they are taken up, and one is found', '≤ 100', spread(updates))

for (let i = 0; i < REFS; i++) {
  await volume.fs.promises.writeFile(pathOf(i % count), text(`ref${i}`))
  await volume.checkpoint(`c${i}`)
}
await cairn.flush('w')
await cairn.search('w', 'only_0')
const refs = []
for (let i = 0; i < REFS; i++) {
  const start = performance.now()
  const found = await cairn.search('w', `only_ref${i}`, { ref: `c${i}` })
  refs.push(performance.now() - start)
  if (found.matches.length !== 1) throw new Error(`checkpoint ${i} was not found`)
}
row('the last 100 of 1,000 checkpoints, each searched for the first time', '≤ 20', spread(refs.slice(-100)))

console.log(`| ${count} files, ms | aim | median | least to most |\n|---|---|---|---|\n${rows.join('\n')}`)
await volume.close()
await cairn.close()
rmSync(folder, { recursive: true, force: true })

// History, through the public API, beside git and cp: `node bench/history.mjs [files] [runs]`. Needs `npm run build`.
// BENCH_DIR: where to work; NO_PEERS=1: without git and cp. The results go to stdout as Markdown, and as JSON to bench/history.json with JSON=1.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { checkpoints, coldDiff, diffs, forksAndCheckpoints, logs, merges, restores } from './history/cairn.mjs'
import { collections } from './history/collection.mjs'
import { peers } from './history/peers.mjs'
import { HistoryReport } from './history/report.mjs'
import { build } from './in-process/operations.mjs'
import { paths } from './lib.mjs'

const count = Number(process.argv[2] ?? 100_000)
const runs = Number(process.argv[3] ?? 9)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-history-'))
const home = join(folder, 'home')
const report = new HistoryReport()

let cairn = await Cairn.open({ home, via: 'process' })
for (const [name, size] of [
  ['small', 1000],
  ['bench', count],
]) {
  await cairn.ensureVolume({ name })
  const volume = await cairn.open(name)
  await build(volume, paths(size))
  await cairn.flush(name)
  if (name === 'bench') {
    await checkpoints(cairn, volume, name, paths(size).files)
    await collections(report, cairn, '100 checkpoints', '≤ 1,000 ms at 100,000 files')
  }
  await forksAndCheckpoints(report, cairn, volume, name, paths(size).files, home, runs)
  await volume.close()
}
const { files } = paths(count)
await diffs(report, cairn, files, runs)
await cairn.close()
coldDiff(report, home, Math.min(runs, 5))
cairn = await Cairn.open({ home, via: 'process' })
await merges(report, cairn, files, runs)
await restores(report, cairn, files, folder, runs)
await cairn.close()
cairn = await Cairn.open({ home, via: 'process' })
await logs(report, cairn, files, Math.min(runs, 5))
await collections(report, cairn, '1,500 commits in 1,100 volumes')
await cairn.close()
if (process.env.NO_PEERS !== '1') peers(report, folder, files, Math.min(runs, 3))
report.print(`node bench/history.mjs ${count} ${runs}`)
if (process.env.JSON === '1') writeFileSync(new URL('history.json', import.meta.url), `${JSON.stringify(report.values, null, 2)}\n`)
rmSync(folder, { recursive: true, force: true })

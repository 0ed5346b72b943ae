// In process, through the public API: `node bench/in-process.mjs [files] [runs]`. Needs `npm run build`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cairn } from '../dist/index.js'
import { limits } from '../dist/sys/index.js'
import { concurrentWriters, durableOperations } from './in-process/durable.mjs'
import { manyVolumes, stalls } from './in-process/load.mjs'
import { build, createOperations, readLarge, readOperations } from './in-process/operations.mjs'
import { coldOpen, memoryAfterStat, memoryWhileBuilding, openAfterKill } from './in-process/processes.mjs'
import { Report } from './in-process/report.mjs'
import { diffPages, versions } from './in-process/versions.mjs'
import { paths } from './lib.mjs'

const count = Number(process.argv[2] ?? 100_000)
const runs = Number(process.argv[3] ?? 5)
const home = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-bench-'))
const tree = paths(count)
const report = new Report()

let cairn = await Cairn.open({ home, via: 'process' })
await cairn.ensureVolume({ name: 'bench' })
let volume = await cairn.open('bench')
report.add(`create 1 KiB, ${count.toLocaleString('en')} in transactions of 100,000`, await build(volume, tree), '/s', '≥ 100,000/s')
await volume.close()
await cairn.close()

coldOpen(report, home, count, runs)
memoryAfterStat(report, home, count)

cairn = await Cairn.open({ home, via: 'process' })
volume = await cairn.open('bench')
await readOperations(report, volume.fs, tree, runs)
await readLarge(report, volume.fs, runs)
await createOperations(report, volume.fs, runs)
await durableOperations(report, volume.fs, home, runs)
await concurrentWriters(report, volume.fs, tree.files, runs)
await stalls(report, volume, tree.files)
await versions(report, cairn, volume.fs, tree, home, runs)
await manyVolumes(report, cairn, runs)
await volume.close()
await cairn.close()

diffPages(report, home)
openAfterKill(report, home, count, runs)
// A journal beyond its limit seals at once only when twice over; overlays and blocks are not used by these files.
memoryWhileBuilding(
  report,
  Math.max(count, 1_000_000),
  (limits.pageCacheBytes + 2 * limits.sealDirtyBytes + limits.overlayBytes + limits.blockCacheBytes) / 1e6,
)
report.print(`node bench/in-process.mjs ${count} ${runs}`)
rmSync(home, { recursive: true, force: true })

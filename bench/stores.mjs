// Stores elsewhere: volumes in a bucket of the strict S3 server of src/testing, in a process of its own, with 30 ms added to each request and without.
// `node bench/stores.mjs [--files=100000] [--million=1000000] [--repository=20000] [--mib=1024] [--runs=3] [--latency=30] [--only=trees,million,git,durable,transaction,large]`.
// Needs `npm run build`, and /dev/fuse for what goes through a mount (NO_MOUNT=1: without). BENCH_DIR: where to work. Prints Markdown; JSON=1: also bench/stores.json.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Bucket } from './stores/bucket.mjs'
import { StoresReport } from './stores/report.mjs'
import { durableWrites, gitStatus, large, largeTree, transactions } from './stores/workloads.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100000' },
    million: { type: 'string', default: '1000000' },
    repository: { type: 'string', default: '20000' },
    mib: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '3' },
    latency: { type: 'string', default: '30' },
    only: { type: 'string', default: 'trees,million,git,durable,transaction,large' },
  },
})
const options = {
  runs: Number(values.runs),
  latencies: [...new Set([Number(values.latency), 0])],
  repository: Number(values.repository),
  bytes: Number(values.mib) * 2 ** 20,
  mount: process.env.NO_MOUNT !== '1' && existsSync('/dev/fuse'),
}
const wanted = values.only.split(',')
const report = new StoresReport()

/** Each part has a bucket and hosts of its own. */
async function part(name, work, server = {}) {
  if (!wanted.includes(name)) return
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'cairn-stores-'))
  const bucket = await Bucket.start(folder, server)
  try {
    await work(bucket)
  } catch (error) {
    // Of the others there are figures all the same.
    console.error(error)
    report.skip(name, `failed: ${String(error.message).split('\n')[0].slice(-200)}`)
    process.exitCode = 1
  } finally {
    await bucket.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

await part('trees', bucket => largeTree(report, bucket, options, Number(values.files), { open: '≤ 0.25 s', find: '≤ 1 s' }))
await part('million', bucket => largeTree(report, bucket, options, Number(values.million), { open: '≤ 0.4 s' }))
if (options.mount) await part('git', bucket => gitStatus(report, bucket, options))
else report.skip('git status', 'no /dev/fuse')
await part('durable', bucket => durableWrites(report, bucket, options))
await part('durable', bucket => durableWrites(report, bucket, options, 'where an object takes one write per second'), { writesPerSecond: 1 })
await part('transaction', bucket => transactions(report, bucket, options))
await part('large', bucket => large(report, bucket, options))
report.print(`node bench/stores.mjs ${process.argv.slice(2).join(' ')}`)
if (process.env.JSON === '1') writeFileSync(new URL('stores.json', import.meta.url), `${JSON.stringify(report.values, null, 2)}\n`)

import { timed } from './cairn.mjs'

/** Marking what 100 checkpoints and more need; the dry run deletes nothing. */
export async function collections(report, cairn) {
  const what = 'collection: mark of 100 checkpoints and more'
  if (typeof cairn.gc !== 'function') return report.skip(what, 'not in this build')
  const before = process.memoryUsage().rss
  const all = await timed(
    3,
    () => {},
    () => cairn.gc({ dryRun: true }),
  )
  report.add(what, all, 'ms', '≤ 1,000 ms at 100,000 files')
  report.value('the same, memory', Math.max(0, process.memoryUsage().rss - before) / 1e6, 'MB', 'bounded')
}

import { timed } from './cairn.mjs'

/** Marking what all checkpoints, commits and volumes need; the dry run deletes nothing. */
export async function collections(report, cairn, of, aim) {
  const what = `collection: mark of ${of}`
  if (typeof cairn.gc !== 'function') return report.skip(what, 'not in this build')
  const before = process.memoryUsage().rss
  const all = await timed(
    3,
    () => {},
    () => cairn.gc({ dryRun: true }),
  )
  report.add(what, all, 'ms', aim)
  report.value('the same, memory', Math.max(0, process.memoryUsage().rss - before) / 1e6, 'MB', 'bounded')
}

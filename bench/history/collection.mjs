/** Marking what 100 checkpoints and more need; the dry run deletes nothing. */
export async function collections(report, cairn) {
  const what = 'collection: mark of 100 checkpoints and more'
  if (typeof cairn.gc !== 'function') return report.skip(what, 'not in this build')
  const before = process.memoryUsage().rss
  const start = performance.now()
  await cairn.gc({ dryRun: true })
  report.value(what, performance.now() - start, 'ms', '≤ 1,000 ms at 100,000 files')
  report.value('the same, memory', Math.max(0, process.memoryUsage().rss - before) / 1e6, 'MB', 'bounded')
}

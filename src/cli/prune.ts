import { parseAge, parseCount } from './age.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [operand], options) => {
  const name = await context.volumeName(operand)
  await context.refuseReadOnly()
  const { keep, olderThan, dryRun } = options
  const cairn = await context.cairn()
  const report = await context.helped(() =>
    cairn.prune(name, {
      ...(typeof keep === 'string' && { keep: parseCount(keep) }),
      ...(typeof olderThan === 'string' && { olderThanMs: parseAge(olderThan) }),
      ...(dryRun === true && { dryRun: true }),
    }),
  )
  await context.result({ volume: name, dryRun: dryRun === true, ...report }, () => {
    const what = `${plural(report.dropped, 'version')} of ${report.versions} and ${plural(report.droppedCommits, 'commit')} of ${report.commits} without a name, ${humanSize(report.bytes)}B of versions`
    return dryRun === true ? [`Would drop ${what}.`] : [`Dropped ${what}. \`cairn gc\` frees the space.`]
  })
  return 0
}

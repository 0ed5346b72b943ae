import { fullTime, humanSize, table } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const commits = await context.helped(() => cairn.checkpoints(name))
  await context.result(commits, () => {
    if (commits.length === 0) return [`${name} has no checkpoints. Save one with \`cairn checkpoint save ${name} NAME\`.`]
    const rows = commits.map(one => [one.name ?? '', one.id, fullTime(one.timeMs), `${humanSize(one.bytes)}B`, one.message ?? ''])
    return table([['NAME', 'COMMIT', 'TIME', 'SIZE', 'MESSAGE'], ...rows], new Set([3])).map(line => line.trimEnd())
  })
  return 0
}

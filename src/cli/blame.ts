import type { BlameLine } from '../sdk/types.js'
import { usageError } from './errors.js'
import { fullTime, printable } from './format.js'
import { SHORT_ID } from './log.js'
import type { Run } from './spec.js'

/** Each line of a file with the commit, or version, that brought it. */
export const run: Run = async (context, [target]) => {
  const { volume, ref, path } = await context.side(target)
  if (path === undefined) throw usageError(`${target} names no file.`, 'Write VOLUME:/path.')
  const cairn = await context.cairn()
  const lines = await context.helped(() => cairn.blame(volume, path, ref === undefined ? {} : { ref }))
  await context.result(lines, () => {
    const who = lines.map(one => [one.commit?.slice(0, SHORT_ID) ?? label(one), printable(one.actor ?? ''), fullTime(one.timeMs), String(one.line)])
    const widths = [0, 1, 2, 3].map(column => Math.max(0, ...who.map(cells => cells[column].length)))
    return who.map(([commit, actor, time, number], i) => {
      const actorCell = widths[1] === 0 ? '' : `${actor.padEnd(widths[1])} `
      return `${context.out.yellow(commit.padEnd(widths[0]))} ${actorCell}${time} ${number.padStart(widths[3])} ${lines[i].text}`
    })
  })
  return 0
}

/** What no commit has yet. */
function label({ version }: BlameLine): string {
  return version === undefined ? 'now' : `v${version}`
}

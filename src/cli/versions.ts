import type { VersionInfo } from '../volume/api.js'
import { usageError } from './errors.js'
import { fullTime, humanSize, printable, table } from './format.js'
import type { Run } from './spec.js'

/** The states that a file had, the oldest first; of a deleted one too. */
export const run: Run = async (context, [operand]) => {
  const { volume, ref, path } = await context.side(operand)
  if (ref !== undefined)
    throw usageError('The versions of a file are those of all times.', `Leave out @${ref}: \`cairn versions ${volume}:${path ?? '/path'}\`.`)
  if (path === undefined || path === '/') throw usageError(`${operand} names no file.`, 'Write VOLUME:/path.')
  const cairn = await context.cairn()
  const versions = await context.helped(() => cairn.versions(volume, path))
  await context.result({ volume, path, versions }, () => {
    if (versions.length === 0) return [`Nothing is known of ${printable(path)} in ${volume}.`]
    const rows = versions.map(one => [String(one.number), fullTime(one.modifiedMs), one.writtenBy ?? '', humanSize(one.size), ended(one), one.endedBy ?? ''])
    return table([['NUMBER', 'WRITTEN', 'BY', 'SIZE', 'ENDED', 'BY'], ...rows], new Set([0, 3])).map(line => line.trimEnd())
  })
  return 0
}

function ended(version: VersionInfo): string {
  if (version.endedMs === undefined) return version.ended
  const how = version.renamedTo === undefined ? version.ended : `renamed to ${printable(version.renamedTo)}`
  return `${how} ${fullTime(version.endedMs)}`
}

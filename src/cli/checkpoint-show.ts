import { CairnError } from '../errors.js'
import type { CommitInfo } from '../volume/api.js'
import { countsText } from './change-counts.js'
import type { Context } from './context.js'
import { changeLine } from './diff-lines.js'
import { fullTime, humanSize, plural, printable } from './format.js'
import type { Run } from './spec.js'

/** Changes that are listed; the rest is counted. */
const MOST_LISTED = 20

/** What a checkpoint is, and what changed since the one before it. */
export const run: Run = async (context, [target, name]) => {
  const volume = await context.volumeName(target)
  const cairn = await context.cairn()
  const checkpoints = await context.helped(() => cairn.checkpoints(volume))
  const at = checkpoints.findIndex(one => one.name === name)
  if (at < 0) throw unknown(name, checkpoints)
  const shown = checkpoints[at]
  const before = checkpoints.at(at + 1)
  const { counts, listed, more } = await changesSince(context, volume, shown, before, context.json ? Number.POSITIVE_INFINITY : MOST_LISTED)
  await context.result({ ...shown, since: before ?? null, counts, changes: listed }, () => [
    `${context.out.bold(printable(shown.name ?? shown.id))}`,
    ...details(shown).map(([key, value]) => `  ${key.padEnd(8)} ${value}`),
    `  ${'changes'.padEnd(8)} ${countsText(counts) || 'none'} since ${before === undefined ? 'the beginning' : printable(before.name ?? before.id)}`,
    ...listed.map(change => `    ${changeLine(change, context.out)}`),
    ...(more === 0 ? [] : [`    and ${plural(more, 'other')}`]),
  ])
  return 0
}

function details(commit: CommitInfo): Array<[string, string]> {
  const rows: Array<[string, string]> = [
    ['commit', commit.id],
    ['time', fullTime(commit.timeMs)],
  ]
  if (commit.actor !== undefined) rows.push(['actor', printable(commit.actor)])
  if (commit.message !== undefined) rows.push(['message', printable(commit.message)])
  rows.push(['size', `${plural(commit.inodes, 'inode')}, ${humanSize(commit.bytes)}B`])
  return rows
}

type Counts = NonNullable<Parameters<typeof countsText>[0]>

async function changesSince(context: Context, volume: string, shown: CommitInfo, before: CommitInfo | undefined, most: number) {
  const cairn = await context.cairn()
  const counts: Counts = {}
  const listed: Parameters<typeof changeLine>[0][] = []
  let more = 0
  for await (const change of cairn.changes({ volume, ref: before?.id ?? '' }, { volume, ref: shown.id })) {
    counts[change.kind] = (counts[change.kind] ?? 0) + 1
    if (listed.length < most) listed.push(change)
    else more++
  }
  return { counts, listed, more }
}

function unknown(name: string, checkpoints: readonly CommitInfo[]): CairnError {
  const names = checkpoints.flatMap(one => one.name ?? []).slice(0, 5)
  return new CairnError(
    'ERR_REF_UNKNOWN',
    `There is no checkpoint '${name}'.`,
    names.length === 0 ? 'Make one with `cairn checkpoint save`.' : `There is ${names.join(', ')}; see \`cairn checkpoint list\`.`,
  )
}

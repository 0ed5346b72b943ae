import { CairnError } from '../errors.js'
import type { FsckReport, StoredDamage } from '../volume/api.js'
import { usageError } from './errors.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'
import { StepLine } from './step-line.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  const { remote, repair } = { remote: options['remote'] === true, repair: options['repair'] === true }
  if (repair && !remote) throw usageError('--repair stores again what a check of the store misses.', 'Say `--remote --repair`.')
  if (repair) await context.refuseReadOnly()
  const cairn = await context.cairn()
  const progress = new StepLine(context.out)
  const report = await context
    .helped(() =>
      cairn.fsck(name, {
        ...(remote ? { remote, repair } : {}),
        onProgress: done => progress.say(`checking ${plural(done.pages, 'page')}, ${plural(done.blocks, 'block')}, ${humanSize(done.bytes)}B`),
      }),
    )
    .finally(() => progress.end())
  await context.result({ volume: name, ...report }, () => [
    ...lines(report),
    ...(report.stored ?? []).map(stored),
    `${name}: ${verdict(report)}`,
    ...others(report),
  ])
  return report.ok ? 0 : 1
}

function lines(report: FsckReport): string[] {
  return report.findings.map(finding => `${finding.severity}: ${finding.object}: ${finding.problem}`)
}

function stored({ object, problem, here, repaired }: StoredDamage): string {
  if (repaired === true) return `${object} was ${problem} in the store: stored again from the ${here} of this host`
  return `${object} is ${problem} in the store${here === undefined ? '' : `, but whole in the ${here} of this host: --repair stores it again`}`
}

function others({ unreached }: FsckReport): string[] {
  if (unreached.packs === 0) return []
  return [`${plural(unreached.packs, 'pack')} (${humanSize(unreached.bytes)}B) of it serve other volumes or nobody; \`cairn gc --dry-run\` tells`]
}

function verdict(report: FsckReport): string {
  const what = `${plural(report.inodes, 'inode')}, ${plural(report.pages, 'page')}, ${plural(report.blocks, 'block')}, ${plural(report.packs, 'pack')}, ${humanSize(report.bytes)}B`
  return report.ok ? `all is well (${what})` : `damaged (${what}). Restore what is named above from a copy, or fork from a checkpoint`
}

/** The first of what was found, in words for a command that goes no further. */
export function damaged(name: string, findings: FsckReport['findings']): CairnError {
  const [first, ...others] = findings.filter(finding => finding.severity === 'error')
  const what = `${first.object}: ${first.problem}${others.length === 0 ? '' : `, and ${others.length} more`}`
  return new CairnError(
    'ERR_CORRUPT',
    `The volume ${name} is damaged: ${what}.`,
    `Run \`cairn fsck ${name}\` for all findings; fork from a checkpoint, or restore it from a copy.`,
  )
}

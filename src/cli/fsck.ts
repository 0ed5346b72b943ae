import { CairnError } from '../errors.js'
import type { FsckReport } from '../volume/api.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'
import { StepLine } from './step-line.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const progress = new StepLine(context.out)
  const report = await context
    .helped(() =>
      cairn.fsck(name, {
        onProgress: done => progress.say(`checking ${plural(done.pages, 'page')}, ${plural(done.blocks, 'block')}, ${humanSize(done.bytes)}B`),
      }),
    )
    .finally(() => progress.end())
  await context.result({ volume: name, ...report }, () => [...lines(report), `${name}: ${verdict(report)}`, ...others(report)])
  return report.ok ? 0 : 1
}

function lines(report: FsckReport): string[] {
  return report.findings.map(finding => `${finding.severity}: ${finding.object}: ${finding.problem}`)
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

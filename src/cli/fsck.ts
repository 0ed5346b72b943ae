import { CairnError } from '../errors.js'
import type { FsckReport } from '../volume/api.js'
import { humanSize, plural } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async (context, [target]) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const report = await context.helped(() => cairn.fsck(name))
  await context.result({ volume: name, ...report }, () => [...lines(report), `${name}: ${verdict(report)}`])
  return report.ok ? 0 : 1
}

export function lines(report: FsckReport): string[] {
  return report.findings.map(finding => `${finding.severity}: ${finding.object}: ${finding.problem}`)
}

function verdict(report: FsckReport): string {
  const what = `${plural(report.inodes, 'inode')}, ${plural(report.pages, 'page')}, ${plural(report.blocks, 'block')}, ${plural(report.packs, 'pack')}, ${humanSize(report.bytes)}B`
  return report.ok ? `all is well (${what})` : `damaged (${what}). Restore what is named above from a copy, or fork from a checkpoint`
}

export function damaged(name: string, what: string): CairnError {
  return new CairnError(
    'ERR_CORRUPT',
    `The volume ${name} is damaged: ${what}.`,
    'Run `cairn fsck` for all findings; fork from a checkpoint, or restore it from a copy.',
  )
}

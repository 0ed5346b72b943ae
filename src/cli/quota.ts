import { parseSize } from '../sdk/config.js'
import type { HistoryReport, Quota, QuotaReport } from '../sdk/types.js'
import { usageError } from './errors.js'
import { humanSize } from './format.js'
import type { Options, Run } from './spec.js'

const thousands: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }

/** Shows what a volume may hold, or changes it. */
export const run: Run = async (context, [operand, action = 'show'], options) => {
  const name = await context.volumeName(operand)
  const given = [options['bytes'], options['files'], options['fileSize'], options['history']].some(option => option !== undefined)
  if (!['show', 'set', 'clear'].includes(action)) throw usageError(`\`cairn quota\` has no ${JSON.stringify(action)}.`, 'Use show, set or clear.')
  if (given !== (action === 'set')) {
    throw given
      ? usageError('These options set a limit.', `Write \`cairn quota ${name} set …\`.`)
      : usageError('No limit was given.', `Write \`cairn quota ${name} set --bytes 10G\`, with --files, --file-size and --history where wanted.`)
  }
  const cairn = await context.cairn()
  if (action !== 'show') await context.refuseReadOnly()
  const before = await context.helped(() => cairn.quota(name))
  const report = action === 'show' ? before : await cairn.setQuota(name, action === 'clear' ? {} : changed(before, options))
  await context.result({ volume: name, ...report }, () => lines(name, report))
  return 0
}

function changed({ bytes, files, fileSize, history }: QuotaReport, options: Options): Quota {
  const limits = {
    bytes: limitOf(options['bytes'], bytes.limit, '--bytes', parseSize),
    files: limitOf(options['files'], files.limit, '--files', parseNumber),
    fileSize: limitOf(options['fileSize'], fileSize, '--file-size', parseSize),
    history: limitOf(options['history'], history?.limit, '--history', parseSize),
  }
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined))
}

function limitOf(given: Options[string], before: number | undefined, flag: string, parse: (text: string) => number | undefined): number | undefined {
  if (typeof given !== 'string') return before
  if (given === 'none') return undefined
  const limit = parse(given)
  if (limit === undefined) throw usageError(`${given} is no limit for ${flag}.`, 'Write a number such as 500, 10k, 1M or 10G, or `none`.')
  return limit
}

function parseNumber(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text.trim())
  const number = match === null ? Number.NaN : Number(match[1]) * thousands[match[2].toLowerCase()]
  return Number.isSafeInteger(number) ? number : undefined
}

function lines(name: string, { bytes, files, fileSize, history }: QuotaReport): string[] {
  const of = (limit: number | undefined, show: (n: number) => string): string => (limit === undefined ? ', no limit' : ` of ${show(limit)}`)
  return [
    `${name}: ${humanSize(bytes.used)}B${of(bytes.limit, n => `${humanSize(n)}B`)}; ${files.used} files and directories${of(files.limit, String)}`,
    ...(fileSize === undefined ? [] : [`  no file longer than ${humanSize(fileSize)}B`]),
    ...(history === undefined ? [] : historyLines(history)),
  ]
}

const CHECKPOINTS_SHOWN = 5

function historyLines({ limit, used, pinned, commits, exceededBy }: HistoryReport): string[] {
  const size = (bytes: number): string => `${humanSize(bytes)}B`
  const shown = pinned?.checkpoints.slice(0, CHECKPOINTS_SHOWN).map(({ name, bytes }) => `${name} ${size(bytes)}`) ?? []
  return [
    `  history: versions hold ${size(used)} of ${size(limit)}; the oldest go by themselves`,
    ...(shown.length === 0 ? [] : [`  checkpoints hold ${size(pinned?.bytes ?? 0)} more, as of the last collection: ${shown.join(', ')}`]),
    ...(commits === undefined
      ? []
      : [`  commits without a name hold ${size(commits.bytes)} more, as of the last collection; they go as \`cairn retention\` says, or by \`cairn prune\``]),
    ...(exceededBy === undefined ? [] : [`  that is ${size(exceededBy)} more than it may be; what checkpoints hold goes when they are deleted`]),
  ]
}

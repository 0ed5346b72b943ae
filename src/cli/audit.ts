import type { AuditOptions, AuditRecord, AuditTip, AuditVerification } from '../sdk/types.js'
import { parseTime } from '../volume/refs.js'
import { countsText } from './change-counts.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { duration, fullTime, humanSize, plural, printable } from './format.js'
import type { Options, Run } from './spec.js'

const SHOWN = 100
const FOLLOWED = 10
const COMMAND_CHARACTERS = 120

export const run: Run = async (context, [operand], options) => {
  const volume = await context.volumeName(operand)
  if (options['verify'] !== true && (options['against'] !== undefined || options['key'] !== undefined))
    throw usageError('--against and --key belong to --verify.', `Write \`cairn audit ${volume} --verify …\`.`)
  const modes = ['head', 'verify', 'follow'].filter(one => options[one] === true)
  if (modes.length > 1) throw usageError(`--${modes[0]} and --${modes[1]} are two questions.`, 'Give one of them.')
  if (options['head'] === true) return head(context, volume)
  if (options['verify'] === true) return verify(context, volume, options)
  const cairn = await context.cairn()
  const follow = options['follow'] === true
  const entries = cairn.audit(volume, { ...auditOptions(options, follow ? FOLLOWED : SHOWN), follow })
  const found: AuditRecord[] = []
  let isEmpty = true
  await context.helped(async () => {
    for await (const entry of entries) {
      isEmpty = false
      if (context.json && !follow) found.push(entry)
      else await context.out.lines([context.json ? JSON.stringify(entry) : entryLine(entry)])
    }
  })
  if (context.json && !follow) await context.result(found, () => [])
  else if (isEmpty && !follow) context.out.note(`The audit of ${volume} has no such entries.`)
  return 0
}

/** Options that say which entries. @throws CairnError of usage */
export function auditOptions(options: Options, shown: number): AuditOptions {
  const { limit = String(shown), since, actor, exec } = options as Record<string, string | undefined>
  if (!/^\d{1,9}$/.test(limit)) throw usageError(`${limit} is no number of entries.`, 'Write a whole number: `--limit 20`.')
  const sinceMs = since === undefined ? undefined : parseTime(since, Date.now())
  if (since !== undefined && sinceMs === undefined) throw usageError(`${since} is no time.`, 'Write one such as 2026-11-20T10:00 or -2h.')
  return {
    limit: Number(limit),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(actor === undefined ? {} : { actor }),
    ...(exec === undefined ? {} : { exec }),
  }
}

async function head(context: Context, volume: string): Promise<number> {
  const cairn = await context.cairn()
  const tip = await context.helped(() => cairn.auditHead(volume))
  if (tip === undefined) {
    context.out.note(`cairn: Nothing was recorded in ${volume} yet.`)
    return 1
  }
  await context.result(tip, () => [`${tip.sequence}:${tip.hash}`])
  return 0
}

async function verify(context: Context, volume: string, options: Options): Promise<number> {
  const cairn = await context.cairn()
  const against = tipOf(options['against'])
  const keyFile = options['key']
  const report = await context.helped(() =>
    cairn.verifyAudit(volume, { ...(against === undefined ? {} : { against }), ...(typeof keyFile === 'string' ? { keyFile } : {}) }),
  )
  await context.result({ volume, ...report, proves: whatItProves(report) }, () => verdict(volume, report))
  return report.ok ? 0 : 1
}

function tipOf(text: Options[string]): AuditTip | undefined {
  if (typeof text !== 'string') return undefined
  const match = /^\s*(\d{1,15}):([0-9a-f]{64})\s*$/i.exec(text)
  if (match === null) throw usageError('That is no tip.', '`cairn audit VOL --head` prints one: a number, a colon and 64 hexadecimal digits.')
  return { sequence: Number(match[1]), hash: match[2].toLowerCase() }
}

function verdict(volume: string, report: AuditVerification): string[] {
  const { entries, first, last, redacted, dropped, problems } = report
  if (last === 0 && problems.length === 0) return [`Nothing was recorded in ${volume} yet.`]
  return [
    `${volume}: ${plural(entries, 'entry', '').replace('entrys', 'entries')}, ${first} to ${last}${redacted === 0 ? '' : `, ${redacted} of them redacted by a purge`}`,
    ...(dropped === undefined
      ? []
      : [`  entries up to ${dropped.sequence} were dropped, because there were too many${dropped.signed ? '; the gap is signed' : ''}`]),
    ...problems.map(({ sequence, problem }) => `  ${sequence === undefined ? '' : `entry ${sequence}: `}${problem}`),
    whatItProves(report),
  ]
}

/** In plain words: what a check without an anchor cannot find. */
function whatItProves({ ok, against, signed }: AuditVerification): string {
  if (!ok) return 'The chain does not verify.'
  if (against?.proven === true) return `Everything up to entry ${against.sequence} is as it was when that tip was taken; what came later is whole.`
  if (signed !== undefined)
    return `Everything up to entry ${signed.sequence} is as the holder of the key ${signed.key.slice(0, 16)}… signed it. Whether newer entries were taken away only a tip that is kept elsewhere tells (--against).`
  return 'The chain is whole. That rules out accidents and changes here and there, but not an owner of the volume who wrote all of it anew: keep a tip elsewhere (--head, --against), or sign it.'
}

/** `   12  2026-11-21 10:00:05  exec  robot  exit 0  1.20 s  +3 ~1  12K  make all`. */
export function entryLine(entry: AuditRecord): string {
  return [String(entry.sequence).padStart(5), fullTime(entry.timeMs), ...entryParts(entry)].join('  ')
}

/** All but when. */
export function entryParts(entry: AuditRecord): string[] {
  const { kind, actor, reason, decision, durationMs, changes, bytes } = entry
  const parts = [kind, printable(actor ?? ''), ...resultOf(entry)]
  if (durationMs !== undefined) parts.push(duration(durationMs))
  const counts = countsText(changes)
  if (counts !== '') parts.push(counts)
  if (bytes !== undefined) parts.push(`${humanSize(bytes)}B`)
  const what = whatOf(entry)
  if (what !== '') parts.push(printable(what))
  if (reason !== undefined) parts.push(`(${printable(reason)})`)
  if (decision !== undefined && decision.effect !== 'allow')
    parts.push(
      `[${decision.effect}${decision.by === undefined || decision.by === '' ? '' : ` by ${printable(decision.by)}`}${decision.reason === undefined ? '' : `: ${printable(decision.reason)}`}]`,
    )
  return parts
}

function resultOf({ kind, exit, signal, timedOut, decision }: AuditRecord): string[] {
  if (decision?.effect === 'deny') return ['denied']
  if (timedOut === true) return ['timed out']
  if (signal !== undefined) return [`killed by ${printable(signal)}`]
  return kind === 'exec' && exit !== undefined ? [`exit ${exit ?? '?'}`] : []
}

/** The command, or what else it was done to. */
function whatOf({ argv, shell, paths, detail }: AuditRecord): string {
  const command = shell ?? argv?.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(' ')
  const name = detail?.['name'] ?? detail?.['what'] ?? detail?.['mountpoint']
  const text = command ?? (typeof name === 'string' ? name : paths?.join(' ')) ?? ''
  return text.length > COMMAND_CHARACTERS ? `${text.slice(0, COMMAND_CHARACTERS)}…` : text
}

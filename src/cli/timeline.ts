import type { AuditRecord, LogEntry } from '../sdk/types.js'
import { auditOptions, entryParts } from './audit.js'
import { countsText } from './change-counts.js'
import { fullTime, humanSize, printable } from './format.js'
import { SHORT_ID } from './log.js'
import type { Run } from './spec.js'

const SHOWN = 50

interface Moment {
  timeMs: number
  parts: string[]
  /** As JSON has it. */
  what: AuditRecord | (LogEntry & { grew: number })
}

/** Entries of the audit chain, and commits that have none because nobody asked for them, in the order of time. */
export const run: Run = async (context, [operand], options) => {
  const volume = await context.volumeName(operand)
  const { limit = SHOWN, sinceMs = 0 } = auditOptions(options, SHOWN)
  const cairn = await context.cairn()
  const moments: Moment[] = []
  await context.helped(async () => {
    for await (const record of cairn.audit(volume, { limit, sinceMs }))
      moments.push({ timeMs: record.timeMs, parts: [...entryParts(record), ...commitOf(record)], what: record })
    let seen = 0
    let newer: LogEntry | undefined
    const add = (entry: LogEntry, bytesBefore: number): void => {
      if (entry.kind === 'auto' && entry.timeMs >= sinceMs) moments.push(momentOf(entry, entry.bytes - bytesBefore))
    }
    for await (const entry of cairn.log(volume, { counts: true })) {
      if (newer !== undefined) add(newer, entry.bytes)
      newer = entry
      if (seen++ >= limit || entry.timeMs < sinceMs) break
    }
    if (newer !== undefined && seen <= limit) add(newer, 0)
  })
  const shown = moments.sort((a, b) => a.timeMs - b.timeMs).slice(-limit)
  await context.result(
    shown.map(({ what }) => what),
    () => lines(shown),
  )
  return 0
}

function momentOf(entry: LogEntry, grew: number): Moment {
  const parts = ['changed', printable(entry.actor ?? '')]
  const counts = countsText(entry.counts)
  if (counts !== '') parts.push(counts)
  if (grew !== 0) parts.push(`${grew < 0 ? '-' : '+'}${humanSize(Math.abs(grew))}B`)
  if (entry.message !== undefined) parts.push(printable(entry.message))
  return { timeMs: entry.timeMs, parts: [...parts, entry.id.slice(0, SHORT_ID)], what: { ...entry, grew } }
}

function commitOf({ after }: AuditRecord): string[] {
  return after === undefined ? [] : [after.slice(0, SHORT_ID)]
}

/** A heading for each day. */
function lines(moments: readonly Moment[]): string[] {
  const found: string[] = []
  let day = ''
  for (const { timeMs, parts } of moments) {
    const [date, time] = fullTime(timeMs).split(' ')
    if (date !== day) found.push(...(day === '' ? [] : ['']), date)
    day = date
    found.push(`  ${time}  ${parts[0].padEnd(10)}  ${parts[1].padEnd(8)}  ${parts.slice(2).join('  ')}`.trimEnd())
  }
  return found.length === 0 ? ['Nothing happened.'] : found
}

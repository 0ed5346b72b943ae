import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditFilter, AuditPage, AuditRecord, AuditState, AuditTip, AuditVerification } from '../volume/audit/index.js'
import type { Host } from './host.js'
import { stepped } from './steps.js'
import type { AuditOptions } from './types.js'

/** Entries asked for at once. */
const PAGE = 500
/** Whether there is something new is asked this often. */
const FOLLOW_MS = 500

/** Entries of a chain, newest first; with `follow` those to come after them, each when it is there. */
export async function* auditEntries(host: () => Promise<Host>, name: string, options: AuditOptions): AsyncGenerator<AuditRecord> {
  const { limit = Number.POSITIVE_INFINITY, follow, signal, ...filter } = options
  if (follow !== true) return yield* pages(await host(), name, filter, limit)
  const last = async (): Promise<number> => ((await (await host()).call('auditState', name)) as AuditState | null | undefined)?.sequence ?? 0
  let after = await last()
  const shown: AuditRecord[] = []
  for await (const record of pages(await host(), name, { ...filter, before: after + 1 }, Number.isFinite(limit) ? limit : 0)) shown.push(record)
  yield* shown.reverse()
  while (signal?.aborted !== true) {
    const upTo = await last()
    if (upTo > after) yield* pages(await host(), name, { ...filter, after, before: upTo + 1, oldestFirst: true }, Number.POSITIVE_INFINITY)
    after = upTo
    await sleep(FOLLOW_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
}

async function* pages(host: Host, name: string, filter: AuditFilter, limit: number): AsyncGenerator<AuditRecord> {
  const asked = { ...filter }
  for (let left = limit; left > 0; ) {
    const { entries, next } = (await host.call('auditRead', name, { ...asked, limit: Math.min(left, PAGE) })) as AuditPage
    yield* entries
    left -= entries.length
    const last = entries.at(-1)?.sequence
    // A page that is full says nothing of what comes behind it.
    if (next === undefined && entries.length < PAGE) return
    if (asked.oldestFirst === true) asked.after = next === undefined ? last : next - 1
    else asked.before = next === undefined ? last : next + 1
  }
}

export function verifyAudit(host: Host, name: string, options: { against?: AuditTip; key?: string }): Promise<AuditVerification> {
  return stepped(host, 'beginAuditVerify', name, options)
}

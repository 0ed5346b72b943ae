import type { ListPage } from '../contract.js'
import type { Outbox } from './outbox.js'

/** One page of a listing of what is stored and what waits to be, in one order. */
export function mergedPage(outbox: Outbox, prefix: string, cursor: string | undefined, list: (cursor?: string) => ListPage): ListPage {
  const [from, after] = cursor === undefined ? [undefined, ''] : (JSON.parse(cursor) as [string, string])
  const page = list(from)
  const stored = page.objects
  const last = page.cursor === undefined ? undefined : (stored.at(-1)?.key ?? after)
  const known = new Set(stored.map(({ key }) => key))
  const waiting = outbox.list(prefix).filter(({ key }) => key > after && (last === undefined || key <= last) && !known.has(key))
  if (waiting.length === 0 && page.cursor === undefined) return page
  const objects = [...stored, ...waiting].sort((a, b) => (a.key < b.key ? -1 : 1))
  return { objects, ...(page.cursor === undefined ? {} : { cursor: JSON.stringify([page.cursor, last]) }) }
}

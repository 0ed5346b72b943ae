import { CairnError } from '../errors.js'
import type { FoundChange } from '../history/diff/diff-read.js'
import type { LogEntry } from '../sdk/types.js'
import { countsText } from './change-counts.js'
import type { Context } from './context.js'
import { type Counted, changeLine, statLines } from './diff-lines.js'
import { usageError } from './errors.js'
import { fullTime, printable } from './format.js'
import { patchChange } from './patch-output.js'
import type { Options, Run } from './spec.js'

/** As many characters of a commit's id hold the millisecond it was made in, which no two commits of a volume share. */
export const SHORT_ID = 10
/** Of a time. */
const NOW_WIDTH = 19

export const run: Run = async (context, [target], options) => {
  const { volume, ref, path } = await context.side(target ?? '')
  const most = options['limit'] ?? options['number']
  const asked = {
    ...(path === undefined || path === '/' ? {} : { path }),
    ...(ref === undefined ? {} : { until: ref }),
    ...textOptions(options),
    ...(most === undefined ? {} : { limit: numberOf(most) }),
    counts: true,
  }
  const cairn = await context.cairn()
  formOf(options)
  const entries: unknown[] = []
  let found = !context.json && asked.actor === undefined && asked.until === undefined && asked.limit !== 0 && (await showNow(context, volume, path, options))
  for await (const entry of await context.helped(async () => cairn.log(volume, asked))) {
    found = true
    if (context.json) entries.push(await withDetails(context, volume, entry, options))
    else {
      await context.out.lines([entryLine(entry, context)])
      await showDetails(context, volume, entry, options)
    }
  }
  if (context.json) await context.result(entries, () => [])
  else if (!found) context.out.note(nothing(volume, asked))
  return 0
}

/** What no commit has yet stands above all others. False when that is nothing. */
async function showNow(context: Context, volume: string, path: string | undefined, options: Options): Promise<boolean> {
  const { out } = context
  const entry = { id: '', kind: 'auto', ...(path === undefined || path === '/' ? {} : { path }) } as LogEntry
  const counts: Record<string, number> = {}
  try {
    await eachChange(context, volume, { ...entry, previous: '~0' }, false, async ({ kind }) => {
      counts[kind] = (counts[kind] ?? 0) + 1
    })
  } catch (error) {
    // There is no commit at all, or no such volume, which the log itself says.
    if (error instanceof CairnError) return false
    throw error
  }
  if (Object.keys(counts).length === 0) return false
  await out.lines([`${out.yellow('now'.padEnd(SHORT_ID))}  ${'in no commit yet'.padEnd(NOW_WIDTH)}  ${countsText(counts)}`])
  await showDetails(context, volume, { ...entry, previous: '~0' }, options)
  return true
}

/** @throws CairnError when more than one form is asked for */
function formOf(options: Options): void {
  const asked = ['patch', 'stat', 'names'].filter(name => options[name] === true)
  if (asked.length > 1) throw usageError('Only one of --patch, --stat and --names can be shown.', 'Leave out the others.')
}

/** What a log that is empty says: a name mistyped looks like this, too. */
function nothing(
  volume: string,
  { path, actor, since, until, limit }: { path?: string; actor?: string; since?: string; until?: string; limit?: number },
): string {
  const narrowed = actor !== undefined || since !== undefined || until !== undefined || limit !== undefined
  if (path !== undefined) return `No commit ${narrowed ? 'that is asked for ' : ''}changed ${path} of ${volume}.`
  return narrowed ? `${volume} has no such commits.` : `${volume} has no commits yet. Make one with \`cairn checkpoint save ${volume}\`.`
}

function textOptions(options: Options): { actor?: string; since?: string; until?: string } {
  const given = ['actor', 'since', 'until'].flatMap(name => (typeof options[name] === 'string' ? [[name, options[name]]] : []))
  return Object.fromEntries(given) as { actor?: string; since?: string; until?: string }
}

function numberOf(text: string | boolean | undefined): number {
  if (typeof text === 'string' && /^\d{1,9}$/.test(text)) return Number(text)
  throw usageError(`${text} is no number of commits.`, 'Write a whole number: `cairn log work -n 10`.')
}

/** `01m7yyjtfq 2026-11-21 10:00:05 checkpoint root  +3 ~1 -2  (before-refactor) why`. */
function entryLine(entry: LogEntry, { out }: Context): string {
  const parts = [out.yellow(entry.id.slice(0, SHORT_ID)), fullTime(entry.timeMs), entry.kind]
  if (entry.actor !== undefined) parts.push(printable(entry.actor))
  const counts = countsText(entry.counts)
  if (counts !== '') parts.push(counts)
  if (entry.name !== undefined) parts.push(out.green(`(${printable(entry.name)})`))
  if (entry.message !== undefined) parts.push(printable(entry.message))
  if (entry.from !== undefined) parts.push(`${printable(entry.from)} -> ${printable(entry.path ?? '')}`)
  return parts.join('  ')
}

async function showDetails(context: Context, volume: string, entry: LogEntry, options: Options): Promise<void> {
  if (options['patch'] !== true && options['stat'] !== true && options['names'] !== true) return
  const counted: Counted[] = []
  const lines: string[] = []
  await eachChange(context, volume, entry, options['names'] !== true, async (change, reader) => {
    if (options['patch'] === true) await context.out.write(await patchChange(reader, change, { tooLarge: [], other: 0 }))
    else if (options['names'] === true) lines.push(`  ${changeLine(change, context.out)}`)
    else {
      const file = await reader.patchOf(change)
      if (file !== undefined && file.patch.length > 0) counted.push({ change, added: file.added, removed: file.removed })
    }
  })
  await context.out.lines([...lines, ...statLines(counted, context.out), ''])
}

async function withDetails(context: Context, volume: string, entry: LogEntry, options: Options): Promise<unknown> {
  if (options['patch'] !== true && options['stat'] !== true && options['names'] !== true) return entry
  const changes: unknown[] = []
  await eachChange(context, volume, entry, options['names'] !== true, async (found, reader) => {
    const { before: _before, after: _after, bytes: _bytes, ...change } = found
    const file = options['names'] === true ? undefined : await reader.patchOf(found)
    const counts = file === undefined ? {} : file.added === undefined ? { binary: true } : { added: file.added, removed: file.removed }
    changes.push({ ...change, ...counts, ...(file !== undefined && options['patch'] === true ? { patch: file.patch.toString('utf8') } : {}) })
  })
  return { ...entry, changes }
}

type Reader = Parameters<typeof patchChange>[0]

/** The changes that a commit made, of the log's path only. */
async function eachChange(
  context: Context,
  volume: string,
  entry: LogEntry,
  files: boolean,
  use: (change: FoundChange, reader: Reader) => Promise<void>,
): Promise<void> {
  const cairn = await context.cairn()
  const reader = await cairn.openDiff(
    { volume, ref: entry.previous ?? '' },
    { volume, ...(entry.id === '' ? {} : { ref: entry.id }) },
    { files: files || entry.path !== undefined },
  )
  try {
    for await (const change of reader.changes()) {
      if (entry.path === undefined || change.path === entry.path || change.path.startsWith(`${entry.path}/`)) await use(change, reader)
    }
  } finally {
    await reader.close()
  }
}

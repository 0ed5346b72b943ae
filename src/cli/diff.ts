import type { DiffedSide } from '../history/diff/diff-read.js'
import { formatAddress } from '../sdk/address.js'
import type { DiffReader } from '../sdk/diff.js'
import type { DiffSide } from '../sdk/types.js'
import type { Context } from './context.js'
import { changeLine, nameLine, nameStatusLine, statLines } from './diff-lines.js'
import { usageError } from './errors.js'
import { patchChange, type Unsaid } from './patch-output.js'
import type { Options, Run } from './spec.js'

const formats = ['stat', 'nameStatus', 'nameOnly', 'patch'] as const
type Format = (typeof formats)[number] | 'list'

/** Exits 0 when nothing differs, 1 when something does, 2 on trouble, as diff(1). */
export const run: Run = async (context, operands, options) => {
  try {
    const { from, to } = await sides(context, operands)
    const format = formatOf(options)
    const cairn = await context.cairn()
    const asked = { globs: context.globs, patch: format === 'patch' || format === 'stat' }
    const reader = await context.helped(() => cairn.openDiff(from, to, asked))
    try {
      return (await show(context, reader, format)) ? 1 : 0
    } finally {
      await reader.close()
    }
  } catch (error) {
    await context.failure(error)
    return 2
  }
}

async function sides(context: Context, [first, second, third]: string[]): Promise<{ from: DiffSide | undefined; to: DiffSide }> {
  if (third !== undefined) throw usageError(`${third} is a third state.`, 'Write `--` before globs: `cairn diff A B -- GLOB`.')
  const a = await context.side(first)
  if (second !== undefined) {
    return { from: a, to: await context.side(second) }
  }
  const { ref, ...now } = a
  return { from: ref === undefined ? undefined : a, to: now }
}

function formatOf(options: Options): Format {
  const asked = formats.filter(name => options[name] === true)
  if (asked.length > 1) throw usageError('Only one of --stat, --name-status, --name-only and --patch can be shown.', 'Leave out the others.')
  return asked[0] ?? 'list'
}

/** True when something differs. */
async function show(context: Context, reader: DiffReader, format: Format): Promise<boolean> {
  if (context.json) return showJson(context, reader, format)
  if (format === 'stat') return showStat(context, reader)
  const unsaid: Unsaid = { tooLarge: [], other: 0 }
  let some = false
  for await (const change of reader.changes()) {
    some = true
    if (format === 'patch') await context.out.write(await patchChange(reader, change, unsaid))
    else if (format === 'nameStatus') await context.out.lines(nameStatusLine(change))
    else await context.out.lines([format === 'nameOnly' ? nameLine(change) : changeLine(change, context.out)])
  }
  for (const path of unsaid.tooLarge) context.out.note(`cairn: ${path} is too large for a patch, which only says that it differs.`)
  if (unsaid.other > 0) context.out.note(`cairn: ${unsaid.other} of the changes are of owners, attributes or devices, which a patch cannot say.`)
  return some
}

async function showStat(context: Context, reader: DiffReader): Promise<boolean> {
  const counted: Parameters<typeof statLines>[0][number][] = []
  let some = false
  for await (const change of reader.changes()) {
    some = true
    const file = await reader.patchOf(change)
    if (file !== undefined && file.patch.length > 0) counted.push({ change, added: file.added, removed: file.removed })
  }
  await context.out.lines(statLines(counted, context.out))
  return some
}

async function showJson(context: Context, reader: DiffReader, format: Format): Promise<boolean> {
  const changes: unknown[] = []
  for await (const found of reader.changes()) {
    const { before: _before, after: _after, bytes: _bytes, ...change } = found
    const file = format === 'patch' || format === 'stat' ? await reader.patchOf(found) : undefined
    if (file === undefined) changes.push(change)
    else {
      const counts = file.added === undefined ? { binary: true } : { added: file.added, removed: file.removed }
      changes.push({ ...change, ...counts, ...(format === 'patch' ? { patch: file.patch.toString('utf8') } : {}) })
    }
  }
  const { from, to, related } = reader.compared
  await context.result({ a: shown(from), b: shown(to), related, ...(from.commit === undefined ? {} : { since: from.commit }), changes }, () => [])
  return changes.length > 0
}

function shown({ volume, ref, path }: DiffedSide): string {
  return formatAddress({ volume, ...(ref === undefined || ref === '' ? {} : { ref }), ...(path === undefined ? {} : { path }) })
}

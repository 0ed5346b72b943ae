import type { Indexed, SearchMatch } from '../sdk/types.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { plural, printable } from './format.js'
import type { Output } from './output.js'
import type { Options, Run } from './spec.js'
import { StepLine } from './step-line.js'
import { orTrouble } from './trouble.js'

/** As grep: 1 when nothing was found, 2 for what went wrong. */
const NOTHING = 1

export const run: Run = (context, [address, ...words], options) => orTrouble(address, () => search(context, address, words.join(' '), options))

async function search(context: Context, address: string, query: string, options: Options): Promise<number> {
  const { volume, ref, path } = await context.side(address)
  const at = typeof options['at'] === 'string' ? options['at'] : ref
  const { limit } = options
  const cairn = await context.cairn()
  const progress = new StepLine(context.out)
  const result = await context
    .helped(() =>
      cairn.search(volume, query, {
        ...(at === undefined ? {} : { ref: at }),
        ...(path === undefined || path === '/' ? {} : { path }),
        ...(typeof limit === 'string' ? { limit: countOf(limit) } : {}),
        ...(options['substring'] === true ? { mode: 'substring' } : {}),
        onProgress: ({ files }) => progress.say(`indexing ${plural(files, 'file')}`),
      }),
    )
    .finally(() => progress.end())
  await context.result({ volume, query, ...result }, () => result.matches.map(match => line(match, context.out)))
  if (!context.json) {
    tellSkipped(result.indexed, context.out)
    if (result.more) context.out.note(`There are more: \`--limit\` shows more than ${result.matches.length}.`)
  }
  return result.matches.length === 0 ? NOTHING : 0
}

function line(match: SearchMatch, out: Output): string {
  const place = match.line === undefined ? '' : `:${match.line}: ${printable(match.text?.trim() ?? '')}`
  return `${out.cyan(printable(match.path))}${place}`
}

function tellSkipped({ files, binary, large }: Indexed, out: Output): void {
  if (binary + large === 0) return
  const kinds = [...(binary > 0 ? [plural(binary, 'binary file')] : []), ...(large > 0 ? [`${plural(large, 'file')} over 4 MiB`] : [])]
  out.note(`Took up ${plural(files, 'new file')} for searching, not ${kinds.join(' and ')}.`)
}

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`'${text}' is no number of matches.`, 'Write a whole number: `--limit 50`.')
  return Number(text)
}

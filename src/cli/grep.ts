import type { GrepFile, GrepOptions, GrepSkipped } from '../sdk/types.js'
import type { Context } from './context.js'
import { usageError } from './errors.js'
import { plural, printable } from './format.js'
import type { Output } from './output.js'
import type { Options, Run } from './spec.js'
import { orTrouble } from './trouble.js'

/** As grep: 1 when no line matched, 2 for what went wrong. */
const NO_MATCH = 1

export const run: Run = async (context, operands, options) => {
  const [pattern, address, third] = typeof options['regexp'] === 'string' ? [options['regexp'], ...operands] : operands
  if (pattern === undefined) {
    const swallowed = options['glob'] === undefined ? '' : ' What stands behind --glob belongs to it: write it last.'
    throw usageError('No pattern is given.', `Write \`cairn grep PATTERN VOLUME\`, see \`cairn grep --help\`.${swallowed}`)
  }
  if (third !== undefined) throw usageError(`${third} is a third operand.`, 'Write `--` before globs, and quotes around a pattern with blanks.')
  return orTrouble(address, async () => ((await matches(context, pattern, address, options)) > 0 ? 0 : NO_MATCH))
}

async function matches(context: Context, pattern: string, address: string, options: Options): Promise<number> {
  const { volume, ref, path } = await context.side(address ?? '')
  const asked = askedOf(options, context.globs, ref, path)
  const skipped: GrepSkipped = { binary: 0, large: 0 }
  const cairn = await context.cairn()
  const shown: GrepFile[] = []
  let count = 0
  for await (const file of await context.helped(async () => cairn.grep(volume, pattern, asked, skipped))) {
    count += file.matches.length
    if (context.json) shown.push(file)
    else await context.out.lines(linesOf(file, options, asked, context.out))
  }
  if (context.json) await context.result({ volume, pattern, matches: count, files: shown, skipped }, () => [])
  else if (skipped.large > 0) context.out.note(`Not looked at: ${plural(skipped.large, 'file')} over 256 MiB.`)
  return count
}

function askedOf(options: Options, globs: readonly string[], ref: string | undefined, path: string | undefined): GrepOptions {
  const at = typeof options['at'] === 'string' ? options['at'] : ref
  const around = numberOf(options, 'context') ?? 0
  const more = [options['glob']].flat().filter(glob => typeof glob === 'string')
  const maxCount = options['filesWithMatches'] === true ? 1 : numberOf(options, 'maxCount')
  return {
    ignoreCase: options['ignoreCase'] === true,
    fixed: options['fixedStrings'] === true,
    word: options['wordRegexp'] === true,
    invert: options['invertMatch'] === true,
    before: numberOf(options, 'beforeContext') ?? around,
    after: numberOf(options, 'afterContext') ?? around,
    globs: [...globs, ...more],
    gitignore: options['gitignore'] === true,
    ...(maxCount === undefined ? {} : { maxCount }),
    ...(at === undefined ? {} : { ref: at }),
    ...(path === undefined || path === '/' ? {} : { path }),
    ...(typeof options['index'] === 'boolean' ? { index: options['index'] } : {}),
  }
}

function numberOf(options: Options, name: string): number | undefined {
  const text = options[name]
  if (text === undefined) return undefined
  if (typeof text === 'string' && /^\d{1,9}$/.test(text)) return Number(text)
  throw usageError(`'${text}' is no number of lines.`, 'Write a whole number: `-C 3`.')
}

function linesOf(file: GrepFile, options: Options, asked: GrepOptions, out: Output): string[] {
  const path = out.cyan(printable(file.path))
  if (options['filesWithMatches'] === true) return [path]
  if (options['count'] === true) return [`${path}:${file.matches.length}`]
  const numbered = options['lineNumber'] === true
  const all = [
    ...file.matches.map(({ line, text }) => ({ line, text, sign: ':' })),
    ...(file.context ?? []).map(({ line, text }) => ({ line, text, sign: '-' })),
  ]
  all.sort((a, b) => a.line - b.line)
  const around = (asked.before ?? 0) + (asked.after ?? 0) > 0
  return all.flatMap(({ line, text, sign }, at) => {
    const shown = `${path}${sign}${numbered ? `${line}${sign}` : ''}${printable(text)}`
    return around && at > 0 && all[at - 1].line < line - 1 ? ['--', shown] : [shown]
  })
}

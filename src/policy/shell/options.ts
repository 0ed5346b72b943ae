import type { Arg } from '../item.js'

/** How a program that starts another one reads its options. */
export interface OptionRules {
  /** Letters that take no value. */
  flags?: string
  /** Letters that take one, attached or as the next argument. */
  values?: string
  /** Long options without a value, and with one: `--name=x` or `--name x`. */
  long?: readonly string[]
  longValues?: readonly string[]
  /** `-5`. */
  numbers?: true
}

export interface Options {
  /** By letter or long name; the last one counts. True for those without a value. */
  given: Map<string, Arg | true>
  rest: readonly Arg[]
}

/**
 * Options up to the first argument that is none. Undefined when it cannot be told where they end: an option that is not known here, or text that is not known and may be one.
 */
export function readOptions(args: readonly Arg[], rules: OptionRules): Options | undefined {
  const given = new Map<string, Arg | true>()
  let at = 0
  while (at < args.length) {
    const arg = args[at]
    if (typeof arg !== 'string') return undefined
    if (arg === '--') return { given, rest: args.slice(at + 1) }
    if (!arg.startsWith('-') || arg === '-') break
    const used = arg.startsWith('--') ? long(arg.slice(2), args[at + 1], rules, given) : short(arg.slice(1), args[at + 1], rules, given)
    if (used === 0) return undefined
    at += used
  }
  return { given, rest: args.slice(at) }
}

/** How many arguments it takes; 0 for one that is not known. */
function long(text: string, next: Arg | undefined, rules: OptionRules, given: Options['given']): number {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  if (rules.longValues?.includes(name) === true) {
    if (equals >= 0) given.set(name, text.slice(equals + 1))
    else if (next === undefined || (typeof next !== 'string' && next.isMany)) return 0
    else given.set(name, next)
    return equals >= 0 ? 1 : 2
  }
  if (equals >= 0 || rules.long?.includes(name) !== true) return 0
  given.set(name, true)
  return 1
}

function short(text: string, next: Arg | undefined, rules: OptionRules, given: Options['given']): number {
  if (rules.numbers === true && /^\d+$/.test(text)) return 1
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]
    if (rules.flags?.includes(letter) === true) given.set(letter, true)
    else if (rules.values?.includes(letter) !== true) return 0
    else if (i + 1 < text.length) {
      given.set(letter, text.slice(i + 1))
      return 1
    } else if (next === undefined || (typeof next !== 'string' && next.isMany)) return 0
    else {
      given.set(letter, next)
      return 2
    }
  }
  return 1
}

import type { Arg, Item } from './item.js'
import type { TextTest } from './pattern.js'
import { ANY_ARGS, type ArgPattern, type RuleMatch } from './policy.js'
import { systemName } from './shell/programs.js'

/** `maybe`: it depends on what is not known before it runs. */
export type Matched = 'yes' | 'maybe' | 'no'

/** Whether a rule means a command. */
export function matches(match: RuleMatch, item: Item, actor: string, network: boolean): Matched {
  if (item.unknown !== undefined && !match.unknown) return 'no'
  let all = programMatches(match, item.program)
  if (all === 'no') return 'no'
  if (match.network !== undefined && match.network !== network) return 'no'
  if (match.actor !== undefined && !match.actor(actor)) return 'no'
  if (match.cwd !== undefined) all = both(all, cwdMatches(match.cwd, item.cwds))
  if (all === 'no') return 'no'
  if (match.args !== undefined) all = both(all, argsMatch(match.args, item.args))
  if (match.line !== undefined) all = both(all, lineMatches(match.line, item.args))
  if (match.anyArg !== undefined) all = both(all, anyMatches(match.anyArg, item.args))
  if (match.noArg !== undefined) all = both(all, not(anyMatches(match.noArg, item.args)))
  return all
}

function both(a: Matched, b: Matched): Matched {
  if (a === 'no' || b === 'no') return 'no'
  return a === 'yes' ? b : 'maybe'
}

function not(a: Matched): Matched {
  return a === 'maybe' ? a : a === 'yes' ? 'no' : 'yes'
}

/** A name means what PATH and system folders give. A program elsewhere that is called so may be that one: so it is refused like it, and not allowed like it. */
function programMatches({ only, names, programs }: RuleMatch, program: string | undefined): Matched {
  if (names === undefined && programs === undefined) return 'yes'
  if (program === undefined) return 'maybe'
  if (only?.has(program.slice(program.lastIndexOf('/') + 1)) === false) return 'no'
  if (!program.includes('/')) return names?.(program) === true ? 'yes' : 'no'
  if (programs?.(program) === true) return 'yes'
  const ofSystem = systemName(program)
  if (ofSystem !== undefined) return names?.(ofSystem) === true ? 'yes' : 'no'
  return names?.(program.slice(program.lastIndexOf('/') + 1)) === true ? 'maybe' : 'no'
}

function cwdMatches(test: TextTest, cwds: readonly string[] | undefined): Matched {
  if (cwds === undefined) return 'maybe'
  const found = cwds.filter(test).length
  return found === 0 ? 'no' : found === cwds.length ? 'yes' : 'maybe'
}

function lineMatches(test: TextTest, args: readonly Arg[]): Matched {
  if (args.every(arg => typeof arg === 'string')) return test(args.join(' ')) ? 'yes' : 'no'
  return 'maybe'
}

function anyMatches(test: TextTest, args: readonly Arg[]): Matched {
  let all: Matched = 'no'
  for (const arg of args) {
    if (typeof arg !== 'string') all = 'maybe'
    else if (test(arg)) return 'yes'
  }
  return all
}

/** One pattern for each argument. `yes` only if it is so whatever the unknown ones turn out to be. */
function argsMatch(patterns: readonly ArgPattern[], args: readonly Arg[]): Matched {
  const surely = (pattern: ArgPattern, arg: Arg): boolean => {
    if (typeof arg === 'string') return typeof pattern === 'symbol' || pattern(arg)
    return typeof pattern === 'symbol' && !arg.isMany
  }
  const possibly = (pattern: ArgPattern, arg: Arg): boolean => typeof arg !== 'string' || typeof pattern === 'symbol' || pattern(arg)
  if (aligned(patterns, args, surely, false)) return 'yes'
  if (args.every(arg => typeof arg === 'string')) return 'no'
  return aligned(patterns, args, possibly, true) ? 'maybe' : 'no'
}

/** There is a way to lay the arguments along the patterns. @param spreads an argument that may be many may lie along any number of them */
function aligned(patterns: readonly ArgPattern[], args: readonly Arg[], fits: (pattern: ArgPattern, arg: Arg) => boolean, spreads: boolean): boolean {
  let reached = new Uint8Array(patterns.length + 1)
  reached[0] = 1
  skipAny(patterns, reached)
  for (const arg of args) {
    const next = new Uint8Array(patterns.length + 1)
    const isSpread = spreads && typeof arg !== 'string' && arg.isMany
    for (let p = 0; p <= patterns.length; p++) {
      if (reached[p] === 0) continue
      if (isSpread) next.fill(1, p)
      else if (p < patterns.length && patterns[p] === ANY_ARGS) next[p] = 1
      else if (p < patterns.length && fits(patterns[p], arg)) next[p + 1] = 1
    }
    skipAny(patterns, next)
    reached = next
  }
  return reached[patterns.length] === 1
}

/** `**` may also stand for none. */
function skipAny(patterns: readonly ArgPattern[], reached: Uint8Array): void {
  for (let p = 0; p < patterns.length; p++) if (reached[p] === 1 && patterns[p] === ANY_ARGS) reached[p + 1] = 1
}

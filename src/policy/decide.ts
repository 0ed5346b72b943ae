import { limits } from '../sys/index.js'
import { pathGlobs } from './glob.js'
import { type Item, isKnown, typed } from './item.js'
import { strictest, type Verdict } from './limits.js'
import { matches } from './match.js'
import { TooLong } from './pattern.js'
import type { Policy, Rule } from './policy.js'
import type { CommandRequest, Decision, Effect, Judged } from './types.js'

const STRICTNESS: Readonly<Record<Effect, number>> = { allow: 0, checkpoint: 1, ask: 2, deny: 3 }

/**
 * What a policy says to a request. Every command that it runs is judged by the first rule that matches it, and the strictest answer counts; where it depends on
 * what is not known whether a rule matches, the strictest of both cases. What cannot be judged is denied. Nothing is run, and nothing outside is looked at.
 * @param request of whoever asks; its `cwd` is a path of the volume
 * @returns never throws for what a request holds
 */
export async function decide(policy: Policy, request: CommandRequest): Promise<Decision> {
  if (policy.broken !== undefined) return refused(request, policy.broken)
  try {
    // The parser of shell text is loaded when the first command is judged.
    const { commandsOf } = await import('./shell/analysis.js')
    return judge(policy, request, commandsOf(request))
  } catch (error) {
    return refused(request, `It cannot be judged: ${error instanceof Error ? error.message : String(error)}.`)
  }
}

function judge(policy: Policy, request: CommandRequest, items: readonly Item[]): Decision {
  const verdicts = items.map(item => verdictOn(item, policy, request))
  // Text without a command, such as a comment or an assignment, does nothing.
  if (verdicts.length === 0)
    return { effect: 'allow', reason: 'It runs no command.', commands: [], limits: { ...policy.limits, network: policy.limits.network ?? 'none' } }
  const bounds = strictest(verdicts)
  for (const [i, { judged }] of verdicts.entries()) forbidWrites(judged, items[i].writes, bounds)
  const weight = (one: (typeof verdicts)[number]): number => 2 * STRICTNESS[one.judged.effect] + (one.isSoft ? 0 : 1)
  const worst = verdicts.reduce((a, b) => (weight(b) > weight(a) ? b : a))
  const { effect, rule, reason } = worst.judged
  return {
    effect,
    ...(rule === undefined ? {} : { rule }),
    reason,
    commands: verdicts.map(one => one.judged),
    limits: bounds,
  }
}

function refused(request: CommandRequest, reason: string): Decision {
  const text = 'shell' in request.command ? request.command.shell : typed([request.command.program, ...request.command.args])
  const judged: Judged = { text: text.slice(0, limits.judgedTextChars), args: [], effect: 'deny', reason, unknown: reason, within: [] }
  return { effect: 'deny', reason, commands: [judged], limits: { network: 'none', writable: [] } }
}

function verdictOn(item: Item, policy: Policy, request: CommandRequest): Verdict & { judged: Judged } {
  const met = rulesFor(item, policy, request)
  const worst = met.reduce((a, b) => (STRICTNESS[b.effect] > STRICTNESS[a.effect] ? b : a))
  const judged: Judged = {
    text: item.text,
    ...(item.program === undefined ? {} : { program: item.program }),
    args: item.args.map(arg => (typeof arg === 'string' ? arg : `${arg.prefix}…`)),
    ...(isKnown(item.args) ? {} : { inexact: true as const }),
    effect: worst.effect,
    ...(worst.rule === undefined ? {} : { rule: worst.rule.name }),
    reason: reasonOf(worst, item),
    ...(item.unknown === undefined ? {} : { unknown: item.unknown }),
    within: item.within,
  }
  return { judged, limits: met.length === 1 ? met[0].limits : strictest(met), isSoft: met.every(one => one.isSoft) }
}

interface Met extends Verdict {
  effect: Effect
  rule?: Rule
  /** Why a rule could not be tried. */
  problem?: string
}

/** The first rule that matches, and before it those that may. */
function rulesFor(item: Item, policy: Policy, request: CommandRequest): Met[] {
  const met: Met[] = []
  for (const rule of policy.rules) {
    let matched: ReturnType<typeof matches>
    try {
      matched = matches(rule.match, item, request.actor, request.network)
    } catch (error) {
      if (!(error instanceof TooLong)) throw error
      return [...met, { effect: 'deny', rule, limits: rule.limits, isSoft: false, problem: 'An argument is too long to be looked through.' }]
    }
    if (matched === 'no') continue
    met.push({ effect: rule.effect, rule, limits: rule.limits, isSoft: false })
    if (matched === 'yes') return met
  }
  const isSoft = item.isSoft && item.unknown === undefined
  const effect = isSoft ? 'allow' : item.unknown === undefined ? policy.fallback : policy.unknown
  return [...met, { effect, limits: policy.limits, isSoft }]
}

/** A redirection to where nothing may be changed would fail: it is said beforehand. */
function forbidWrites(judged: Judged, writes: readonly string[], bounds: Decision['limits']): void {
  const outside = judged.effect === 'deny' ? undefined : writes.find(path => !mayWrite(path, bounds))
  if (outside === undefined) return
  judged.effect = 'deny'
  judged.reason = `It writes to ${outside}, which it may not.`
}

function mayWrite(path: string, { writable, readOnly, hidden }: Verdict['limits']): boolean {
  if (writable !== undefined && !pathGlobs(writable)(path)) return false
  return !pathGlobs([...(readOnly ?? []), ...(hidden ?? [])])(path)
}

function reasonOf({ rule, problem, effect, isSoft }: Met, item: Item): string {
  if (problem !== undefined) return problem
  const what = item.program === undefined ? 'a command' : `${item.program}${isKnown(item.args) && item.args.length > 0 ? ` ${item.args[0]}` : ''}`
  const name = what.length > 60 ? `${what.slice(0, 59)}…` : what
  // What a rule says of removing, say, is no answer alone to a quotation mark that was forgotten.
  const first = item.unknown === undefined || STRICTNESS[effect] < STRICTNESS.ask ? '' : `It cannot be determined what runs: ${item.unknown}. `
  if (rule?.reason !== undefined) return first + rule.reason
  const does = { allow: 'allows', checkpoint: 'allows, after a checkpoint,', ask: 'asks about', deny: 'denies' }[effect]
  if (rule !== undefined) return `${first}The rule "${rule.name}" ${does} ${name}.`
  if (item.unknown !== undefined) return `It cannot be determined what runs: ${item.unknown}.`
  return isSoft ? `${name} only serves the commands beside it.` : `No rule is about ${name}, and the policy ${does} what no rule is about.`
}
